/* SPDX-License-Identifier: Apache-2.0
 *
 * point/moved.h - where the content of packs went: the empty objects moved/OLD/NEW of a store.
 *
 * A manifest is never changed, so one that names OLD is taken to name every such NEW as well, and so on from there. Nothing is removed because
 * such an object is there: it says what to keep. Whoever writes to the store can make one up, or take one away.
 *
 * Errors: those of the store; CORRUPT: more than the limit. Threads: any, it does not change.
 */
#ifndef HF_POINT_MOVED_H
#define HF_POINT_MOVED_H

#include "point/site.h"

#define HF_MOVED_MAX ((size_t)1 << 22)

struct hf_moved_pair {
    unsigned char old[HF_IMAGE_PACK_ID], new_id[HF_IMAGE_PACK_ID];
};

struct hf_moved {
    struct hf_moved_pair *items; /* sorted: by old, then by new */
    size_t n;
};
void hf_moved_free(struct hf_moved *m); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_moved, hf_moved_free)

/* out is empty before, and to be freed in any case. To be listed behind the condemned packs and before the indexes: what was moved before one was condemned
 * is seen then, and where to. */
int hf_moved_list(struct hf_site *s, struct hf_moved *out, struct hf_err *err) HF_CHECKED;
/* All pairs of this old pack, side by side; NULL: there are none. */
const struct hf_moved_pair *hf_moved_of(const struct hf_moved *m,
                                        const unsigned char old[HF_IMAGE_PACK_ID], size_t *out_n);
bool hf_moved_has(const struct hf_moved *m, const unsigned char old[HF_IMAGE_PACK_ID],
                  const unsigned char new_id[HF_IMAGE_PACK_ID]);

/* What these packs (sorted, each once) stand for: themselves, and all that is reached from them. *out is to be freed in any case; those that were given come first. */
int hf_moved_closure(const struct hf_moved *m, const unsigned char (*packs)[HF_IMAGE_PACK_ID],
                     size_t n, unsigned char (**out)[HF_IMAGE_PACK_ID], size_t *out_n,
                     struct hf_err *err) HF_CHECKED;

#endif

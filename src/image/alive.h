/* SPDX-License-Identifier: Apache-2.0
 *
 * image/alive.h - which records of a store some tree needs, and where else each of them lies.
 *
 * Promise   what a tree needs counts as alive wherever it stands. A tree that cannot be read is an error: then nobody knows what is dead.
 *           A chunk that is in no pack is none: it is counted, for who cares, and found by a verification.
 * Needs     the metadata identity alone. The index as hf_image_refresh left it, and as long as it is not refreshed again.
 * Memory    a bit per record of the index, 40 bytes per segment; per thread some 2 MiB. Each segment is read once, however many trees share it.
 * Threads   hf_image_alive_tree: any. The others: none beside it.
 */
#ifndef HF_IMAGE_ALIVE_H
#define HF_IMAGE_ALIVE_H

#include "image/image.h"

struct hf_image_alive;

struct hf_image_alive *hf_image_alive_new(struct hf_image *im, struct hf_err *err) HF_CHECKED;
void hf_image_alive_free(struct hf_image_alive *a);
HF_DEFINE_AUTO(hf_image_alive, hf_image_alive_free)

/* CORRUPT: a part of the tree is missing or damaged. */
int hf_image_alive_tree(struct hf_image_alive *a, const unsigned char root[HF_IMAGE_ID],
                        struct hf_err *err) HF_CHECKED;
/* Chunks that were needed and are in no pack, as often as a segment names them. */
uint64_t hf_image_alive_missing(const struct hf_image_alive *a);

bool hf_image_alive_has(const struct hf_image_alive *a, enum hf_image_kind kind,
                        const unsigned char id[HF_IMAGE_ID]);

/* ---- where ------------------------------------------------------------------------------ */

/* What each pack is worth, by its number: 0: what lies in it does not count as being there. */
typedef const uint64_t *hf_image_worth;

struct hf_image_alive_sum {
    uint64_t all, alive; /* bytes of records, as they are stored, with their heads */
};
/* One per number of a pack (hf_image_chunks_packs_n of them, all zero before). A record that is needed counts as alive in the pack that is worth
 * most of those that have it, and nowhere else. */
void hf_image_alive_sum(const struct hf_image_alive *a, hf_image_worth worth,
                        struct hf_image_alive_sum *out);
/* The pack that is worth most of those that have this record, but for one; HF_IMAGE_NO_PACK: none that is worth anything. */
uint32_t hf_image_alive_elsewhere(const struct hf_image_alive *a, enum hf_image_kind kind,
                                  const unsigned char id[HF_IMAGE_ID], hf_image_worth worth,
                                  uint32_t but);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * image/rebuild_intern.h - which chunks are read together: the plan of a window of the disk.
 */
#ifndef HF_IMAGE_REBUILD_INTERN_H
#define HF_IMAGE_REBUILD_INTERN_H

#include "image/fetch.h"
#include "image/rebuild.h"

#define REBUILD_WINDOW 65536u
#define REBUILD_JOB_BYTES ((uint64_t)4 << 20) /* of a pack, and of the disk */

struct rebuild_item {
    uint64_t n; /* of the chunk */
    struct hf_image_place place;
};

/* What lies in one pack: items [next, end) are not given to anybody yet. */
struct rebuild_pack {
    size_t next, end;
    bool is_taken; /* a worker is at it */
};

struct rebuild_plan {
    struct rebuild_item *items; /* REBUILD_WINDOW of them; by pack and place in it */
    size_t n_items;
    struct rebuild_pack *packs;
    size_t n_packs, cap_packs;
    uint64_t skipped; /* bytes, since the beginning */
};

int rebuild_plan_init(struct rebuild_plan *p, struct hf_err *err) HF_CHECKED;
void rebuild_plan_free(struct rebuild_plan *p); /* by value */

/* The window from chunk `from` on. */
int rebuild_plan_window(struct rebuild_plan *p, struct hf_image_tree *tree, uint64_t from,
                        const struct hf_image_rebuild_opts *opts, struct hf_err *err) HF_CHECKED;

/* Items [*out_from, *out_from + n) for a worker: of the pack it is at (HF_IMAGE_NO_PACK: none yet), else of one that nobody has begun,
 * else of any. 0: none are left. */
size_t rebuild_plan_next(struct rebuild_plan *p, size_t *pack, size_t *out_from);

#endif

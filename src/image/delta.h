/* SPDX-License-Identifier: Apache-2.0
 *
 * image/delta.h - which parts of a disk have to be read, and which are as the tree of an earlier point has them.
 *
 * The disk is seen in units: whole chunks of every store that takes part, so the largest of their chunks. Each is to be read, or is
 * zero, or is taken from the trees.
 *
 * Promise   a unit is taken from a tree only when nothing of it changed, it lies within the disk of then, and the store has every chunk
 *           of it in a pack that is not condemned. What reads as zeros without having changed is zero whatever the tree says: a disk
 *           that shrank and grew again has lost what was there, and no bitmap tells.
 * Order     dirty and zero first, then against, once per tree; then ranges, and take in ascending order between what is read. A sample of
 *           what would be taken is proven before: bitmaps have been wrong.
 * Memory    two bits per unit. Threads: one.
 */
#ifndef HF_IMAGE_DELTA_H
#define HF_IMAGE_DELTA_H

#include "image/nbd.h"
#include "image/tree.h"
#include "image/writer.h"

struct hf_image_delta;

/* unit: a power of two, and no chunk of a store is larger. */
struct hf_image_delta *hf_image_delta_new(uint64_t disk_bytes, uint32_t unit, struct hf_err *err)
    HF_CHECKED;
void hf_image_delta_free(struct hf_image_delta *d);
HF_DEFINE_AUTO(hf_image_delta, hf_image_delta_free)

/* All that may have changed: to be read. Units that it touches. */
void hf_image_delta_dirty(struct hf_image_delta *d, const struct hf_nbd_ranges *changes);
/* What reads as zeros: units that it covers, unless they are to be read. */
void hf_image_delta_zero(struct hf_image_delta *d, const struct hf_nbd_ranges *holes);
/* What this tree cannot give is to be read as well. CORRUPT: it is damaged; CONFLICT: its chunks are larger than a unit. */
int hf_image_delta_against(struct hf_image_delta *d, struct hf_image *im, struct hf_image_tree *t,
                           struct hf_err *err) HF_CHECKED;

#define HF_IMAGE_DELTA_SAMPLE 3
/* Units that would be taken, and hold data: the first, one in the middle, the last. How many there are. The last one is where a disk was cut that
 * was made smaller and larger again: behind it nothing is left that did not change since. */
size_t hf_image_delta_sample(const struct hf_image_delta *d, uint64_t out[HF_IMAGE_DELTA_SAMPLE]);
/* The first unit that would be taken and that the other disk's tree has otherwise: where it would show that this is a copy of the other,
 * bitmap and all. *out_found false: none, so it would not matter. */
int hf_image_delta_unlike(const struct hf_image_delta *d, struct hf_image_tree *t,
                          struct hf_image_tree *other, uint64_t *out_unit, bool *out_found,
                          struct hf_err *err) HF_CHECKED;
/* Is this unit, read from the disk, what the tree has? */
int hf_image_delta_prove(const struct hf_image_delta *d, struct hf_image *im,
                         struct hf_image_tree *t, struct hf_nbd *n, uint64_t unit, bool *out_is_so,
                         struct hf_err *err) HF_CHECKED;

/* What is to be read, ascending, neighbours joined. *out_bytes: how much. */
int hf_image_delta_ranges(const struct hf_image_delta *d, struct hf_nbd_ranges *out,
                          uint64_t *out_bytes, struct hf_err *err) HF_CHECKED;
/* Tells the writer of what lies in [from, to), which begins and ends with units, and of which nothing is to be read. */
int hf_image_delta_take(const struct hf_image_delta *d, struct hf_image_tree *t,
                        struct hf_image_writer *w, uint64_t from, uint64_t to, struct hf_err *err)
    HF_CHECKED;

#endif

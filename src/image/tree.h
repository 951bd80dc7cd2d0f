/* SPDX-License-Identifier: Apache-2.0
 *
 * image/tree.h - a disk's tree: from its root to the ids of its chunks. Needs the metadata identity only.
 *
 * Memory: 32 bytes per segment, and up to 512 segments of 8 KiB that stay. Errors: CORRUPT, root or segment missing or damaged, with its
 * place. Threads: any.
 */
#ifndef HF_IMAGE_TREE_H
#define HF_IMAGE_TREE_H

#include "image/image.h"

struct hf_image_tree;

struct hf_image_tree *hf_image_tree_open(struct hf_image *im, const unsigned char root[HF_IMAGE_ID],
                                         struct hf_err *err) HF_CHECKED;
void hf_image_tree_close(struct hf_image_tree *t);
HF_DEFINE_AUTO(hf_image_tree, hf_image_tree_close)

const struct hf_image_shape *hf_image_tree_shape(const struct hf_image_tree *t);
/* Of chunk n, which lies on the disk; hf_image_hole: a hole. */
int hf_image_tree_id(struct hf_image_tree *t, uint64_t n, unsigned char out[HF_IMAGE_ID],
                     struct hf_err *err) HF_CHECKED;
/* Where chunk n lies; *out_is_hole: nowhere. A pack that is not condemned is preferred. CORRUPT: in no pack, or with another length. */
int hf_image_tree_place(struct hf_image_tree *t, uint64_t n, bool *out_is_hole,
                        struct hf_image_place *out, struct hf_err *err) HF_CHECKED;
/* The id of segment n, while t is open. */
const unsigned char *hf_image_tree_segment(const struct hf_image_tree *t, uint64_t n);
/* From chunk n on: how many are alike, holes or not. Stops early at the end of a segment of data. */
int hf_image_tree_run(struct hf_image_tree *t, uint64_t n, bool *out_is_hole, uint64_t *out_count,
                      struct hf_err *err) HF_CHECKED;
/* What lies at this byte of the disk, and for how many (to its end at most). */
int hf_image_tree_extent(struct hf_image_tree *t, uint64_t at, bool *out_is_hole, uint64_t *out_len,
                         struct hf_err *err) HF_CHECKED;

#endif

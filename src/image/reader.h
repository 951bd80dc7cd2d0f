/* SPDX-License-Identifier: Apache-2.0
 *
 * image/reader.h - a disk, from its root: read at any place.
 *
 * Promise   what is read is what was written, byte for byte, proven by the ids in the tree; else CORRUPT with the place on the disk and
 *           the pack. Reading on where the last read ended is noticed: then batches of 4 MiB are fetched ahead by threads.
 * Memory    ahead_bytes (32 MiB), a range of 8 MiB per thread, 16 chunks, and the tree's.
 * Errors    CORRUPT; AUTH: the store is encrypted and has no identity here; those of the store.
 * Threads   one at a time per reader.
 */
#ifndef HF_IMAGE_READER_H
#define HF_IMAGE_READER_H

#include "image/tree.h"
#include "io/source.h"

struct hf_image_reader;

struct hf_image_reader_opts {
    unsigned threads;   /* 0: 4, at most 16 */
    size_t ahead_bytes; /* 0: 32 MiB */
};

struct hf_image_reader *hf_image_read_open(struct hf_image *im,
                                           const unsigned char root[HF_IMAGE_ID],
                                           const struct hf_image_reader_opts *opts,
                                           struct hf_err *err) HF_CHECKED;
void hf_image_read_close(struct hf_image_reader *r);
HF_DEFINE_AUTO(hf_image_reader, hf_image_read_close)

/* The disk as a source: the reader itself. Closing it closes the reader, so only one of the two. */
struct hf_io_source *hf_image_reader_source(struct hf_image_reader *r);
struct hf_image_tree *hf_image_reader_tree(struct hf_image_reader *r);

/* What lies at this place of the disk, and for how many bytes (to its end at most). */
int hf_image_reader_extent(struct hf_image_reader *r, uint64_t at, bool *out_is_hole,
                           uint64_t *out_len, struct hf_err *err) HF_CHECKED;

#endif

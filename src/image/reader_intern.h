/* SPDX-License-Identifier: Apache-2.0
 *
 * image/reader_intern.h - batches of chunks, fetched ahead.
 */
#ifndef HF_IMAGE_READER_INTERN_H
#define HF_IMAGE_READER_INTERN_H

#include "image/fetch.h"
#include "image/image_intern.h"
#include "image/reader.h"

#include <pthread.h>

#define HF_IMAGE_BATCH_BYTES ((uint32_t)4 << 20)
#define HF_IMAGE_AHEAD_MAX 64
#define HF_IMAGE_READ_THREADS_MAX 16

struct hf_image_ahead;

struct hf_image_ahead_opts {
    struct hf_image *im;
    struct hf_image_tree *tree;
    unsigned threads;
    size_t batches; /* in memory */
};

/* The threads are started with the first call of read. */
struct hf_image_ahead *hf_image_ahead_new(const struct hf_image_ahead_opts *opts,
                                          struct hf_err *err) HF_CHECKED;
void hf_image_ahead_free(struct hf_image_ahead *a);
HF_DEFINE_AUTO(hf_image_ahead, hf_image_ahead_free)

/* At most to the end of the batch: *out_n. Asks for the batches behind it. A batch that failed: its error. */
int hf_image_ahead_read(struct hf_image_ahead *a, uint64_t at, void *buf, size_t len, size_t *out_n,
                        struct hf_err *err) HF_CHECKED;

/* Chunks of a disk, side by side, into out; holes are zeros. */
int hf_image_read_chunks(struct hf_image_tree *tree, struct hf_image_fetch *f, uint64_t first,
                         uint32_t n, unsigned char *out, struct hf_err *err) HF_CHECKED;
/* Chunk n for a fetch: w->out gets zeros, and nothing is to be fetched, where it is a hole. */
int hf_image_want_chunk(struct hf_image_tree *tree, uint64_t n, struct hf_image_want *w,
                        bool *is_wanted, struct hf_err *err) HF_CHECKED;

#endif

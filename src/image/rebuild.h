/* SPDX-License-Identifier: Apache-2.0
 *
 * image/rebuild.h - a whole disk out of its packs, by several threads: for who wants all of it, and in any order.
 *
 * Promise   each chunk that is neither hole nor zero nor done already is handed over once, whole, proven by its id. Holes are never
 *           handed over: what they go to has to read as zeros there.
 * Order     by packs, not by places: in each window of 65,536 chunks of the disk each pack is read once, from front to end, by one
 *           worker, in ranges of up to 4 MiB. So a disk whose chunks come from many points is few, large requests, too.
 * Memory    per worker (8 at most) a range, its content, and the packs that its fetcher keeps open: 10 MiB; 5 MiB for the window; the
 *           tree's. Not more than 96 MiB with the usual chunks, 128 MiB with the largest.
 * Errors    CORRUPT names place and pack of a chunk that is lost; AUTH; those of the store and of `put`. The first one ends it.
 * Threads   `put` is called by several at once, `tick` and `is_done` by the caller's. A disk is rebuilt once at a time per image.
 */
#ifndef HF_IMAGE_REBUILD_H
#define HF_IMAGE_REBUILD_H

#include "image/tree.h"

#define HF_IMAGE_REBUILD_WORKERS_MAX 8u

struct hf_image_rebuilt {
    uint64_t chunks, bytes; /* handed over */
    uint64_t skipped;       /* bytes that were done already */
    uint64_t fetched;       /* of the packs' content */
    uint64_t before;        /* of all chunks below this one nothing is to come any more */
};

struct hf_image_rebuild_opts {
    unsigned workers; /* 0: one more than processors, 4 at least */
    void *ctx;
    /* Bytes that lie side by side on the disk, whole chunks of it, 4 MiB at most (or one chunk). worker: who calls, below `workers`. */
    int (*put)(void *ctx, unsigned worker, uint64_t at, const void *data, size_t len,
               struct hf_err *err);
    bool (*is_done)(void *ctx, uint64_t chunk); /* NULL: none is */
    /* About ten times a second while the workers work, and at least once. so_far.chunks counts what was put. NULL: not. */
    int (*tick)(void *ctx, const struct hf_image_rebuilt *so_far, struct hf_err *err);
};

/* *out also when it fails: what was handed over until then. */
int hf_image_rebuild(struct hf_image *im, struct hf_image_tree *tree,
                     const struct hf_image_rebuild_opts *opts, struct hf_image_rebuilt *out,
                     struct hf_err *err) HF_CHECKED;
/* How many workers there will be. Processors come and go: who needs to know sets `workers` to it. */
unsigned hf_image_rebuild_workers(const struct hf_image_rebuild_opts *opts);

#endif

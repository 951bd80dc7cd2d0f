/* SPDX-License-Identifier: Apache-2.0
 *
 * image/cache.h - a disk, from its root: read by many at once, at any places, through one cache of its chunks.
 *
 * Promise   what is read is what was written, proven by the ids in the tree; else CORRUPT with the place on the disk and the pack. A chunk is
 *           fetched once, however many ask for it: they wait for the same fetch, and get the same error. Nothing of an error stays: who
 *           asks again has it fetched again.
 * Ahead     up to 16 readers that go on (requests may come out of order, and leap over holes) are told apart: what comes next is fetched
 *           in ranges of 4 MiB, twice as much as was read so far, up to ahead_bytes each and half of the cache for all.
 * Memory    the chunks: `bytes` and never more. Beside it per thread a range of some 4 MiB, and the tree's.
 * Errors    CORRUPT; AUTH: the store is encrypted and has no identity here; those of the store, after its own patience.
 * Threads   any; open and close: one, when nobody reads.
 */
#ifndef HF_IMAGE_CACHE_H
#define HF_IMAGE_CACHE_H

#include "image/tree.h"

#define HF_IMAGE_CACHE_BYTES ((size_t)128 << 20)
#define HF_IMAGE_CACHE_CHUNKS_MIN 8

struct hf_image_cache;

struct hf_image_cache_opts {
    size_t bytes;       /* 0: 128 MiB; 8 chunks at least */
    size_t ahead_bytes; /* 0: 32 MiB */
    unsigned threads;   /* that fetch; half of them ahead. 0: 16, at most 32 */
};

struct hf_image_cache *hf_image_cache_open(struct hf_image *im,
                                           const unsigned char root[HF_IMAGE_ID],
                                           const struct hf_image_cache_opts *opts,
                                           struct hf_err *err) HF_CHECKED;
/* Waits for what is being fetched: the image's cancel makes that short. */
void hf_image_cache_close(struct hf_image_cache *c);
HF_DEFINE_AUTO(hf_image_cache, hf_image_cache_close)

const struct hf_image_shape *hf_image_cache_shape(const struct hf_image_cache *c);

/* The whole lies on the disk. */
int hf_image_cache_read(struct hf_image_cache *c, uint64_t at, void *buf, size_t len,
                        struct hf_err *err) HF_CHECKED;
/* Somebody will read here: it is fetched, as much as there is room for, and not waited for. */
int hf_image_cache_want(struct hf_image_cache *c, uint64_t at, uint64_t len, struct hf_err *err)
    HF_CHECKED;
/* What lies at this place of the disk, and for how many bytes (to its end at most). */
int hf_image_cache_extent(struct hf_image_cache *c, uint64_t at, bool *out_is_hole,
                          uint64_t *out_len, struct hf_err *err) HF_CHECKED;

struct hf_image_cache_facts {
    uint64_t fetched; /* chunks, from the store */
    size_t held_bytes, max_bytes;
};
void hf_image_cache_facts(struct hf_image_cache *c, struct hf_image_cache_facts *out);

#endif

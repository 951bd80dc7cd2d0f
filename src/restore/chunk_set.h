/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/chunk_set.h - which chunks of a disk are there: a bit each, 32 MiB for the largest disk. Threads: one at a time.
 */
#ifndef HF_RESTORE_CHUNK_SET_H
#define HF_RESTORE_CHUNK_SET_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct hf_chunk_set {
    uint64_t n; /* chunks of the disk */
    unsigned char *bits;
};

/* Empty. */
int hf_chunk_set_init(struct hf_chunk_set *s, uint64_t n, struct hf_err *err) HF_CHECKED;
void hf_chunk_set_free(struct hf_chunk_set *s); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_chunk_set, hf_chunk_set_free)

/* [from, to), cut to the disk. */
void hf_chunk_set_add(struct hf_chunk_set *s, uint64_t from, uint64_t to);
bool hf_chunk_set_has(const struct hf_chunk_set *s, uint64_t chunk);
/* Of the same size. */
void hf_chunk_set_copy(struct hf_chunk_set *to, const struct hf_chunk_set *from);
/* The next run of chunks that are there, at or behind `from`. False: none. */
bool hf_chunk_set_run(const struct hf_chunk_set *s, uint64_t from, uint64_t *out_from,
                      uint64_t *out_to);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * image/nbd.h - a disk that a hypervisor exports over NBD, read in order with many requests in flight.
 *
 * Order      blocks come in ascending order, without a gap inside a range; holes are told, not read.
 * Memory     requests x request_bytes, and what one answer about holes may hold (100 KiB); nothing grows with the disk.
 * Deadlines  each answer has timeout_ms from the moment its request was sent; TIMEOUT names the offset.
 * Errors     "read at offset N: why"; the server's own word where it gave one. After an error the connection is of no more use.
 * Threads    one caller at a time; callbacks run in the caller. No thread of its own.
 * Trust      the server may lie: sizes, extents and counts are checked against what was asked. What it calls a hole is
 *            believed to read as zeros.
 */
#ifndef HF_IMAGE_NBD_H
#define HF_IMAGE_NBD_H

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_NBD_REQUESTS 16
#define HF_NBD_REQUEST_BYTES ((size_t)256 << 10)

struct hf_nbd;

struct hf_nbd_opts {
    const char *uri; /* nbd+unix:///EXPORT?socket=PATH; nothing but a socket of this host */
    const char *allocation_ctx; /* of holes; NULL, or unknown to the server: everything is read */
    const char *dirty_ctx;      /* of changes; NULL: none. Unknown to the server: NOT_FOUND */
    unsigned requests;          /* in flight; 0: HF_NBD_REQUESTS, at most 64 */
    size_t request_bytes;       /* 0: HF_NBD_REQUEST_BYTES, at most 32 MiB */
    int64_t timeout_ms;         /* 0: 60 s */
    const struct hf_clock *clock;
    struct hf_cancel *cancel; /* may be NULL */
};

/* Connects. UNREACHABLE, TIMEOUT, NOT_FOUND (no such export, no such context), CONFIG. */
struct hf_nbd *hf_nbd_open(const struct hf_nbd_opts *opts, struct hf_err *err) HF_CHECKED;
void hf_nbd_close(struct hf_nbd *n); /* takes NULL */
HF_DEFINE_AUTO(hf_nbd, hf_nbd_close)

uint64_t hf_nbd_size(const struct hf_nbd *n);
bool hf_nbd_knows_changes(const struct hf_nbd *n); /* it was opened with dirty_ctx */

struct hf_nbd_range {
    uint64_t from, to; /* from < to */
};
struct hf_nbd_ranges {
    struct hf_nbd_range *items;
    size_t n;
};
void hf_nbd_ranges_free(struct hf_nbd_ranges *r);
HF_DEFINE_AUTO_VALUE(hf_nbd_ranges, hf_nbd_ranges_free)
/* Behind those that are there; one that touches the last is joined to it. */
int hf_nbd_ranges_add(struct hf_nbd_ranges *r, uint64_t from, uint64_t to, struct hf_err *err)
    HF_CHECKED;

/* data NULL: len zero bytes. At most request_bytes of data at a time, valid during the call; a hole may be longer. -1 ends the
 * reading with the callback's error. */
typedef int (*hf_nbd_cb)(void *ctx, uint64_t offset, const void *data, uint64_t len,
                         struct hf_err *err);

/* The ranges in their order (ascending, not overlapping, within the disk), as one stream: no pause between them. */
int hf_nbd_read(struct hf_nbd *n, const struct hf_nbd_range *ranges, size_t n_ranges,
                hf_nbd_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;
/* What the dirty context calls changed within the first `size` bytes, rounded outwards to whole `unit`s (the last one may
 * be cut by the size), neighbours joined. Bounded by size / unit. */
int hf_nbd_changes(struct hf_nbd *n, uint64_t size, uint64_t unit, struct hf_nbd_ranges *out,
                   struct hf_err *err) HF_CHECKED;
/* What the allocation context calls zero there, rounded inwards. No such context: none. */
int hf_nbd_holes(struct hf_nbd *n, uint64_t size, uint64_t unit, struct hf_nbd_ranges *out,
                 struct hf_err *err) HF_CHECKED;

#endif

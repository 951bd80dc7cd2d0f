/* SPDX-License-Identifier: Apache-2.0
 *
 * image/nbd_intern.h - the connection, and questions about extents.
 */
#ifndef HF_IMAGE_NBD_INTERN_H
#define HF_IMAGE_NBD_INTERN_H

#include "image/nbd.h"

#include <libnbd.h>
#include <stdbool.h>

#define NBD_EXTENTS_MAX 4096

struct nbd_extent {
    uint64_t from, to;
    uint32_t flags;
};

/* One question about extents, and its answer. */
struct nbd_map {
    const char *context;
    uint64_t from, to; /* what was asked */
    struct nbd_extent items[NBD_EXTENTS_MAX];
    size_t n;
    bool is_asked, is_answered, is_nonsense;
    int error; /* errno of the server's answer */
    int64_t deadline_ms;
};

struct hf_nbd {
    struct nbd_handle *h;
    const struct hf_clock *clock;
    struct hf_cancel *cancel;
    char *allocation_ctx, *dirty_ctx;
    unsigned requests;
    size_t request_bytes;
    int64_t timeout_ms;
    uint64_t size;
    struct nbd_map map; /* one question at a time */
};

/* Waits for something to happen on the connection, until the deadline at the most. CANCELLED; UNREACHABLE: it broke. 0 says
 * nothing about what happened. */
int nbd_wait(struct hf_nbd *n, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
/* The connection is closed: answers may still be on their way into memory that its owner is about to free. */
void nbd_give_up(struct hf_nbd *n);
/* UNREACHABLE after that. */
int nbd_check_open(const struct hf_nbd *n, struct hf_err *err) HF_CHECKED;
/* Of libnbd's last error in this thread. Returns -1. */
int nbd_fail(struct hf_err *err, const char *what, uint64_t offset);

/* Asks about [from, to) (cut to what one question may cover) without waiting. */
int nbd_map_ask(struct hf_nbd *n, const char *context, uint64_t from, uint64_t to,
                struct hf_err *err) HF_CHECKED;
/* After is_answered: the extents cover [map.from, …) without gap, at least one byte. */
int nbd_map_take(struct hf_nbd *n, struct hf_err *err) HF_CHECKED;

#endif

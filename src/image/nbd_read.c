/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk passes through a ring of slots, each a piece of data that was asked for, or a hole. New pieces enter behind as
 * long as there is a free slot and the map ahead is known; the oldest leaves in front once its data is there.
 */
#include "image/nbd_intern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    uint64_t from, to;
    unsigned char *data; /* request_bytes */
    bool is_hole, is_done;
    int error;
    int64_t deadline_ms;
};

struct reading {
    struct hf_nbd *n;
    struct slot *slots;
    unsigned char *memory;
    size_t first, used;

    const struct hf_nbd_range *ranges;
    size_t n_ranges, range;
    uint64_t at;   /* the next byte to enter, in ranges[range] */
    size_t extent; /* of the map, that holds `at` */
    bool has_map;
};

static void reading_drop(struct reading *r)
{
    free(r->slots);
    free(r->memory);
}
HF_DEFINE_AUTO_VALUE(reading, reading_drop)

static struct slot *slot_at(struct reading *r, size_t i)
{
    return &r->slots[(r->first + i) % r->n->requests];
}

static int take_data(void *ctx, int *error)
{
    struct slot *s = ctx;
    s->error = *error;
    s->is_done = true;
    return 1; /* the command is retired */
}

static int ask(struct reading *r, struct slot *s, struct hf_err *err)
{
    nbd_completion_callback end = {.callback = take_data, .user_data = s};
    s->deadline_ms = hf_clock_mono_ms(r->n->clock) + r->n->timeout_ms;
    if (nbd_aio_pread(r->n->h, s->data, (size_t)(s->to - s->from), s->from, end, 0) < 0)
        return nbd_fail(err, "read", s->from);
    return 0;
}

/* [at, to) enters, as much of it as one slot takes. */
static int enter(struct reading *r, uint64_t to, bool is_hole, struct hf_err *err)
{
    struct slot *s = slot_at(r, r->used++);
    if (!is_hole && to - r->at > r->n->request_bytes)
        to = r->at + r->n->request_bytes;
    *s = (struct slot){
        .from = r->at, .to = to, .data = s->data, .is_hole = is_hole, .is_done = is_hole};
    r->at = to;
    return is_hole ? 0 : ask(r, s, err);
}

static bool next_range(struct reading *r)
{
    while (r->range < r->n_ranges && r->at >= r->ranges[r->range].to)
        if (++r->range < r->n_ranges)
            r->at = r->ranges[r->range].from;
    return r->range < r->n_ranges;
}

/* The extent that holds `at`; NULL: the map does not reach it yet, or ends before. */
static const struct nbd_extent *extent_here(struct reading *r)
{
    const struct nbd_map *m = &r->n->map;
    if (!r->has_map)
        return NULL;
    while (r->extent < m->n && m->items[r->extent].to <= r->at)
        r->extent++;
    return r->extent < m->n && m->items[r->extent].from <= r->at ? &m->items[r->extent] : NULL;
}

static int look_ahead(struct reading *r, struct hf_err *err)
{
    struct hf_nbd *n = r->n;
    if (n->map.is_asked && n->map.is_answered) {
        if (nbd_map_take(n, err) != 0)
            return -1;
        r->has_map = true;
        r->extent = 0;
    } else if (!n->map.is_asked) {
        r->has_map = false;
        return nbd_map_ask(n, n->allocation_ctx, r->at, n->size, err);
    }
    return 0;
}

/* Fills free slots while it is known what comes. */
static int fill(struct reading *r, struct hf_err *err)
{
    while (r->used < r->n->requests && next_range(r)) {
        uint64_t to = r->ranges[r->range].to;
        const struct nbd_extent *e = NULL;
        if (r->n->allocation_ctx) {
            e = extent_here(r);
            if (!e && look_ahead(r, err) != 0)
                return -1;
            if (!e && !(e = extent_here(r)))
                return 0; /* the answer is awaited */
            to = e->to < to ? e->to : to;
        }
        if (enter(r, to, e && e->flags & LIBNBD_STATE_ZERO, err) != 0)
            return -1;
    }
    return 0;
}

static bool is_lost(int error)
{
    return error == ENOTCONN || error == EPIPE || error == ECONNRESET || error == ESHUTDOWN;
}

static int check_first(struct reading *r, const struct slot *s, struct hf_err *err)
{
    if (s->error)
        return hf_fail(err, is_lost(s->error) ? HF_E_UNREACHABLE : HF_E_PLUGIN,
                       "read at offset %llu: %s", (unsigned long long)s->from, strerror(s->error));
    if (!s->is_done && hf_clock_mono_ms(r->n->clock) >= s->deadline_ms)
        return hf_fail(err, HF_E_TIMEOUT, "read at offset %llu: no answer",
                       (unsigned long long)s->from);
    return 0;
}

static int deliver(struct reading *r, hf_nbd_cb emit, void *ctx, struct hf_err *err)
{
    for (; r->used; r->first = (r->first + 1) % r->n->requests, r->used--) {
        const struct slot *s = slot_at(r, 0);
        if (check_first(r, s, err) != 0)
            return -1;
        if (!s->is_done)
            return 0;
        if (emit(ctx, s->from, s->is_hole ? NULL : s->data, s->to - s->from, err) != 0)
            return -1;
    }
    return 0;
}

/* The oldest request decides: the others were sent later. */
static int wait_for_answer(struct reading *r, struct hf_err *err)
{
    int64_t deadline = r->used ? slot_at(r, 0)->deadline_ms : r->n->map.deadline_ms;
    if (!r->used && hf_clock_mono_ms(r->n->clock) >= deadline)
        return hf_fail(err, HF_E_TIMEOUT, "question about holes at offset %llu: no answer",
                       (unsigned long long)r->n->map.from);
    if (nbd_wait(r->n, deadline, err) == 0)
        return 0;
    return err->cls == HF_E_UNREACHABLE
               ? hf_wrap(err, "read at offset %llu",
                         (unsigned long long)(r->used ? slot_at(r, 0)->from : r->at))
               : -1;
}

static int check_ranges(const struct hf_nbd *n, const struct hf_nbd_range *ranges, size_t n_ranges,
                        struct hf_err *err)
{
    uint64_t behind = 0;
    for (size_t i = 0; i < n_ranges; behind = ranges[i++].to)
        if (ranges[i].from < behind || ranges[i].to <= ranges[i].from || ranges[i].to > n->size)
            return hf_fail(err, HF_E_INTERNAL, "no order in the ranges to be read, or beyond %llu",
                           (unsigned long long)n->size);
    return 0;
}

static int reading_start(struct reading *r, struct hf_err *err)
{
    r->slots = calloc(r->n->requests, sizeof *r->slots);
    r->memory = malloc(r->n->requests * r->n->request_bytes);
    if (!r->slots || !r->memory)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < r->n->requests; i++)
        r->slots[i].data = r->memory + i * r->n->request_bytes;
    r->at = r->n_ranges ? r->ranges[0].from : 0;
    return 0;
}

static int run(struct reading *r, hf_nbd_cb emit, void *ctx, struct hf_err *err)
{
    for (;;) {
        if (hf_cancel_check(r->n->cancel, err) != 0 || fill(r, err) != 0)
            return -1;
        size_t before = r->used;
        if (deliver(r, emit, ctx, err) != 0)
            return -1;
        if (!r->used && !next_range(r))
            return 0;
        if (r->used == before && wait_for_answer(r, err) != 0)
            return -1;
    }
}

int hf_nbd_read(struct hf_nbd *n, const struct hf_nbd_range *ranges, size_t n_ranges,
                hf_nbd_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTO(reading) struct reading r = {.n = n, .ranges = ranges, .n_ranges = n_ranges};
    if (nbd_check_open(n, err) != 0 || check_ranges(n, ranges, n_ranges, err) != 0 ||
        reading_start(&r, err) != 0)
        return -1;
    if (run(&r, emit, ctx, err) == 0)
        return 0;
    nbd_give_up(n);
    return -1;
}

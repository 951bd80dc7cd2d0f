/* SPDX-License-Identifier: Apache-2.0 */
#include "image/nbd_intern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUESTION_MAX                                                                               \
    ((uint64_t)2 << 30) /* what one question covers: below 4 GiB by the protocol, and even */
#define DIRTY 1         /* flag of QEMU's bitmaps */

/* entries: length and flags, in turn. They begin where was asked; the last may reach beyond. */
static int take_extents(void *ctx, const char *context, uint64_t offset, uint32_t *entries,
                        size_t n, int *error)
{
    struct nbd_map *m = ctx;
    (void)error;
    if (strcmp(context, m->context) != 0)
        return 0;
    m->is_nonsense |= offset != m->from || m->n;
    for (size_t i = 0; i + 1 < n && m->n < NBD_EXTENTS_MAX && offset < m->to; i += 2) {
        uint64_t to = offset + entries[i];
        m->is_nonsense |= !entries[i];
        m->items[m->n++] = (struct nbd_extent){offset, to < m->to ? to : m->to, entries[i + 1]};
        offset = to;
    }
    return 0;
}

static int take_end(void *ctx, int *error)
{
    struct nbd_map *m = ctx;
    m->error = *error;
    m->is_answered = true;
    return 1; /* the command is retired */
}

int nbd_map_ask(struct hf_nbd *n, const char *context, uint64_t from, uint64_t to,
                struct hf_err *err)
{
    struct nbd_map *m = &n->map;
    if (to - from > QUESTION_MAX)
        to = from + QUESTION_MAX;
    m->context = context;
    m->from = from;
    m->to = to;
    m->n = 0;
    m->error = 0;
    m->is_answered = m->is_nonsense = false;
    m->is_asked = true;
    m->deadline_ms = hf_clock_mono_ms(n->clock) + n->timeout_ms;
    nbd_extent_callback each = {.callback = take_extents, .user_data = m};
    nbd_completion_callback end = {.callback = take_end, .user_data = m};
    if (nbd_aio_block_status(n->h, to - from, from, each, end, 0) < 0)
        return nbd_fail(err, "question about holes", from);
    return 0;
}

int nbd_map_take(struct hf_nbd *n, struct hf_err *err)
{
    struct nbd_map *m = &n->map;
    m->is_asked = false;
    if (m->error)
        return hf_fail(err, HF_E_PLUGIN, "question about holes at offset %llu: %s",
                       (unsigned long long)m->from, strerror(m->error));
    if (m->is_nonsense || !m->n)
        return hf_fail(err, HF_E_CORRUPT, "question about holes at offset %llu: a senseless answer",
                       (unsigned long long)m->from);
    return 0;
}

void hf_nbd_ranges_free(struct hf_nbd_ranges *r)
{
    free(r->items);
    *r = (struct hf_nbd_ranges){0};
}

static int wait_for_map(struct hf_nbd *n, struct hf_err *err)
{
    while (!n->map.is_answered) {
        if (hf_clock_mono_ms(n->clock) >= n->map.deadline_ms)
            return hf_fail(err, HF_E_TIMEOUT, "question about changes at offset %llu: no answer",
                           (unsigned long long)n->map.from);
        if (nbd_wait(n, n->map.deadline_ms, err) != 0)
            return -1;
    }
    return nbd_map_take(n, err);
}

int hf_nbd_ranges_add(struct hf_nbd_ranges *r, uint64_t from, uint64_t to, struct hf_err *err)
{
    if (r->n && from <= r->items[r->n - 1].to) {
        if (to > r->items[r->n - 1].to)
            r->items[r->n - 1].to = to;
        return 0;
    }
    if (!(r->n & (r->n - 1))) { /* full: the capacity is a power of two */
        void *grown = reallocarray(r->items, r->n ? 2 * r->n : 1, sizeof *r->items);
        if (!grown)
            return hf_fail_nomem(err);
        r->items = grown;
    }
    r->items[r->n++] = (struct hf_nbd_range){from, to};
    return 0;
}

/* One extent after the other, whole units or not: what joins is one run, and is rounded when it ends. */
struct collecting {
    uint64_t size, unit;
    uint32_t flag;
    bool is_inward;
    struct nbd_extent run; /* from == to: none */
    struct hf_nbd_ranges *out;
};

static int end_run(struct collecting *c, struct hf_err *err)
{
    uint64_t from = c->run.from, to = c->run.to, up = c->unit - 1;
    c->run.from = c->run.to = 0;
    if (c->is_inward) {
        from = (from + up) / c->unit * c->unit;
        to = to == c->size ? to : to / c->unit * c->unit;
    } else if (to > from) {
        from = from / c->unit * c->unit;
        to = (to + up) / c->unit * c->unit;
    }
    if (to > c->size)
        to = c->size;
    return from < to ? hf_nbd_ranges_add(c->out, from, to, err) : 0;
}

static int take_extent(struct collecting *c, const struct nbd_extent *e, struct hf_err *err)
{
    if (!(e->flags & c->flag))
        return end_run(c, err);
    if (c->run.from == c->run.to)
        c->run = *e;
    c->run.to = e->to;
    return 0;
}

static int collect(struct hf_nbd *n, const char *context, struct collecting *c, struct hf_err *err)
{
    for (uint64_t at = 0; at < c->size; at = n->map.items[n->map.n - 1].to) {
        if (nbd_map_ask(n, context, at, c->size, err) != 0 || wait_for_map(n, err) != 0)
            return -1;
        for (size_t i = 0; i < n->map.n; i++)
            if (take_extent(c, &n->map.items[i], err) != 0)
                return -1;
    }
    return end_run(c, err);
}

static int ask_all(struct hf_nbd *n, const char *context, struct collecting *c, struct hf_err *err)
{
    if (!c->unit || c->size > n->size)
        return hf_fail(err, HF_E_INTERNAL, "extents beyond a disk, or in no units");
    if (nbd_check_open(n, err) != 0)
        return -1;
    if (collect(n, context, c, err) == 0)
        return 0;
    if (n->h)
        nbd_give_up(n);
    return -1;
}

int hf_nbd_changes(struct hf_nbd *n, uint64_t size, uint64_t unit, struct hf_nbd_ranges *out,
                   struct hf_err *err)
{
    struct collecting c = {.size = size, .unit = unit, .flag = DIRTY, .out = out};
    if (!n->dirty_ctx)
        return hf_fail(err, HF_E_INTERNAL, "changes of a disk without such a context");
    return ask_all(n, n->dirty_ctx, &c, err);
}

int hf_nbd_holes(struct hf_nbd *n, uint64_t size, uint64_t unit, struct hf_nbd_ranges *out,
                 struct hf_err *err)
{
    struct collecting c = {
        .size = size, .unit = unit, .flag = LIBNBD_STATE_ZERO, .is_inward = true, .out = out};
    return n->allocation_ctx ? ask_all(n, n->allocation_ctx, &c, err) : 0;
}

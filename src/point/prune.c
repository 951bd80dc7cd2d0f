/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "point/prune_intern.h"

#include <stdlib.h>
#include <string.h>

#define LOCK "prune"

static int begin(struct hf_prune *p, struct hf_err *err)
{
    if (p->opts.is_dry)
        return 0;
    p->lock = hf_vmlock_take(p->site->dir, LOCK, p->opts.run_id, err);
    return p->lock ? hf_prune_finish_dead(p, err) : hf_wrap(err, "another prune");
}

struct hf_prune *hf_prune_begin(const struct hf_prune_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_prune) struct hf_prune *p = calloc(1, sizeof *p);
    if (!p) {
        hf_fail_nomem(err);
        return NULL;
    }
    p->opts = *opts;
    p->site = opts->site;
    return begin(p, err) < 0 ? NULL : HF_STEAL(p);
}

static bool is_open(const struct hf_journal *j)
{
    for (size_t i = 0; i < hf_journal_count(j); i++)
        if (!hf_journal_at(j, i)->is_undone)
            return true;
    return false;
}

/* One that does not end, or whose file stays, is looked at by the next prune: that costs it nothing. */
static void end_journal(struct hf_journal *j)
{
    struct hf_err err = HF_ERR_INIT;
    HF_POINT("prune.before_end");
    if (!is_open(j) && hf_journal_end(j, "done", &err) == 0 && hf_journal_finish(j, &err) < 0)
        hf_err_clear(&err);
}

void hf_prune_end(struct hf_prune *p)
{
    if (!p)
        return;
    if (p->journal)
        end_journal(p->journal);
    hf_journal_close(p->journal);
    hf_vmlock_release(p->lock);
    free(p->points.items);
    free(p->points.unreadable);
    hf_points_free(&p->deleted);
    free(p);
}

/* ---- points ----------------------------------------------------------------------------- */

struct gathering {
    pthread_mutex_t lock;
    struct hf_prune_points *out;
    size_t cap;
};

static int add_point(struct gathering *g, const struct hf_manifest *m)
{
    struct hf_prune_points *out = g->out;
    if (out->n == g->cap) {
        const size_t cap = g->cap ? 2 * g->cap : 64;
        struct hf_prune_point *more = reallocarray(out->items, cap, sizeof *more);
        if (!more)
            return -1;
        out->items = more;
        g->cap = cap;
    }
    struct hf_prune_point *p = &out->items[out->n++];
    *p = (struct hf_prune_point){.name = m->point, .taken_us = m->taken_us};
    hf_manifest_own(m, &p->objects, &p->bytes);
    return 0;
}

static int take(void *gathering, const struct hf_manifest *m, struct hf_err *err)
{
    struct gathering *g = gathering;
    pthread_mutex_lock(&g->lock);
    const int rc = add_point(g, m);
    pthread_mutex_unlock(&g->lock);
    return rc < 0 ? hf_fail_nomem(err) : 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct hf_prune_point *x = a, *y = b;
    if (x->taken_us != y->taken_us)
        return x->taken_us < y->taken_us ? 1 : -1;
    return hf_point_name_compare(&x->name, &y->name);
}

static int read_points(struct hf_prune *p, struct hf_err *err)
{
    HF_AUTO(hf_prune_read) struct hf_prune_read r = {0};
    struct gathering g = {.lock = PTHREAD_MUTEX_INITIALIZER, .out = &p->points};
    if (hf_store_now(p->site->store, &p->points.now_s, err) < 0 ||
        hf_prune_read(p, take, &g, &r, err) < 0)
        return -1;
    if (p->points.n)
        qsort(p->points.items, p->points.n, sizeof *p->points.items, newest_first);
    p->points.unreadable = HF_STEAL(r.unreadable);
    p->points.unreadable_n = r.unreadable_n;
    hf_err_copy(&p->points.first_damage, &r.first_damage);
    return 0;
}

int hf_prune_points(struct hf_prune *p, const struct hf_prune_points **out, struct hf_err *err)
{
    if (!p->has_points && read_points(p, err) < 0)
        return -1;
    p->has_points = true;
    *out = &p->points;
    return 0;
}

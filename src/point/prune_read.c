/* SPDX-License-Identifier: Apache-2.0
 *
 * All manifests of a store, many at a time.
 */
#include "base/many.h"
#include "point/prune_intern.h"

#include <stdlib.h>
#include <string.h>

struct reading {
    struct hf_prune *prune;
    const struct hf_points *known; /* or NULL */
    const struct hf_points *points;
    hf_prune_take take;
    void *ctx;
    pthread_mutex_t lock; /* of out */
    struct hf_prune_read *out;
};

void hf_prune_read_free(struct hf_prune_read *r)
{
    free(r->unreadable);
    free(r->bare);
    *r = (struct hf_prune_read){0};
}

static int note_bare(struct reading *r, const struct hf_point_name *n)
{
    pthread_mutex_lock(&r->lock);
    r->out->bare[r->out->bare_n++] = *n;
    pthread_mutex_unlock(&r->lock);
    return 0;
}

static int note_damage(struct reading *r, const struct hf_point_name *n, const struct hf_err *what)
{
    pthread_mutex_lock(&r->lock);
    if (r->out->unreadable_n == 0)
        hf_err_copy(&r->out->first_damage, what);
    r->out->unreadable[r->out->unreadable_n++] = *n;
    pthread_mutex_unlock(&r->lock);
    return 0;
}

static int read_nth(void *reading, size_t i, struct hf_err *err)
{
    struct reading *r = reading;
    struct hf_err what = HF_ERR_INIT;
    struct hf_site *site = r->prune->site;
    const struct hf_point_name *n = &r->points->items[i];
    HF_AUTO(hf_need) struct hf_need need = {0};
    if (hf_cancel_check(site->cancel, err) < 0)
        return -1;
    if (hf_points_has(&r->prune->deleted, n) || (r->known && hf_points_has(r->known, n)))
        return 0;
    if (hf_need_read(site, n, &need, &what) == 0)
        return r->take(r->ctx, &need, err);
    if (what.cls == HF_E_NOT_FOUND)
        return note_bare(r, n);
    if (what.cls == HF_E_CORRUPT || what.cls == HF_E_UNSUPPORTED)
        return note_damage(r, n, &what);
    hf_err_copy(err, &what);
    return -1;
}

int hf_prune_read(struct hf_prune *p, const struct hf_points *known, hf_prune_take take, void *ctx,
                  struct hf_prune_read *out, struct hf_err *err)
{
    const struct hf_points_filter all = {0};
    HF_AUTO(hf_points) struct hf_points points = {0};
    *out = (struct hf_prune_read){.first_damage = HF_ERR_INIT};
    if (hf_points_list(p->site, &all, &points, err) < 0)
        return -1;
    out->bare = calloc(points.n + 1, sizeof *out->bare);
    out->unreadable = calloc(points.n + 1, sizeof *out->unreadable);
    if (!out->bare || !out->unreadable)
        return hf_fail_nomem(err);
    struct reading r = {p, known, &points, take, ctx, PTHREAD_MUTEX_INITIALIZER, out};
    const int rc = hf_many(points.n, HF_PRUNE_THREADS, read_nth, &r, err);
    pthread_mutex_destroy(&r.lock);
    return rc;
}

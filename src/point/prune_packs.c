/* SPDX-License-Identifier: Apache-2.0
 *
 * What nothing needs: packs, condemned, reprieved and removed; folders of backups that never got a manifest.
 */
#include "point/prune_intern.h"

#include <stdlib.h>
#include <string.h>

#define HURRY_S (HF_PRUNE_HURRY_MS / 1000)

struct judging {
    struct hf_prune *prune;
    const struct hf_prune_view *view;
    bool is_dry, is_refused;
    bool has_acted; /* in this pass */
    struct hf_pruned *out;
};

/* ---- judging ---------------------------------------------------------------------------- */

static int64_t earlier_s(const struct judging *m)
{
    return hf_prune_earlier_s(m->prune, m->view);
}

static int condemn(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    return hf_prune_condemn(m->prune, m->view, p, err);
}

/* Who found it condemned for long enough, and named by nothing, may be about to remove it: as long as it can be so old for anybody, the
 * condemnation is not lifted but begun anew, which tells the next prune that nobody is. */
static int reprieve(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    if (!p->condemned_s || earlier_s(m) - p->condemned_s < HF_PRUNE_SETTLED_S)
        return 0;
    if (hf_prune_later_s(m->prune, m->view) - p->condemned_s >= m->prune->opts.grace_s - HURRY_S)
        return condemn(m, p, err);
    m->out->reprieved++;
    return hf_prune_lift(m->prune, p, err);
}

static int remove_pack(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    return hf_prune_is_there(p) ? hf_prune_remove_pack(m->prune, p, err)
                                : hf_prune_lift(m->prune, p, err);
}

/* What is to be done with it. What is left alone is counted. */
typedef int (*deed)(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err);
static deed judge(struct judging *m, const struct hf_prune_pack *p)
{
    const bool is_condemned = p->parts & HF_PRUNE_CONDEMNED;
    const bool is_due = hf_prune_is_due(m->prune, m->view, p) && !m->is_refused;
    if (p->parts & HF_PRUNE_MOVED && !hf_prune_is_there(p)) /* what says where its content is */
        return is_due ? remove_pack : NULL;
    if (p->parts & HF_PRUNE_MOVED && p->is_named && is_condemned) {
        hf_prune_count(&m->out->waiting, p); /* for prune_repack.c */
        return NULL;
    }
    if (p->is_named) {
        hf_prune_count(&m->out->used, p);
        return is_condemned ? reprieve : NULL;
    }
    if (is_condemned) {
        if (is_due)
            return remove_pack;
        hf_prune_count(&m->out->waiting, p);
        return NULL;
    }
    if (!hf_prune_is_young(m->prune, m->view, p) && !m->is_refused)
        return condemn;
    hf_prune_count(&m->out->young, p);
    return NULL;
}

/* 1: what was found out is too old now. */
static int do_one(struct judging *m, const struct hf_prune_pack *p, deed fn, struct hf_err *err)
{
    const struct hf_site *site = m->prune->site;
    if (hf_cancel_check(site->cancel, err) < 0)
        return -1;
    if (hf_clock_past_ms(site->clock, &m->view->since) > HF_PRUNE_HURRY_MS)
        return 1;
    m->has_acted = true;
    return fn(m, p, err);
}

/* What gives room comes before what takes some: a full store has to become less full by this. */
static int act(struct judging *m, struct hf_err *err)
{
    const struct hf_prune_view *v = m->view;
    HF_AUTOFREE size_t *condemned = calloc(v->n_packs + 1, sizeof *condemned);
    size_t n = 0;
    int rc = condemned ? 0 : hf_fail_nomem(err);
    for (size_t i = 0; rc == 0 && i < v->n_packs; i++) {
        const deed fn = judge(m, &v->packs[i]);
        if (fn == condemn)
            condemned[n++] = i;
        else if (fn)
            rc = do_one(m, &v->packs[i], fn, err);
        if (rc == 0 && fn == remove_pack && hf_prune_is_there(&v->packs[i]))
            hf_prune_count(&m->out->removed, &v->packs[i]);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = do_one(m, &v->packs[condemned[i]], condemn, err);
        if (rc == 0)
            hf_prune_count(&m->out->condemned, &v->packs[condemned[i]]);
    }
    return rc;
}

/* ---- folders without a manifest --------------------------------------------------------- */

/* By the dates of what lies there, and by when its backup began: so one whose store was set right in the middle is no dead one. */
static bool is_abandoned(const struct judging *m, const struct hf_point_name *n,
                         const struct hf_point_rest *rest)
{
    char before[HF_TIME_MAX];
    hf_time_compact((earlier_s(m) - HF_PRUNE_ABANDONED_S) * 1000000, before);
    return rest->age_s >= HF_PRUNE_ABANDONED_S && strncmp(n->id, before, strlen(before)) < 0;
}

/* It was not given, and is listed: come just now it can be had, and needs nothing that is acted upon now. Else what it names is not known. */
static int ask_again(const struct judging *m, const struct hf_point_name *n, struct hf_err *err)
{
    HF_AUTO(hf_need) struct hf_need need = {0};
    return hf_need_read(m->prune->site, n, &need, err) == 0
               ? 0
               : hf_wrap(err, "point %s/%s is listed, and cannot be read: no pack is touched",
                         n->vm, n->id);
}

static int clear_abandoned(struct judging *m, const struct hf_prune_read *r, struct hf_err *err)
{
    for (size_t i = 0; i < r->bare_n; i++) {
        struct hf_point_rest rest;
        if (hf_point_rest(m->prune->site, &r->bare[i], &rest, err) < 0 ||
            (rest.has_manifest && ask_again(m, &r->bare[i], err) < 0))
            return -1;
        if (rest.has_manifest || !is_abandoned(m, &r->bare[i], &rest))
            continue;
        m->out->abandoned++;
        if (!m->is_dry && hf_prune_clear(m->prune, &r->bare[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the whole -------------------------------------------------------------------------- */

/* What was removed, condemned and reprieved by the passes before stays counted. */
static void begin_pass(struct hf_pruned *out)
{
    *out = (struct hf_pruned){.abandoned = out->abandoned,
                              .condemned = out->condemned,
                              .removed = out->removed,
                              .reprieved = out->reprieved,
                              .repacked.damage = HF_ERR_INIT};
}

static int pass(struct judging *m, struct hf_prune_view *v, struct hf_err *err)
{
    HF_AUTO(hf_prune_read) struct hf_prune_read r = {0};
    begin_pass(m->out);
    if (hf_prune_mark(m->prune, v, &r, err) < 0)
        return -1;
    m->view = v;
    m->out->is_refused = r.unreadable_n > 0;
    /* Not one point: rather is their folder not mounted than that all of them are gone, for the newest of a machine never goes by a prune. */
    m->is_refused = m->out->is_refused || v->points.n == 0;
    const int rc = clear_abandoned(m, &r, err) < 0 ? -1 : act(m, err);
    return rc ? rc : hf_prune_repack(m->prune, v, m->out, err);
}

/* Anew. If not even the first thing comes in time, none ever will. */
static int look_and_pass(struct judging *m, struct hf_err *err)
{
    HF_AUTO(hf_prune_view) struct hf_prune_view v = {0};
    m->has_acted = false;
    const int rc = hf_prune_look(m->prune, &v, err) < 0 ? -1 : pass(m, &v, err);
    return rc <= 0 || m->has_acted
               ? rc
               : hf_fail(err, HF_E_TIMEOUT,
                         "what lies on the store cannot be found out within half an hour, "
                         "and counts no longer");
}

/* What dead puts left, as every backup does that ends well. */
static int sweep(const struct hf_prune *p, struct hf_err *err)
{
    uint64_t n = 0;
    int64_t now_s = 0;
    if (p->opts.is_dry)
        return 0;
    return hf_store_now(p->site->store, &now_s, err) < 0
               ? -1
               : hf_store_sweep(p->site->store, now_s - HF_PRUNE_DEAD_PUT_S, &n, err);
}

int hf_prune_rest(struct hf_prune *p, struct hf_pruned *out, struct hf_err *err)
{
    struct judging m = {.prune = p, .is_dry = p->opts.is_dry, .out = out};
    *out = (struct hf_pruned){.repacked.damage = HF_ERR_INIT};
    hf_points_sort(&p->deleted);
    int rc = p->has_view ? pass(&m, &p->view, err) : look_and_pass(&m, err);
    while (rc > 0)
        rc = look_and_pass(&m, err);
    return rc < 0 ? -1 : sweep(p, err);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What nothing needs: packs, condemned, reprieved and removed; folders of backups that never got a manifest.
 */
#include "base/point.h"
#include "point/prune_intern.h"

#include <stdlib.h>
#include <string.h>

#define HURRY_S (HF_PRUNE_HURRY_MS / 1000)
#define SETTLED_S (HURRY_S * 3 / 2) /* the last request that was begun in time has ended, too */

struct judging {
    struct hf_prune *prune;
    const struct hf_prune_view *view;
    bool is_dry, is_refused;
    bool has_acted; /* in this pass */
    struct hf_pruned *out;
};

/* ---- the time --------------------------------------------------------------------------- */

/* The store's clock dates what lies there. But it may run wrong, or have been set just now: what is to be old has to be so by this host's, too. */
static int64_t here_s(const struct judging *m)
{
    return hf_clock_wall_us(m->prune->site->clock) / 1000000;
}

static int64_t earlier_s(const struct judging *m)
{
    const int64_t here = here_s(m), there = m->view->points.now_s;
    return here < there ? here : there;
}

static int64_t later_s(const struct judging *m)
{
    const int64_t here = here_s(m), there = m->view->points.now_s;
    return here > there ? here : there;
}

/* A condemnation with a date that is so far behind would be due as soon as that clock is mended, and writers that do not know of it are at work. */
static int check_clock(const struct judging *m, struct hf_err *err)
{
    const int64_t behind_s = here_s(m) - m->view->points.now_s;
    if (behind_s <= m->prune->opts.grace_s - SETTLED_S)
        return 0;
    hf_fail(err, HF_E_CONFLICT,
            "the store's clock is %lld minutes behind this host's: no pack is condemned",
            (long long)behind_s / 60);
    return hf_hint(err, "Set the one that is wrong.");
}

/* ---- judging ---------------------------------------------------------------------------- */

static int condemn(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    struct hf_store_receipt receipt;
    hf_image_condemned_name(p->id, name);
    if (check_clock(m, err) < 0)
        return -1;
    if (m->is_dry)
        return 0;
    if (HF_POINT_ERR("prune.before_condemn", err) < 0 ||
        hf_store_put_bytes(m->prune->site->store, name, "", 0, true, &receipt, err) < 0)
        return -1;
    HF_POINT("prune.after_condemn");
    return 0;
}

static int lift(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    hf_image_condemned_name(p->id, name);
    if (m->is_dry)
        return 0;
    return HF_POINT_ERR("prune.before_lift", err) < 0
               ? -1
               : hf_store_remove(m->prune->site->store, name, err);
}

/* Who found it condemned for long enough, and named by nothing, may be about to remove it: as long as it can be so old for anybody, the
 * condemnation is not lifted but begun anew, which tells the next prune that nobody is. */
static int reprieve(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    if (!p->condemned_s || earlier_s(m) - p->condemned_s < SETTLED_S)
        return 0;
    if (later_s(m) - p->condemned_s >= m->prune->opts.grace_s - HURRY_S)
        return condemn(m, p, err);
    m->out->reprieved++;
    return lift(m, p, err);
}

static int remove_named(struct judging *m, const char *name, struct hf_err *err)
{
    return hf_store_remove(m->prune->site->store, name, err);
}

static bool is_there(const struct hf_prune_pack *p)
{
    return p->parts & ~(unsigned)HF_PRUNE_CONDEMNED;
}

/* Its condemnation goes with a later prune: a store whose listings are behind shows the index for a while, and no writer is to take it at its word. */
static int remove_pack(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    const bool is_encrypted = m->prune->site->is_encrypted;
    char name[HF_IMAGE_NAME_MAX];
    if (!is_there(p))
        return lift(m, p, err);
    if (m->is_dry)
        return 0;
    hf_image_index_name(p->id, is_encrypted, name);
    if (p->parts & HF_PRUNE_INDEX &&
        (HF_POINT_ERR("prune.before_index", err) < 0 || remove_named(m, name, err) < 0))
        return -1;
    hf_image_pack_name(HF_IMAGE_DATA, p->id, is_encrypted, name);
    if (HF_POINT_ERR("prune.before_pack", err) < 0 ||
        (p->parts & HF_PRUNE_DATA && remove_named(m, name, err) < 0))
        return -1;
    hf_image_pack_name(HF_IMAGE_TREE, p->id, is_encrypted, name);
    return p->parts & HF_PRUNE_TREE ? remove_named(m, name, err) : 0;
}

static void count(struct hf_prune_sum *s, const struct hf_prune_pack *p)
{
    s->packs++;
    s->bytes += p->bytes;
}

/* What is to be done with it. What is left alone is counted. */
typedef int (*deed)(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err);
static deed judge(struct judging *m, const struct hf_prune_pack *p)
{
    const int64_t grace_s = m->prune->opts.grace_s;
    const bool is_condemned = p->parts & HF_PRUNE_CONDEMNED;
    if (p->is_named) {
        count(&m->out->used, p);
        return is_condemned ? reprieve : NULL;
    }
    if (is_condemned) {
        const bool is_due = p->condemned_s && earlier_s(m) - p->condemned_s >= grace_s;
        if (is_due && !m->is_refused)
            return remove_pack;
        count(&m->out->waiting, p);
        return NULL;
    }
    const bool is_young = p->newest_s && earlier_s(m) - p->newest_s < grace_s;
    if (!is_young && !m->is_refused)
        return condemn;
    count(&m->out->young, p);
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
        if (rc == 0 && fn == remove_pack && is_there(&v->packs[i]))
            count(&m->out->removed, &v->packs[i]);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = do_one(m, &v->packs[condemned[i]], condemn, err);
        if (rc == 0)
            count(&m->out->condemned, &v->packs[condemned[i]]);
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
                              .reprieved = out->reprieved};
}

static int pass(struct judging *m, struct hf_prune_view *v, struct hf_err *err)
{
    HF_AUTO(hf_prune_read) struct hf_prune_read r = {0};
    begin_pass(m->out);
    if (hf_prune_mark(m->prune, v, &r, err) < 0)
        return -1;
    m->view = v;
    m->is_refused = m->out->is_refused = r.unreadable_n > 0;
    return clear_abandoned(m, &r, err) < 0 ? -1 : act(m, err);
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
    *out = (struct hf_pruned){0};
    if (p->deleted.n)
        qsort(p->deleted.items, p->deleted.n, sizeof *p->deleted.items, hf_point_name_compare);
    int rc = p->has_view ? pass(&m, &p->view, err) : look_and_pass(&m, err);
    while (rc > 0)
        rc = look_and_pass(&m, err);
    return rc < 0 ? -1 : sweep(p, err);
}

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
    struct hf_pruned *out;
};

/* ---- a pack ----------------------------------------------------------------------------- */

void hf_prune_count(struct hf_prune_sum *s, const struct hf_prune_pack *p)
{
    s->packs++;
    s->bytes += p->bytes;
}

int hf_prune_condemn(struct hf_prune *p, const struct hf_prune_pack *pack, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    struct hf_store_receipt receipt;
    hf_image_condemned_name(pack->id, name);
    if (p->opts.is_dry)
        return 0;
    if (HF_POINT_ERR("prune.before_condemn", err) < 0 ||
        hf_store_put_bytes(p->site->store, name, "", 0, true, &receipt, err) < 0)
        return -1;
    HF_POINT("prune.after_condemn");
    return 0;
}

static int lift(struct hf_prune *p, const struct hf_prune_pack *pack, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    hf_image_condemned_name(pack->id, name);
    if (p->opts.is_dry)
        return 0;
    return HF_POINT_ERR("prune.before_lift", err) < 0 ? -1
                                                      : hf_store_remove(p->site->store, name, err);
}

int hf_prune_remove_pack(struct hf_prune *p, const struct hf_prune_pack *pack, struct hf_err *err)
{
    const bool is_encrypted = p->site->is_encrypted;
    struct hf_store *store = p->site->store;
    char name[HF_IMAGE_NAME_MAX];
    if (p->opts.is_dry)
        return 0;
    hf_image_index_name(pack->id, is_encrypted, name);
    if (pack->parts & HF_PRUNE_INDEX &&
        (HF_POINT_ERR("prune.before_index", err) < 0 || hf_store_remove(store, name, err) < 0))
        return -1;
    hf_image_pack_name(HF_IMAGE_DATA, pack->id, is_encrypted, name);
    if (HF_POINT_ERR("prune.before_pack", err) < 0 ||
        (pack->parts & HF_PRUNE_DATA && hf_store_remove(store, name, err) < 0))
        return -1;
    hf_image_pack_name(HF_IMAGE_TREE, pack->id, is_encrypted, name);
    if (pack->parts & HF_PRUNE_TREE && hf_store_remove(store, name, err) < 0)
        return -1;
    return lift(p, pack, err);
}

/* ---- judging ---------------------------------------------------------------------------- */

static int condemn(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    return hf_prune_condemn(m->prune, p, err);
}

/* Who found it condemned for long enough, and named by nothing, may be about to remove it: as long as it can be so old for anybody, the
 * condemnation is not lifted but begun anew, which tells the next prune that nobody is. */
static int reprieve(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    const int64_t age_s = m->view->points.now_s - p->condemned_s;
    if (!p->condemned_s || age_s < SETTLED_S)
        return 0;
    if (age_s >= m->prune->opts.grace_s - HURRY_S)
        return condemn(m, p, err);
    m->out->reprieved++;
    return lift(m->prune, p, err);
}

static int remove_pack(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err)
{
    return hf_prune_remove_pack(m->prune, p, err);
}

/* What is to be done with it. What is left alone is counted. */
typedef int (*deed)(struct judging *m, const struct hf_prune_pack *p, struct hf_err *err);
static deed judge(struct judging *m, const struct hf_prune_pack *p)
{
    const int64_t grace_s = m->prune->opts.grace_s;
    const bool is_condemned = p->parts & HF_PRUNE_CONDEMNED;
    if (!(p->parts & HF_PRUNE_THERE))
        return NULL; /* only what says where its content is */
    if (p->is_named && is_condemned && p->parts & HF_PRUNE_MOVED) {
        hf_prune_count(&m->out->waiting, p); /* for prune_repack.c */
        return NULL;
    }
    if (p->is_named) {
        hf_prune_count(&m->out->used, p);
        return is_condemned ? reprieve : NULL;
    }
    if (is_condemned) {
        const bool is_due = p->condemned_s && m->view->points.now_s - p->condemned_s >= grace_s;
        if (is_due && !m->is_refused)
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
        if (rc == 0 && fn == remove_pack)
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

static int clear_abandoned(struct judging *m, const struct hf_prune_read *r, struct hf_err *err)
{
    for (size_t i = 0; i < r->bare_n; i++) {
        struct hf_point_rest rest;
        if (hf_point_rest(m->prune->site, &r->bare[i], &rest, err) < 0)
            return -1;
        if (rest.age_s < HF_PRUNE_ABANDONED_S)
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
    m->is_refused = m->out->is_refused = r.unreadable_n > 0;
    const int rc = clear_abandoned(m, &r, err) < 0 ? -1 : act(m, err);
    return rc ? rc : hf_prune_repack(m->prune, v, m->out, err);
}

/* Anew. */
static int look_and_pass(struct judging *m, struct hf_err *err)
{
    HF_AUTO(hf_prune_view) struct hf_prune_view v = {0};
    return hf_prune_look(m->prune, &v, err) < 0 ? -1 : pass(m, &v, err);
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
    if (p->deleted.n)
        qsort(p->deleted.items, p->deleted.n, sizeof *p->deleted.items, hf_point_name_compare);
    int rc = p->has_view ? pass(&m, &p->view, err) : look_and_pass(&m, err);
    while (rc > 0)
        rc = look_and_pass(&m, err);
    return rc < 0 ? -1 : sweep(p, err);
}

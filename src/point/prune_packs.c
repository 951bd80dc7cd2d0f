/* SPDX-License-Identifier: Apache-2.0
 *
 * What nothing needs: packs, condemned, reprieved and removed; folders of backups that never got a manifest.
 *
 * The order decides: the store's time first, then the packs and condemnations that there are, then every manifest. So a pack that is acted upon
 * is one that no manifest named when all of them were read, after it had been condemned for the grace period.
 */
#include "base/many.h"
#include "base/point.h"
#include "point/prune_intern.h"

#include <stdlib.h>
#include <string.h>

#define PACKS_MAX ((size_t)1 << 23)
#define HURRY_S (HF_PRUNE_HURRY_MS / 1000)
#define SETTLED_S (HURRY_S * 3 / 2) /* the last request that was begun in time has ended, too */

enum part { PART_INDEX = 1, PART_DATA = 2, PART_TREE = 4, PART_CONDEMNED = 8 };

struct pack {
    unsigned char id[HF_IMAGE_PACK_ID];
    unsigned parts;   /* enum part: what there is of it */
    bool is_named;    /* by a manifest */
    uint64_t bytes;   /* of its objects */
    int64_t newest_s; /* of them, by the store's clock; 0: it does not tell */
    int64_t condemned_s;
};

struct marking {
    struct hf_prune *prune;
    struct pack *packs; /* by id, once all are listed */
    size_t n, cap;
    int64_t now_s;
    struct hf_clock_mark since; /* before anything of it was found out */
    pthread_mutex_t lock;       /* is_named, out */
    bool is_dry, is_refused;
    struct hf_pruned *out;
};

/* ---- listing ---------------------------------------------------------------------------- */

static int add(struct marking *m, const struct pack *one, struct hf_err *err)
{
    if (m->n == PACKS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the store has more than %zu packs", PACKS_MAX);
    if (m->n == m->cap) {
        const size_t cap = m->cap ? 2 * m->cap : 256;
        struct pack *more = reallocarray(m->packs, cap, sizeof *more);
        if (!more)
            return hf_fail_nomem(err);
        m->packs = more;
        m->cap = cap;
    }
    m->packs[m->n++] = *one;
    return 0;
}

/* What is named otherwise is none of ours. */
static int take_object(void *marking, const struct hf_store_object *o, struct hf_err *err)
{
    struct marking *m = marking;
    const bool is_encrypted = m->prune->site->is_encrypted;
    struct pack one = {.bytes = o->bytes, .newest_s = o->changed_s};
    if (hf_image_condemned_id(o->name, one.id)) {
        one = (struct pack){.parts = PART_CONDEMNED, .condemned_s = o->changed_s};
        return hf_image_condemned_id(o->name, one.id) ? add(m, &one, err) : 0;
    }
    if (hf_image_index_id(o->name, is_encrypted, one.id))
        one.parts = PART_INDEX;
    else if (hf_image_pack_id(HF_IMAGE_DATA, o->name, is_encrypted, one.id))
        one.parts = PART_DATA;
    else if (hf_image_pack_id(HF_IMAGE_TREE, o->name, is_encrypted, one.id))
        one.parts = PART_TREE;
    return one.parts ? add(m, &one, err) : 0;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct pack *)a)->id, ((const struct pack *)b)->id, HF_IMAGE_PACK_ID);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Objects of one id become one pack. */
static void join(struct marking *m)
{
    size_t n = 0;
    if (m->n)
        qsort(m->packs, m->n, sizeof *m->packs, by_id);
    for (size_t i = 0; i < m->n; i++) {
        struct pack *last = n ? &m->packs[n - 1] : NULL;
        const struct pack *one = &m->packs[i];
        if (!last || by_id(last, one) != 0) {
            m->packs[n++] = *one;
            continue;
        }
        last->parts |= one->parts;
        last->bytes += one->bytes;
        last->newest_s = later(last->newest_s, one->newest_s);
        last->condemned_s = later(last->condemned_s, one->condemned_s);
    }
    m->n = n;
}

static int list_packs(struct marking *m, struct hf_err *err)
{
    static const char *const prefixes[] = {"condemned/", "index/", "packs/", "trees/"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(prefixes); i++) {
        const struct hf_store_list what = {.prefix = prefixes[i]};
        if (hf_cancel_check(m->prune->site->cancel, err) < 0 ||
            hf_store_list(m->prune->site->store, &what, take_object, m, err))
            return hf_wrap(err, "the packs");
    }
    join(m);
    return 0;
}

/* ---- marking ---------------------------------------------------------------------------- */

static int mark(void *marking, const struct hf_manifest *manifest, struct hf_err *err)
{
    struct marking *m = marking;
    (void)err;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; m->n && i < manifest->n_packs; i++) {
        struct pack *p = bsearch(manifest->packs[i], m->packs, m->n, sizeof *p, by_id);
        if (p)
            p->is_named = true;
    }
    pthread_mutex_unlock(&m->lock);
    return 0;
}

/* ---- judging ---------------------------------------------------------------------------- */

static int condemn(struct marking *m, const struct pack *p, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    struct hf_store_receipt receipt;
    hf_image_condemned_name(p->id, name);
    if (m->is_dry)
        return 0;
    if (HF_POINT_ERR("prune.before_condemn", err) < 0 ||
        hf_store_put_bytes(m->prune->site->store, name, "", 0, true, &receipt, err) < 0)
        return -1;
    HF_POINT("prune.after_condemn");
    return 0;
}

static int lift(struct marking *m, const struct pack *p, struct hf_err *err)
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
static int reprieve(struct marking *m, const struct pack *p, struct hf_err *err)
{
    const int64_t age_s = m->now_s - p->condemned_s;
    if (!p->condemned_s || age_s < SETTLED_S)
        return 0;
    if (age_s >= m->prune->opts.grace_s - HURRY_S)
        return condemn(m, p, err);
    m->out->reprieved++;
    return lift(m, p, err);
}

static int remove_named(struct marking *m, const char *name, struct hf_err *err)
{
    return hf_store_remove(m->prune->site->store, name, err);
}

static int remove_pack(struct marking *m, const struct pack *p, struct hf_err *err)
{
    const bool is_encrypted = m->prune->site->is_encrypted;
    char name[HF_IMAGE_NAME_MAX];
    if (m->is_dry)
        return 0;
    hf_image_index_name(p->id, is_encrypted, name);
    if (p->parts & PART_INDEX &&
        (HF_POINT_ERR("prune.before_index", err) < 0 || remove_named(m, name, err) < 0))
        return -1;
    hf_image_pack_name(HF_IMAGE_DATA, p->id, is_encrypted, name);
    if (HF_POINT_ERR("prune.before_pack", err) < 0 ||
        (p->parts & PART_DATA && remove_named(m, name, err) < 0))
        return -1;
    hf_image_pack_name(HF_IMAGE_TREE, p->id, is_encrypted, name);
    if (p->parts & PART_TREE && remove_named(m, name, err) < 0)
        return -1;
    return lift(m, p, err);
}

static void count(struct hf_prune_sum *s, const struct pack *p)
{
    s->packs++;
    s->bytes += p->bytes;
}

/* What would be done with it, counted; *out: what is to be done. */
typedef int (*deed)(struct marking *m, const struct pack *p, struct hf_err *err);
static deed judge(struct marking *m, const struct pack *p)
{
    const int64_t grace_s = m->prune->opts.grace_s;
    const bool is_condemned = p->parts & PART_CONDEMNED;
    if (p->is_named) {
        count(&m->out->used, p);
        return is_condemned ? reprieve : NULL;
    }
    if (is_condemned) {
        const bool is_due = p->condemned_s && m->now_s - p->condemned_s >= grace_s;
        count(is_due && !m->is_refused ? &m->out->removed : &m->out->waiting, p);
        return is_due && !m->is_refused ? remove_pack : NULL;
    }
    const bool is_young = p->newest_s && m->now_s - p->newest_s < grace_s;
    count(is_young || m->is_refused ? &m->out->young : &m->out->condemned, p);
    return is_young || m->is_refused ? NULL : condemn;
}

/* 1: what was found out is too old now. */
static int act(struct marking *m, struct hf_err *err)
{
    const struct hf_site *site = m->prune->site;
    for (size_t i = 0; i < m->n; i++) {
        const deed fn = judge(m, &m->packs[i]);
        if (hf_cancel_check(site->cancel, err) < 0)
            return -1;
        if (fn && hf_clock_past_ms(site->clock, &m->since) > HF_PRUNE_HURRY_MS)
            return 1;
        if (fn && fn(m, &m->packs[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- folders without a manifest --------------------------------------------------------- */

static int clear_abandoned(struct marking *m, const struct hf_prune_read *r, struct hf_err *err)
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

static int find_out(struct marking *m, struct hf_prune_read *r, struct hf_err *err)
{
    const struct hf_site *site = m->prune->site;
    m->n = 0;
    m->since = hf_clock_mark(site->clock);
    if (hf_store_now(site->store, &m->now_s, err) < 0 || list_packs(m, err) < 0)
        return -1;
    HF_POINT("prune.before_mark");
    if (hf_prune_read(m->prune, mark, m, r, err) < 0)
        return -1;
    HF_POINT("prune.after_mark");
    m->is_refused = r->unreadable_n > 0;
    m->out->is_refused = m->is_refused;
    return 0;
}

/* What was removed, condemned and reprieved by the passes before stays counted. */
static void begin_pass(struct hf_pruned *out)
{
    *out = (struct hf_pruned){.abandoned = out->abandoned,
                              .condemned = out->condemned,
                              .removed = out->removed,
                              .reprieved = out->reprieved};
}

static int pass(struct marking *m, struct hf_err *err)
{
    HF_AUTO(hf_prune_read) struct hf_prune_read r = {0};
    begin_pass(m->out);
    if (find_out(m, &r, err) < 0 || clear_abandoned(m, &r, err) < 0)
        return -1;
    return act(m, err);
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
    struct marking m = {
        .prune = p, .lock = PTHREAD_MUTEX_INITIALIZER, .is_dry = p->opts.is_dry, .out = out};
    int rc;
    *out = (struct hf_pruned){0};
    if (p->deleted.n)
        qsort(p->deleted.items, p->deleted.n, sizeof *p->deleted.items, hf_point_name_compare);
    do
        rc = pass(&m, err);
    while (rc > 0);
    free(m.packs);
    pthread_mutex_destroy(&m.lock);
    return rc < 0 ? -1 : sweep(p, err);
}

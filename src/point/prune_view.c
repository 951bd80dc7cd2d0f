/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "base/point.h"
#include "point/prune_intern.h"

#include <stdlib.h>
#include <string.h>

#define PACKS_MAX ((size_t)1 << 23)
#define NEEDS_MAX ((size_t)1 << 30) /* bytes, of all points together */

void hf_prune_view_free(struct hf_prune_view *v)
{
    for (size_t i = 0; i < v->points.n; i++) {
        free(v->points.items[i].needs);
        free(v->points.items[i].roots);
    }
    free(v->points.items);
    free(v->points.unreadable);
    hf_points_free(&v->names);
    hf_moved_free(&v->moved);
    free(v->roots);
    free(v->packs);
    *v = (struct hf_prune_view){0};
}

/* ---- packs ------------------------------------------------------------------------------ */

struct listing {
    struct hf_prune_view *view;
    bool is_encrypted;
};

static int add(struct hf_prune_view *v, const struct hf_prune_pack *one, struct hf_err *err)
{
    if (v->n_packs == PACKS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the store has more than %zu packs", PACKS_MAX);
    struct hf_prune_pack *more = hf_list_room(v->packs, v->n_packs, &v->cap, sizeof *more, 256);
    if (!more)
        return hf_fail_nomem(err);
    v->packs = more;
    v->packs[v->n_packs++] = *one;
    return 0;
}

/* What is named otherwise is none of ours. */
static int take_object(void *listing, const struct hf_store_object *o, struct hf_err *err)
{
    const struct listing *l = listing;
    struct hf_prune_pack one = {.bytes = o->bytes, .newest_s = o->changed_s};
    unsigned char id[HF_IMAGE_PACK_ID];
    if (hf_image_condemned_id(o->name, id))
        one = (struct hf_prune_pack){.parts = HF_PRUNE_CONDEMNED, .condemned_s = o->changed_s};
    else if (hf_image_index_id(o->name, l->is_encrypted, id))
        one.parts = HF_PRUNE_INDEX;
    else if (hf_image_pack_id(HF_IMAGE_DATA, o->name, l->is_encrypted, id))
        one.parts = HF_PRUNE_DATA;
    else if (hf_image_pack_id(HF_IMAGE_TREE, o->name, l->is_encrypted, id))
        one.parts = HF_PRUNE_TREE;
    if (!one.parts)
        return 0;
    if (one.parts & (HF_PRUNE_DATA | HF_PRUNE_TREE))
        one.content = o->bytes;
    memcpy(one.id, id, sizeof one.id);
    return add(l->view, &one, err);
}

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct hf_prune_pack *)a)->id, ((const struct hf_prune_pack *)b)->id,
                  HF_IMAGE_PACK_ID);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Objects of one id become one pack. */
static void join(struct hf_prune_view *v)
{
    size_t n = 0;
    if (v->n_packs)
        qsort(v->packs, v->n_packs, sizeof *v->packs, by_id);
    for (size_t i = 0; i < v->n_packs; i++) {
        struct hf_prune_pack *last = n ? &v->packs[n - 1] : NULL;
        const struct hf_prune_pack *one = &v->packs[i];
        if (!last || by_id(last, one) != 0) {
            v->packs[n++] = *one;
            continue;
        }
        last->parts |= one->parts;
        last->bytes += one->bytes;
        last->content += one->content;
        last->newest_s = later(last->newest_s, one->newest_s);
        last->condemned_s = later(last->condemned_s, one->condemned_s);
    }
    v->n_packs = n;
}

/* A pack that is gone stands for those that its content was moved to, as long as a manifest names it. */
static int list_moved(struct hf_prune *p, struct hf_prune_view *v, struct hf_err *err)
{
    struct hf_prune_pack one = {.parts = HF_PRUNE_MOVED};
    if (hf_moved_list(p->site, &v->moved, err) < 0)
        return -1;
    for (size_t i = 0; i < v->moved.n; i++) {
        if (i > 0 && memcmp(one.id, v->moved.items[i].old, sizeof one.id) == 0)
            continue;
        memcpy(one.id, v->moved.items[i].old, sizeof one.id);
        if (add(v, &one, err) < 0)
            return -1;
    }
    return 0;
}

static int list_packs(struct hf_prune *p, struct hf_prune_view *v, struct hf_err *err)
{
    static const char *const prefixes[] = {"condemned/", "index/", "packs/", "trees/"};
    struct listing l = {v, p->site->is_encrypted};
    for (size_t i = 0; i < HF_ARRAY_SIZE(prefixes); i++) {
        const struct hf_store_list what = {.prefix = prefixes[i]};
        if (hf_cancel_check(p->site->cancel, err) < 0 ||
            hf_store_list(p->site->store, &what, take_object, &l, err))
            return hf_wrap(err, "the packs");
        if (i == 0 && list_moved(p, v, err) < 0)
            return -1;
    }
    join(v);
    return 0;
}

struct hf_prune_pack *hf_prune_find(const struct hf_prune_view *v,
                                    const unsigned char id[HF_IMAGE_PACK_ID])
{
    return v->n_packs ? bsearch(id, v->packs, v->n_packs, sizeof *v->packs, by_id) : NULL;
}

/* ---- points ----------------------------------------------------------------------------- */

struct gathering {
    struct hf_prune_view *view;
    pthread_mutex_t lock;
    size_t cap;
};

static size_t needs_bytes(const struct hf_prune_view *v)
{
    return v->n_packs / 8 + 1;
}

/* Packs that are not listed came later: they are young, and nobody acts on them. */
static unsigned char *needs_of(const struct hf_prune_view *v, const struct hf_need *n)
{
    unsigned char *needs = calloc(1, needs_bytes(v));
    for (size_t i = 0; needs && i < n->n_packs; i++) {
        const struct hf_prune_pack *p = hf_prune_find(v, n->packs[i]);
        if (p)
            needs[(size_t)(p - v->packs) / 8] |= (unsigned char)(1 << (p - v->packs) % 8);
    }
    return needs;
}

static int add_point(struct gathering *g, const struct hf_prune_point *one, struct hf_err *err)
{
    struct hf_prune_points *out = &g->view->points;
    if (out->n >= NEEDS_MAX / needs_bytes(g->view))
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "%zu points with %zu packs are more than fit into memory", out->n,
                       g->view->n_packs);
    struct hf_prune_point *more = hf_list_room(out->items, out->n, &g->cap, sizeof *more, 64);
    if (!more)
        return hf_fail_nomem(err);
    out->items = more;
    if (hf_points_add(&g->view->names, &one->name, err) < 0)
        return -1;
    out->items[out->n++] = *one;
    return 0;
}

static int take_point(void *gathering, const struct hf_need *n, struct hf_err *err)
{
    struct gathering *g = gathering;
    struct hf_prune_point one = {.name = n->name,
                                 .taken_us = n->taken_us,
                                 .objects = n->objects,
                                 .bytes = n->bytes,
                                 .n_roots = n->n_roots,
                                 .roots = calloc(n->n_roots + 1, HF_IMAGE_ID),
                                 .needs = needs_of(g->view, n)};
    int rc = one.needs && one.roots ? 0 : hf_fail_nomem(err);
    if (rc == 0) {
        memcpy(one.roots, n->roots, n->n_roots * HF_IMAGE_ID);
        pthread_mutex_lock(&g->lock);
        rc = add_point(g, &one, err);
        pthread_mutex_unlock(&g->lock);
    }
    if (rc < 0) {
        free(one.needs);
        free(one.roots);
    }
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    const struct hf_prune_point *x = a, *y = b;
    if (x->taken_us != y->taken_us)
        return x->taken_us < y->taken_us ? 1 : -1;
    return hf_point_name_compare(&x->name, &y->name);
}

static int read_points(struct hf_prune *p, struct hf_prune_view *v, struct hf_err *err)
{
    HF_AUTO(hf_prune_read) struct hf_prune_read r = {0};
    struct gathering g = {.view = v, .lock = PTHREAD_MUTEX_INITIALIZER};
    const int rc = hf_prune_read(p, NULL, take_point, &g, &r, err);
    pthread_mutex_destroy(&g.lock);
    if (rc < 0)
        return -1;
    if (v->points.n)
        qsort(v->points.items, v->points.n, sizeof *v->points.items, newest_first);
    hf_points_sort(&v->names);
    if (!p->opts.is_dry)
        hf_need_forget(p->site, &v->names);
    v->points.unreadable = HF_STEAL(r.unreadable);
    v->points.unreadable_n = r.unreadable_n;
    hf_err_copy(&v->points.first_damage, &r.first_damage);
    return 0;
}

int hf_prune_look(struct hf_prune *p, struct hf_prune_view *out, struct hf_err *err)
{
    out->since = hf_clock_mark(p->site->clock);
    out->points.first_damage = (struct hf_err)HF_ERR_INIT;
    if (hf_store_now(p->site->store, &out->points.now_s, err) < 0 || list_packs(p, out, err) < 0)
        return -1;
    HF_POINT("prune.before_manifests");
    return read_points(p, out, err);
}

/* ---- marking ---------------------------------------------------------------------------- */

static int add_roots(struct hf_prune_view *v, const unsigned char (*roots)[HF_IMAGE_ID], size_t n,
                     struct hf_err *err)
{
    if (v->n_roots + n > v->cap_roots) {
        const size_t cap = 2 * (v->n_roots + n);
        unsigned char(*more)[HF_IMAGE_ID] = reallocarray(v->roots, cap, HF_IMAGE_ID);
        if (!more)
            return hf_fail_nomem(err);
        v->roots = more;
        v->cap_roots = cap;
    }
    if (n)
        memcpy(v->roots[v->n_roots], roots, n * HF_IMAGE_ID);
    v->n_roots += n;
    return 0;
}

static int take_later(void *gathering, const struct hf_need *n, struct hf_err *err)
{
    struct gathering *g = gathering;
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < n->n_packs; i++) {
        struct hf_prune_pack *p = hf_prune_find(g->view, n->packs[i]);
        if (p)
            p->is_named = true;
    }
    g->view->has_rootless |= n->n_packs && !n->n_roots;
    const int rc =
        add_roots(g->view, (const unsigned char(*)[HF_IMAGE_ID])n->roots, n->n_roots, err);
    pthread_mutex_unlock(&g->lock);
    return rc;
}

static int mark_point(struct hf_prune_view *v, const struct hf_prune_point *point,
                      struct hf_err *err)
{
    for (size_t i = 0; i < v->n_packs; i++) {
        if (!(point->needs[i / 8] & 1 << i % 8))
            continue;
        v->packs[i].is_named = true;
        v->has_rootless |= point->n_roots == 0;
    }
    return add_roots(v, (const unsigned char(*)[HF_IMAGE_ID])point->roots, point->n_roots, err);
}

/* Whoever names a pack names those that its content was moved to, and so on. */
static int mark_moved(struct hf_prune_view *v, struct hf_err *err)
{
    HF_AUTOFREE size_t *todo = v->moved.n ? calloc(v->n_packs + 1, sizeof *todo) : NULL;
    size_t n = 0;
    if (v->moved.n == 0)
        return 0;
    if (!todo)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < v->n_packs; i++)
        if (v->packs[i].is_named)
            todo[n++] = i;
    while (n > 0) { /* each comes onto it once: when it becomes named */
        size_t pairs = 0;
        const struct hf_moved_pair *m = hf_moved_of(&v->moved, v->packs[todo[--n]].id, &pairs);
        for (size_t i = 0; i < pairs; i++) {
            struct hf_prune_pack *p = hf_prune_find(v, m[i].new_id);
            if (!p || p->is_named)
                continue;
            p->is_named = true;
            todo[n++] = (size_t)(p - v->packs);
        }
    }
    return 0;
}

int hf_prune_mark(struct hf_prune *p, struct hf_prune_view *v, struct hf_prune_read *out,
                  struct hf_err *err)
{
    struct gathering g = {.view = v, .lock = PTHREAD_MUTEX_INITIALIZER};
    v->n_roots = 0;
    for (size_t i = 0; i < v->points.n; i++)
        if (!hf_points_has(&p->deleted, &v->points.items[i].name) &&
            mark_point(v, &v->points.items[i], err) < 0)
            return -1;
    HF_POINT("prune.before_mark");
    int rc = hf_prune_read(p, &v->names, take_later, &g, out, err);
    pthread_mutex_destroy(&g.lock);
    HF_POINT("prune.after_mark");
    return rc < 0 ? -1 : mark_moved(v, err);
}

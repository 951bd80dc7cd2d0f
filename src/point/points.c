/* SPDX-License-Identifier: Apache-2.0 */
#include "point/points.h"

#include "base/point.h"

#include <stdlib.h>
#include <string.h>

#define FIND_MIN 8

void hf_points_free(struct hf_points *p)
{
    free(p->items);
    *p = (struct hf_points){0};
}

/* ---- listing ---------------------------------------------------------------------------- */

int hf_points_add(struct hf_points *p, const struct hf_point_name *n, struct hf_err *err)
{
    if (p->n == HF_POINTS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the store has more than %zu points", HF_POINTS_MAX);
    if ((p->n & (p->n - 1)) == 0) {
        struct hf_point_name *more = reallocarray(p->items, p->n ? 2 * p->n : 1, sizeof *more);
        if (!more)
            return hf_fail_nomem(err);
        p->items = more;
    }
    p->items[p->n++] = *n;
    return 0;
}

struct listing {
    struct hf_strv vms;
    struct hf_points *points;
    char since[HF_TIME_MAX]; /* as in an id, or "" */
};

static int take_vm(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    struct listing *l = ctx;
    char label[HF_POINT_VM_MAX];
    if (!hf_point_vm_of_group(o->name, label))
        return 0;
    if (l->vms.n == HF_POINTS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the store has more than %zu VMs", HF_POINTS_MAX);
    return hf_strv_add(&l->vms, label) < 0 ? hf_fail_nomem(err) : 0;
}

static int take_point(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    struct listing *l = ctx;
    struct hf_point_name n;
    if (!hf_point_of_group(o->name, &n) || strcmp(n.id, l->since) < 0)
        return 0;
    return hf_points_add(l->points, &n, err);
}

static int list_vm(struct hf_site *s, const char *vm, struct listing *l, struct hf_err *err)
{
    char prefix[HF_POINT_NAME_MAX];
    if (hf_point_vm_prefix(vm, prefix, err) < 0)
        return -1;
    const struct hf_store_list what = {.prefix = prefix, .shallow = true};
    return hf_store_list(s->store, &what, take_point, l, err) ? -1 : 0;
}

static int list_all(struct hf_site *s, struct listing *l, struct hf_err *err)
{
    const struct hf_store_list what = {.prefix = HF_POINTS_PREFIX, .shallow = true};
    if (hf_store_list(s->store, &what, take_vm, l, err))
        return -1;
    for (size_t i = 0; i < l->vms.n; i++)
        if (hf_cancel_check(s->cancel, err) < 0 || list_vm(s, l->vms.items[i], l, err) < 0)
            return -1;
    return 0;
}

void hf_points_sort(struct hf_points *p)
{
    if (p->n)
        qsort(p->items, p->n, sizeof *p->items, hf_point_name_compare);
}

bool hf_points_has(const struct hf_points *sorted, const struct hf_point_name *n)
{
    return sorted->n &&
           bsearch(n, sorted->items, sorted->n, sizeof *n, hf_point_name_compare) != NULL;
}

int hf_points_list(struct hf_site *s, const struct hf_points_filter *filter, struct hf_points *out,
                   struct hf_err *err)
{
    struct listing l = {.points = out};
    if (filter->since_us)
        hf_time_compact(filter->since_us, l.since);
    int rc = filter->vm ? list_vm(s, filter->vm, &l, err) : list_all(s, &l, err);
    hf_strv_free(&l.vms);
    if (rc < 0)
        return hf_wrap(err, "the points of store '%s'", s->name);
    hf_points_sort(out);
    return 0;
}

int hf_points_find(struct hf_site *s, const char *text, struct hf_point_name *out,
                   struct hf_err *err)
{
    const char *slash = strrchr(text, '/'), *id = slash ? slash + 1 : text;
    HF_AUTOFREE char *vm = slash ? strndup(text, (size_t)(slash - text)) : NULL;
    const struct hf_points_filter filter = {.vm = vm};
    HF_AUTO(hf_points) struct hf_points all = {0};
    const struct hf_point_name *found = NULL;
    if (slash && !vm)
        return hf_fail_nomem(err);
    if (strlen(id) < FIND_MIN)
        return hf_fail(err, HF_E_NOT_FOUND, "no point '%.60s': at least %d characters are needed",
                       text, FIND_MIN);
    if (hf_points_list(s, &filter, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < all.n; i++) {
        if (strncmp(all.items[i].id, id, strlen(id)) != 0)
            continue;
        if (found)
            return hf_fail(err, HF_E_CONFLICT,
                           "several points begin with '%.60s', as %s/%s and "
                           "%s/%s",
                           text, found->vm, found->id, all.items[i].vm, all.items[i].id);
        found = &all.items[i];
    }
    if (!found)
        return hf_fail(err, HF_E_NOT_FOUND, "store '%s' has no point '%.60s'", s->name, text);
    *out = *found;
    return 0;
}

/* ---- one point -------------------------------------------------------------------------- */

static int check_place(const struct hf_site *s, const struct hf_point_name *n,
                       const struct hf_manifest *m, struct hf_err *err)
{
    if (strcmp(m->store, s->id) != 0)
        return hf_fail(err, HF_E_CORRUPT, "it is of another store (%s)", m->store);
    if (strcmp(m->point.vm, n->vm) != 0 || strcmp(m->point.id, n->id) != 0)
        return hf_fail(err, HF_E_CORRUPT, "it is that of another point, %s/%s", m->point.vm,
                       m->point.id);
    return 0;
}

int hf_point_read(struct hf_site *s, const struct hf_point_name *n, struct hf_manifest *out,
                  struct hf_err *err)
{
    char name[HF_POINT_NAME_MAX];
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (hf_point_manifest_name(n, s->is_encrypted, name, err) < 0 ||
        hf_site_get_bytes(s, HF_SITE_META, name, HF_MANIFEST_MAX, &text, err) < 0)
        return -1;
    if (hf_manifest_read(hf_buf_str(&text), text.len, s->keys, s->is_encrypted, out, err) < 0 ||
        check_place(s, n, out, err) < 0)
        return hf_wrap(err, "%s: %s", s->store->url, name);
    return 0;
}

struct resting {
    struct hf_point_rest *out;
    size_t prefix_len;
    int64_t changed_s;
};

/* Of either kind: one of a store that was encrypted later, or was before, is no leftover. */
static bool is_manifest(const char *object)
{
    return strcmp(object, "manifest.json") == 0 || strcmp(object, "manifest.json.age") == 0;
}

static int take_rest(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    struct resting *r = ctx;
    (void)err;
    r->out->objects++;
    r->out->has_manifest = r->out->has_manifest || is_manifest(o->name + r->prefix_len);
    r->out->bytes += o->bytes;
    if (o->changed_s > r->changed_s)
        r->changed_s = o->changed_s;
    return 0;
}

int hf_point_rest(struct hf_site *s, const struct hf_point_name *n, struct hf_point_rest *out,
                  struct hf_err *err)
{
    char prefix[HF_POINT_NAME_MAX];
    struct resting r = {.out = out};
    int64_t now_s = 0;
    *out = (struct hf_point_rest){.age_s = -1};
    if (hf_point_prefix(n, prefix, err) < 0)
        return -1;
    r.prefix_len = strlen(prefix);
    const struct hf_store_list what = {.prefix = prefix};
    if (hf_store_list(s->store, &what, take_rest, &r, err) ||
        hf_store_now(s->store, &now_s, err) < 0)
        return -1;
    if (r.changed_s)
        out->age_s = now_s > r.changed_s ? now_s - r.changed_s : 0;
    return 0;
}

static int emit_rest(struct hf_site *s, struct hf_point_found *f, hf_point_emit emit, void *ctx,
                     struct hf_err *err)
{
    if (hf_point_rest(s, &f->name, &f->rest, err) < 0)
        return -1;
    return f->rest.objects ? emit(ctx, f, err) : 0;
}

static int each(struct hf_site *s, const struct hf_point_name *n, hf_point_emit emit, void *ctx,
                struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    struct hf_point_found f = {.name = *n};
    if (hf_cancel_check(s->cancel, err) < 0)
        return -1;
    if (hf_point_read(s, n, &m, &why) == 0) {
        f.manifest = &m;
        return emit(ctx, &f, err);
    }
    switch (why.cls) {
    case HF_E_NOT_FOUND:
        return emit_rest(s, &f, emit, ctx, err);
    case HF_E_CORRUPT:
    case HF_E_UNSUPPORTED:
        f.damage = &why;
        return emit(ctx, &f, err);
    default:
        hf_err_copy(err, &why);
        return -1;
    }
}

int hf_points_each(struct hf_site *s, const struct hf_points_filter *filter, hf_point_emit emit,
                   void *ctx, struct hf_err *err)
{
    HF_AUTO(hf_points) struct hf_points all = {0};
    if (hf_points_list(s, filter, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < all.n; i++) {
        int rc = each(s, &all.items[i], emit, ctx, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- the end of a run ------------------------------------------------------------------- */

int hf_point_commit(struct hf_site *s, struct hf_manifest *m, struct hf_err *err)
{
    char name[HF_POINT_NAME_MAX];
    struct hf_store_receipt receipt;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    memcpy(m->store, s->id, sizeof m->store);
    if (hf_point_manifest_name(&m->point, s->is_encrypted, name, err) < 0 ||
        hf_manifest_write(m, s->keys, s->is_encrypted, &text, err) < 0 ||
        HF_POINT_ERR("point.before_manifest", err) < 0 ||
        hf_site_put_bytes(s, HF_SITE_META, name, text.data, text.len, &receipt, err) < 0)
        return hf_wrap(err, "the manifest of point %s", m->point.id);
    HF_POINT("point.after_manifest");
    return 0;
}

int hf_point_withdraw(struct hf_site *s, const struct hf_point_name *n, struct hf_err *err)
{
    char name[HF_POINT_NAME_MAX];
    return hf_point_manifest_name(n, s->is_encrypted, name, err) < 0
               ? -1
               : hf_store_remove(s->store, name, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/known_points.h"

#include <string.h>

struct finding {
    const char *vm, *id; /* vm NULL: any; id: the beginning */
    size_t vm_len;
    struct hf_point_name *out;
    int n;
};

static int match(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    struct finding *f = ctx;
    if (strncmp(p->id, f->id, strlen(f->id)) != 0 ||
        (f->vm && (strlen(p->vm) != f->vm_len || strncmp(p->vm, f->vm, f->vm_len) != 0)))
        return 0;
    if (f->n++)
        return hf_fail(err, HF_E_CONFLICT, "several points begin with '%.60s', as %s/%s and %s/%s",
                       f->id, f->out->vm, f->out->id, p->vm, p->id);
    return hf_point_name_set(f->out, p->vm, p->id, err);
}

int hf_known_point_find(struct hf_catalog *c, const char *text, struct hf_point_name *out,
                        struct hf_err *err)
{
    const char *slash = strrchr(text, '/');
    struct finding f = {.id = slash ? slash + 1 : text, .out = out};
    if (slash) {
        f.vm = text;
        f.vm_len = (size_t)(slash - text);
    }
    if (strlen(f.id) < HF_KNOWN_POINT_MIN)
        return hf_fail(err, HF_E_NOT_FOUND, "no point '%.60s': at least %d characters are needed",
                       text, HF_KNOWN_POINT_MIN);
    return hf_catalog_points(c, NULL, 0, match, &f, err) < 0 ? -1 : f.n;
}

/* ---- of a store ------------------------------------------------------------------------- */

struct gathering {
    struct hf_catalog *catalog;
    const char *store_id;
    const struct hf_catalog_point *point;
    struct hf_points *out;
};

static int take_copy(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err)
{
    struct gathering *g = ctx;
    struct hf_point_name n;
    if (strcmp(k->store_id, g->store_id) != 0)
        return 0;
    return hf_point_name_set(&n, g->point->vm, g->point->id, err) < 0
               ? -1
               : hf_points_add(g->out, &n, err);
}

static int take_point(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    struct gathering *g = ctx;
    g->point = p;
    return hf_catalog_copies(g->catalog, p->id, take_copy, g, err);
}

int hf_known_points_on(struct hf_catalog *c, const char *store_id, struct hf_points *out,
                       struct hf_err *err)
{
    struct gathering g = {.catalog = c, .store_id = store_id, .out = out};
    if (hf_catalog_points(c, NULL, 0, take_point, &g, err) < 0)
        return -1;
    hf_points_sort(out);
    return 0;
}

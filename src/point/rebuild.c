/* SPDX-License-Identifier: Apache-2.0 */
#include "point/rebuild.h"

#include <stdlib.h>
#include <string.h>

void hf_point_row(const struct hf_manifest *m, char grade[2], struct hf_catalog_point *out)
{
    grade[0] = m->grade;
    grade[1] = '\0';
    *out = (struct hf_catalog_point){
        .id = m->point.id,
        .vm = m->point.vm,
        .hypervisor = m->hypervisor,
        .vm_id = m->vm_id,
        .grade = grade,
        .taken_us = m->taken_us,
        .stall_ms = m->stall_ms,
        .checkpoint = m->checkpoint,
    };
    for (size_t i = 0; i < m->n_artifacts; i++)
        out->bytes += m->artifacts[i].bytes;
}

void hf_point_copy_row(const struct hf_site *s, const struct hf_manifest *m,
                       struct hf_catalog_copy *out)
{
    *out = (struct hf_catalog_copy){.point_id = m->point.id, .store = s->name, .store_id = s->id};
    hf_manifest_own(m, &out->objects, &out->bytes);
    for (size_t i = 0; i < m->n_artifacts; i++)
        if (m->artifacts[i].kind == HF_POINT_IMAGE)
            out->bytes += m->artifacts[i].stored_bytes;
}

/* What a row needs, while the manifest it is from is gone again. */
struct kept {
    struct hf_point_name name;
    char *hypervisor, *vm_id, *checkpoint;
    char grade[2];
    struct hf_catalog_point point;
    struct hf_catalog_copy copy;
};

struct gathering {
    struct hf_site *site;
    struct hf_rebuilt *out;
    struct kept *items;
    size_t n;
};

static void free_gathering(struct gathering *g)
{
    for (size_t i = 0; i < g->n; i++) {
        free(g->items[i].hypervisor);
        free(g->items[i].vm_id);
        free(g->items[i].checkpoint);
    }
    free(g->items);
}

static int keep(struct gathering *g, const struct hf_manifest *m, struct hf_err *err)
{
    if ((g->n & (g->n - 1)) == 0) {
        struct kept *more = reallocarray(g->items, g->n ? 2 * g->n : 1, sizeof *more);
        if (!more)
            return hf_fail_nomem(err);
        g->items = more;
    }
    struct kept *k = &g->items[g->n++];
    *k = (struct kept){
        .name = m->point,
        .hypervisor = strdup(m->hypervisor),
        .vm_id = strdup(m->vm_id),
        .checkpoint = m->checkpoint ? strdup(m->checkpoint) : NULL,
    };
    if (!k->hypervisor || !k->vm_id || (m->checkpoint && !k->checkpoint))
        return hf_fail_nomem(err);
    hf_point_row(m, k->grade, &k->point);
    hf_point_copy_row(g->site, m, &k->copy);
    return 0;
}

static int gather(void *ctx, const struct hf_point_found *f, struct hf_err *err)
{
    struct gathering *g = ctx;
    if (f->manifest) {
        g->out->points++;
        return keep(g, f->manifest, err);
    }
    if (!f->damage)
        g->out->unfinished++;
    else if (g->out->damaged++ == 0)
        hf_err_copy(&g->out->first_damage, f->damage);
    return 0;
}

/* The array has come to rest: the texts are now in it. */
static void point_at_texts(struct kept *k)
{
    k->point.id = k->copy.point_id = k->name.id;
    k->point.vm = k->name.vm;
    k->point.hypervisor = k->hypervisor;
    k->point.vm_id = k->vm_id;
    k->point.checkpoint = k->checkpoint;
    k->point.grade = k->grade;
}

static int store_rows(struct gathering *g, struct hf_catalog *c, struct hf_err *err)
{
    HF_AUTOFREE struct hf_catalog_point *points = calloc(g->n + 1, sizeof *points);
    HF_AUTOFREE struct hf_catalog_copy *copies = calloc(g->n + 1, sizeof *copies);
    if (!points || !copies)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < g->n; i++) {
        point_at_texts(&g->items[i]);
        points[i] = g->items[i].point;
        copies[i] = g->items[i].copy;
    }
    return hf_catalog_points_rebuild(c, g->site->id, points, copies, g->n, err);
}

int hf_points_rebuild(struct hf_site *s, struct hf_catalog *c, struct hf_rebuilt *out,
                      struct hf_err *err)
{
    const struct hf_points_filter all = {0};
    __attribute__((cleanup(free_gathering))) struct gathering g = {.site = s, .out = out};
    *out = (struct hf_rebuilt){.first_damage = HF_ERR_INIT};
    return hf_points_each(s, &all, gather, &g, err) ? -1 : store_rows(&g, c, err);
}

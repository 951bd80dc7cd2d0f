/* SPDX-License-Identifier: Apache-2.0 */
#include "run/prune_known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loading {
    struct hf_catalog *catalog;
    const char *store_id;
    const struct hf_catalog_point *point;
    struct hf_prune_known_list *out;
};

void hf_prune_known_free(struct hf_prune_known_list *l)
{
    free(l->items);
    *l = (struct hf_prune_known_list){0};
}

static int add_copy(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err)
{
    struct loading *l = ctx;
    struct hf_prune_known_list *out = l->out;
    if (strcmp(k->store_id, l->store_id) != 0)
        return 0;
    if ((out->n & (out->n - 1)) == 0) {
        struct hf_prune_known *more =
            reallocarray(out->items, out->n ? 2 * out->n : 1, sizeof *more);
        if (!more)
            return hf_fail_nomem(err);
        out->items = more;
    }
    struct hf_prune_known *p = &out->items[out->n++];
    *p = (struct hf_prune_known){.is_verified = k->verified_us && !k->is_damaged,
                                 .is_damaged = k->is_damaged};
    snprintf(p->id, sizeof p->id, "%s", k->point_id);
    return 0;
}

static int add_point(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    struct loading *l = ctx;
    l->point = p;
    return hf_catalog_copies(l->catalog, p->id, add_copy, l, err);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct hf_prune_known *)a)->id, ((const struct hf_prune_known *)b)->id);
}

static struct hf_prune_known *find(const struct hf_prune_known_list *l, const char *id)
{
    struct hf_prune_known key = {0};
    snprintf(key.id, sizeof key.id, "%s", id);
    return l->n ? bsearch(&key, l->items, l->n, sizeof key, by_id) : NULL;
}

/* Newest first: the last drill of a copy tells. One that failed has taken its verification away already. */
static int take_drill(void *ctx, const struct hf_catalog_drill *d, struct hf_err *err)
{
    struct loading *l = ctx;
    struct hf_prune_known *k = find(l->out, d->point_id);
    (void)err;
    if (!k || k->is_drilled || strcmp(d->store_id, l->store_id) != 0)
        return 0;
    k->is_drilled = true;
    k->is_verified = k->is_verified || (d->has_passed && !k->is_damaged);
    return 0;
}

int hf_prune_known_load(struct hf_catalog *c, const char *vm, const char *store_id,
                        struct hf_prune_known_list *out, struct hf_err *err)
{
    struct loading l = {.catalog = c, .store_id = store_id, .out = out};
    if (hf_catalog_points(c, vm, 0, add_point, &l, err) < 0)
        return -1;
    if (out->n)
        qsort(out->items, out->n, sizeof *out->items, by_id);
    return hf_catalog_drills(c, NULL, vm, SIZE_MAX, take_drill, &l, err);
}

const struct hf_prune_known *hf_prune_known_find(const struct hf_prune_known_list *l,
                                                 const char *id)
{
    return find(l, id);
}

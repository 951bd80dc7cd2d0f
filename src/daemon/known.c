/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/known.h"

#include "base/cleanup.h"
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

void hf_known_free(struct hf_known *k)
{
    for (size_t i = 0; i < k->n; i++) {
        free(k->items[i].policy);
        free(k->items[i].vm);
    }
    free(k->items);
    *k = (struct hf_known){0};
}

static int by_name(const void *a, const void *b)
{
    const struct hf_known_pair *x = a, *y = b;
    int by_policy = strcmp(x->policy, y->policy);
    int by_vm = by_policy ? by_policy : strcmp(x->vm, y->vm);
    return by_vm ? by_vm : strcmp(x->kind, y->kind);
}

static int learn(void *ctx, const struct hf_plan_row *row, struct hf_err *err)
{
    struct hf_known *k = ctx;
    struct hf_known_pair *items = hf_list_room(k->items, k->n, &k->cap, sizeof *items, 64);
    if (!items)
        return hf_fail_nomem(err);
    k->items = items;
    struct hf_known_pair *pair = &k->items[k->n++];
    *pair = (struct hf_known_pair){.policy = strdup(row->policy->label),
                                   .vm = strdup(row->vm->label),
                                   .kind = row->kind,
                                   .served_s = row->served_s};
    return pair->policy && pair->vm ? 0 : hf_fail_nomem(err);
}

void hf_known_learn(struct hf_known *k, const struct hf_plan *plan, int64_t now_s)
{
    struct hf_err none = HF_ERR_INIT;
    hf_known_free(k);
    if (hf_plan_rows(plan, now_s, learn, k, &none) < 0)
        hf_known_free(k);
    else if (k->n > 0)
        qsort(k->items, k->n, sizeof *k->items, by_name);
}

bool hf_known_served(const struct hf_known *k, const struct hf_duty *d, int64_t *out_served_s)
{
    const struct hf_known_pair key = {
        .policy = (char *)(uintptr_t)d->policy, .vm = (char *)(uintptr_t)d->vm, .kind = d->kind};
    const struct hf_known_pair *found =
        k->n ? bsearch(&key, k->items, k->n, sizeof key, by_name) : NULL;
    if (found)
        *out_served_s = found->served_s;
    return found != NULL;
}

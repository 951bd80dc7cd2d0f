/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/owed.h"

#include "base/list.h"
#include "base/pid.h"

#include <stdlib.h>
#include <string.h>

void hf_owed_close(struct hf_owed *o)
{
    hf_plan_free(o->plan);
    free(o->items);
    hf_strv_free(&o->texts);
    *o = (struct hf_owed){0};
}

int hf_owed_keep(struct hf_owed *o, const char *text, const char **out, struct hf_err *err)
{
    *out = NULL;
    if (!text)
        return 0;
    if (hf_strv_add(&o->texts, text) < 0)
        return hf_fail_nomem(err);
    *out = o->texts.items[o->texts.n - 1];
    return 0;
}

/* A copy at the end of the items. */
static int add(struct hf_owed *o, const struct hf_duty *d, bool is_followed, struct hf_err *err)
{
    struct hf_owed_duty *items = hf_list_room(o->items, o->n, &o->cap, sizeof *items, 64);
    if (!items)
        return hf_fail_nomem(err);
    o->items = items;
    struct hf_owed_duty *item = &o->items[o->n];
    *item = (struct hf_owed_duty){.d = *d, .is_followed = is_followed};
    const char **texts[] = {&item->d.policy,  &item->d.vm,    &item->d.kind,
                            &item->d.outcome, &item->d.error, &item->d.message,
                            &item->d.run_id,  &item->d.grade, &item->d.datastores};
    for (size_t i = 0; i < HF_ARRAY_SIZE(texts); i++)
        if (hf_owed_keep(o, *texts[i], texts[i], err) < 0)
            return -1;
    o->n++;
    return 0;
}

/* Between its beginning and its process there is a moment without one. */
#define FORK_US (INT64_C(60) * 1000000)

static int add_followed(void *ctx, const struct hf_duty *d, struct hf_err *err)
{
    struct hf_owed *o = ctx;
    o->has_followed = true;
    return add(o, d, true, err);
}

static int add_new(void *ctx, const struct hf_duty *d, struct hf_err *err)
{
    return add(ctx, d, false, err);
}

static int by_name(const void *a, const void *b)
{
    const struct hf_duty *x = &((const struct hf_owed_duty *)a)->d,
                         *y = &((const struct hf_owed_duty *)b)->d;
    int rc = strcmp(x->policy, y->policy);
    if (rc == 0)
        rc = strcmp(x->vm, y->vm);
    return rc ? rc : strcmp(x->kind, y->kind);
}

static bool is_going_on(const struct hf_duty *d, int64_t now_s)
{
    if (d->began_us == 0 || d->ended_us != 0)
        return false;
    int64_t age_us = now_s * 1000000 - d->began_us;
    return d->pid ? hf_pid_is(d->pid, d->pid_start) : age_us >= 0 && age_us < FORK_US;
}

static bool makes_snapshots(const struct hf_config *config, const struct hf_duty *d)
{
    for (size_t i = 0; i < hf_config_policy_count(config); i++) {
        const struct hf_config_policy *p = hf_config_policy_at(config, i);
        if (strcmp(p->label, d->policy) == 0)
            return p->produce == HF_PRODUCE_SNAPSHOT;
    }
    return false;
}

static int mark(void *ctx, const struct hf_plan_row *row, struct hf_err *err)
{
    struct hf_owed *o = ctx;
    const struct hf_owed_duty key = {
        .d = {.policy = row->policy->label, .vm = row->vm->label, .kind = row->kind}};
    struct hf_owed_duty *item = bsearch(&key, o->items, o->n, sizeof *o->items, by_name);
    (void)err;
    if (item) {
        item->is_configured = true;
        item->row = *row;
    }
    return 0;
}

/* What the plan is told: an attempt whose process is gone is no longer under way. */
static void load(struct hf_owed *o, const struct hf_owed_duty *item)
{
    struct hf_duty d = item->d;
    if (d.began_us != 0 && d.ended_us == 0 && !item->is_running)
        d.ended_us = d.began_us;
    if (item->is_followed || item->is_by_others)
        hf_plan_load(o->plan, &d, NULL);
}

int hf_owed_open(struct hf_owed *o, const struct hf_config *config, struct hf_catalog *catalog,
                 int64_t now_s, struct hf_err *err)
{
    o->now_s = now_s;
    o->plan = hf_plan_new(config, now_s, err);
    if (!o->plan || (catalog && hf_duties(catalog, add_followed, o, err) < 0))
        return -1;
    for (size_t i = 0; i < o->n; i++)
        hf_plan_load(o->plan, &o->items[i].d, NULL);
    if (hf_plan_each_new(o->plan, add_new, o, err) < 0)
        return -1;
    if (o->n == 0)
        return 0;
    qsort(o->items, o->n, sizeof *o->items, by_name);
    if (hf_plan_rows(o->plan, now_s, mark, o, err) < 0)
        return -1;
    for (size_t i = 0; i < o->n; i++) {
        struct hf_owed_duty *item = &o->items[i];
        item->is_running = is_going_on(&item->d, now_s);
        if (catalog && item->is_configured && !item->is_running &&
            hf_owed_learn(o, item, makes_snapshots(config, &item->d), catalog, err) < 0)
            return -1;
        load(o, item);
    }
    return hf_plan_rows(o->plan, now_s, mark, o, err);
}

const struct hf_owed_duty *hf_owed_find(const struct hf_owed *o, const char *policy, const char *vm,
                                        const char *kind)
{
    const struct hf_owed_duty key = {.d = {.policy = policy, .vm = vm, .kind = kind}};
    return o->n ? bsearch(&key, o->items, o->n, sizeof *o->items, by_name) : NULL;
}

int hf_owed_add_time(struct json_object *o, const char *key, int64_t at_s)
{
    return hf_json_add_time(o, key, at_s == HF_NO_TIME ? 0 : at_s * 1000000);
}

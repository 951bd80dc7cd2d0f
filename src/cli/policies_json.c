/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"
#include "cli/policies.h"
#include "policy/forecast.h"

#include <string.h>

#define RUNS_MAX 1000

/* null: everything that is configured */
static int add_products(struct json_object *o, unsigned produce)
{
    if (!produce)
        return hf_json_add_string(o, "produce", NULL);
    struct json_object *list = hf_json_add_array(o, "produce");
    for (unsigned left = produce; list && left; left &= left - 1)
        if (json_object_array_add(list, json_object_new_string(hf_produce_name(left & -left))) != 0)
            return -1;
    return list ? 0 : -1;
}

static int add_duration(struct json_object *o, const char *key, int64_t ms)
{
    return ms ? hf_json_add_int(o, key, ms) : hf_json_add_string(o, key, NULL);
}

static int add_settings(struct json_object *o, const struct hf_config_policy *c)
{
    char window[HF_UNITS_MAX];
    const struct hf_window *w = &c->window;
    struct json_object *keep = json_object_new_object();
    snprintf(window, sizeof window, "%02u:%02u-%02u:%02u", w->from_min / 60u, w->from_min % 60u,
             w->until_min / 60u, w->until_min % 60u);
    if (hf_json_add(o, "keep", keep) != 0 || hf_json_add_string(o, "policy", c->label) != 0 ||
        hf_json_add_string(o, "schedule", c->schedule.text) != 0 ||
        hf_json_add_string(o, "timezone", c->timezone) != 0 ||
        hf_json_add_string(o, "window", w->from_min == w->until_min ? NULL : window) != 0 ||
        hf_json_add_int(o, "jitter_ms", c->jitter) != 0 || add_products(o, c->produce) != 0 ||
        hf_json_add(o, "stores", hf_json_strings(&c->stores)) != 0 ||
        add_duration(o, "snapshot_keep_ms", c->snapshot_keep) != 0 ||
        add_duration(o, "drill_every_ms", c->drill) != 0 ||
        hf_json_add_string(o, "require", hf_grade_name(c->require)) != 0)
        return -1;
    for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
        if (c->keep.n[rule] &&
            hf_json_add_int(keep, hf_keep_rule_name((enum hf_keep_rule)rule), c->keep.n[rule]) != 0)
            return -1;
    return 0;
}

static int add_vms(struct json_object *o, const struct hf_policies *all, const struct hf_policy *p)
{
    struct json_object *list = hf_json_add_array(o, "vms");
    for (size_t i = 0; list && i < hf_config_vm_count(all->config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(all->config, i);
        if (!hf_policy_selects(p, vm))
            continue;
        const struct hf_owed_duty *known =
            hf_owed_find(&all->owed, p->config->label, vm->label, HF_DUTY_RUN);
        struct hf_due due = known ? (struct hf_due){known->row.due_s, known->row.start_s, false}
                                  : hf_policy_due(p, vm->label, all->now_s, all->now_s);
        struct json_object *row = hf_json_append_object(list);
        if (!row || hf_json_add_string(row, "vm", vm->label) != 0 ||
            hf_owed_add_time(row, "next_due_at", due.due_s) != 0 ||
            hf_owed_add_time(row, "next_start_at", due.start_s) != 0 ||
            hf_policies_json_last(row, all, p->config->label, vm->label) != 0)
            return -1;
    }
    return list ? 0 : -1;
}

static int add_runs(struct json_object *o, const struct hf_policies *all, const struct hf_policy *p)
{
    struct json_object *list = hf_json_add_array(o, "runs");
    int64_t n = 0, t = all->now_s;
    if (!list)
        return -1;
    while ((t = hf_policy_begin_next(p, t)) <= all->until_s) {
        char at[HF_TIME_MAX];
        hf_time_rfc3339(t * 1000000, at);
        if (n++ < RUNS_MAX && json_object_array_add(list, json_object_new_string(at)) != 0)
            return -1;
    }
    return hf_json_add_int(o, "runs_total", n);
}

static int add_reason(struct json_object *reasons, const char *name)
{
    return json_object_array_add(reasons, json_object_new_string(name));
}

static int add_kept(struct json_object *o, const struct hf_forecast_kept *k)
{
    struct json_object *list = hf_json_add_array(o, "kept");
    for (size_t i = 0; list && i < k->n; i++) {
        struct json_object *row = hf_json_append_object(list);
        struct json_object *reasons = row ? hf_json_add_array(row, "reasons") : NULL;
        if (!reasons || hf_owed_add_time(row, "at", k->points[i].taken_us / 1000000) != 0)
            return -1;
        for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
            if (k->points[i].reasons >> rule & 1 &&
                add_reason(reasons, hf_keep_rule_name((enum hf_keep_rule)rule)) != 0)
                return -1;
        if (k->points[i].reasons & HF_KEPT_NEWEST && add_reason(reasons, "newest") != 0)
            return -1;
    }
    return list ? hf_json_add_bool(o, "kept_is_cut", k->is_cut) : -1;
}

static bool has_rules(const struct hf_keep *keep)
{
    uint32_t sum = 0;
    for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
        sum |= keep->n[rule];
    return sum != 0;
}

static int add_policy(struct json_object *list, const struct hf_policies *all,
                      const struct hf_policy *p, struct hf_err *err)
{
    HF_AUTO(hf_forecast_kept) struct hf_forecast_kept kept = {0};
    struct json_object *o = hf_json_append_object(list);
    if (has_rules(&p->config->keep) && hf_forecast_kept(p, all->now_s, &kept, err) != 0)
        return -1;
    if (!o || add_settings(o, p->config) != 0 || add_vms(o, all, p) != 0 ||
        add_runs(o, all, p) != 0 || add_kept(o, &kept) != 0)
        return hf_fail_nomem(err);
    return 0;
}

struct json_object *hf_policies_json(const struct hf_policies *all, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    struct json_object *list = doc ? hf_json_add_array(doc, "policies") : NULL;
    for (size_t i = 0; list && i < all->n; i++)
        if (add_policy(list, all, &all->items[i], err) != 0)
            return NULL;
    if (!list || hf_json_add(doc, "in_no_policy", hf_json_strings(&all->in_none)) != 0 ||
        hf_json_add(doc, "notices", hf_json_strings(&all->notices)) != 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}

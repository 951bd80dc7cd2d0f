/* SPDX-License-Identifier: Apache-2.0
 *
 * The policies of a configuration, and what does not fit together in them.
 */
#include "cli/policies.h"

#include "base/civil.h"
#include "policy/forecast.h"

#include <inttypes.h>
#include <stdlib.h>

#define NOTICES_MAX 100
#define PRUNE_S 3600 /* what has expired is there until its timer comes round */

void hf_policies_close(struct hf_policies *all)
{
    for (size_t i = 0; i < all->n; i++)
        hf_policy_close(&all->items[i]);
    free(all->items);
    hf_strv_free(&all->notices);
    hf_strv_free(&all->in_none);
    hf_owed_close(&all->owed);
    *all = (struct hf_policies){0};
}

int hf_policies_notice(struct hf_policies *all, const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    va_list ap;
    if (all->notices.n > NOTICES_MAX)
        return 0;
    if (all->notices.n == NOTICES_MAX)
        return hf_strv_add(&all->notices, "there are more than these");
    va_start(ap, fmt);
    hf_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    return hf_strv_take(&all->notices, hf_buf_steal(&text));
}

static size_t count_selected(const struct hf_policies *all, const struct hf_policy *p,
                             const struct hf_policy *also, const char **first)
{
    size_t n = 0;
    for (size_t i = 0; i < hf_config_vm_count(all->config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(all->config, i);
        if (!hf_policy_selects(p, vm) || (also && !hf_policy_selects(also, vm)))
            continue;
        *first = n++ == 0 ? vm->label : *first;
    }
    return n;
}

/* The same VM, at the same moment: one of the runs has to wait for the other. */
static int look_for_clash(struct hf_policies *all, const struct hf_policy *a,
                          const struct hf_policy *b)
{
    const char *vm = NULL;
    char at[HF_TIME_MAX];
    size_t n = count_selected(all, a, b, &vm);
    int64_t clash = n ? hf_forecast_clash(a, b, all->now_s, all->until_s) : HF_NO_TIME;
    if (clash == HF_NO_TIME)
        return 0;
    hf_time_rfc3339(clash * 1000000, at);
    return hf_policies_notice(
        all,
        "policies %s and %s both begin at %s for %zu VM%s, such as %s: one waits for the other",
        a->config->label, b->config->label, at, n, n == 1 ? "" : "s", vm);
}

/* Runs that can never reach what is required of them. */
static int look_at_grade(struct hf_policies *all, const struct hf_policy *p)
{
    enum hf_grade required = p->config->require;
    const struct hf_config_vm *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < hf_config_vm_count(all->config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(all->config, i);
        if (hf_grade_meets(hf_quiesce_grade(vm->quiesce, vm->freeze), required) ||
            !hf_policy_selects(p, vm))
            continue;
        first = n++ == 0 ? vm : first;
    }
    if (n == 0)
        return 0;
    return hf_policies_notice(
        all,
        "policy %s requires grade %s, which %zu of its VMs cannot reach, such as %s "
        "(quiesce = %s: %s at the best)",
        p->config->label, hf_grade_name(required), n, first->label, hf_quiesce_name(first->quiesce),
        hf_grade_name(hf_quiesce_grade(first->quiesce, first->freeze)));
}

static int64_t keep_s(const struct hf_policy *p, const struct hf_config_vm *vm)
{
    return (p->config->snapshot_keep ? p->config->snapshot_keep : vm->snapshot_keep) / 1000;
}

/* While one of its snapshots is there, more runs begin than there may be snapshots. */
static bool leaves_too_many(const struct hf_policies *all, const struct hf_policy *p,
                            const struct hf_config_vm *vm)
{
    const int64_t until_s = all->now_s + keep_s(p, vm) + PRUNE_S;
    int64_t n = 0, at_s = all->now_s;
    while (n <= vm->max_snapshots && (at_s = hf_policy_begin_next(p, at_s)) != HF_NO_TIME &&
           at_s <= until_s)
        n++;
    return n > vm->max_snapshots;
}

/* Runs that fail as soon as max-snapshots are there. */
static int look_at_snapshots(struct hf_policies *all, const struct hf_policy *p)
{
    const struct hf_config_vm *many = NULL, *ever = NULL;
    const bool is_meant = p->config->produce == HF_PRODUCE_SNAPSHOT;
    for (size_t i = 0; is_meant && i < hf_config_vm_count(all->config) && !many && !ever; i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(all->config, i);
        if (!hf_policy_selects(p, vm))
            continue;
        ever = keep_s(p, vm) == 0 ? vm : NULL;
        many = leaves_too_many(all, p, vm) ? vm : NULL;
    }
    if (ever)
        return hf_policies_notice(all,
                                  "policy %s has no snapshot-keep, nor has %s: its snapshots stay, "
                                  "and once there are %" PRId64 " its runs fail",
                                  p->config->label, ever->label, (int64_t)ever->max_snapshots);
    if (many)
        return hf_policies_notice(
            all,
            "policy %s keeps more snapshots at a time than max-snapshots allows (%s: %" PRId64
            "): once they are there its runs fail",
            p->config->label, many->label, (int64_t)many->max_snapshots);
    return 0;
}

static int look_at_each(struct hf_policies *all)
{
    for (size_t i = 0; i < all->n; i++) {
        const char *vm = NULL;
        const struct hf_policy *p = &all->items[i];
        if (count_selected(all, p, NULL, &vm) == 0 &&
            hf_policies_notice(all, "policy %s selects no VM", p->config->label) != 0)
            return -1;
        if (look_at_grade(all, p) != 0 || look_at_snapshots(all, p) != 0)
            return -1;
        for (size_t k = i + 1; k < all->n; k++)
            if (look_for_clash(all, p, &all->items[k]) != 0)
                return -1;
    }
    return 0;
}

static int look_for_forgotten(struct hf_policies *all)
{
    for (size_t i = 0; i < hf_config_vm_count(all->config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(all->config, i);
        bool is_in = false;
        for (size_t k = 0; k < all->n && !is_in; k++)
            is_in = hf_policy_selects(&all->items[k], vm);
        if (!is_in && hf_strv_add(&all->in_none, vm->label) != 0)
            return -1;
    }
    return 0;
}

int hf_policies_open(struct hf_policies *all, const struct hf_config *config, int64_t now_s,
                     int64_t until_s, struct hf_err *err)
{
    size_t n = hf_config_policy_count(config);
    *all = (struct hf_policies){.config = config, .now_s = now_s, .until_s = until_s};
    all->items = calloc(n + 1, sizeof(*all->items));
    if (!all->items)
        return hf_fail_nomem(err);
    for (; all->n < n; all->n++)
        if (hf_policy_open(&all->items[all->n], config, hf_config_policy_at(config, all->n), err) !=
            0)
            return -1;
    return look_at_each(all) != 0 || look_for_forgotten(all) != 0 ? hf_fail_nomem(err) : 0;
}

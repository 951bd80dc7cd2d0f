/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include "base/civil.h"
#include "policy/select.h"

#define WAIT_MAX_S (3 * HF_DAY_S) /* longer than any window stays closed */

int hf_policy_open(struct hf_policy *p, const struct hf_config *all,
                   const struct hf_config_policy *config, struct hf_err *err)
{
    const char *zone = config->timezone ? config->timezone : hf_config_get_defaults(all)->timezone;
    *p = (struct hf_policy){.config = config, .all = all, .zone = hf_zone_open(zone, err)};
    return p->zone ? 0 : hf_wrap(err, "policy %s", config->label);
}

void hf_policy_close(struct hf_policy *p)
{
    hf_zone_close(p->zone);
    *p = (struct hf_policy){0};
}

bool hf_policy_selects(const struct hf_policy *p, const struct hf_config_vm *vm)
{
    return hf_select_has(&p->config->vms, vm, hf_config_hypervisor_of(p->all, vm));
}

/* ---- jitter ----------------------------------------------------------------------------- */

/* FNV-1a. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

/* The VM's place in the policy, as a part of 2^32. The end of murmur3 spreads what FNV leaves
 * close together: web01 and web02 differ in the last byte only. */
static uint64_t place(const char *policy, const char *vm)
{
    uint64_t h = hash_text(UINT64_C(0xcbf29ce484222325), policy);
    h = hash_text(hash_text(h, "/"), vm);
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (h ^ h >> 33) >> 32;
}

int64_t hf_policy_start(const struct hf_policy *p, const char *vm, int64_t due_s)
{
    int64_t open = hf_window_open(&p->config->window, p->zone, due_s);
    int64_t span = p->config->jitter / 1000;
    if (open == HF_NO_TIME || span == 0)
        return open;
    int64_t close = hf_window_close(&p->config->window, p->zone, open);
    if (close != HF_NO_TIME && span > close - open - 1)
        span = close - open - 1;
    /* A part of the span, not a rest of it: the order of due times stays that of starts. */
    return open + (int64_t)(place(p->config->label, vm) * (uint64_t)span >> 32);
}

int64_t hf_policy_begin_next(const struct hf_policy *p, int64_t after_s)
{
    const struct hf_config_policy *c = p->config;
    int64_t open = hf_window_open(&c->window, p->zone, after_s);
    if (open != after_s) { /* closed: is anything waiting already? */
        int64_t due = hf_schedule_last(&c->schedule, p->zone, after_s - WAIT_MAX_S, after_s);
        if (due != HF_NO_TIME && hf_window_open(&c->window, p->zone, due) == open)
            return open;
    }
    int64_t due = hf_schedule_next(&c->schedule, p->zone, after_s);
    return due == HF_NO_TIME ? due : hf_window_open(&c->window, p->zone, due);
}

/* ---- due -------------------------------------------------------------------------------- */

/* The last due time in (served_s, now_s] whose start has come; HF_NO_TIME: none. Starts are in
 * the order of due times, so halving finds it. */
static int64_t last_started(const struct hf_policy *p, const char *vm, int64_t served_s,
                            int64_t now_s)
{
    int64_t found = HF_NO_TIME, low = served_s, high = now_s;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t next = hf_schedule_next(&p->config->schedule, p->zone, middle);
        if (next <= now_s && hf_policy_start(p, vm, next) <= now_s) {
            found = next;
            low = next;
        } else {
            high = middle;
        }
    }
    return found;
}

struct hf_due hf_policy_due(const struct hf_policy *p, const char *vm, int64_t served_s,
                            int64_t now_s)
{
    struct hf_due due = {.due_s = hf_schedule_next(&p->config->schedule, p->zone, served_s)};
    if (due.due_s == HF_NO_TIME) {
        due.start_s = HF_NO_TIME;
        return due;
    }
    due.start_s = hf_policy_start(p, vm, due.due_s);
    if (due.start_s > now_s)
        return due;
    int64_t first_start = due.start_s;
    due.due_s = last_started(p, vm, due.due_s - 1, now_s);
    due.start_s = hf_policy_start(p, vm, due.due_s);
    due.has_missed = due.start_s > first_start;
    return due;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "policy/plan_intern.h"
#include "policy/select.h"

#include <string.h>

#define SECOND_US 1000000

/* ---- from the configuration ------------------------------------------------------------- */

static int pair_add(struct hf_plan *p, size_t policy, struct hf_plan_vm *vm, bool is_drill,
                    int64_t now_s)
{
    struct hf_plan_pair *pairs =
        hf_list_room(p->pairs, p->n_pairs, &p->cap_pairs, sizeof *pairs, 64);
    if (!pairs)
        return -1;
    p->pairs = pairs;
    p->pairs[p->n_pairs] = (struct hf_plan_pair){
        .policy = &p->policies[policy],
        .vm = vm,
        .stores = is_drill ? NULL : hf_plan_stores_of(p, policy, vm),
        .id = p->n_pairs,
        .is_drill = is_drill,
        .state = {.served_s = now_s},
    };
    p->n_pairs++;
    return 0;
}

/* A snapshot policy has no points to drill; check.c refuses the key there. */
static int pairs_of(struct hf_plan *p, size_t policy, int64_t now_s)
{
    const struct hf_config_policy *c = p->policies[policy].config;
    for (size_t i = 0; i < p->n_vms; i++) {
        if (!hf_select_has(&c->vms, p->vms[i].config, p->vms[i].hypervisor))
            continue;
        if (pair_add(p, policy, &p->vms[i], false, now_s) != 0 ||
            (c->drill > 0 && pair_add(p, policy, &p->vms[i], true, now_s) != 0))
            return -1;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct hf_plan_pair *x = *(struct hf_plan_pair *const *)a,
                              *y = *(struct hf_plan_pair *const *)b;
    const int policy = strcmp(x->policy->config->label, y->policy->config->label);
    const int vm = policy ? policy : strcmp(x->vm->config->label, y->vm->config->label);
    return vm ? vm : x->is_drill - y->is_drill;
}

static int index_pairs(struct hf_plan *p)
{
    p->by_name = calloc(p->n_pairs + 1, sizeof *p->by_name);
    p->heap = calloc(p->n_pairs + 1, sizeof *p->heap);
    p->line = calloc(p->n_pairs + 1, sizeof *p->line);
    if (!p->by_name || !p->heap || !p->line)
        return -1;
    for (size_t i = 0; i < p->n_pairs; i++)
        p->by_name[i] = &p->pairs[i];
    qsort(p->by_name, p->n_pairs, sizeof *p->by_name, by_name);
    return 0;
}

static int init(struct hf_plan *p, int64_t now_s, struct hf_err *err)
{
    const struct hf_config *c = p->config;
    p->n_vms = hf_config_vm_count(c);
    const size_t n = hf_config_policy_count(c);
    p->policies = calloc(n + 1, sizeof *p->policies);
    if (!p->policies)
        return hf_fail_nomem(err);
    for (; p->n_policies < n; p->n_policies++)
        if (hf_policy_open(&p->policies[p->n_policies], c, hf_config_policy_at(c, p->n_policies),
                           err) != 0)
            return -1;
    if (hf_plan_limits_init(p, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (pairs_of(p, i, now_s) != 0)
            return hf_fail_nomem(err);
    return index_pairs(p) == 0 ? 0 : hf_fail_nomem(err);
}

struct hf_plan *hf_plan_new(const struct hf_config *config, int64_t now_s, struct hf_err *err)
{
    HF_AUTO(hf_plan) struct hf_plan *p = calloc(1, sizeof *p);
    if (!p) {
        hf_fail_nomem(err);
        return NULL;
    }
    *p = (struct hf_plan){
        .config = config, .now_s = now_s, .line_until_s = HF_NO_TIME, .is_cold = true};
    return init(p, now_s, err) == 0 ? HF_STEAL(p) : NULL;
}

void hf_plan_free(struct hf_plan *p)
{
    if (!p)
        return;
    hf_plan_limits_free(p);
    for (size_t i = 0; i < p->n_policies; i++)
        hf_policy_close(&p->policies[i]);
    free(p->policies);
    free(p->pairs);
    free(p->by_name);
    free(p->heap);
    free(p->line);
    free(p);
}

/* ---- from the catalog ------------------------------------------------------------------- */

static const char *kind_of(const struct hf_plan_pair *pair)
{
    return pair->is_drill ? HF_DUTY_DRILL : HF_DUTY_RUN;
}

static int against_duty(const void *key, const void *item)
{
    const struct hf_duty *d = key;
    const struct hf_plan_pair *pair = *(struct hf_plan_pair *const *)item;
    const int policy = strcmp(d->policy, pair->policy->config->label);
    const int vm = policy ? policy : strcmp(d->vm, pair->vm->config->label);
    return vm ? vm : (strcmp(d->kind, HF_DUTY_DRILL) == 0) - pair->is_drill;
}

static struct hf_plan_pair *pair_for(const struct hf_plan *p, const struct hf_duty *d)
{
    struct hf_plan_pair **found =
        bsearch(d, p->by_name, p->n_pairs, sizeof *p->by_name, against_duty);
    return found && strcmp(d->kind, kind_of(*found)) == 0 ? *found : NULL;
}

static enum hf_plan_outcome outcome_of(const char *text)
{
    if (!text)
        return HF_PLAN_NO_OUTCOME;
    if (strcmp(text, "failed") == 0)
        return HF_PLAN_FAILED;
    return strcmp(text, "busy") == 0 ? HF_PLAN_BUSY : HF_PLAN_GOOD;
}

/* What the duty was before its attempt that is going on, as far as its row tells. */
static struct hf_plan_state before_attempt(const struct hf_plan_pair *pair)
{
    const struct hf_plan_state *s = &pair->state;
    if (s->attempts > 1)
        return (struct hf_plan_state){
            .served_s = s->served_s, .attempts = s->attempts - 1, .outcome = HF_PLAN_FAILED};
    const int64_t step = pair->is_drill ? hf_plan_interval_s(pair) : 1;
    return (struct hf_plan_state){.served_s = s->served_s > step ? s->served_s - step : 0};
}

static void begin(struct hf_plan *p, struct hf_plan_pair *pair)
{
    pair->is_running = true;
    pair->state.outcome = HF_PLAN_NO_OUTCOME;
    hf_plan_leave(p, pair);
    hf_plan_take(p, pair);
}

static void end(struct hf_plan *p, struct hf_plan_pair *pair)
{
    pair->is_running = false;
    hf_plan_release(p, pair);
    hf_plan_from_the_front(p);
}

static void learn_datastores(struct hf_plan *p, struct hf_plan_pair *pair, const char *names,
                             int64_t known_us)
{
    if (!names || pair->is_drill || known_us < pair->vm->known_us)
        return;
    pair->vm->known_us = known_us;
    hf_plan_datastores_set(p, pair->vm, names);
}

static struct hf_job job_of(const struct hf_plan_pair *pair)
{
    return (struct hf_job){.policy = pair->policy->config,
                           .vm = pair->vm->config,
                           .kind = kind_of(pair),
                           .due_s = pair->state.served_s,
                           .attempt = pair->state.attempts,
                           .id = pair->id};
}

void hf_plan_load(struct hf_plan *p, const struct hf_duty *d, struct hf_job *out_job)
{
    struct hf_plan_pair *pair = pair_for(p, d);
    if (out_job)
        *out_job = (struct hf_job){.id = HF_PLAN_NONE};
    if (!pair)
        return;
    if (pair->is_running)
        end(p, pair);
    pair->is_loaded = true;
    pair->state = (struct hf_plan_state){.served_s = d->served_s,
                                         .attempts = d->attempts,
                                         .ended_s = d->ended_us / SECOND_US,
                                         .outcome = outcome_of(d->outcome)};
    learn_datastores(p, pair, d->datastores, d->success_us);
    p->is_cold = true;
    if (d->began_us == 0 || d->ended_us != 0) {
        hf_plan_settle(pair, p->now_s); /* now: later would be followed from later on */
        return;
    }
    pair->before = before_attempt(pair);
    begin(p, pair);
    if (out_job)
        *out_job = job_of(pair);
}

int hf_plan_each_new(const struct hf_plan *p, hf_plan_follow_cb emit, void *ctx, struct hf_err *err)
{
    for (size_t i = 0; i < p->n_pairs; i++) {
        const struct hf_plan_pair *pair = &p->pairs[i];
        const struct hf_duty d = {.policy = pair->policy->config->label,
                                  .vm = pair->vm->config->label,
                                  .kind = kind_of(pair),
                                  .served_s = pair->state.served_s,
                                  .stall_ms = -1};
        if (!pair->is_loaded && emit(ctx, &d, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- begun and ended -------------------------------------------------------------------- */

static struct hf_plan_pair *pair_at(const struct hf_plan *p, const struct hf_job *job)
{
    return job->id < p->n_pairs ? &p->pairs[job->id] : NULL;
}

void hf_plan_began(struct hf_plan *p, const struct hf_job *job, int64_t now_s)
{
    struct hf_plan_pair *pair = pair_at(p, job);
    hf_plan_see(p, now_s);
    if (!pair || pair->is_running)
        return;
    pair->before = pair->state;
    pair->state = (struct hf_plan_state){.served_s = job->due_s, .attempts = job->attempt};
    begin(p, pair);
}

void hf_plan_before(const struct hf_plan *p, const struct hf_job *job, int64_t *out_served_s,
                    uint32_t *out_attempts)
{
    const struct hf_plan_pair *pair = pair_at(p, job);
    *out_served_s = pair ? pair->before.served_s : job->due_s;
    *out_attempts = pair ? pair->before.attempts : job->attempt;
}

void hf_plan_ended(struct hf_plan *p, const struct hf_job *job, const char *outcome,
                   const char *datastores, int64_t now_s)
{
    struct hf_plan_pair *pair = pair_at(p, job);
    hf_plan_see(p, now_s);
    if (!pair || !pair->is_running)
        return;
    end(p, pair);
    if (strcmp(outcome, "withdrawn") == 0) {
        pair->state = pair->before;
        pair->withdrawn++;
        hf_plan_put_off(pair, now_s);
    } else {
        pair->state.outcome = outcome_of(outcome);
        pair->state.ended_s = now_s;
        pair->withdrawn = 0;
    }
    learn_datastores(p, pair, datastores, pair->vm->known_us);
    hf_plan_enqueue(p, pair, now_s);
}

/* ---- for people ------------------------------------------------------------------------- */

static struct hf_plan_row row_of(const struct hf_plan_pair *from, int64_t now_s)
{
    struct hf_plan_pair pair = *from;
    struct hf_plan_next next;
    hf_plan_settle(&pair, now_s);
    hf_plan_find_next(&pair, now_s, &next);
    const bool has_waited = next.begin_s <= now_s && next.since_s < next.begin_s;
    return (struct hf_plan_row){.policy = pair.policy->config,
                                .vm = pair.vm->config,
                                .kind = kind_of(&pair),
                                .served_s = pair.state.served_s,
                                .due_s = next.due_s,
                                .start_s = has_waited ? next.since_s : next.begin_s,
                                .is_running = pair.is_running,
                                .is_overdue = hf_plan_is_overdue(&pair, now_s),
                                .has_missed = next.has_missed,
                                .was_ahead = pair.state.was_ahead,
                                .attempt = next.attempt};
}

int hf_plan_rows(const struct hf_plan *p, int64_t now_s, hf_plan_row_cb emit, void *ctx,
                 struct hf_err *err)
{
    for (size_t i = 0; i < p->n_pairs; i++) {
        const struct hf_plan_row row = row_of(&p->pairs[i], now_s);
        if (emit(ctx, &row, err) != 0)
            return -1;
    }
    return 0;
}

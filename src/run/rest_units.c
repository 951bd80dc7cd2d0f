/* SPDX-License-Identifier: Apache-2.0 */
#include "run/rest_units.h"

#include "run/effects.h"

#define LOOK_MS 30000

int hf_rest_units_db(const struct hf_config_vm *vm, struct hf_guest *g, int64_t deadline_ms,
                     struct hf_strv *out, struct hf_err *err)
{
    if (!vm->db_service.n)
        return hf_units_find_db(g, out, deadline_ms, err);
    return hf_strv_add_all(out, &vm->db_service) < 0 ? hf_fail_nomem(err) : 0;
}

static int tell_idle(const struct hf_services *set, struct hf_strv *warnings, struct hf_err *err)
{
    const struct hf_strv *idle = hf_services_idle(set);
    for (size_t i = 0; i < idle->n; i++)
        if (hf_strv_take(warnings,
                         hf_asprintf("%s did not run, and stays as it is", idle->items[i])) < 0)
            return hf_fail_nomem(err);
    return 0;
}

static int add_running(const struct hf_services *set, struct hf_strv *to_start, struct hf_err *err)
{
    const struct hf_strv *running = hf_services_to_start(set);
    for (size_t i = 0; i < running->n; i++)
        if (!hf_strv_has(to_start, running->items[i]) &&
            hf_strv_add(to_start, running->items[i]) < 0)
            return hf_fail_nomem(err);
    return 0;
}

struct hf_services *hf_rest_units_open(const struct hf_env *env, struct hf_guest *g,
                                       const struct hf_strv *units, struct hf_strv *to_start,
                                       struct hf_strv *warnings, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(env, NULL, LOOK_MS);
    struct hf_services_opts opts = {
        .guest = g, .units = units, .clock = env->clock, .log = env->log};
    HF_AUTO(hf_services) struct hf_services *set = hf_services_open(&opts, call.deadline_ms, err);
    if (!set || tell_idle(set, warnings, err) < 0 || add_running(set, to_start, err) < 0)
        return NULL;
    return HF_STEAL(set);
}

void hf_rest_units_plan(struct hf_hold_services *rest, const struct hf_config_vm *vm,
                        const char *run_id, bool until_read)
{
    rest->stop_timeout_ms = vm->stop_timeout;
    rest->start_timeout_ms = vm->start_timeout;
    hf_deadman_name(rest->deadman_stopping, run_id, until_read ? "app-stopping" : "stopping");
    hf_deadman_name(rest->deadman_resting, run_id, until_read ? "app-resting" : "resting");
}

int hf_rest_units_journal(struct hf_journal *j, const struct hf_hold_services *rest, uint64_t *seq,
                          struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv deadmen = HF_STRV_INIT;
    if (!rest->to_start->n)
        return 0;
    if (hf_strv_add(&deadmen, rest->deadman_stopping) < 0 ||
        hf_strv_add(&deadmen, rest->deadman_resting) < 0)
        return hf_fail_nomem(err);
    return hf_effect_rest(j, rest->to_start, &deadmen, seq, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/made_good.h"

#include "catalog/alarm.h"
#include "catalog/duty.h"
#include "cli/report_text.h"
#include "policy/alarms.h"

#include <string.h>

struct making {
    const char *run;
    struct hf_duty *duty;
    bool is_known;
};

/* When it was, as the catalog has it: the newest run of the VM. */
static int take_times(void *ctx, const struct hf_catalog_run *r, struct hf_err *err)
{
    struct making *m = ctx;
    (void)err;
    m->is_known = m->run && r->outcome && strcmp(r->id, m->run) == 0;
    m->duty->success_us = r->ended_us;
    m->duty->duration_ms = (r->ended_us - r->started_us) / 1000;
    return 0;
}

static int64_t bytes_of(struct json_object *report)
{
    struct json_object *stores = NULL;
    int64_t sum = 0;
    json_object_object_get_ex(report, "stores", &stores);
    if (!json_object_is_type(stores, json_type_array))
        return 0;
    for (size_t i = 0; i < json_object_array_length(stores); i++)
        sum += hf_cli_number(json_object_array_get_idx(stores, i), "bytes");
    return sum;
}

static int clear(struct hf_catalog *c, const struct hf_config *config, const struct hf_duty *d,
                 const char *kind, struct hf_err *err)
{
    size_t n;
    HF_AUTOFREE const char **targets = hf_alarm_targets(config, kind, &n);
    const struct hf_alarm a = {
        .kind = kind, .policy = d->policy, .vm = d->vm, .text = "made good by a run by hand"};
    return targets ? hf_alarm_clear(c, &a, targets, n, err) : hf_fail_nomem(err);
}

static int make_good(const struct hf_env *env, const char *vm, struct json_object *report,
                     struct hf_err *err)
{
    struct json_object *stall = NULL;
    struct hf_duty d = {.policy = env->policy->label,
                        .vm = vm,
                        .kind = HF_DUTY_RUN,
                        .grade = hf_cli_text(report, "grade"),
                        .stall_ms = json_object_object_get_ex(report, "stall_ms", &stall) && stall
                                        ? json_object_get_double(stall)
                                        : -1,
                        .bytes = bytes_of(report),
                        .is_protected = hf_cli_number(report, "protected")};
    struct making m = {.run = hf_cli_text(report, "run"), .duty = &d};
    HF_AUTO(hf_catalog)
    struct hf_catalog *c = hf_catalog_open(hf_env_state(env), env->clock, err);
    if (!c || hf_catalog_runs(c, vm, 1, take_times, &m, err) < 0)
        return -1;
    const int was_bad = m.is_known ? hf_duty_make_good(c, &d, err) : 0;
    if (was_bad <= 0)
        return was_bad;
    return clear(c, env->config, &d, HF_ALARM_FAILED, err) < 0 ||
                   clear(c, env->config, &d, HF_ALARM_DEGRADED, err) < 0
               ? -1
               : 0;
}

void hf_cli_made_good(const struct hf_env *env, const char *vm, struct json_object *report)
{
    struct hf_err err = HF_ERR_INIT;
    if (env->policy && make_good(env, vm, report, &err) < 0)
        hf_log_err(env->log, HF_LOG_WARN, "policy", &err);
}

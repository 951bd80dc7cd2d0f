/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/made_good.h"

#include "catalog/alarm.h"
#include "catalog/duty.h"
#include "policy/alarms.h"
#include "policy/run_report.h"

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
    const struct hf_run_figures f = hf_run_figures(report);
    struct hf_duty d = {.policy = env->policy->label,
                        .vm = vm,
                        .kind = HF_DUTY_RUN,
                        .grade = f.grade,
                        .stall_ms = f.stall_ms,
                        .bytes = f.bytes,
                        .is_protected = f.is_protected};
    struct making m = {.run = f.run, .duty = &d};
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

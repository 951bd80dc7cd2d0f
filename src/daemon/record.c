/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "daemon/adopt.h"
#include "daemon/daemon_intern.h"

#include <string.h>

int daemon_tell(struct hf_daemon *d, enum hf_change what, const struct work *w,
                const struct hf_duty *duty, struct hf_err *err)
{
    const struct hf_daemon_hooks *hooks = d->opts.hooks;
    const struct hf_daemon_change change = {.what = what,
                                            .policy = w->policy,
                                            .vm = w->vm,
                                            .kind = w->kind,
                                            .duty = duty,
                                            .job = what == HF_CHANGE_BEGAN ? &w->job : NULL,
                                            .at_us = hf_clock_wall_us(d->opts.clock)};
    if (!hooks || !hooks->changed)
        return 0;
    return hooks->changed(hooks->ctx, d->catalog, &change, err) < 0
               ? hf_wrap(err, "%s of %s for policy %s", w->kind, w->vm, w->policy)
               : 0;
}

/* A catalog that was lost in between has no such row: what the run did is worth one. */
static int end(struct hf_daemon *d, const struct hf_duty *duty, struct hf_err *err)
{
    if (hf_duty_end(d->catalog, duty, err) == 0)
        return 0;
    if (err->cls != HF_E_NOT_FOUND)
        return -1;
    hf_err_clear(err);
    return hf_duty_follow(d->catalog, duty, err) < 0 ? -1 : hf_duty_end(d->catalog, duty, err);
}

static struct hf_duty ended_duty(const struct work *w)
{
    const struct hf_outcome *o = &w->outcome;
    struct hf_duty duty = work_duty(w);
    bool is_by_catalog = o->started_us > 0 && o->ended_us >= o->started_us;
    duty.ended_us = is_by_catalog ? o->ended_us : w->ended_us;
    duty.outcome = o->outcome;
    duty.run_id = o->run_id;
    duty.error = o->error;
    duty.message = o->message;
    duty.success_us = duty.ended_us;
    duty.grade = o->grade;
    duty.stall_ms = o->stall_ms;
    duty.duration_ms = is_by_catalog ? (o->ended_us - o->started_us) / 1000 : w->duration_ms;
    duty.bytes = o->bytes;
    duty.is_protected = o->is_protected;
    duty.datastores = o->datastores;
    return duty;
}

static void log_end(const struct hf_daemon *d, const struct work *w)
{
    const struct hf_outcome *o = &w->outcome;
    bool is_good = strcmp(o->outcome, "done") == 0;
    hf_log(d->opts.log, is_good ? HF_LOG_INFO : HF_LOG_WARN, w->policy, "%s of %s: %s%s%s%s%s",
           w->kind, w->vm, o->outcome, o->run_id ? ", run " : "", o->run_id ? o->run_id : "",
           o->message ? ": " : "", o->message ? o->message : "");
}

static void settle(struct hf_daemon *d, struct work *w, const char *outcome)
{
    if (w->job.id != HF_PLAN_NONE)
        hf_plan_ended(d->plan, &w->job, outcome, w->outcome.datastores, daemon_now_s(d));
    w->state = WORK_RECORDED;
    hf_buf_free(&w->said.out); /* it may stay for a while */
}

/* The duty as it was; of a pair that is no longer configured, so that the due time is one again if it ever is. */
static struct hf_duty before(const struct hf_daemon *d, const struct work *w)
{
    struct hf_duty duty = work_duty(w);
    if (w->job.id != HF_PLAN_NONE) {
        hf_plan_before(d->plan, &w->job, &duty.served_s, &duty.attempts);
    } else {
        duty.served_s--;
        duty.attempts = 0;
    }
    return duty;
}

static int withdraw(struct hf_daemon *d, struct work *w, struct hf_err *err)
{
    struct hf_duty duty = before(d, w);
    if (HF_POINT_ERR("daemon.before_withdraw", err) ||
        (hf_duty_withdraw(d->catalog, &duty, err) < 0 && err->cls != HF_E_NOT_FOUND))
        return -1;
    hf_err_clear(err);
    hf_log(d->opts.log, HF_LOG_INFO, w->policy,
           "%s of %s had not begun when it was interrupted: it is due as before", w->kind, w->vm);
    settle(d, w, "withdrawn");
    return daemon_tell(d, HF_CHANGE_WITHDRAWN, w, &duty, err);
}

int daemon_record(struct hf_daemon *d, struct work *w, struct hf_err *err)
{
    if (w->state == WORK_GONE) {
        const struct hf_duty begun = work_duty(w);
        if (w->pid > 0 && hf_adopt_find(d->catalog, &begun, &w->outcome, err) < 0)
            return -1;
        w->state = WORK_ENDED;
    }
    if (!w->outcome.outcome)
        return withdraw(d, w, err);
    const struct hf_duty duty = ended_duty(w);
    if (end(d, &duty, err) < 0)
        return -1;
    HF_POINT("daemon.after_duty_end");
    log_end(d, w);
    settle(d, w, w->outcome.outcome);
    return daemon_tell(d, HF_CHANGE_ENDED, w, &duty, err);
}

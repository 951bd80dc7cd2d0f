/* SPDX-License-Identifier: Apache-2.0 */
#include "run/at_rest.h"

#include "run/effects.h"
#include "run/rest_units.h"

struct resting {
    struct hf_run *run;
    struct hf_way way;
    struct hf_services *set;
    struct hf_hold_services rest;
    uint64_t seq; /* of the journal's entry, 0: none */
    struct hf_hold_result result;
};

static void resting_close(struct resting *x)
{
    hf_services_free(x->set);
    hf_hold_result_free(&x->result);
    hf_way_close(&x->way);
}
HF_DEFINE_AUTO_VALUE(resting, resting_close)

void hf_at_rest_free(struct hf_at_rest *r)
{
    hf_strv_free(&r->stopped);
    hf_strv_free(&r->warnings);
}

static int prepare(struct resting *x, const struct hf_strv *units, struct hf_at_rest *out,
                   struct hf_err *err)
{
    const struct hf_run *run = x->run;
    if (hf_way_open(&x->way, run->env, run->vm, run->found.id, run->id, HF_WAY_GUEST, err) < 0)
        return -1;
    if (!x->way.guest)
        return hf_fail(err, HF_E_CONFIG, "services rest only where there is a way into the guest");
    x->set = hf_rest_units_open(run->env, x->way.guest, units, &out->stopped, &out->warnings, err);
    if (!x->set)
        return -1;
    x->rest = (struct hf_hold_services){.set = x->set, .to_start = &out->stopped};
    hf_rest_units_plan(&x->rest, run->vm, run->id, true);
    if (hf_run_wait_guardian(x->run, err) < 0 || hf_cancel_check(run->env->cancel, err) < 0)
        return -1;
    return hf_rest_units_journal(run->journal, &x->rest, &x->seq, err);
}

/* What could not be disarmed is tried once more by the entry; if that fails too, it stays open for recover. */
static int close_entry(struct resting *x, struct hf_at_rest *out, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    HF_AUTO(hf_undo)
    struct hf_undo undo = {.env = x->run->env, .vm = x->run->vm, .vm_id = x->run->found.id};
    if (!x->seq)
        return 0;
    if (!x->result.has_open_ends) {
        if (hf_journal_undone(x->run->journal, x->seq, &second) < 0)
            hf_log_err(x->run->env->log, HF_LOG_WARN, "rest", &second);
        return 0;
    }
    if (hf_undo_holds(&undo, x->run->journal, &second) == 0)
        return 0;
    const char *open = second.left[0] ? second.left : second.message;
    return hf_strv_add(&out->warnings, open) < 0 ? hf_fail_nomem(err) : 0;
}

int hf_run_at_rest(struct hf_run *run, const struct hf_strv *units, int64_t limit_ms,
                   const struct hf_hold_work *work, struct hf_at_rest *out, struct hf_err *err)
{
    HF_AUTO(resting) struct resting x = {.run = run};
    if (prepare(&x, units, out, err) < 0)
        return -1;
    struct hf_hold_plan plan = {
        .rest = &x.rest,
        .guest = x.way.guest,
        .vm_id = run->found.id,
        .run_id = run->id,
        .required = HF_GRADE_E,
        .hold_limit_ms = limit_ms,
        .clock = run->env->clock,
        .cancel = run->env->cancel,
        .log = run->env->log,
    };
    x.result.timeline.start_us = run->started_us;
    x.result.timeline.start_wall_us = run->started_wall_us;
    if (hf_hold_at_rest(&plan, work, &x.result, err) < 0)
        return -1;
    out->rest_ms = x.result.rest_ms;
    return close_entry(&x, out, err);
}

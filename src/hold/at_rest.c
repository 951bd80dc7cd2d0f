/* SPDX-License-Identifier: Apache-2.0
 *
 * Services at rest for as long as some work takes.
 */
#include "hold/holding.h"

/* One look at the units in the guest. */
#define LOOK_MS 15000

static int work_at_rest(struct holding *h, const struct hf_hold_work *work, struct hf_err *err)
{
    const struct hf_hold_services *rest = h->plan->rest;
    int64_t deadline_ms = rest->to_start->n ? h->deadline_ms : HF_NO_DEADLINE;
    HF_AUTO(hf_cancel)
    struct hf_cancel *until = hf_cancel_until(h->plan->cancel, h->plan->clock, deadline_ms, err);
    if (!until || hf_cancel_check(until, err) < 0)
        return -1;
    holding_mark(h, "work_begin");
    int result = work->run(work->ctx, until, err);
    holding_mark(h, "work_end");
    if (result == 0)
        result = hf_services_verify(rest->set, holding_now_ms(h) + LOOK_MS, err);
    if (result < 0 && err->cls == HF_E_TIMEOUT && hf_clock_is_past(h->plan->clock, deadline_ms))
        hf_wrap(err, "the services had to go on");
    return result;
}

int hf_hold_at_rest(const struct hf_hold_plan *plan, const struct hf_hold_work *work,
                    struct hf_hold_result *out, struct hf_err *err)
{
    struct holding h = {.plan = plan,
                        .out = out,
                        .stack = {.log = plan->log},
                        .deadline_ms = HF_NO_DEADLINE,
                        .broken = HF_ERR_INIT};
    int result = holding_rest(&h, err) < 0 ? -1 : work_at_rest(&h, work, err);
    if (holding_let_go(&h, result, err) < 0)
        return -1;
    holding_disarm_all(&h);
    out->rest_ms = hf_timeline_span_ms(&out->timeline, "services_stop_begin", "services_started");
    return out->why[0] ? hf_fail(err, HF_E_CONFLICT, "%s", out->why) : 0;
}

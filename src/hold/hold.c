/* SPDX-License-Identifier: Apache-2.0 */
#include "hold/hold.h"

#include "base/point.h"
#include "hold/stack.h"

#include <stdio.h>
#include <string.h>

/* State of one hold, on the stack of hf_hold_run. */
struct holding {
    const struct hf_hold_plan *plan;
    struct hf_hold_result *out;
    bool is_durable;  /* committed data is on the guest's disks */
    bool is_verified; /* the lock still held after the capture */
    bool is_unlocked; /* … and the server acknowledged its end */
};

void hf_hold_result_free(struct hf_hold_result *r)
{
    hf_db_position_free(&r->position);
    hf_db_position_free(&r->min);
    hf_db_position_free(&r->max);
}

static int64_t now_us(const struct holding *h)
{
    return hf_clock_mono_us(h->plan->clock);
}

static void mark(struct holding *h, const char *event)
{
    hf_timeline_mark_at(&h->out->timeline, event, now_us(h));
}

/* First reason wins: it is the cause of the later ones. */
static void degrade(struct holding *h, const char *what, const struct hf_err *cause)
{
    if (h->out->why[0])
        return;
    snprintf(h->out->why, sizeof h->out->why, "%s%s%s", what, cause ? ": " : "",
             cause ? cause->message : "");
    hf_log(h->plan->log, HF_LOG_WARN, "hold", "below grade B: %s", h->out->why);
}

static int release_lock(void *self, struct hf_err *err)
{
    struct holding *h = self;
    HF_POINT("hold.before_unlock");
    int result = hf_db_lock_release(h->plan->lock, err);
    /* What comes after the acknowledgement, such as setting a variable back, makes nobody wait. */
    int64_t released_us = hf_db_lock_released_us(h->plan->lock);
    h->is_unlocked = released_us != 0;
    if (!h->is_unlocked)
        degrade(h, "the unlock was not acknowledged", err);
    /* Also when the unlock failed: what is left names a variable, and only that. */
    h->out->is_unrestored = result < 0 && err->left[0];
    hf_timeline_mark_at(&h->out->timeline, "unlocked", h->is_unlocked ? released_us : now_us(h));
    HF_POINT("hold.after_unlock");
    return result;
}

static int take_lock(struct holding *h, struct hf_err *err)
{
    struct hf_db_lock_timing t = {0};
    int result = hf_db_lock_acquire(h->plan->lock, HF_NO_DEADLINE, &t, err);
    h->out->attempts = t.attempts;
    h->out->worst_attempt_ms = (double)t.worst_failed_us / 1000.0;
    if (result < 0)
        return -1;
    hf_timeline_mark_at(&h->out->timeline, "lock_begin", t.begin_us);
    hf_timeline_mark_at(&h->out->timeline, "locked", t.held_us);
    return 0;
}

int hf_hold_sync_guest(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                       struct hf_err *err)
{
    static const char *const argv[] = {"/bin/sync", NULL};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result result = {0};
    if (hf_hv_guest_exec(hv, call, vm_id, argv, NULL, 0, &result, err) < 0)
        return -1;
    if (result.exit_code != 0)
        return hf_fail(err, HF_E_PLUGIN, "sync in the guest ended with status %d",
                       result.exit_code);
    return 0;
}

static int sync_guest(struct holding *h, int64_t deadline_ms, struct hf_err *err)
{
    struct hf_hv_call call = {.deadline_ms = deadline_ms, .run_id = h->plan->run_id};
    return hf_hold_sync_guest(h->plan->hv, &call, h->plan->vm_id, err);
}

/* Brings acknowledged commits down to the disks. A failure costs the grade; it stops the run only
 * when the required grade is out of reach by it. */
static int make_durable(struct holding *h, int64_t deadline_ms, struct hf_err *err)
{
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(h->plan->lock);
    struct hf_err cause = HF_ERR_INIT;
    h->is_durable = !plan->lacks_variable_right && (!plan->needs_sync || h->plan->sync_guest);
    if (!h->is_durable)
        degrade(h,
                plan->lacks_variable_right ? "the right to settle the redo log is missing"
                                           : plan->needs_sync_why,
                NULL);
    if (plan->settles_log && !plan->lacks_variable_right &&
        hf_db_lock_settle_log(h->plan->lock, &cause) < 0) {
        h->is_durable = false;
        degrade(h, "the redo log could not be settled", &cause);
    }
    if (h->plan->sync_guest && sync_guest(h, deadline_ms, &cause) < 0) {
        h->is_durable = false;
        degrade(h, "no sync in the guest", &cause);
    }
    if (h->plan->sync_guest)
        mark(h, "synced");
    if (!h->is_durable && !hf_grade_meets(HF_GRADE_E, h->plan->required)) {
        hf_fail(err, cause.cls ? (enum hf_err_class)cause.cls : HF_E_UNSUPPORTED,
                "grade %s is out of reach: %s", hf_grade_name(h->plan->required), h->out->why);
        return hf_hint(err, "%s",
                       cause.hint[0] ? cause.hint : "`holdfast check` for this VM tells more.");
    }
    return 0;
}

/* Past the deadline the hypervisor is not asked at all: it may still be away with the sync, and an
 * instant after hold-limit would be of no use. */
static int check_time(const struct holding *h, int64_t deadline_ms, struct hf_err *err)
{
    if (hf_clock_is_past(h->plan->clock, deadline_ms))
        return hf_fail(err, HF_E_TIMEOUT, "hold-limit passed before the capture%s%s",
                       h->out->why[0] ? ": " : "", h->out->why);
    return hf_cancel_check(h->plan->cancel, err);
}

static int capture(struct holding *h, int64_t deadline_ms, struct hf_err *err)
{
    struct hf_hv_call call = {.deadline_ms = deadline_ms, .run_id = h->plan->run_id};
    if (HF_POINT_ERR("hold.before_capture", err) || check_time(h, deadline_ms, err) < 0)
        return -1;
    mark(h, "capture_begin");
    int result = hf_hv_capture_begin(h->plan->capture, &call, err);
    mark(h, "capture_end");
    HF_POINT("hold.after_capture");
    h->out->captured = result == 0;
    h->out->capture_unknown = result < 0 && hf_hv_is_stuck(h->plan->hv);
    if (h->out->capture_unknown)
        hf_hint(err, "The hypervisor did not answer within hold-limit: look at its log, then run "
                     "`holdfast recover`.");
    return result;
}

/* What the capture inside the lock proves: the answers came with the unlock. */
static void verify(struct holding *h)
{
    struct hf_err cause = HF_ERR_INIT;
    if (hf_db_lock_verify(h->plan->lock, &cause) < 0)
        degrade(h, "the lock did not hold", &cause);
    else
        h->is_verified = true;
}

static int hold_with_lock(struct holding *h, struct hf_err *err)
{
    HF_AUTO(hf_hold_stack) struct hf_hold_stack stack = {.log = h->plan->log};
    if (take_lock(h, err) < 0)
        return -1;
    struct hf_hold lock = {.name = "database lock", .self = h, .release = release_lock};
    if (hf_hold_stack_push(&stack, &lock, err) < 0)
        return -1;
    HF_POINT("hold.after_lock");
    int64_t deadline_ms =
        hf_timeline_at(&h->out->timeline, "locked") / 1000 + h->plan->hold_limit_ms;
    if (hf_cancel_check(h->plan->cancel, err) < 0 || make_durable(h, deadline_ms, err) < 0 ||
        capture(h, deadline_ms, err) < 0)
        return -1;
    struct hf_err cause = HF_ERR_INIT;
    if (hf_hold_stack_release(&stack, &cause) < 0)
        hf_log_err(h->plan->log, HF_LOG_WARN, "hold", &cause);
    verify(h);
    return 0;
}

static void read_bracket(struct holding *h, struct hf_db_position *into)
{
    struct hf_err cause = HF_ERR_INIT;
    if (!h->plan->observer)
        return;
    if (hf_db_position_read(h->plan->observer, into, &cause) < 0)
        hf_log(h->plan->log, HF_LOG_WARN, "hold", "position not recorded: %s", cause.message);
}

static int hold_without_lock(struct holding *h, struct hf_err *err)
{
    read_bracket(h, &h->out->min);
    int64_t deadline_ms = now_us(h) / 1000 + h->plan->hold_limit_ms;
    if (capture(h, deadline_ms, err) < 0)
        return -1;
    read_bracket(h, &h->out->max);
    h->out->has_bracket = h->out->min.has_binlog && h->out->max.has_binlog;
    return 0;
}

static int conclude_lock(struct holding *h, struct hf_err *err)
{
    struct hf_hold_result *out = h->out;
    const struct hf_db_position *at = hf_db_lock_position(h->plan->lock);
    out->stall_ms = hf_timeline_span_ms(&out->timeline, "lock_begin", "unlocked");
    out->held_ms = hf_timeline_span_ms(&out->timeline, "locked", "unlocked");
    bool is_proven = h->is_verified && h->is_unlocked && h->is_durable;
    out->grade = is_proven ? HF_GRADE_B : HF_GRADE_E;
    out->proof = out->grade != HF_GRADE_B ? "none" : at->has_binlog ? "position" : "session";
    if (!at->has_binlog)
        return 0;
    out->has_position = out->grade == HF_GRADE_B;
    out->has_bracket = !out->has_position;
    return hf_db_position_copy(out->has_position ? &out->position : &out->min, at, err);
}

int hf_hold_run(const struct hf_hold_plan *plan, struct hf_hold_result *out, struct hf_err *err)
{
    struct holding h = {.plan = plan, .out = out};
    if (plan->lock)
        return hold_with_lock(&h, err) < 0 ? -1 : conclude_lock(&h, err);
    if (hold_without_lock(&h, err) < 0)
        return -1;
    /* Without a hold the capture itself is all that can make a writer wait. */
    out->stall_ms = hf_timeline_span_ms(&out->timeline, "capture_begin", "capture_end");
    out->grade = HF_GRADE_E;
    out->proof = "none";
    return 0;
}

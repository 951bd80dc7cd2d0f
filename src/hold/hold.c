/* SPDX-License-Identifier: Apache-2.0 */
#include "hold/hold.h"

#include "base/point.h"
#include "hold/holding.h"

#include <stdio.h>
#include <string.h>

#define DISARM_MS 15000
#define CLOCKS_APART_MS 250 /* ours and the guest's, over one hold */

void hf_hold_result_free(struct hf_hold_result *r)
{
    hf_db_position_free(&r->position);
    hf_db_position_free(&r->min);
    hf_db_position_free(&r->max);
}

/* ---- what the parts share --------------------------------------------------------------- */

int64_t holding_now_us(const struct holding *h)
{
    return hf_clock_mono_us(h->plan->clock);
}

int64_t holding_now_ms(const struct holding *h)
{
    return hf_clock_mono_ms(h->plan->clock);
}

void holding_mark(struct holding *h, const char *event)
{
    hf_timeline_mark_at(&h->out->timeline, event, holding_now_us(h));
}

void holding_degrade(struct holding *h, const char *what, const struct hf_err *cause)
{
    if (h->out->why[0])
        return;
    snprintf(h->out->why, sizeof h->out->why, "%s%s%s", what, cause ? ": " : "",
             cause ? cause->message : "");
    hf_log(h->plan->log, HF_LOG_WARN, "hold", "grade E: %s", h->out->why);
}

int holding_break(struct holding *h, const struct hf_err *cause)
{
    return hf_also(&h->broken, cause);
}

void holding_start_limit(struct holding *h, int64_t from_ms)
{
    if (h->deadline_ms == HF_NO_DEADLINE)
        h->deadline_ms = from_ms + h->plan->hold_limit_ms;
}

/* A database may start longer than hold-limit lasts. The dead-man that is due meanwhile does what is being done anyway, and
 * the capture was over; one that fires before its time, or before we had begun to let go, has no such excuse. */
static bool was_due_while_letting_go(const struct holding *h)
{
    return h->let_go_ms && h->let_go_ms < h->deadline_ms - CLOCKS_APART_MS &&
           hf_clock_is_past(h->plan->clock, h->deadline_ms);
}

void holding_disarm(struct holding *h, const char *deadman, bool *is_armed)
{
    struct hf_err cause = HF_ERR_INIT;
    bool fired = false;
    if (!*is_armed)
        return;
    if (hf_deadman_disarm(h->plan->guest, deadman, holding_now_ms(h) + DISARM_MS, &fired, &cause) <
        0) {
        hf_log_err(h->plan->log, HF_LOG_WARN, "hold", &cause);
        h->out->has_open_ends = true;
        return;
    }
    *is_armed = false;
    if (!fired)
        return;
    if (was_due_while_letting_go(h))
        hf_log(h->plan->log, HF_LOG_WARN, "hold",
               "letting go took longer than hold-limit: a dead-man in the guest helped");
    else
        holding_degrade(h, "a dead-man in the guest fired before everything was let go", NULL);
}

/* ---- durable ---------------------------------------------------------------------------- */

int hf_hold_sync_guest(struct hf_guest *g, int64_t deadline_ms, struct hf_err *err)
{
    static const char *const argv[] = {"/bin/sync", NULL};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    return hf_guest_run(g, &cmd, NULL, err);
}

/* What the server itself has to bring down, and whether a sync or a freeze does the rest. */
static void settle_server(struct holding *h, struct hf_err *cause)
{
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(h->plan->lock);
    bool reaches_disks = h->plan->sync_guest || h->plan->freeze;
    h->is_durable = !plan->lacks_variable_right && (!plan->needs_sync || reaches_disks);
    if (!h->is_durable)
        holding_degrade(h,
                        plan->lacks_variable_right ? "the right to settle the redo log is missing"
                                                   : plan->needs_sync_why,
                        NULL);
    if (plan->settles_log && !plan->lacks_variable_right &&
        hf_db_lock_settle_log(h->plan->lock, cause) < 0) {
        h->is_durable = false;
        holding_degrade(h, "the redo log could not be settled", cause);
    }
}

static void sync_guest(struct holding *h, struct hf_err *cause)
{
    if (hf_hold_sync_guest(h->plan->guest, h->deadline_ms, cause) < 0) {
        h->is_durable = false;
        holding_degrade(h, "no sync in the guest", cause);
    }
    holding_mark(h, "synced");
}

/* Brings acknowledged commits down to the disks. A failure costs the grade; it stops the run only
 * when the required grade is out of reach by it. */
static int make_durable(struct holding *h, struct hf_err *err)
{
    struct hf_err cause = HF_ERR_INIT;
    h->is_durable = true;
    if (h->plan->lock)
        settle_server(h, &cause);
    if (h->plan->sync_guest)
        sync_guest(h, &cause);
    if (h->is_durable || hf_grade_meets(HF_GRADE_E, h->plan->required))
        return 0;
    hf_fail(err, cause.cls ? (enum hf_err_class)cause.cls : HF_E_UNSUPPORTED,
            "grade %s is out of reach: %s", hf_grade_name(h->plan->required), h->out->why);
    return hf_hint(err, "%s",
                   cause.hint[0] ? cause.hint : "`holdfast check` for this VM tells more.");
}

/* ---- the capture ------------------------------------------------------------------------ */

/* Past the deadline the hypervisor is not asked at all: it may still be away with the sync, and an
 * instant after hold-limit would be of no use. */
static int check_time(const struct holding *h, struct hf_err *err)
{
    if (hf_clock_is_past(h->plan->clock, h->deadline_ms))
        return hf_fail(err, HF_E_TIMEOUT, "hold-limit passed before the capture%s%s",
                       h->out->why[0] ? ": " : "", h->out->why);
    return hf_cancel_check(h->plan->cancel, err);
}

static int capture(struct holding *h, struct hf_err *err)
{
    struct hf_hv_call call = {.deadline_ms = h->deadline_ms, .run_id = h->plan->run_id};
    if (HF_POINT_ERR("hold.before_capture", err) || check_time(h, err) < 0)
        return -1;
    holding_mark(h, "capture_begin");
    if (h->plan->tunnel)
        hf_tunnel_rest(h->plan->tunnel, true);
    int result = hf_hv_capture_begin(h->plan->capture, &call, err);
    holding_mark(h, "capture_end");
    if (h->plan->tunnel)
        hf_tunnel_rest(h->plan->tunnel, false);
    HF_POINT("hold.after_capture");
    h->out->captured = result == 0;
    if (h->out->captured && h->plan->told.captured)
        h->plan->told.captured(h->plan->told.ctx);
    h->out->capture_unknown = result < 0 && hf_hv_is_stuck(h->plan->hv);
    if (h->out->capture_unknown)
        hf_hint(err, "The hypervisor did not answer within hold-limit: look at its log, then run "
                     "`holdfast recover`.");
    return result;
}

/* ---- positions -------------------------------------------------------------------------- */

static void read_position(struct holding *h, struct hf_db_conn *c, struct hf_db_position *into)
{
    struct hf_err cause = HF_ERR_INIT;
    if (c && hf_db_position_read(c, into, &cause) < 0)
        hf_log(h->plan->log, HF_LOG_WARN, "hold", "position not recorded: %s", cause.message);
}

static bool stops_database(const struct hf_hold_plan *p)
{
    return p->rest && p->rest->database;
}

/* The observer's session ends with the server that is stopped: a new one sees where history goes on. */
static void read_end(struct holding *h)
{
    struct hf_err cause = HF_ERR_INIT;
    if (!stops_database(h->plan)) {
        read_position(h, h->plan->observer, &h->out->max);
        return;
    }
    if (!h->plan->observer)
        return;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(h->plan->rest->db_target, &cause);
    if (!c)
        hf_log(h->plan->log, HF_LOG_WARN, "hold", "position not recorded: %s", cause.message);
    read_position(h, c, &h->out->max);
}

/* With a lock its own readings count: one position if it is proven, else the bracket. */
static int keep_positions(struct holding *h, bool is_proven, struct hf_err *err)
{
    struct hf_hold_result *out = h->out;
    const struct hf_db_position *at = hf_db_lock_position(h->plan->lock);
    const struct hf_db_position *after = hf_db_lock_position_after(h->plan->lock);
    out->has_position = is_proven && at->has_binlog;
    out->has_bracket = !is_proven && at->has_binlog;
    if (!at->has_binlog)
        return 0;
    if (hf_db_position_copy(out->has_position ? &out->position : &out->min, at, err) < 0)
        return -1;
    return out->has_bracket && after->has_binlog ? hf_db_position_copy(&out->max, after, err) : 0;
}

/* ---- the verdict ------------------------------------------------------------------------ */

/* What the plan gives when nothing went wrong. */
static enum hf_grade best_grade(const struct hf_hold_plan *p)
{
    if (stops_database(p))
        return HF_GRADE_A;
    if (p->lock)
        return hf_db_lock_get_plan(p->lock)->is_light ? HF_GRADE_C : HF_GRADE_B;
    return p->freeze ? HF_GRADE_D : HF_GRADE_E;
}

static const char *proof_name(const struct holding *h)
{
    switch (h->out->grade) {
    case HF_GRADE_A:
        return "service";
    case HF_GRADE_B:
        return hf_db_lock_position(h->plan->lock)->has_binlog ? "position" : "session";
    case HF_GRADE_C:
        return hf_db_lock_position(h->plan->lock)->has_binlog ? "bracket" : "session";
    case HF_GRADE_D:
        return "freeze";
    default:
        return "none";
    }
}

/* The events between which writers may have had to wait, and since when they really did. */
struct span {
    const char *first, *granted, *last;
};

static struct span writers_span(const struct hf_hold_plan *p)
{
    if (stops_database(p))
        return (struct span){"stop_begin", "stopped", "started"};
    if (p->lock && !hf_db_lock_get_plan(p->lock)->is_light)
        return (struct span){"lock_begin", "locked", "unlocked"};
    if (p->freeze)
        return (struct span){"freeze_begin", "frozen", "thawed"};
    return (struct span){"capture_begin", NULL, "capture_end"};
}

static void count_times(struct holding *h)
{
    struct hf_hold_result *out = h->out;
    struct span s = writers_span(h->plan);
    out->stall_ms = hf_timeline_span_ms(&out->timeline, s.first, s.last);
    out->held_ms = s.granted ? hf_timeline_span_ms(&out->timeline, s.granted, s.last) : 0;
    out->rest_ms = hf_timeline_span_ms(&out->timeline, "services_stop_begin", "services_started");
}

static int conclude(struct holding *h, struct hf_err *err)
{
    struct hf_err cause = HF_ERR_INIT;
    struct hf_hold_result *out = h->out;
    if (h->plan->lock && hf_db_lock_verify(h->plan->lock, &cause) < 0)
        holding_degrade(h, "the lock did not hold", &cause);
    out->grade = out->why[0] ? HF_GRADE_E : best_grade(h->plan);
    out->proof = proof_name(h);
    count_times(h);
    if (h->plan->lock)
        return keep_positions(h, out->grade == HF_GRADE_B, err);
    out->has_bracket = out->min.has_binlog && out->max.has_binlog;
    return 0;
}

/* ---- the whole -------------------------------------------------------------------------- */

static int take_all(struct holding *h, struct hf_err *err)
{
    const struct hf_hold_plan *p = h->plan;
    if (p->rest && holding_rest(h, err) < 0)
        return -1;
    if (p->freeze && holding_arm_thaw(h, err) < 0)
        return -1;
    if (p->lock && holding_lock(h, err) < 0)
        return -1;
    holding_start_limit(h, holding_now_ms(h));
    if (hf_cancel_check(p->cancel, err) < 0 || make_durable(h, err) < 0)
        return -1;
    return p->freeze ? holding_freeze(h, err) : 0;
}

void holding_disarm_all(struct holding *h)
{
    const struct hf_hold_plan *p = h->plan;
    if (p->freeze)
        holding_disarm(h, p->freeze->deadman, &h->is_thaw_armed);
    if (!p->rest)
        return;
    holding_disarm(h, p->rest->deadman_stopping, &h->is_stopping_armed);
    holding_disarm(h, p->rest->deadman_resting, &h->is_resting_armed);
}

int holding_let_go(struct holding *h, int result, struct hf_err *err)
{
    struct hf_err cause = HF_ERR_INIT;
    h->let_go_ms = holding_now_ms(h);
    if (hf_hold_stack_release(&h->stack, &cause) < 0)
        hf_log_err(h->plan->log, HF_LOG_WARN, "hold", &cause);
    /* What did not come back is said beside the cause; the caller undoes what is open. */
    return h->broken.cls == HF_E_NONE ? result : hf_also(err, &h->broken);
}

int hf_hold_run(const struct hf_hold_plan *plan, struct hf_hold_result *out, struct hf_err *err)
{
    struct holding h = {.plan = plan,
                        .out = out,
                        .stack = {.log = plan->log},
                        .deadline_ms = HF_NO_DEADLINE,
                        .broken = HF_ERR_INIT};
    if (plan->lowered_why)
        holding_degrade(&h, plan->lowered_why, NULL);
    if (!plan->lock)
        read_position(&h, plan->observer, &out->min);
    int result = take_all(&h, err) < 0 ? -1 : capture(&h, err);
    result = holding_let_go(&h, result, err);
    if (plan->lock)
        holding_restore_server(&h);
    if (result < 0)
        return -1;
    holding_disarm_all(&h);
    if (!plan->lock)
        read_end(&h);
    return conclude(&h, err);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The hold with a scripted world: database lock, guest and hypervisor are the functions below, time
 * is the fake clock. Each answers as told, takes as long as told, and writes its letter into
 * world.trace:
 *
 *   A acquire  L settle log  S sync in the guest  C capture  R release  V verify  P position read
 */
#include "harness/hf_test.h"
#include "hold/hold.h"

#include <string.h>

#define HOLD_LIMIT_MS 30000

struct step {
    int64_t takes_ms;
    enum hf_err_class fails; /* HF_E_NONE: it succeeds */
};

static struct {
    char trace[64];
    struct hf_fake_clock *clock;
    struct hf_cancel *cancel;
    struct hf_db_lock_plan plan;
    struct step acquire, settle, sync, capture, verify, release, position;
    int64_t restore_takes_ms;   /* after the acknowledged unlock */
    bool restore_fails;         /* … and then this */
    bool unlock_unacknowledged; /* release fails without an acknowledgement */
    bool cancel_in_acquire, cancel_in_sync;
    bool capture_is_late, sync_is_late; /* the call stays away after its deadline */
    int sync_exit;
    bool has_binlog, has_no_second_position;
    bool is_stuck;
    int64_t released_us;
    int64_t capture_deadline_ms, sync_deadline_ms;
    bool was_held_at_capture, is_held;
    unsigned positions;
} world;

static int run_step(const struct step *s, char letter, const char *what, struct hf_err *err)
{
    world.trace[strlen(world.trace)] = letter;
    hf_fake_clock_advance_ms(world.clock, s->takes_ms);
    return s->fails ? hf_fail(err, s->fails, "%s failed", what) : 0;
}

/* ---- the scripted functions ------------------------------------------------------------- */

const struct hf_db_lock_plan *__wrap_hf_db_lock_get_plan(const struct hf_db_lock *lock);
const struct hf_db_lock_plan *__wrap_hf_db_lock_get_plan(const struct hf_db_lock *lock)
{
    (void)lock;
    return &world.plan;
}

int __wrap_hf_db_lock_acquire(struct hf_db_lock *lock, int64_t not_after_ms,
                              struct hf_db_lock_timing *out, struct hf_err *err);
int __wrap_hf_db_lock_acquire(struct hf_db_lock *lock, int64_t not_after_ms,
                              struct hf_db_lock_timing *out, struct hf_err *err)
{
    (void)lock, (void)not_after_ms;
    *out = (struct hf_db_lock_timing){.attempts = 3, .worst_failed_us = 250500};
    out->begin_us = hf_clock_mono_us(&world.clock->clock);
    if (run_step(&world.acquire, 'A', "acquire", err) < 0)
        return -1;
    out->held_us = hf_clock_mono_us(&world.clock->clock);
    world.is_held = true;
    if (world.cancel_in_acquire)
        hf_cancel_set(world.cancel);
    return 0;
}

int __wrap_hf_db_lock_settle_log(struct hf_db_lock *lock, struct hf_err *err);
int __wrap_hf_db_lock_settle_log(struct hf_db_lock *lock, struct hf_err *err)
{
    (void)lock;
    return run_step(&world.settle, 'L', "settle", err);
}

static struct hf_db_position under_lock = {
    .file = (char[]){"binlog.000007"}, .offset = 4711, .gtid = (char[]){"0-1-99"}};

const struct hf_db_position *__wrap_hf_db_lock_position(const struct hf_db_lock *lock);
const struct hf_db_position *__wrap_hf_db_lock_position(const struct hf_db_lock *lock)
{
    (void)lock;
    under_lock.has_binlog = world.has_binlog;
    return &under_lock;
}

int __wrap_hf_db_lock_verify(struct hf_db_lock *lock, struct hf_err *err);
int __wrap_hf_db_lock_verify(struct hf_db_lock *lock, struct hf_err *err)
{
    (void)lock;
    assert_false(world.is_held);
    return run_step(&world.verify, 'V', "verify", err);
}

/* As the real one: `left` names the variable, behind whatever failed before. */
static int fail_restore(struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    hf_fail(&second, HF_E_UNREACHABLE, "restore failed");
    hf_left(&second, "sync_binlog is 1, was 0");
    return hf_also(err, &second);
}

int __wrap_hf_db_lock_release(struct hf_db_lock *lock, struct hf_err *err);
int __wrap_hf_db_lock_release(struct hf_db_lock *lock, struct hf_err *err)
{
    (void)lock;
    int result = run_step(&world.release, 'R', "unlock", err);
    world.is_held = false;
    if (world.unlock_unacknowledged)
        return world.restore_fails ? fail_restore(err) : result;
    world.released_us = hf_clock_mono_us(&world.clock->clock);
    hf_fake_clock_advance_ms(world.clock, world.restore_takes_ms);
    return world.restore_fails ? fail_restore(err) : 0;
}

int64_t __wrap_hf_db_lock_released_us(const struct hf_db_lock *lock);
int64_t __wrap_hf_db_lock_released_us(const struct hf_db_lock *lock)
{
    (void)lock;
    return world.released_us;
}

int __wrap_hf_db_position_read(struct hf_db_conn *c, struct hf_db_position *out,
                               struct hf_err *err);
int __wrap_hf_db_position_read(struct hf_db_conn *c, struct hf_db_position *out, struct hf_err *err)
{
    (void)c;
    if (run_step(&world.position, 'P', "position", err) < 0)
        return -1;
    if (world.positions++ > 0 && world.has_no_second_position)
        return hf_fail(err, HF_E_UNREACHABLE, "the observer is gone");
    *out = (struct hf_db_position){.has_binlog = world.has_binlog,
                                   .file = strdup("binlog.000001"),
                                   .offset = world.positions,
                                   .gtid = strdup("")};
    return 0;
}

/* As the real one: nothing begins past its deadline, or while another call is away. */
static int call_hypervisor(const struct hf_hv_call *call, const struct step *s, char letter,
                           bool is_late, struct hf_err *err)
{
    const struct hf_clock *clock = &world.clock->clock;
    if (world.is_stuck)
        return hf_fail(err, HF_E_BUSY, "the plugin has not come back");
    if (hf_clock_is_past(clock, call->deadline_ms))
        return hf_fail(err, HF_E_TIMEOUT, "the deadline had passed before it began");
    int result = run_step(s, letter, letter == 'C' ? "capture" : "sync", err);
    if (!is_late)
        return result;
    world.is_stuck = true;
    hf_fake_clock_advance_ms(world.clock, hf_clock_left_ms(clock, call->deadline_ms));
    return hf_fail(err, HF_E_TIMEOUT, "the plugin did not return in time");
}

int __wrap_hf_hv_guest_exec(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                            const char *const *argv, const void *input, size_t input_len,
                            struct hf_hv_exec_result *out, struct hf_err *err);
int __wrap_hf_hv_guest_exec(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                            const char *const *argv, const void *input, size_t input_len,
                            struct hf_hv_exec_result *out, struct hf_err *err)
{
    (void)hv;
    assert_string_equal(vm_id, "vm-7");
    assert_string_equal(argv[0], "/bin/sync");
    assert_null(argv[1]);
    assert_null(input);
    assert_int_equal(input_len, 0);
    world.sync_deadline_ms = call->deadline_ms;
    if (call_hypervisor(call, &world.sync, 'S', world.sync_is_late, err) < 0)
        return -1;
    if (world.cancel_in_sync)
        hf_cancel_set(world.cancel);
    out->exit_code = world.sync_exit;
    return 0;
}

int __wrap_hf_hv_capture_begin(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                               struct hf_err *err);
int __wrap_hf_hv_capture_begin(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                               struct hf_err *err)
{
    (void)cap;
    world.capture_deadline_ms = call->deadline_ms;
    world.was_held_at_capture = world.is_held;
    return call_hypervisor(call, &world.capture, 'C', world.capture_is_late, err);
}

bool __wrap_hf_hv_is_stuck(struct hf_hv *hv);
bool __wrap_hf_hv_is_stuck(struct hf_hv *hv)
{
    (void)hv;
    return world.is_stuck;
}

/* ---- one hold --------------------------------------------------------------------------- */

static struct {
    struct hf_hold_plan plan;
    struct hf_hold_result result;
    struct hf_err err;
} held;

/* Opaque to the hold: only the scripted functions see them. */
static char a_lock, an_observer, a_capture, a_hypervisor;

/* A world where everything works, and a plan with a lock that requires grade B. */
static void fresh(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    memset(&world, 0, sizeof world);
    memset(&held, 0, sizeof held);
    held.err = (struct hf_err)HF_ERR_INIT;
    world.clock = hf_test_clock(state);
    world.cancel = hf_cancel_new(&err);
    assert_hf_got(world.cancel, &err);
    world.has_binlog = true;
    world.acquire.takes_ms = 20;
    world.capture.takes_ms = 25;
    world.release.takes_ms = 3;
    held.plan = (struct hf_hold_plan){
        .lock = (struct hf_db_lock *)(void *)&a_lock,
        .hv = (struct hf_hv *)(void *)&a_hypervisor,
        .capture = (struct hf_hv_capture *)(void *)&a_capture,
        .vm_id = "vm-7",
        .run_id = "20261123T030000Z-7f3a9c21",
        .required = HF_GRADE_B,
        .hold_limit_ms = HOLD_LIMIT_MS,
        .clock = &world.clock->clock,
        .cancel = world.cancel,
        .log = hf_test_log(state, NULL),
    };
}

static int run(void)
{
    held.result.timeline.start_us = hf_clock_mono_us(&world.clock->clock);
    int rc = hf_hold_run(&held.plan, &held.result, &held.err);
    hf_cancel_free(world.cancel);
    world.cancel = NULL;
    return rc;
}

static void without_lock(void)
{
    held.plan.lock = NULL;
    held.plan.observer = (struct hf_db_conn *)(void *)&an_observer;
    held.plan.required = HF_GRADE_E;
}

static void assert_events(const char *wanted)
{
    char got[256] = "";
    for (size_t i = 0; i < held.result.timeline.n; i++) {
        strcat(got, i ? " " : "");
        strcat(got, held.result.timeline.items[i].event);
    }
    assert_string_equal(got, wanted);
}

static void assert_grade(enum hf_grade grade, const char *proof, const char *why)
{
    assert_hf_ok(held.err.cls, &held.err);
    assert_string_equal(hf_grade_name(held.result.grade), hf_grade_name(grade));
    assert_string_equal(held.result.proof, proof);
    if (why)
        assert_contains(held.result.why, why);
    else
        assert_string_equal(held.result.why, "");
    hf_hold_result_free(&held.result);
}

/* Failed without a capture that counts, and nothing is held any more. */
static void assert_failed_released(int rc, enum hf_err_class cls, const char *piece)
{
    assert_int_equal(rc, -1);
    assert_hf_err(&held.err, cls, piece);
    assert_false(world.is_held);
    assert_false(held.result.captured);
    hf_hold_result_free(&held.result);
}

/* ---- with a lock ------------------------------------------------------------------------ */

static void a_hold_that_works_is_grade_b_proven_by_its_position(void **state)
{
    fresh(state);
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ACRV");
    assert_true(held.result.captured);
    assert_true(world.was_held_at_capture);
    assert_true(held.result.has_position);
    assert_false(held.result.has_bracket);
    assert_string_equal(held.result.position.file, "binlog.000007");
    assert_int_equal(held.result.position.offset, 4711);
    assert_string_equal(held.result.position.gtid, "0-1-99");
    assert_grade(HF_GRADE_B, "position", NULL);
}

static void without_binlog_the_session_is_the_proof_and_the_position_unknown(void **state)
{
    fresh(state);
    world.has_binlog = false;
    assert_hf_ok(run(), &held.err);
    assert_false(held.result.has_position);
    assert_false(held.result.has_bracket);
    assert_grade(HF_GRADE_B, "session", NULL);
}

static void the_order_is_lock_settle_sync_capture_unlock_verify(void **state)
{
    fresh(state);
    world.plan.settles_log = true;
    world.plan.needs_sync = true;
    world.plan.needs_sync_why = "sync_binlog = 0";
    held.plan.sync_guest = true;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ALSCRV");
    assert_events("lock_begin locked synced capture_begin capture_end unlocked");
    assert_grade(HF_GRADE_B, "position", NULL);
}

static void the_timeline_has_the_contracts_names_and_leaves_out_what_was_not(void **state)
{
    fresh(state);
    assert_hf_ok(run(), &held.err);
    assert_events("lock_begin locked capture_begin capture_end unlocked");
    hf_hold_result_free(&held.result);
}

static void stall_counts_from_the_lock_statement_and_held_from_its_grant(void **state)
{
    fresh(state);
    world.verify.takes_ms = 2;
    assert_hf_ok(run(), &held.err);
    /* The verdict is asked for when nobody waits any more. */
    assert_float_equal(held.result.stall_ms, 20 + 25 + 3, 1e-9);
    assert_float_equal(held.result.held_ms, 25 + 3, 1e-9);
    assert_int_equal(held.result.attempts, 3);
    assert_float_equal(held.result.worst_attempt_ms, 250.5, 1e-9);
    hf_hold_result_free(&held.result);
}

static void setting_a_variable_back_after_the_unlock_is_no_stall(void **state)
{
    fresh(state);
    world.restore_takes_ms = 500;
    assert_hf_ok(run(), &held.err);
    assert_float_equal(held.result.held_ms, 25 + 3, 1e-9);
    hf_hold_result_free(&held.result);
}

static void a_lock_that_is_not_granted_leaves_everything_untouched(void **state)
{
    fresh(state);
    world.acquire.fails = HF_E_TIMEOUT;
    assert_failed_released(run(), HF_E_TIMEOUT, "acquire failed");
    assert_string_equal(world.trace, "A");
    assert_events("");
    assert_int_equal(held.result.attempts, 3);
    assert_false(held.result.capture_unknown);
}

static void a_log_that_cannot_be_settled_costs_the_run_when_b_is_required(void **state)
{
    fresh(state);
    world.plan.settles_log = true;
    world.settle.fails = HF_E_UNREACHABLE;
    assert_failed_released(run(), HF_E_UNREACHABLE,
                           "grade B is out of reach: the redo log could not be settled: settle");
    assert_string_equal(world.trace, "ALR");
}

static void a_log_that_cannot_be_settled_costs_only_the_grade_when_e_is_enough(void **state)
{
    fresh(state);
    held.plan.required = HF_GRADE_E;
    world.plan.settles_log = true;
    world.settle.fails = HF_E_UNREACHABLE;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ALCRV");
    assert_grade(HF_GRADE_E, "none", "the redo log could not be settled: settle failed");
}

static void a_missing_right_to_settle_is_no_grade_b_and_is_not_tried(void **state)
{
    fresh(state);
    held.plan.required = HF_GRADE_E;
    world.plan.lacks_variable_right = true;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ACRV");
    assert_grade(HF_GRADE_E, "none", "the right to settle the redo log is missing");
}

static void a_sync_that_fails_costs_the_run_when_b_is_required(void **state)
{
    fresh(state);
    world.plan.needs_sync = held.plan.sync_guest = true;
    world.sync.fails = HF_E_UNREACHABLE;
    assert_failed_released(run(), HF_E_UNREACHABLE, "grade B is out of reach: no sync in the");
    assert_string_equal(world.trace, "ASR");
    assert_contains(held.err.hint, "holdfast check");
}

static void a_sync_that_fails_costs_only_the_grade_when_e_is_enough(void **state)
{
    fresh(state);
    held.plan.required = HF_GRADE_E;
    world.plan.needs_sync = held.plan.sync_guest = true;
    world.sync.fails = HF_E_UNREACHABLE;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ASCRV");
    assert_grade(HF_GRADE_E, "none", "no sync in the guest: sync failed");
}

static void a_sync_with_a_bad_exit_status_is_no_sync(void **state)
{
    fresh(state);
    held.plan.required = HF_GRADE_E;
    world.plan.needs_sync = held.plan.sync_guest = true;
    world.sync_exit = 1;
    assert_hf_ok(run(), &held.err);
    assert_grade(HF_GRADE_E, "none", "sync in the guest ended with status 1");
}

static void without_a_guest_that_can_sync_the_reason_is_the_servers_setting(void **state)
{
    fresh(state);
    held.plan.required = HF_GRADE_E;
    world.plan.needs_sync = true;
    world.plan.needs_sync_why = "sync_binlog = 0";
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ACRV");
    assert_true(held.result.has_bracket);
    assert_false(held.result.has_position);
    assert_string_equal(held.result.min.file, "binlog.000007");
    assert_grade(HF_GRADE_E, "none", "sync_binlog = 0");
}

static void a_capture_that_fails_releases_and_is_no_capture(void **state)
{
    fresh(state);
    world.capture.fails = HF_E_PLUGIN;
    assert_failed_released(run(), HF_E_PLUGIN, "capture failed");
    assert_string_equal(world.trace, "ACR");
    assert_false(held.result.capture_unknown);
    assert_events("lock_begin locked capture_begin capture_end unlocked");
}

static void a_capture_that_stays_away_is_released_before_anybody_waits_for_it(void **state)
{
    fresh(state);
    world.capture_is_late = true;
    int64_t locked_ms = hf_clock_mono_ms(&world.clock->clock) + world.acquire.takes_ms;
    int rc = run();
    assert_string_equal(world.trace, "ACR");
    assert_true(held.result.capture_unknown);
    assert_int_equal(world.released_us / 1000, locked_ms + HOLD_LIMIT_MS + world.release.takes_ms);
    assert_contains(held.err.hint, "holdfast recover");
    assert_failed_released(rc, HF_E_TIMEOUT, "did not return in time");
}

static void the_captures_deadline_is_hold_limit_after_the_grant(void **state)
{
    fresh(state);
    held.plan.sync_guest = world.plan.needs_sync = true;
    world.sync.takes_ms = 400;
    int64_t locked_ms = hf_clock_mono_ms(&world.clock->clock) + world.acquire.takes_ms;
    assert_hf_ok(run(), &held.err);
    assert_int_equal(world.capture_deadline_ms, locked_ms + HOLD_LIMIT_MS);
    assert_int_equal(world.sync_deadline_ms, locked_ms + HOLD_LIMIT_MS);
    hf_hold_result_free(&held.result);
}

static void past_the_deadline_the_hypervisor_is_not_called_while_held(void **state)
{
    fresh(state);
    held.plan.required = HF_GRADE_E;
    held.plan.sync_guest = world.plan.needs_sync = true;
    world.sync_is_late = true;
    int rc = run();
    assert_string_equal(world.trace, "ASR");
    assert_false(held.result.capture_unknown);
    assert_events("lock_begin locked synced unlocked");
    assert_failed_released(rc, HF_E_TIMEOUT, "hold-limit passed before the capture: no sync in");
}

static void a_slow_settle_that_used_up_the_time_is_no_reason_to_hold_longer(void **state)
{
    fresh(state);
    world.plan.settles_log = true;
    world.settle.takes_ms = HOLD_LIMIT_MS;
    assert_failed_released(run(), HF_E_TIMEOUT, "hold-limit passed before the capture");
    assert_string_equal(world.trace, "ALR");
}

static void a_position_that_moved_under_the_lock_is_grade_e(void **state)
{
    fresh(state);
    world.verify.fails = HF_E_CONFLICT;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ACRV");
    assert_true(held.result.captured);
    assert_false(held.result.has_position);
    assert_grade(HF_GRADE_E, "none", "the lock did not hold: verify failed");
}

static void an_unlock_that_nobody_acknowledged_is_grade_e(void **state)
{
    fresh(state);
    world.release.fails = HF_E_UNREACHABLE;
    world.unlock_unacknowledged = true;
    assert_hf_ok(run(), &held.err);
    assert_false(held.result.is_unrestored);
    assert_true(held.result.stall_ms > 0);
    assert_grade(HF_GRADE_E, "none", "the unlock was not acknowledged: unlock failed");
}

static void the_first_reason_stays_the_reason(void **state)
{
    fresh(state);
    world.verify.fails = HF_E_UNREACHABLE;
    world.release.fails = HF_E_UNREACHABLE;
    world.unlock_unacknowledged = true;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ACRV");
    assert_grade(HF_GRADE_E, "none", "the unlock was not acknowledged: unlock failed");
}

/* The session is gone, and the second one could not set the variable back either. */
static void a_variable_that_is_not_back_is_told_also_when_the_unlock_failed(void **state)
{
    fresh(state);
    world.release.fails = HF_E_UNREACHABLE;
    world.unlock_unacknowledged = world.restore_fails = true;
    assert_hf_ok(run(), &held.err);
    assert_true(held.result.is_unrestored);
    assert_grade(HF_GRADE_E, "none", "the unlock was not acknowledged: unlock failed");
}

static void a_variable_that_is_not_back_is_told_and_costs_no_grade(void **state)
{
    fresh(state);
    world.restore_fails = true;
    assert_hf_ok(run(), &held.err);
    assert_true(held.result.is_unrestored);
    assert_contains(hf_test_logged(state), "restore failed");
    assert_grade(HF_GRADE_B, "position", NULL);
}

static void a_cancel_while_the_lock_was_awaited_releases_and_takes_nothing(void **state)
{
    fresh(state);
    world.cancel_in_acquire = true;
    assert_failed_released(run(), HF_E_CANCELLED, "");
    assert_string_equal(world.trace, "AR");
}

static void a_cancel_during_the_sync_releases_and_takes_nothing(void **state)
{
    fresh(state);
    held.plan.sync_guest = world.plan.needs_sync = true;
    world.cancel_in_sync = true;
    assert_failed_released(run(), HF_E_CANCELLED, "");
    assert_string_equal(world.trace, "ASR");
}

/* ---- without one ------------------------------------------------------------------------ */

static void quiesce_none_captures_and_brackets_the_position(void **state)
{
    fresh(state);
    without_lock();
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "PCP");
    assert_events("capture_begin capture_end");
    assert_true(held.result.has_bracket);
    assert_false(held.result.has_position);
    assert_int_equal(held.result.min.offset, 1);
    assert_int_equal(held.result.max.offset, 2);
    assert_grade(HF_GRADE_E, "none", NULL);
}

static void quiesce_none_stalls_as_long_as_the_capture_and_holds_nothing(void **state)
{
    fresh(state);
    without_lock();
    assert_hf_ok(run(), &held.err);
    assert_float_equal(held.result.stall_ms, 25, 1e-9);
    assert_float_equal(held.result.held_ms, 0, 0);
    hf_hold_result_free(&held.result);
}

static void half_a_bracket_is_none(void **state)
{
    fresh(state);
    without_lock();
    world.has_no_second_position = true;
    assert_hf_ok(run(), &held.err);
    assert_false(held.result.has_bracket);
    assert_contains(hf_test_logged(state), "position not recorded: the observer is gone");
    assert_grade(HF_GRADE_E, "none", NULL);
}

static void without_a_database_there_is_no_bracket_and_no_complaint(void **state)
{
    fresh(state);
    without_lock();
    held.plan.observer = NULL;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "C");
    assert_false(held.result.has_bracket);
    assert_string_equal(hf_test_logged(state), "");
    assert_grade(HF_GRADE_E, "none", NULL);
}

static void a_slow_answer_about_the_position_takes_no_time_from_the_capture(void **state)
{
    fresh(state);
    without_lock();
    world.position.takes_ms = HOLD_LIMIT_MS + 1;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "PCP");
    hf_hold_result_free(&held.result);
}

static void quiesce_none_too_tells_a_capture_that_stays_away(void **state)
{
    fresh(state);
    without_lock();
    world.capture_is_late = true;
    int rc = run();
    assert_true(held.result.capture_unknown);
    assert_failed_released(rc, HF_E_TIMEOUT, "did not return in time");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_hold_that_works_is_grade_b_proven_by_its_position),
        HF_TEST(without_binlog_the_session_is_the_proof_and_the_position_unknown),
        HF_TEST(the_order_is_lock_settle_sync_capture_unlock_verify),
        HF_TEST(the_timeline_has_the_contracts_names_and_leaves_out_what_was_not),
        HF_TEST(stall_counts_from_the_lock_statement_and_held_from_its_grant),
        HF_TEST(setting_a_variable_back_after_the_unlock_is_no_stall),
        HF_TEST(a_lock_that_is_not_granted_leaves_everything_untouched),
        HF_TEST(a_log_that_cannot_be_settled_costs_the_run_when_b_is_required),
        HF_TEST(a_log_that_cannot_be_settled_costs_only_the_grade_when_e_is_enough),
        HF_TEST(a_missing_right_to_settle_is_no_grade_b_and_is_not_tried),
        HF_TEST(a_sync_that_fails_costs_the_run_when_b_is_required),
        HF_TEST(a_sync_that_fails_costs_only_the_grade_when_e_is_enough),
        HF_TEST(a_sync_with_a_bad_exit_status_is_no_sync),
        HF_TEST(without_a_guest_that_can_sync_the_reason_is_the_servers_setting),
        HF_TEST(a_capture_that_fails_releases_and_is_no_capture),
        HF_TEST(a_capture_that_stays_away_is_released_before_anybody_waits_for_it),
        HF_TEST(the_captures_deadline_is_hold_limit_after_the_grant),
        HF_TEST(past_the_deadline_the_hypervisor_is_not_called_while_held),
        HF_TEST(a_slow_settle_that_used_up_the_time_is_no_reason_to_hold_longer),
        HF_TEST(a_position_that_moved_under_the_lock_is_grade_e),
        HF_TEST(an_unlock_that_nobody_acknowledged_is_grade_e),
        HF_TEST(the_first_reason_stays_the_reason),
        HF_TEST(a_variable_that_is_not_back_is_told_also_when_the_unlock_failed),
        HF_TEST(a_variable_that_is_not_back_is_told_and_costs_no_grade),
        HF_TEST(a_cancel_while_the_lock_was_awaited_releases_and_takes_nothing),
        HF_TEST(a_cancel_during_the_sync_releases_and_takes_nothing),
        HF_TEST(quiesce_none_captures_and_brackets_the_position),
        HF_TEST(quiesce_none_stalls_as_long_as_the_capture_and_holds_nothing),
        HF_TEST(half_a_bracket_is_none),
        HF_TEST(without_a_database_there_is_no_bracket_and_no_complaint),
        HF_TEST(a_slow_answer_about_the_position_takes_no_time_from_the_capture),
        HF_TEST(quiesce_none_too_tells_a_capture_that_stays_away),
    };
    return HF_RUN_TESTS("hold.hold", tests);
}

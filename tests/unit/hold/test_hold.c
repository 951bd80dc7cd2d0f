/* SPDX-License-Identifier: Apache-2.0
 *
 * The hold with a lock, and with nothing: order, deadlines, verdict.
 */
#include "world.h"

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

void __wrap_hf_tunnel_rest(struct hf_tunnel *t, bool rests);
void __wrap_hf_tunnel_rest(struct hf_tunnel *t, bool rests)
{
    (void)t;
    world.trace[strlen(world.trace)] = rests ? 'q' : 'w';
}

static void the_agent_is_left_to_the_hypervisor_while_it_captures(void **state)
{
    fresh(state);
    held.plan.tunnel = (struct hf_tunnel *)(void *)&held;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "AqCwRV");
    hf_hold_result_free(&held.result);
}

static void the_agent_is_asked_again_after_a_capture_that_failed(void **state)
{
    fresh(state);
    held.plan.tunnel = (struct hf_tunnel *)(void *)&held;
    world.capture.fails = HF_E_PLUGIN;
    assert_failed_released(run(), HF_E_PLUGIN, "capture failed");
    assert_string_equal(world.trace, "AqCwR");
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
    assert_grade(HF_GRADE_E, "none", "'/bin/sync' in the guest: status 1");
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
    assert_false(held.result.has_open_ends);
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
    assert_true(held.result.has_open_ends);
    assert_grade(HF_GRADE_E, "none", "the unlock was not acknowledged: unlock failed");
}

static void a_variable_that_is_not_back_is_told_and_costs_no_grade(void **state)
{
    fresh(state);
    world.restore_fails = true;
    assert_hf_ok(run(), &held.err);
    assert_true(held.result.has_open_ends);
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

/* ---- readers of the same instant --------------------------------------------------------- */

static struct {
    struct step step;
    int64_t deadline_ms;
    unsigned calls;
    bool was_held;
} readers;

static int begin_readers(void *ctx, int64_t deadline_ms, struct hf_err *err)
{
    assert_ptr_equal(ctx, &readers);
    readers.calls++;
    readers.deadline_ms = deadline_ms;
    readers.was_held = world.is_held;
    return run_step(&readers.step, 'B', "begin", err);
}

static const struct hf_hold_readers the_readers = {begin_readers, &readers};

static void fresh_with_readers(void **state)
{
    fresh(state);
    memset(&readers, 0, sizeof readers);
    held.plan.readers = &the_readers;
}

static void readers_begin_after_the_capture_and_before_the_unlock(void **state)
{
    fresh_with_readers(state);
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ACBRV");
    assert_true(readers.was_held);
    assert_events("lock_begin locked capture_begin capture_end readers_begun unlocked");
    /* what is left of hold-limit, counted from the grant */
    assert_int_equal(readers.deadline_ms, world.capture_deadline_ms);
    assert_grade(HF_GRADE_B, "position", NULL);
}

static void without_a_capture_no_reader_begins(void **state)
{
    fresh_with_readers(state);
    world.capture.fails = HF_E_PLUGIN;
    assert_failed_released(run(), HF_E_PLUGIN, "capture failed");
    assert_int_equal(readers.calls, 0);
}

static void without_a_lock_no_reader_begins(void **state)
{
    fresh_with_readers(state);
    world.acquire.fails = HF_E_TIMEOUT;
    assert_failed_released(run(), HF_E_TIMEOUT, "acquire failed");
    assert_int_equal(readers.calls, 0);
}

static void readers_that_do_not_begin_fail_the_run_after_the_release(void **state)
{
    fresh_with_readers(state);
    readers.step.fails = HF_E_UNREACHABLE;
    assert_int_equal(run(), -1);
    assert_int_equal(held.err.cls, HF_E_UNREACHABLE);
    assert_contains(held.err.message, "readers of the instant: begin failed");
    assert_string_equal(world.trace, "ACBR");
    /* it may be there, and is the caller's to discard */
    assert_true(held.result.captured && !world.is_held);
    hf_hold_result_free(&held.result);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(readers_begin_after_the_capture_and_before_the_unlock),
        HF_TEST(without_a_capture_no_reader_begins),
        HF_TEST(without_a_lock_no_reader_begins),
        HF_TEST(readers_that_do_not_begin_fail_the_run_after_the_release),
        HF_TEST(a_hold_that_works_is_grade_b_proven_by_its_position),
        HF_TEST(without_binlog_the_session_is_the_proof_and_the_position_unknown),
        HF_TEST(the_order_is_lock_settle_sync_capture_unlock_verify),
        HF_TEST(the_agent_is_left_to_the_hypervisor_while_it_captures),
        HF_TEST(the_agent_is_asked_again_after_a_capture_that_failed),
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

/* SPDX-License-Identifier: Apache-2.0
 *
 * The hold with services at rest, with filesystems frozen, and with the light lock.
 */
#include "world.h"

#define STOP_TIMEOUT_MS 60000

/* Opaque to the hold. */
static char another_hypervisor, some_services;
static const struct hf_strv no_units = HF_STRV_INIT;

static struct hf_hold_services rest;
static struct hf_hold_freeze freezing;
static struct hf_db_target target = {.host = "h"};

static void with_services(bool has_database)
{
    struct hf_services *set = (struct hf_services *)(void *)&some_services;
    rest = (struct hf_hold_services){
        .set = has_database ? NULL : set,
        .database = has_database ? set : NULL,
        .to_start = world.nothing_runs ? &no_units : &two_units,
        .db_target = has_database ? &target : NULL,
        .stop_timeout_ms = STOP_TIMEOUT_MS,
        .start_timeout_ms = STOP_TIMEOUT_MS,
        .deadman_stopping = "stopping",
        .deadman_resting = "resting",
    };
    held.plan.rest = &rest;
}

/* quiesce = stop, with a sync while nothing runs */
static void stopped(void **state)
{
    fresh(state);
    held.plan.lock = NULL;
    held.plan.sync_guest = true;
    held.plan.required = HF_GRADE_A;
    with_services(true);
    world.stop.takes_ms = 900;
    world.start.takes_ms = 1500;
}

static void frozen(void **state)
{
    fresh(state);
    freezing = (struct hf_hold_freeze){
        .hv = (struct hf_hv *)(void *)&another_hypervisor, .mounts = &two_units, .deadman = "thaw"};
    held.plan.freeze = &freezing;
    world.freeze.takes_ms = 40;
    world.thaw.takes_ms = 20;
}

/* ---- stop ------------------------------------------------------------------------------- */

static void a_stopped_database_is_grade_a(void **state)
{
    stopped(state);
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "TXTSCQGWDD");
    assert_events("stop_begin stopped synced capture_begin capture_end started");
    assert_grade(HF_GRADE_A, "service", NULL);
}

static void the_first_dead_man_covers_stopping_and_the_second_the_rest(void **state)
{
    stopped(state);
    assert_hf_ok(run(), &held.err);
    assert_int_equal(world.arms, 2);
    assert_int_equal(world.arm_after_ms[0], STOP_TIMEOUT_MS + HOLD_LIMIT_MS);
    assert_int_equal(world.arm_after_ms[1], HOLD_LIMIT_MS);
    hf_hold_result_free(&held.result);
}

static void stopping_stalls_writers_from_the_stop_to_the_start(void **state)
{
    stopped(state);
    world.ready.takes_ms = 200;
    assert_hf_ok(run(), &held.err);
    assert_float_equal(held.result.stall_ms, 900 + 25 + 1500 + 200, 1e-9);
    assert_float_equal(held.result.rest_ms, 0, 0);
    hf_hold_result_free(&held.result);
}

static void a_database_that_woke_up_meanwhile_is_no_grade_a(void **state)
{
    stopped(state);
    held.plan.required = HF_GRADE_E;
    world.still.fails = HF_E_CONFLICT;
    assert_hf_ok(run(), &held.err);
    assert_grade(HF_GRADE_E, "none", "the database did not stay stopped: still failed");
}

static void a_dead_man_that_fired_while_stopping_voids_the_grade(void **state)
{
    stopped(state);
    held.plan.required = HF_GRADE_E;
    world.fired = "stopping";
    assert_hf_ok(run(), &held.err);
    assert_grade(HF_GRADE_E, "none", "a dead-man in the guest fired");
}

static void a_dead_man_that_fired_at_rest_voids_the_grade(void **state)
{
    stopped(state);
    held.plan.required = HF_GRADE_E;
    world.fired = "resting";
    assert_hf_ok(run(), &held.err);
    assert_grade(HF_GRADE_E, "none", "a dead-man in the guest fired");
}

static void a_slow_start_past_the_limit_costs_no_grade_when_letting_go_began_in_time(void **state)
{
    stopped(state);
    world.start.takes_ms = HOLD_LIMIT_MS + 5000;
    world.fired = "resting";
    assert_hf_ok(run(), &held.err);
    assert_contains(hf_test_logged(state), "letting go took longer than hold-limit");
    assert_grade(HF_GRADE_A, "service", NULL);
}

static void a_dead_man_that_was_due_before_letting_go_began_voids_the_grade(void **state)
{
    stopped(state);
    held.plan.required = HF_GRADE_E;
    world.capture.takes_ms = HOLD_LIMIT_MS + 5000;
    world.fired = "resting";
    assert_hf_ok(run(), &held.err);
    assert_grade(HF_GRADE_E, "none", "a dead-man in the guest fired");
}

static void a_stop_that_fails_starts_everything_again_and_captures_nothing(void **state)
{
    stopped(state);
    world.stop.fails = HF_E_TIMEOUT;
    assert_failed_released(run(), HF_E_TIMEOUT, "stop failed");
    assert_string_equal(world.trace, "TXGW");
    assert_false(world.is_resting);
}

static void without_a_dead_man_nothing_is_stopped(void **state)
{
    stopped(state);
    world.arm.fails = HF_E_PLUGIN;
    assert_failed_released(run(), HF_E_PLUGIN, "arm failed");
    assert_string_equal(world.trace, "T");
}

static void a_service_that_does_not_come_back_fails_the_run_and_is_named(void **state)
{
    stopped(state);
    world.start.fails = HF_E_PLUGIN;
    assert_int_equal(run(), -1);
    assert_hf_err(&held.err, HF_E_PLUGIN, "start failed");
    assert_contains(held.err.left, "apache2.service does not run");
    assert_string_equal(world.trace, "TXTSCQG"); /* the dead-man keeps its chance */
    hf_hold_result_free(&held.result);
}

static void a_database_that_accepts_no_connection_fails_the_run(void **state)
{
    stopped(state);
    world.ready.fails = HF_E_TIMEOUT;
    assert_int_equal(run(), -1);
    assert_contains(held.err.left, "does not accept connections");
    hf_hold_result_free(&held.result);
}

static void a_failed_capture_and_a_failed_start_are_both_told(void **state)
{
    stopped(state);
    world.capture.fails = HF_E_PLUGIN;
    world.start.fails = HF_E_PLUGIN;
    assert_int_equal(run(), -1);
    assert_hf_err(&held.err, HF_E_PLUGIN, "capture failed");
    assert_contains(held.err.left, "apache2.service does not run");
    hf_hold_result_free(&held.result);
}

static void a_capture_that_stays_away_does_not_keep_services_stopped(void **state)
{
    stopped(state);
    world.capture_is_late = true;
    int64_t begin_ms = hf_clock_mono_ms(&world.clock->clock);
    assert_failed_released(run(), HF_E_TIMEOUT, "did not return in time");
    assert_false(world.is_resting);
    int64_t took_ms = hf_clock_mono_ms(&world.clock->clock) - begin_ms;
    assert_int_equal(took_ms, 900 + HOLD_LIMIT_MS + 1500);
}

static void a_sync_that_fails_is_no_grade_a(void **state)
{
    stopped(state);
    world.sync.fails = HF_E_UNREACHABLE;
    assert_failed_released(run(), HF_E_UNREACHABLE, "grade A is out of reach: no sync");
    assert_false(world.is_resting);
}

static void what_did_not_run_is_neither_guarded_nor_started(void **state)
{
    stopped(state);
    world.nothing_runs = true;
    with_services(true);
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "XSCQGW");
    assert_grade(HF_GRADE_A, "service", NULL);
}

static void services_rest_around_the_stopped_database_and_the_stall_is_its_alone(void **state)
{
    stopped(state);
    rest.set = rest.database;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "TXXTSCQGWGDD");
    assert_events("services_stop_begin services_stopped stop_begin stopped synced capture_begin "
                  "capture_end started services_started");
    assert_float_equal(held.result.stall_ms, 900 + 25 + 1500, 1e-9);
    assert_float_equal(held.result.rest_ms, 900 + 900 + 25 + 1500 + 1500, 1e-9);
    /* Each may take stop_timeout: the first dead-man must not wake one while the other is being stopped. */
    assert_int_equal(world.arm_after_ms[0], 2 * STOP_TIMEOUT_MS + HOLD_LIMIT_MS);
    assert_grade(HF_GRADE_A, "service", NULL);
}

/* ---- services beside a lock ------------------------------------------------------------- */

static void services_rest_around_the_lock_and_cost_the_database_nothing(void **state)
{
    fresh(state);
    with_services(false);
    world.stop.takes_ms = 300;
    world.start.takes_ms = 400;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "TXTACRGDDV");
    assert_events(
        "services_stop_begin services_stopped lock_begin locked capture_begin capture_end "
        "unlocked services_started");
    assert_float_equal(held.result.stall_ms, 20 + 25 + 3, 1e-9);
    assert_float_equal(held.result.rest_ms, 300 + 20 + 25 + 3 + 400, 1e-9);
    assert_grade(HF_GRADE_B, "position", NULL);
}

static void with_services_at_rest_the_lock_has_half_of_the_limit(void **state)
{
    fresh(state);
    with_services(false);
    world.stop.takes_ms = 300;
    int64_t begin_ms = hf_clock_mono_ms(&world.clock->clock);
    assert_hf_ok(run(), &held.err);
    assert_int_equal(world.not_after_ms, begin_ms + 300 + HOLD_LIMIT_MS / 2);
    assert_int_equal(world.capture_deadline_ms, begin_ms + 300 + HOLD_LIMIT_MS);
    hf_hold_result_free(&held.result);
}

static void without_services_the_lock_has_its_own_time(void **state)
{
    fresh(state);
    assert_hf_ok(run(), &held.err);
    assert_int_equal(world.not_after_ms, HF_NO_DEADLINE);
    hf_hold_result_free(&held.result);
}

static void a_lock_that_is_not_granted_starts_the_services(void **state)
{
    fresh(state);
    with_services(false);
    world.acquire.fails = HF_E_TIMEOUT;
    assert_failed_released(run(), HF_E_TIMEOUT, "acquire failed");
    assert_string_equal(world.trace, "TXTAG");
    assert_false(world.is_resting);
}

static void a_dead_man_that_cannot_be_disarmed_is_left_to_the_journal(void **state)
{
    fresh(state);
    with_services(false);
    world.disarm.fails = HF_E_UNREACHABLE;
    assert_hf_ok(run(), &held.err);
    assert_true(held.result.has_open_ends);
    assert_grade(HF_GRADE_B, "position", NULL);
}

/* ---- freeze ----------------------------------------------------------------------------- */

static void a_freeze_lies_inside_the_lock_and_replaces_the_sync(void **state)
{
    frozen(state);
    world.plan.needs_sync = true;
    world.plan.needs_sync_why = "1 non-transactional table";
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "tAFCHRDV");
    assert_events(
        "lock_begin locked freeze_begin frozen capture_begin capture_end thawed unlocked");
    assert_grade(HF_GRADE_B, "position", NULL);
}

static void a_freeze_alone_is_grade_d(void **state)
{
    frozen(state);
    without_lock();
    held.plan.required = HF_GRADE_D;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "PtFCHDP");
    assert_float_equal(held.result.stall_ms, 40 + 25 + 20, 1e-9);
    assert_true(held.result.has_bracket);
    assert_grade(HF_GRADE_D, "freeze", NULL);
}

static void a_freeze_that_fails_is_thawed_all_the_same(void **state)
{
    frozen(state);
    world.freeze.fails = HF_E_TIMEOUT;
    assert_failed_released(run(), HF_E_TIMEOUT, "freeze failed");
    assert_string_equal(world.trace, "tAFHR");
    assert_false(world.is_frozen);
}

static void a_thaw_that_fails_fails_the_run_but_not_the_unlock(void **state)
{
    frozen(state);
    world.thaw.fails = HF_E_UNREACHABLE;
    assert_int_equal(run(), -1);
    assert_hf_err(&held.err, HF_E_UNREACHABLE, "thaw failed");
    assert_contains(held.err.left, "may be frozen until its dead-man thaws them");
    assert_false(world.is_held);
    hf_hold_result_free(&held.result);
}

static void a_thaw_behind_our_back_voids_the_grade(void **state)
{
    frozen(state);
    held.plan.required = HF_GRADE_E;
    world.thawed_by_others = true;
    assert_hf_ok(run(), &held.err);
    assert_grade(HF_GRADE_E, "none", "the filesystems did not stay frozen");
}

static void a_freeze_whose_state_nobody_could_tell_is_no_proof(void **state)
{
    frozen(state);
    held.plan.required = HF_GRADE_E;
    world.look.fails = HF_E_UNREACHABLE;
    assert_hf_ok(run(), &held.err);
    assert_grade(HF_GRADE_E, "none", "nobody could tell whether the filesystems stayed frozen");
}

static void a_thaw_that_gets_no_answer_does_not_hold_the_lock_past_the_limit(void **state)
{
    frozen(state);
    int64_t locked_ms = hf_clock_mono_ms(&world.clock->clock) + world.acquire.takes_ms;
    world.capture_is_late = true;
    assert_failed_released(run(), HF_E_TIMEOUT, "did not return in time");
    assert_true(world.thaw_deadline_ms > locked_ms + HOLD_LIMIT_MS);
    assert_true(world.thaw_deadline_ms <= locked_ms + HOLD_LIMIT_MS + 1000);
}

static void
an_agent_that_never_answered_is_not_called_busy_and_the_lock_goes_at_the_limit(void **state)
{
    frozen(state);
    world.is_agent_stuck = true;
    int64_t locked_ms = hf_clock_mono_ms(&world.clock->clock) + world.acquire.takes_ms;
    assert_int_equal(run(), -1);
    assert_hf_err(&held.err, HF_E_TIMEOUT, "still away");
    assert_contains(held.err.left, "may be frozen until its dead-man thaws them");
    assert_string_equal(world.trace, "tAFCR");
    assert_true(world.released_us / 1000 <=
                locked_ms + HOLD_LIMIT_MS + 1000 + world.release.takes_ms);
    hf_hold_result_free(&held.result);
}

static void a_dead_man_that_thawed_before_us_voids_the_grade(void **state)
{
    frozen(state);
    held.plan.required = HF_GRADE_E;
    world.fired = "thaw";
    assert_hf_ok(run(), &held.err);
    assert_grade(HF_GRADE_E, "none", "a dead-man in the guest fired");
}

static void everything_is_released_in_reverse_order(void **state)
{
    frozen(state);
    with_services(false);
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "TXTtAFCHRGDDDV");
    assert_events("services_stop_begin services_stopped lock_begin locked freeze_begin frozen "
                  "capture_begin capture_end thawed unlocked services_started");
    hf_hold_result_free(&held.result);
}

/* ---- light ------------------------------------------------------------------------------ */

static void the_light_lock_is_grade_c_with_a_bracket_and_no_stall_of_its_own(void **state)
{
    fresh(state);
    world.plan.is_light = true;
    held.plan.required = HF_GRADE_C;
    assert_hf_ok(run(), &held.err);
    assert_string_equal(world.trace, "ACRV");
    assert_true(held.result.has_bracket);
    assert_int_equal(held.result.min.offset, 4711);
    assert_int_equal(held.result.max.offset, 5000);
    assert_float_equal(held.result.stall_ms, 25, 1e-9);
    assert_grade(HF_GRADE_C, "bracket", NULL);
}

/* ---- coverage --------------------------------------------------------------------------- */

static void what_is_not_covered_lowers_the_grade_from_the_start(void **state)
{
    fresh(state);
    held.plan.required = HF_GRADE_E;
    held.plan.lowered_why = "binlog lies on nfs";
    assert_hf_ok(run(), &held.err);
    assert_grade(HF_GRADE_E, "none", "binlog lies on nfs");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_stopped_database_is_grade_a),
        HF_TEST(the_first_dead_man_covers_stopping_and_the_second_the_rest),
        HF_TEST(stopping_stalls_writers_from_the_stop_to_the_start),
        HF_TEST(a_database_that_woke_up_meanwhile_is_no_grade_a),
        HF_TEST(a_dead_man_that_fired_while_stopping_voids_the_grade),
        HF_TEST(a_dead_man_that_fired_at_rest_voids_the_grade),
        HF_TEST(a_slow_start_past_the_limit_costs_no_grade_when_letting_go_began_in_time),
        HF_TEST(a_dead_man_that_was_due_before_letting_go_began_voids_the_grade),
        HF_TEST(a_stop_that_fails_starts_everything_again_and_captures_nothing),
        HF_TEST(without_a_dead_man_nothing_is_stopped),
        HF_TEST(a_service_that_does_not_come_back_fails_the_run_and_is_named),
        HF_TEST(a_database_that_accepts_no_connection_fails_the_run),
        HF_TEST(a_failed_capture_and_a_failed_start_are_both_told),
        HF_TEST(a_capture_that_stays_away_does_not_keep_services_stopped),
        HF_TEST(a_sync_that_fails_is_no_grade_a),
        HF_TEST(what_did_not_run_is_neither_guarded_nor_started),
        HF_TEST(services_rest_around_the_stopped_database_and_the_stall_is_its_alone),
        HF_TEST(services_rest_around_the_lock_and_cost_the_database_nothing),
        HF_TEST(with_services_at_rest_the_lock_has_half_of_the_limit),
        HF_TEST(without_services_the_lock_has_its_own_time),
        HF_TEST(a_lock_that_is_not_granted_starts_the_services),
        HF_TEST(a_dead_man_that_cannot_be_disarmed_is_left_to_the_journal),
        HF_TEST(a_freeze_lies_inside_the_lock_and_replaces_the_sync),
        HF_TEST(a_freeze_alone_is_grade_d),
        HF_TEST(a_freeze_that_fails_is_thawed_all_the_same),
        HF_TEST(a_thaw_that_fails_fails_the_run_but_not_the_unlock),
        HF_TEST(a_thaw_behind_our_back_voids_the_grade),
        HF_TEST(a_freeze_whose_state_nobody_could_tell_is_no_proof),
        HF_TEST(a_thaw_that_gets_no_answer_does_not_hold_the_lock_past_the_limit),
        HF_TEST(an_agent_that_never_answered_is_not_called_busy_and_the_lock_goes_at_the_limit),
        HF_TEST(a_dead_man_that_thawed_before_us_voids_the_grade),
        HF_TEST(everything_is_released_in_reverse_order),
        HF_TEST(the_light_lock_is_grade_c_with_a_bracket_and_no_stall_of_its_own),
        HF_TEST(what_is_not_covered_lowers_the_grade_from_the_start),
    };
    if (hf_strv_add(&two_units, "apache2.service") < 0 ||
        hf_strv_add(&two_units, "cron.service") < 0)
        return 1;
    return HF_RUN_TESTS("hold.rest", tests);
}

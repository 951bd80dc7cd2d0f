/* SPDX-License-Identifier: Apache-2.0
 *
 * Services at rest while some work is done.
 */
#include "world.h"

#define STOP_TIMEOUT_MS 60000

static char some_services;
static const struct hf_strv no_units = HF_STRV_INIT;
static struct hf_hold_services rest;

static struct {
    struct step step;
    bool was_resting, waits_until_cancelled;
} work;

/* w: the work */
static int do_work(void *ctx, struct hf_cancel *until, struct hf_err *err)
{
    (void)ctx;
    work.was_resting = world.is_resting;
    if (run_step(&work.step, 'w', "work", err) < 0)
        return -1;
    return work.waits_until_cancelled ? hf_cancel_check(until, err) : 0;
}

static void resting(void **state)
{
    fresh(state);
    memset(&work, 0, sizeof work);
    rest = (struct hf_hold_services){
        .set = (struct hf_services *)(void *)&some_services,
        .to_start = &two_units,
        .stop_timeout_ms = STOP_TIMEOUT_MS,
        .start_timeout_ms = STOP_TIMEOUT_MS,
        .deadman_stopping = "stopping",
        .deadman_resting = "resting",
    };
    held.plan.lock = NULL;
    held.plan.capture = NULL;
    held.plan.rest = &rest;
    world.stop.takes_ms = 900;
    world.start.takes_ms = 1500;
}

static int run_work(void)
{
    static const struct hf_hold_work todo = {.run = do_work};
    int rc = hf_hold_at_rest(&held.plan, &todo, &held.result, &held.err);
    hf_cancel_free(world.cancel);
    world.cancel = NULL;
    return rc;
}

static void the_work_is_done_between_the_stop_and_the_start(void **state)
{
    resting(state);
    work.step.takes_ms = 20000;
    assert_hf_ok(run_work(), &held.err);
    assert_true(work.was_resting);
    assert_false(world.is_resting);
    assert_string_equal(world.trace, "TXTwQGDD");
    assert_events("services_stop_begin services_stopped work_begin work_end services_started");
    assert_float_equal(held.result.rest_ms, 900 + 20000 + 1500, 1e-9);
    assert_int_equal(world.arm_after_ms[0], STOP_TIMEOUT_MS + HOLD_LIMIT_MS);
    assert_int_equal(world.arm_after_ms[1], HOLD_LIMIT_MS);
}

static void work_that_fails_starts_the_services_all_the_same(void **state)
{
    resting(state);
    work.step.fails = HF_E_UNREACHABLE;
    assert_int_equal(run_work(), -1);
    assert_hf_err(&held.err, HF_E_UNREACHABLE, "work failed");
    assert_string_equal(world.trace, "TXTwG"); /* its dead-men are the journal's to disarm */
    assert_false(world.is_resting);
}

static void work_past_the_limit_is_ended_and_told_so(void **state)
{
    resting(state);
    work.step.takes_ms = HOLD_LIMIT_MS;
    work.waits_until_cancelled = true;
    assert_int_equal(run_work(), -1);
    assert_hf_err(&held.err, HF_E_TIMEOUT, "the services had to go on: its time is over");
    assert_false(world.is_resting);
}

static void a_service_that_ran_meanwhile_voids_the_work(void **state)
{
    resting(state);
    world.still.fails = HF_E_CONFLICT;
    assert_int_equal(run_work(), -1);
    assert_hf_err(&held.err, HF_E_CONFLICT, "still failed");
    assert_string_equal(world.trace, "TXTwQG");
}

static void a_dead_man_that_fired_voids_the_work(void **state)
{
    resting(state);
    world.fired = "resting";
    assert_int_equal(run_work(), -1);
    assert_hf_err(&held.err, HF_E_CONFLICT, "a dead-man in the guest fired");
    assert_false(world.is_resting);
}

static void services_that_do_not_come_back_fail_it_and_are_named(void **state)
{
    resting(state);
    world.start.fails = HF_E_PLUGIN;
    assert_int_equal(run_work(), -1);
    assert_contains(held.err.left, "apache2.service does not run");
    assert_string_equal(world.trace, "TXTwQG"); /* the dead-man keeps its chance */
}

static void a_stop_that_fails_begins_no_work(void **state)
{
    resting(state);
    world.stop.fails = HF_E_TIMEOUT;
    assert_int_equal(run_work(), -1);
    assert_string_equal(world.trace, "TXG");
}

static void where_nothing_runs_there_is_no_limit(void **state)
{
    resting(state);
    rest.to_start = &no_units;
    work.step.takes_ms = 10 * HOLD_LIMIT_MS;
    work.waits_until_cancelled = true;
    assert_hf_ok(run_work(), &held.err);
    assert_string_equal(world.trace, "XwQG");
}

static void a_cancelled_run_stops_nothing_or_starts_it_again(void **state)
{
    resting(state);
    hf_cancel_set(world.cancel);
    assert_int_equal(run_work(), -1);
    assert_hf_err(&held.err, HF_E_CANCELLED, "cancelled");
    assert_string_equal(world.trace, "TXTG");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(the_work_is_done_between_the_stop_and_the_start),
        HF_TEST(work_that_fails_starts_the_services_all_the_same),
        HF_TEST(work_past_the_limit_is_ended_and_told_so),
        HF_TEST(a_service_that_ran_meanwhile_voids_the_work),
        HF_TEST(a_dead_man_that_fired_voids_the_work),
        HF_TEST(services_that_do_not_come_back_fail_it_and_are_named),
        HF_TEST(a_stop_that_fails_begins_no_work),
        HF_TEST(where_nothing_runs_there_is_no_limit),
        HF_TEST(a_cancelled_run_stops_nothing_or_starts_it_again),
    };
    if (hf_strv_add(&two_units, "apache2.service") < 0)
        return 1;
    return HF_RUN_TESTS("hold.at_rest", tests);
}

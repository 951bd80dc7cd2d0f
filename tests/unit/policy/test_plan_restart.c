/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan after a restart or a reload, with clocks that jump; and drills.
 */
#include "plan_world.h"

#define DAILY "schedule = 0 2 * * *\n"

static struct hf_job load(struct world *w, const struct hf_duty *d)
{
    struct hf_job job;
    hf_plan_load(w->plan, d, &job);
    return job;
}

/* ---- restart ---------------------------------------------------------------------------- */

static void what_was_served_stays_served(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(3, 12, 0));
    const struct hf_duty d = ended_duty("web01", at(3, 2, 0), 1, "done");
    assert_true(load(&w, &d).id == HF_PLAN_NONE);
    assert_wake(&w, at(3, 12, 0), at(4, 2, 0));
}

static void what_came_due_while_it_was_away_runs_once(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(7, 12, 0));
    const struct hf_duty d = ended_duty("web01", at(3, 2, 0), 1, "done");
    load(&w, &d);
    const struct hf_job job = start(&w, at(7, 12, 0));
    assert_job(&job, "web01", at(7, 2, 0), 1, true);
    assert_int_equal(hf_plan_wake(w.plan, at(7, 12, 0)), HF_NO_TIME);
}

static void retries_go_on_where_they_were(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(3, 2, 30));
    struct hf_duty d = ended_duty("web01", at(3, 2, 0), 2, "failed");
    load(&w, &d);
    assert_wake(&w, at(3, 2, 10), at(3, 2, 30));
    const struct hf_job job = start(&w, at(3, 2, 30));
    assert_job(&job, "web01", at(3, 2, 0), 3, false);
    d.attempts = 4;
    load(&w, &d);
    assert_wake(&w, at(3, 3, 0), at(4, 2, 0));
    d.outcome = "busy";
    load(&w, &d);
    assert_wake(&w, at(3, 2, 5), at(3, 2, 15));
}

static void what_is_going_on_is_not_begun_again(void **state)
{
    (void)state;
    AUTO_WORLD w = one("schedule = 0 * * * *\n", at(3, 12, 0));
    struct hf_duty d = duty("web01", HF_DUTY_RUN, at(3, 10, 0));
    d.attempts = 2;
    d.began_us = at(3, 10, 20) * 1000000;
    const struct hf_job job = load(&w, &d);
    assert_job(&job, "web01", at(3, 10, 0), 2, false);
    assert_int_equal(hf_plan_wake(w.plan, at(3, 12, 0)), HF_NO_TIME);
    assert_true(row_of(&w, at(3, 12, 0)).is_running);
    assert_false(row_of(&w, at(3, 12, 0)).is_overdue);
    assert_true(
        row_of(&w, at(3, 12, 1)).is_overdue); /* that of eleven waits for more than an hour */
    end(&w, &job, "done", at(3, 12, 0));
    const struct hf_job next = start(&w, at(3, 12, 0));
    assert_job(&next, "web01", at(3, 12, 0), 1, true);
}

static void an_interrupted_attempt_of_which_nothing_came_is_due_again(void **state)
{
    (void)state;
    int64_t served;
    uint32_t attempts;
    AUTO_WORLD w = one(DAILY "drill = weekly\n", at(3, 2, 30));
    struct hf_duty d = duty("web01", HF_DUTY_RUN, at(3, 2, 0));
    d.attempts = 1;
    d.began_us = d.served_s * 1000000;
    struct hf_job job = load(&w, &d);
    hf_plan_before(w.plan, &job, &served, &attempts);
    assert_true(served == at(3, 2, 0) - 1 && attempts == 0);
    end(&w, &job, "withdrawn", at(3, 2, 30));
    job = start(&w, at(3, 2, 30));
    assert_job(&job, "web01", at(3, 2, 0), 1, false);
    end(&w, &job, "done", at(3, 2, 31));
    d.kind = HF_DUTY_DRILL; /* its raster stays what it was */
    job = load(&w, &d);
    end(&w, &job, "withdrawn", at(3, 2, 31));
    job = start(&w, at(3, 2, 31));
    assert_job(&job, "web01", at(3, 2, 0), 1, false);
    assert_string_equal(job.kind, HF_DUTY_DRILL);
}

static void a_retry_of_which_nothing_came_is_made_at_once(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(3, 3, 0));
    struct hf_duty d = duty("web01", HF_DUTY_RUN, at(3, 2, 0));
    d.attempts = 3;
    d.began_us = at(3, 2, 59) * 1000000;
    d.outcome = "failed";
    struct hf_job job = load(&w, &d);
    end(&w, &job, "withdrawn", at(3, 3, 0));
    job = start(&w, at(3, 3, 0));
    assert_job(&job, "web01", at(3, 2, 0), 3, false);
}

static void a_pair_that_vanished_is_passed_over(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(3, 12, 0));
    struct hf_duty d = ended_duty("web02", at(1, 2, 0), 1, "failed");
    assert_true(load(&w, &d).id == HF_PLAN_NONE);
    d.ended_us = 0;
    const struct hf_job job = load(&w, &d); /* … even if it is going on */
    assert_true(job.id == HF_PLAN_NONE);
    end(&w, &job, "done", at(3, 12, 0));
    d = ended_duty("web01", at(1, 2, 0), 1, "failed");
    d.kind = HF_DUTY_DRILL; /* it has no drills */
    assert_true(load(&w, &d).id == HF_PLAN_NONE);
    d.kind = "something else";
    assert_true(load(&w, &d).id == HF_PLAN_NONE);
    assert_wake(&w, at(3, 12, 0), at(4, 2, 0));
}

static int count_new(void *ctx, const struct hf_duty *d, struct hf_err *err)
{
    (void)err;
    assert_int_equal(d->served_s, at(3, 12, 0));
    hf_buf_printf(ctx, "%s/%s/%s ", d->policy, d->vm, d->kind);
    return 0;
}

static void who_is_not_followed_yet_is_told(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    AUTO_WORLD w = world_of(LAB VM("web01") VM("web02") POLICY("p", "*") DAILY "drill = weekly\n",
                            at(3, 12, 0));
    const struct hf_duty d = ended_duty("web01", at(3, 2, 0), 1, "done");
    load(&w, &d);
    assert_hf_ok(hf_plan_each_new(w.plan, count_new, &names, &err), &err);
    assert_string_equal(hf_buf_str(&names), "p/web01/drill p/web02/run p/web02/drill ");
}

/* ---- clocks ----------------------------------------------------------------------------- */

static void a_clock_that_jumps_ahead_makes_it_run_once(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    assert_wake(&w, at(2, 12, 0), at(3, 2, 0));
    const struct hf_job job = start(&w, at(2, 12, 0) + 400 * HF_DAY_S);
    assert_true(job.has_missed);
    end(&w, &job, "done", at(2, 12, 0) + 400 * HF_DAY_S);
    assert_wake(&w, at(2, 12, 0) + 400 * HF_DAY_S, at(3, 2, 0) + 400 * HF_DAY_S);
}

static void a_clock_that_jumps_back_makes_nothing_run_twice(void **state)
{
    (void)state;
    AUTO_WORLD w = one("schedule = 0 * * * *\n", at(2, 12, 0));
    struct hf_job job = start(&w, at(3, 10, 0));
    end(&w, &job, "done", at(3, 10, 5));
    assert_wake(&w, at(2, 14, 0), at(3, 11, 0)); /* back by 20 hours */
    assert_false(row_of(&w, at(2, 14, 0)).was_ahead);
    job = start(&w, at(3, 11, 0));
    assert_job(&job, "web01", at(3, 11, 0), 1, false);
}

/* Ready, and then the clock shows that it is not due yet. */
static void a_job_that_waits_goes_back_with_the_clock(void **state)
{
    (void)state;
    struct hf_job job;
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    assert_true(hf_plan_ready(w.plan, at(3, 2, 0), &job));
    assert_wake(&w, at(3, 1, 50), at(3, 2, 0));
}

static void a_clock_that_was_wrong_blocks_nobody(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    struct hf_job job = start(&w, at(2, 12, 0) + 9 * 365 * HF_DAY_S);
    end(&w, &job, "failed", at(2, 12, 0) + 9 * 365 * HF_DAY_S);
    assert_wake(&w, at(2, 13, 0), at(3, 2, 0)); /* nothing at once, nothing again */
    assert_true(row_of(&w, at(2, 13, 0)).was_ahead);
    job = start(&w, at(3, 2, 0));
    assert_job(&job, "web01", at(3, 2, 0), 1, false);
    assert_false(row_of(&w, at(3, 2, 0)).was_ahead);
}

static void a_duty_from_the_future_is_followed_from_now_on(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY "drill = daily\n", at(3, 12, 0));
    struct hf_duty d = ended_duty("web01", at(3, 2, 0), 1, "failed");
    d.served_s = INT64_MAX - 7;
    d.ended_us = INT64_MAX;
    load(&w, &d);
    d.kind = HF_DUTY_DRILL;
    load(&w, &d);
    assert_true(row_of(&w, at(3, 12, 0)).was_ahead);
    struct hf_job job = start(&w, at(4, 2, 0));
    assert_job(&job, "web01", at(4, 2, 0), 1, false);
    end(&w, &job, "done", at(4, 2, 0));
    assert_wake(&w, at(4, 2, 0), at(4, 12, 0)); /* the drill, a day later */
    d.kind = HF_DUTY_RUN;
    d.served_s = d.ended_us = INT64_MIN;
    load(&w, &d);
    job = start(&w, at(4, 2, 0));
    assert_job(&job, "web01", at(4, 2, 0), 1, true);
}

static void waits_that_began_in_the_future_begin_now(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    struct hf_job job = start(&w, at(3, 2, 0));
    end(&w, &job, "failed", at(3, 2, 40));
    assert_wake(&w, at(3, 2, 0), at(3, 2, 15));
    for (int i = 0; i < 9; i++) {
        job = start(&w, at(3, 10, 0) + i * 300);
        end(&w, &job, "withdrawn", at(3, 10, 0) + i * 300);
    }
    assert_wake(&w, at(3, 3, 0), at(3, 3, 5));
}

/* ---- drills ----------------------------------------------------------------------------- */

#define DRILLS "schedule = 0 0 1 1 *\ndrill = 7d\n" /* and no runs near */

static void a_drill_comes_on_a_fixed_raster(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DRILLS, at(1, 12, 0));
    assert_wake(&w, at(1, 12, 0), at(8, 12, 0));
    struct hf_job job = start(&w, at(8, 15, 0));
    assert_job(&job, "web01", at(8, 12, 0), 1, false);
    assert_string_equal(job.kind, HF_DUTY_DRILL);
    end(&w, &job, "done", at(9, 12, 0));
    assert_wake(&w, at(9, 12, 0), at(15, 12, 0));
    job = start(&w, at(30, 0, 0));
    assert_job(&job, "web01", at(29, 12, 0), 1, true);
    end(&w, &job, "failed", at(30, 1, 0));
    assert_wake(&w, at(30, 1, 0), at(30, 1, 15));
}

static void a_drill_keeps_to_the_window(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DRILLS "window = 22:00-06:00\n", at(1, 12, 0));
    assert_wake(&w, at(1, 12, 0), at(8, 22, 0));
    const struct hf_job job = start(&w, at(15, 15, 0) + 7 * HOUR);
    assert_job(&job, "web01", at(15, 12, 0), 1, true);
    AUTO_WORLD dense =
        one("schedule = 0 0 1 1 *\ndrill = 1h\nwindow = 22:00-06:00\n", at(1, 12, 30));
    const struct hf_job last = start(&dense, at(2, 5, 45)); /* that of half past five */
    assert_job(&last, "web01", at(2, 5, 30), 1, true);
    end(&dense, &last, "done", at(2, 5, 50));
    const struct hf_job next = start(&dense, at(2, 22, 10)); /* those of the day are one */
    assert_job(&next, "web01", at(2, 21, 30), 1, false);
}

static void a_drill_waits_for_a_run_of_its_vm_and_a_run_for_no_drill(void **state)
{
    (void)state;
    AUTO_WORLD w = one("schedule = 0 12 * * *\ndrill = 1d\n", at(1, 12, 0));
    const struct hf_job run = start(&w, at(2, 12, 0));
    assert_string_equal(run.kind, HF_DUTY_RUN);
    assert_int_equal(hf_plan_wake(w.plan, at(2, 12, 0)), HF_NO_TIME);
    end(&w, &run, "done", at(2, 13, 0));
    const struct hf_job drill = start(&w, at(2, 13, 0));
    assert_job(&drill, "web01", at(2, 12, 0), 1, false);
    assert_string_equal(drill.kind, HF_DUTY_DRILL);
    const struct hf_job next = start(&w, at(3, 12, 0));
    assert_string_equal(next.kind, HF_DUTY_RUN);
    end(&w, &next, "done", at(3, 13, 0));
    assert_wake(&w, at(3, 13, 0), at(4, 12, 0)); /* the next drill waits for the one before */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_was_served_stays_served),
        HF_TEST(what_came_due_while_it_was_away_runs_once),
        HF_TEST(retries_go_on_where_they_were),
        HF_TEST(what_is_going_on_is_not_begun_again),
        HF_TEST(an_interrupted_attempt_of_which_nothing_came_is_due_again),
        HF_TEST(a_retry_of_which_nothing_came_is_made_at_once),
        HF_TEST(a_pair_that_vanished_is_passed_over),
        HF_TEST(who_is_not_followed_yet_is_told),
        HF_TEST(a_clock_that_jumps_ahead_makes_it_run_once),
        HF_TEST(a_clock_that_jumps_back_makes_nothing_run_twice),
        HF_TEST(a_job_that_waits_goes_back_with_the_clock),
        HF_TEST(a_clock_that_was_wrong_blocks_nobody),
        HF_TEST(a_duty_from_the_future_is_followed_from_now_on),
        HF_TEST(waits_that_began_in_the_future_begin_now),
        HF_TEST(a_drill_comes_on_a_fixed_raster),
        HF_TEST(a_drill_keeps_to_the_window),
        HF_TEST(a_drill_waits_for_a_run_of_its_vm_and_a_run_for_no_drill),
    };
    return HF_RUN_TESTS("policy.plan_restart", tests);
}

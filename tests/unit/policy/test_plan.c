/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plan makes of due times, ends, windows, clocks and restarts; limits have a test of their own.
 */
#include "plan_world.h"

#define DAILY "schedule = 0 2 * * *\n"

/* ---- due times -------------------------------------------------------------------------- */

static void a_run_begins_when_it_is_due_and_once(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    assert_wake(&w, at(2, 12, 0), at(3, 2, 0));
    const struct hf_job job = start(&w, at(3, 2, 0));
    assert_job(&job, "web01", at(3, 2, 0), 1, false);
    assert_int_equal(hf_plan_wake(w.plan, at(3, 2, 0)), HF_NO_TIME);
    end(&w, &job, "done", at(3, 2, 20));
    assert_wake(&w, at(3, 2, 20), at(4, 2, 0));
}

static void what_is_ready_is_told_until_it_began(void **state)
{
    (void)state;
    struct hf_job first, again;
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    assert_true(hf_plan_ready(w.plan, at(3, 2, 0), &first));
    assert_true(hf_plan_ready(w.plan, at(3, 2, 1), &again));
    assert_int_equal(first.due_s, again.due_s);
    hf_plan_began(w.plan, &again, at(3, 2, 1));
    hf_plan_began(w.plan, &again, at(3, 2, 1)); /* no second one */
    end(&w, &again, "done", at(3, 2, 2));
    end(&w, &again, "failed", at(3, 2, 2)); /* has ended already */
    assert_wake(&w, at(3, 2, 2), at(4, 2, 0));
}

static void several_that_passed_are_one_job_for_the_latest(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    struct hf_job job = start(&w, at(9, 12, 0));
    assert_job(&job, "web01", at(9, 2, 0), 1, true);
    end(&w, &job, "done", at(9, 12, 5));
    assert_wake(&w, at(9, 12, 5), at(10, 2, 0));
    job = start(&w, at(10, 2, 0)); /* takes two days */
    end(&w, &job, "done", at(12, 12, 0));
    job = start(&w, at(12, 12, 0));
    assert_job(&job, "web01", at(12, 2, 0), 1, true);
}

/* Waiting for a limit, it becomes the next one and keeps its place; that is told. */
static void one_that_waits_is_replaced_by_the_next(void **state)
{
    (void)state;
    AUTO_WORLD w = world_of("[defaults]\nmax-runs = 1\n" LAB VM("web01") VM("web02")
                                POLICY("p", "*") "schedule = 0 * * * *\n",
                            at(2, 12, 0));
    const struct hf_job first = start(&w, at(2, 13, 0));
    end(&w, &first, "done", at(2, 13, 0)); /* … so that web02 is on */
    const struct hf_job second = start(&w, at(2, 13, 0));
    assert_job(&second, "web02", at(2, 13, 0), 1, false);
    assert_int_equal(hf_plan_wake(w.plan, at(2, 15, 30)), HF_NO_TIME);
    end(&w, &second, "done", at(2, 15, 30));
    const struct hf_job late = start(&w, at(2, 15, 30));
    assert_job(&late, "web01", at(2, 15, 0), 1, true);
}

static void nothing_to_do_is_never(void **state)
{
    (void)state;
    AUTO_WORLD none = world_of(LAB VM("web01"), at(2, 12, 0));
    assert_int_equal(hf_plan_wake(none.plan, at(2, 12, 0)), HF_NO_TIME);
    AUTO_WORLD other = world_of(LAB VM("web01") POLICY("p", "db*") DAILY, at(2, 12, 0));
    assert_int_equal(hf_plan_wake(other.plan, at(9, 12, 0)), HF_NO_TIME);
}

/* ---- windows ---------------------------------------------------------------------------- */

#define NIGHT "window = 22:00-06:00\n"

static void one_that_missed_its_window_waits_for_the_next(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY NIGHT, at(2, 12, 0));
    assert_wake(&w, at(3, 6, 0), at(3, 22, 0)); /* nobody asked between two and six */
    assert_false(row_of(&w, at(3, 3, 0)).is_overdue);
    assert_true(row_of(&w, at(3, 7, 0)).is_overdue);
    assert_int_equal(row_of(&w, at(3, 7, 0)).start_s, at(3, 22, 0));
    const struct hf_job job = start(&w, at(3, 22, 0));
    assert_job(&job, "web01", at(3, 2, 0), 1, false);
    end(&w, &job, "done", at(3, 22, 5));
    assert_wake(&w, at(3, 22, 5), at(4, 2, 0));
}

static void what_gathered_until_then_is_one_and_missed(void **state)
{
    (void)state;
    AUTO_WORLD w = one("schedule = 30 5,23 * * *\n" NIGHT, at(2, 12, 0));
    const struct hf_job job = start(&w, at(4, 22, 0));
    assert_job(&job, "web01", at(4, 5, 30), 1, true);
}

static void one_that_waits_for_a_limit_leaves_when_the_window_closes(void **state)
{
    (void)state;
    AUTO_WORLD w = world_of("[defaults]\nmax-runs = 1\n" LAB VM("web01") VM("web02")
                                POLICY("p", "*") DAILY NIGHT,
                            at(2, 12, 0));
    const struct hf_job job = start(&w, at(3, 2, 0));
    assert_job(&job, "web01", at(3, 2, 0), 1, false);
    end(&w, &job, "done", at(3, 6, 0));
    assert_wake(&w, at(3, 6, 0), at(3, 22, 0));
}

/* ---- retries ---------------------------------------------------------------------------- */

static void a_failed_run_is_tried_three_times_more(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY "retry = 10m\n", at(2, 12, 0));
    struct hf_job job = start(&w, at(3, 2, 0));
    int64_t now = at(3, 2, 5), wait = 10 * MINUTE;
    for (uint32_t attempt = 2; attempt <= 4; attempt++, wait *= 2) {
        end(&w, &job, "failed", now);
        assert_wake(&w, now, now + wait);
        now += wait;
        job = start(&w, now);
        assert_job(&job, "web01", at(3, 2, 0), attempt, false);
    }
    end(&w, &job, "failed", now);
    assert_wake(&w, now, at(4, 2, 0));
    job = start(&w, at(4, 2, 0));
    assert_job(&job, "web01", at(4, 2, 0), 1, false);
}

static void nothing_else_is_tried_again(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    struct hf_job job = start(&w, at(3, 2, 0));
    end(&w, &job, "degraded", at(3, 2, 5));
    assert_wake(&w, at(3, 2, 5), at(4, 2, 0));
    AUTO_WORLD no = one(DAILY "retry = 0s\n", at(2, 12, 0));
    job = start(&no, at(3, 2, 0));
    end(&no, &job, "failed", at(3, 2, 5));
    assert_wake(&no, at(3, 2, 5), at(4, 2, 0));
    job = start(&no, at(4, 2, 0));
    end(&no, &job, "busy", at(4, 2, 5));
    assert_wake(&no, at(4, 2, 5), at(5, 2, 0));
}

static void no_retry_when_the_next_one_is_due(void **state)
{
    (void)state;
    AUTO_WORLD w = one("schedule = 0 * * * *\nretry = 15m\n", at(2, 12, 0));
    struct hf_job job = start(&w, at(2, 13, 0));
    end(&w, &job, "failed", at(2, 13, 45));
    assert_wake(&w, at(2, 13, 45), at(2, 14, 0));
    job = start(&w, at(2, 14, 0));
    assert_job(&job, "web01", at(2, 14, 0), 1, false);
    end(&w, &job, "failed", at(2, 14, 44));
    job = start(&w, at(2, 14, 59));
    assert_job(&job, "web01", at(2, 14, 0), 2, false);
}

static void a_retry_stays_in_the_window(void **state)
{
    (void)state;
    AUTO_WORLD w = one("schedule = 0 5 * * *\n" NIGHT, at(2, 12, 0));
    struct hf_job job = start(&w, at(3, 5, 0));
    end(&w, &job, "failed", at(3, 5, 50));
    assert_wake(&w, at(3, 5, 50), at(3, 22, 0));
    job = start(&w, at(3, 22, 0));
    assert_job(&job, "web01", at(3, 5, 0), 2, false);
}

static void a_busy_vm_is_tried_as_long_as_it_is_due(void **state)
{
    (void)state;
    AUTO_WORLD w = one("schedule = 0 2 * * *\nretry = 1h\n", at(2, 12, 0));
    struct hf_job job = start(&w, at(3, 2, 0));
    int64_t now = at(3, 2, 0);
    for (int i = 0; i < 23; i++, now += HOUR) {
        end(&w, &job, "busy", now);
        if (i == 22)
            break;
        assert_wake(&w, now, now + HOUR);
        job = start(&w, now + HOUR);
        assert_job(&job, "web01", at(3, 2, 0), 1, false);
    }
    assert_true(row_of(&w, now).is_overdue);
    job = start(&w, at(4, 2, 0)); /* the 3rd has none */
    assert_job(&job, "web01", at(4, 2, 0), 1, true);
    end(&w, &job, "done", at(4, 2, 1));
    assert_false(row_of(&w, at(4, 12, 0)).is_overdue);
}

static void busy_attempts_leave_the_retries_to_failed_ones(void **state)
{
    (void)state;
    AUTO_WORLD w = one(DAILY "retry = 10m\n", at(2, 12, 0));
    struct hf_job job = start(&w, at(3, 2, 0));
    end(&w, &job, "failed", at(3, 2, 0));
    for (int i = 0; i < 5; i++) {
        job = start(&w, at(3, 2, 10 + 10 * i));
        assert_job(&job, "web01", at(3, 2, 0), 2, false);
        end(&w, &job, "busy", at(3, 2, 10 + 10 * i));
    }
    job = start(&w, at(3, 3, 0));
    end(&w, &job, "failed", at(3, 3, 0));
    assert_wake(&w, at(3, 3, 0), at(3, 3, 20));
    job = start(&w, at(3, 3, 20));
    end(&w, &job, "busy", at(3, 3, 20));
    job = start(&w, at(4, 2, 0)); /* it failed, and was not missed */
    assert_job(&job, "web01", at(4, 2, 0), 1, false);
}

/* ---- nothing came of it ----------------------------------------------------------------- */

static void a_withdrawn_job_is_due_as_before(void **state)
{
    (void)state;
    int64_t served;
    uint32_t attempts;
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    struct hf_job job = start(&w, at(9, 2, 0));
    hf_plan_before(w.plan, &job, &served, &attempts);
    assert_true(served == at(2, 12, 0) && attempts == 0);
    end(&w, &job, "withdrawn", at(9, 2, 0));
    job = start(&w, at(9, 2, 0));
    assert_job(&job, "web01", at(9, 2, 0), 1, true);
    end(&w, &job, "failed", at(9, 2, 1));
    job = start(&w, at(9, 2, 16));
    hf_plan_before(w.plan, &job, &served, &attempts);
    assert_true(served == at(9, 2, 0) && attempts == 1);
    end(&w, &job, "withdrawn", at(9, 2, 16));
    job = start(&w, at(9, 2, 16));
    assert_job(&job, "web01", at(9, 2, 0), 2, false);
}

static void withdrawn_again_and_again_it_waits(void **state)
{
    (void)state;
    static const int64_t waits[] = {0, 10, 20, 40, 80, 160, 300, 300};
    int64_t now = at(3, 2, 0);
    AUTO_WORLD w = one(DAILY, at(2, 12, 0));
    for (size_t i = 0; i < HF_ARRAY_SIZE(waits); i++) {
        struct hf_job job = start(&w, now);
        assert_job(&job, "web01", at(3, 2, 0), 1, false);
        end(&w, &job, "withdrawn", now);
        if (waits[i])
            assert_wake(&w, now, now + waits[i]);
        now += waits[i];
    }
    struct hf_job job = start(&w, now);
    end(&w, &job, "failed", now);
    job = start(&w, now + 15 * MINUTE);
    end(&w, &job, "withdrawn", now + 15 * MINUTE); /* the first in a row again */
    start(&w, now + 15 * MINUTE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_run_begins_when_it_is_due_and_once),
        HF_TEST(what_is_ready_is_told_until_it_began),
        HF_TEST(several_that_passed_are_one_job_for_the_latest),
        HF_TEST(one_that_waits_is_replaced_by_the_next),
        HF_TEST(nothing_to_do_is_never),
        HF_TEST(one_that_missed_its_window_waits_for_the_next),
        HF_TEST(what_gathered_until_then_is_one_and_missed),
        HF_TEST(one_that_waits_for_a_limit_leaves_when_the_window_closes),
        HF_TEST(a_failed_run_is_tried_three_times_more),
        HF_TEST(nothing_else_is_tried_again),
        HF_TEST(no_retry_when_the_next_one_is_due),
        HF_TEST(a_retry_stays_in_the_window),
        HF_TEST(a_busy_vm_is_tried_as_long_as_it_is_due),
        HF_TEST(busy_attempts_leave_the_retries_to_failed_ones),
        HF_TEST(a_withdrawn_job_is_due_as_before),
        HF_TEST(withdrawn_again_and_again_it_waits),
    };
    return HF_RUN_TESTS("policy.plan", tests);
}

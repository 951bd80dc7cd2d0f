/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/owed_judge.h"
#include "harness/hf_test.h"

#define AT_US INT64_C(1795834800000000) /* 2026-11-28T03:00:00Z */
#define NOW_S (AT_US / 1000000 + 60)

static void assert_said(const struct hf_duty *d, bool is_running, const char *state,
                        const char *expected)
{
    HF_AUTO(hf_buf) struct hf_buf say = HF_BUF_INIT;
    const struct hf_owed owed = {.now_s = NOW_S, .has_followed = true};
    const struct hf_owed_duty item = {
        .d = *d, .is_configured = true, .is_followed = true, .is_running = is_running};
    const struct hf_plan_row row = {.kind = d->kind,
                                    .served_s = d->served_s,
                                    .due_s = d->served_s,
                                    .start_s = NOW_S + 240,
                                    .is_running = is_running};
    assert_string_equal(hf_owed_judge(&owed, &item, &row, &say).state, state);
    assert_string_equal(hf_buf_str(&say), expected);
}

static struct hf_duty duty(const char *outcome)
{
    return (struct hf_duty){.policy = "nightly",
                            .vm = "web01",
                            .kind = HF_DUTY_RUN,
                            .served_s = AT_US / 1000000,
                            .attempts = 1,
                            .began_us = AT_US - 5000000,
                            .ended_us = AT_US,
                            .outcome = outcome,
                            .message = "no room"};
}

static void says_when_it_ended_and_what_comes_next(void **state)
{
    (void)state;
    const struct hf_duty failed = duty("failed"), degraded = duty("degraded");
    assert_said(&failed, false, "failed",
                "failed 2026-11-28T03:00:00Z: no room; it is tried again 2026-11-28T03:05:00Z");
    assert_said(&degraded, false, "degraded", "degraded 2026-11-28T03:00:00Z: no room");
}

/* The duty has its beginning by then, and no end. */
static void while_another_is_under_way_it_is_the_one_before_that_ended_so(void **state)
{
    (void)state;
    struct hf_duty failed = duty("failed"), degraded = duty("degraded");
    failed.began_us = degraded.began_us = AT_US;
    failed.ended_us = degraded.ended_us = 0;
    assert_said(&failed, true, "failed",
                "the one before failed: no room; another began 2026-11-28T03:00:00Z");
    assert_said(&degraded, true, "degraded",
                "the one before was degraded: no room; another began 2026-11-28T03:00:00Z");
}

/* The next is a minute behind what it was done for: until then nothing is made, and whoever looks should know why. */
static void what_was_done_for_a_time_to_come_is_said(void **state)
{
    (void)state;
    struct hf_duty done = duty("done");
    done.served_s = NOW_S + 180; /* the row's next start is at + 240 */
    assert_said(&done, false, "done", "");
    done.served_s = NOW_S + 3600;
    assert_said(&done, false, "ahead",
                "the clock was ahead: it was done for 2026-11-28T04:01:00Z; "
                "the next is 2026-11-28T03:05:00Z");
}

/* holdfastd ends no run. Of a weekly policy the next due time, which would be missed, is far away. */
static void what_has_run_for_more_than_a_day_is_said(void **state)
{
    (void)state;
    struct hf_duty d = duty("done");
    d.ended_us = 0;
    d.began_us = AT_US - INT64_C(23) * 3600 * 1000000;
    assert_said(&d, true, "done", "");
    d.began_us = AT_US - INT64_C(25) * 3600 * 1000000;
    assert_said(&d, true, "long", "it began 2026-11-27T02:00:00Z, and still runs");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(says_when_it_ended_and_what_comes_next),
        HF_TEST(while_another_is_under_way_it_is_the_one_before_that_ended_so),
        HF_TEST(what_was_done_for_a_time_to_come_is_said),
        HF_TEST(what_has_run_for_more_than_a_day_is_said),
    };
    return HF_RUN_TESTS("cli.owed_judge", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of an attempt that a former daemon began.
 */
#include "daemon/adopt.h"
#include "harness/hf_test.h"

#define BEGAN INT64_C(1795402800000000)
#define REPORT(policy) "{\"run\":\"x\",\"policy\":" policy "}"

static const struct hf_duty duty = {.policy = "nightly",
                                    .vm = "web",
                                    .kind = HF_DUTY_RUN,
                                    .served_s = 100,
                                    .attempts = 1,
                                    .began_us = BEGAN,
                                    .pid = 7,
                                    .pid_start = 70};

static struct hf_catalog_run run_of(const char *verb, int64_t started_us, const char *report)
{
    return (struct hf_catalog_run){.id = "20261123T030000Z-7f3a9c21",
                                   .verb = verb,
                                   .vm = "web",
                                   .outcome = report ? "done" : NULL,
                                   .report = report,
                                   .started_us = started_us};
}

static void what_lives_is_watched_and_what_left_no_trace_is_due_again(void **state)
{
    const struct hf_catalog_run run = run_of("backup", BEGAN, NULL);
    struct hf_duty held = duty;
    (void)state;
    assert_int_equal(hf_adopt(&duty, true, NULL), HF_ADOPT_WATCH);
    assert_int_equal(hf_adopt(&duty, false, NULL), HF_ADOPT_WITHDRAW);
    assert_int_equal(hf_adopt(&duty, false, &run), HF_ADOPT_JUDGE);
    held.pid = 0; /* it was never let go */
    assert_int_equal(hf_adopt(&held, true, NULL), HF_ADOPT_WITHDRAW);
    assert_int_equal(hf_adopt(&held, false, &run), HF_ADOPT_WITHDRAW);
}

static bool is_ours(const char *verb, int64_t started_us, const char *report)
{
    const struct hf_catalog_run run = run_of(verb, started_us, report);
    return hf_adopt_is_of(&duty, &run);
}

static void a_run_is_ours_by_vm_verb_time_and_policy(void **state)
{
    (void)state;
    assert_true(is_ours("backup", BEGAN, NULL));
    assert_true(is_ours("snapshot create", BEGAN + 5, NULL));
    assert_true(is_ours("backup", BEGAN, REPORT("\"nightly\"")));
    assert_false(is_ours("backup", BEGAN - 1, NULL));
    assert_false(is_ours("drill", BEGAN, NULL));
    assert_false(is_ours("snapshot delete", BEGAN, NULL));
    assert_false(is_ours("backup", BEGAN, REPORT("\"hourly\"")));
    struct hf_catalog_run other = run_of("backup", BEGAN, NULL);
    other.vm = "db";
    assert_false(hf_adopt_is_of(&duty, &other));
}

/* A good run by hand while no daemon was there must not pass for the one that was due. */
static void a_good_run_by_hand_is_not_ours(void **state)
{
    (void)state;
    assert_false(is_ours("backup", BEGAN, REPORT("null")));
    assert_false(is_ours("backup", BEGAN, "{\"run\":\"x\"}"));
}

static void a_drill_is_one_whoever_had_it_made(void **state)
{
    struct hf_duty drill = duty;
    (void)state;
    drill.kind = HF_DUTY_DRILL;
    const struct hf_catalog_run run = run_of("drill", BEGAN, "{\"run\":\"x\",\"passed\":true}");
    const struct hf_catalog_run backup = run_of("backup", BEGAN, NULL);
    assert_true(hf_adopt_is_of(&drill, &run));
    assert_false(hf_adopt_is_of(&drill, &backup));
}

static void begin(struct hf_catalog *c, const char *id, int64_t at_us)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_catalog_run run = {
        .id = id, .verb = "backup", .vm = "web", .started_us = at_us};
    assert_hf_ok(hf_catalog_run_begin(c, &run, &err), &err);
}

static void the_first_run_since_is_the_one(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_outcome) struct hf_outcome out = {.stall_ms = -1};
    HF_AUTO(hf_catalog)
    struct hf_catalog *c = hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err);
    assert_hf_got(c, &err);
    begin(c, "20261123T020000Z-00000001", BEGAN - 3600000000);
    assert_hf_ok(hf_adopt_find(c, &duty, &out, &err), &err);
    assert_null(out.outcome);
    begin(c, "20261123T030000Z-00000002", BEGAN + 10);
    begin(c, "20261123T030000Z-00000003", BEGAN + 5000000);
    assert_hf_ok(hf_adopt_find(c, &duty, &out, &err), &err);
    assert_string_equal(out.run_id, "20261123T030000Z-00000002");
    assert_string_equal(out.outcome, "failed");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_lives_is_watched_and_what_left_no_trace_is_due_again),
        HF_TEST(a_run_is_ours_by_vm_verb_time_and_policy),
        HF_TEST(a_good_run_by_hand_is_not_ours),
        HF_TEST(a_drill_is_one_whoever_had_it_made),
        HF_TEST(the_first_run_since_is_the_one),
    };
    return HF_RUN_TESTS("daemon.adopt", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON documents word by word: their names are a contract (DESIGN, section 7).
 */
#include "harness/hf_test.h"
#include "run/report.h"

#include <string.h>

static struct hf_config_vm vm;
static struct hf_run a_run;
static struct hf_hold_result result;
static struct hf_strv warnings;
static char label[] = "web01", file[] = "binlog.000007", gtid[] = "0-1-99";

/* A hold of grade B, with binlog. */
static void fresh(void **state)
{
    struct hf_fake_clock *clock = hf_test_clock(state);
    static struct hf_env env;
    env = (struct hf_env){.clock = &clock->clock};
    memset(&a_run, 0, sizeof a_run);
    vm = (struct hf_config_vm){.require = HF_GRADE_B, .quiesce = HF_QUIESCE_LOCK};
    vm.label = label;
    a_run.env = &env;
    a_run.vm = &vm;
    a_run.verb = "snapshot create";
    strncpy(a_run.id, "20261123T030000Z-7f3a9c21", sizeof a_run.id - 1);
    a_run.started_us = hf_clock_mono_us(&clock->clock);
    a_run.started_wall_us = hf_clock_wall_us(&clock->clock);
    warnings = (struct hf_strv)HF_STRV_INIT;
    result = (struct hf_hold_result){
        .grade = HF_GRADE_B,
        .proof = "position",
        .stall_ms = 47.3456,
        .held_ms = 28,
        .rest_ms = 812.5,
        .worst_attempt_ms = 0,
        .attempts = 1,
        .has_position = true,
        .position = {.has_binlog = true,
                     .file = file,
                     .offset = 4711,
                     .gtid = gtid,
                     .has_lsn = true,
                     .lsn = 123456789012},
        .timeline = {.start_us = a_run.started_us},
    };
    hf_timeline_mark_at(&result.timeline, "lock_begin", a_run.started_us + 100000);
    hf_timeline_mark_at(&result.timeline, "unlocked", a_run.started_us + 147346);
}

static void assert_report(const char *wanted)
{
    char *units[] = {(char[]){"cron.service"}, NULL};
    char *places[] = {(char[]){"fast"}, (char[]){"pool"}, NULL};
    const struct hf_strv stopped = {.items = units, .n = 1};
    const struct hf_strv datastores = {.items = places, .n = 2};
    struct hf_err err = HF_ERR_INIT;
    struct hf_report_snapshot in = {
        .run = &a_run,
        .snapshot = "hf-20261123T030000Z-7f3a9c21",
        .label = "before upgrade",
        .server = "MariaDB 10.11.19",
        .method = "backup-stage",
        .stopped = &stopped,
        .datastores = &datastores,
        .n_disks = 2,
        .result = &result,
        .warnings = &warnings,
    };
    HF_AUTOJSON struct json_object *doc = hf_report_snapshot(&in, &err);
    assert_hf_got(doc, &err);
    assert_string_equal(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN), wanted);
}

#define HEAD                                                                                       \
    "{\"run\":\"20261123T030000Z-7f3a9c21\",\"verb\":\"snapshot create\",\"vm\":\"web01\","        \
    "\"snapshot\":\"hf-20261123T030000Z-7f3a9c21\",\"started_at\":\"2026-11-23T03:00:00.000Z\","   \
    "\"policy\":null,\"label\":\"before upgrade\",\"server\":\"MariaDB "                           \
    "10.11.19\",\"quiesce\":\"lock\","                                                             \
    "\"method\":\"backup-stage\",\"stopped\":[\"cron.service\"],\"sources\":[],\"disks\":2,"       \
    "\"datastores\":[\"fast\",\"pool\"],"
#define TIMELINE                                                                                   \
    "\"timeline\":[{\"at_ms\":100.000,\"event\":\"lock_begin\"},"                                  \
    "{\"at_ms\":147.346,\"event\":\"unlocked\"}],"

static void a_snapshot_of_grade_b_carries_its_position(void **state)
{
    fresh(state);
    assert_report(HEAD
                  "\"grade\":\"B\",\"required\":\"B\",\"proof\":\"position\",\"grade_why\":null,"
                  "\"stall_ms\":47.346,\"held_ms\":28.000,\"rest_ms\":812.500,\"attempts\":1,"
                  "\"worst_attempt_ms\":0.000,"
                  "\"position\":{\"file\":\"binlog.000007\",\"offset\":4711,\"gtid\":\"0-1-99\","
                  "\"lsn\":123456789012},\"position_min\":null,\"position_max\":null," TIMELINE
                  "\"warnings\":[]}");
}

static void without_binlog_all_positions_are_null(void **state)
{
    fresh(state);
    result.has_position = false;
    result.proof = "session";
    assert_report(HEAD
                  "\"grade\":\"B\",\"required\":\"B\",\"proof\":\"session\",\"grade_why\":null,"
                  "\"stall_ms\":47.346,\"held_ms\":28.000,\"rest_ms\":812.500,\"attempts\":1,"
                  "\"worst_attempt_ms\":0.000,"
                  "\"position\":null,\"position_min\":null,\"position_max\":null," TIMELINE
                  "\"warnings\":[]}");
}

static void below_b_there_is_a_reason_and_a_bracket_whose_unknown_end_is_null(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fresh(state);
    result.grade = HF_GRADE_E;
    result.proof = "none";
    result.has_position = false;
    result.has_bracket = true;
    result.min = result.position;
    result.min.has_lsn = false;
    strncpy(result.why, "the lock did not hold", sizeof result.why - 1);
    assert_int_equal(hf_strv_add(&warnings, "a \"quoted\" warning"), 0);
    assert_report(HEAD
                  "\"grade\":\"E\",\"required\":\"B\",\"proof\":\"none\","
                  "\"grade_why\":\"the lock did not hold\","
                  "\"stall_ms\":47.346,\"held_ms\":28.000,\"rest_ms\":812.500,\"attempts\":1,"
                  "\"worst_attempt_ms\":0.000,"
                  "\"position\":null,\"position_min\":{\"file\":\"binlog.000007\",\"offset\":4711,"
                  "\"gtid\":\"0-1-99\",\"lsn\":null},\"position_max\":null," TIMELINE
                  "\"warnings\":[\"a \\\"quoted\\\" warning\"]}");
    assert_hf_ok(err.cls, &err);
    hf_strv_free(&warnings);
}

static void a_run_of_a_policy_names_it_and_has_its_grade_to_reach(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fresh(state);
    char name[] = "nightly";
    const struct hf_config_policy strict = {.label = name, .require = HF_GRADE_A},
                                  plain = {.label = name};
    struct hf_env env = *a_run.env;
    env.policy = &strict;
    a_run.env = &env;
    const struct hf_report_snapshot in = {.run = &a_run, .result = &result, .warnings = &warnings};
    HF_AUTOJSON struct json_object *doc = hf_report_snapshot(&in, &err);
    assert_hf_got(doc, &err);
    assert_string_equal(json_object_get_string(json_object_object_get(doc, "policy")), "nightly");
    assert_string_equal(json_object_get_string(json_object_object_get(doc, "required")), "A");
    assert_int_equal(json_object_array_length(json_object_object_get(doc, "datastores")), 0);
    env.policy = &plain;
    assert_int_equal(hf_run_required(&a_run), HF_GRADE_B);
}

static void a_deletion_says_what_is_gone_and_how_long_it_took(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fresh(state);
    a_run.verb = "snapshot delete";
    hf_fake_clock_advance_ms(hf_test_clock(state), 1500);
    HF_AUTOJSON struct json_object *doc = hf_report_deletion(&a_run, "hf-a", &err);
    assert_hf_got(doc, &err);
    assert_string_equal(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN),
                        "{\"run\":\"20261123T030000Z-7f3a9c21\",\"verb\":\"snapshot delete\","
                        "\"vm\":\"web01\",\"snapshot\":\"hf-a\","
                        "\"started_at\":\"2026-11-23T03:00:00.000Z\",\"took_ms\":1500.000}");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_snapshot_of_grade_b_carries_its_position),
        HF_TEST(without_binlog_all_positions_are_null),
        HF_TEST(a_run_of_a_policy_names_it_and_has_its_grade_to_reach),
        HF_TEST(below_b_there_is_a_reason_and_a_bracket_whose_unknown_end_is_null),
        HF_TEST(a_deletion_says_what_is_gone_and_how_long_it_took),
    };
    return HF_RUN_TESTS("run.report", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run's status and report make of it; nothing but a good report is "done".
 */
#include "base/buf.h"
#include "daemon/outcome.h"
#include "harness/hf_test.h"

#include <string.h>

#define RUN "20261123T030000Z-7f3a9c21"
#define BACKUP                                                                                     \
    "{\"run\":\"" RUN "\",\"grade\":\"B\",\"required\":\"B\",\"grade_why\":null,"                  \
    "\"stall_ms\":12.500,\"protected\":true,\"policy\":\"nightly\",\"datastores\":[\"/a\",\"/"     \
    "b\"],"                                                                                        \
    "\"stores\":[{\"name\":\"vault\",\"bytes\":100,\"error\":null},"                               \
    "{\"name\":\"cellar\",\"bytes\":20,\"error\":null}]}\n"
#define ERROR(class) "{\"error\":{\"class\":\"" class "\",\"message\":\"it is so\",\"left\":[]}}"

#define EXIT(status) ((status) << 8)

static struct hf_outcome outcome;

static int forget(void **state)
{
    hf_outcome_free(&outcome);
    return hf_test_end(state);
}
#define TEST(name) cmocka_unit_test_setup_teardown(name, hf_test_begin, forget)

static void judge_as(const char *kind, int status, const char *out, const char *said)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_ending e = {.status = status, .out = out, .out_len = strlen(out), .said = said};
    assert_hf_ok(hf_outcome_of_child(kind, &e, &outcome, &err), &err);
}

static void judge(int status, const char *out)
{
    judge_as(HF_DUTY_RUN, status, out, "");
}

static void assert_failed(const char *class, const char *message)
{
    assert_string_equal(outcome.outcome, "failed");
    assert_string_equal(outcome.error, class);
    assert_contains(outcome.message, message);
}

static void a_good_report_is_taken_in(void **state)
{
    (void)state;
    judge(EXIT(0), BACKUP);
    assert_string_equal(outcome.outcome, "done");
    assert_string_equal(outcome.run_id, RUN);
    assert_string_equal(outcome.grade, "B");
    assert_string_equal(outcome.datastores, "/a\n/b");
    assert_true(outcome.stall_ms == 12.5);
    assert_int_equal(outcome.bytes, 120);
    assert_true(outcome.is_protected);
    assert_null(outcome.message);
    assert_null(outcome.error);
}

static void a_status_of_0_alone_is_no_success(void **state)
{
    (void)state;
    judge(EXIT(0), "");
    assert_failed("internal", "its report cannot be read");
    judge(EXIT(0), "{\"run\":\"" RUN);
    assert_failed("internal", "its report cannot be read");
    judge(EXIT(0), "{\"grade\":\"B\"}");
    assert_failed("internal", "names no run");
    judge(EXIT(0), "[1]");
    assert_failed("internal", "names no run");
    judge(EXIT(0), ERROR("timeout"));
    assert_failed("timeout", "it is so");
}

static void a_report_that_was_too_long_is_no_success(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_ending e = {
        .status = EXIT(0), .out = BACKUP, .out_len = strlen(BACKUP), .is_cut = true, .said = ""};
    (void)state;
    assert_hf_ok(hf_outcome_of_child(HF_DUTY_RUN, &e, &outcome, &err), &err);
    assert_failed("internal", "too long");
}

static void status_3_says_what_is_less(void **state)
{
    (void)state;
    judge(EXIT(3), "{\"run\":\"" RUN "\",\"grade\":\"D\",\"required\":\"B\","
                   "\"grade_why\":\"no sync\"}");
    assert_string_equal(outcome.outcome, "degraded");
    assert_string_equal(outcome.message, "grade D, and B is required: no sync");
    assert_null(outcome.error);
    judge(EXIT(3), "{\"run\":\"" RUN "\",\"stores\":[{\"name\":\"a\",\"error\":null},"
                   "{\"name\":\"vault\",\"error\":\"gone\"}]}");
    assert_string_equal(outcome.message, "store vault: gone");
    judge(EXIT(3), "{\"run\":\"" RUN "\"}");
    assert_contains(outcome.message, "less than");
    judge(EXIT(3), "nonsense");
    assert_failed("internal", "cannot be read");
}

static void an_error_document_says_class_and_message(void **state)
{
    (void)state;
    judge(EXIT(1), ERROR("unreachable"));
    assert_failed("unreachable", "it is so");
    judge(EXIT(4), ERROR("unsupported"));
    assert_failed("unsupported", "it is so");
    judge(EXIT(4), ERROR("busy"));
    assert_string_equal(outcome.outcome, "busy");
    assert_string_equal(outcome.error, "busy");
    judge(EXIT(2), "{\"error\":{}}");
    assert_failed("internal", "without saying why");
    judge(EXIT(2), "{\"error\":7}");
    assert_failed("internal", "ended with status 2");
}

static void without_a_document_the_last_words_count(void **state)
{
    (void)state;
    judge_as(HF_DUTY_RUN, EXIT(127), "", "/usr/bin/holdfast: No such file or directory");
    assert_failed("internal", "status 127: /usr/bin/holdfast: No such file");
    judge_as(HF_DUTY_RUN, 9, "", "");
    assert_failed("internal", "ended by signal 9");
    judge_as(HF_DUTY_RUN, 11, BACKUP, "x");
    assert_failed("internal", "ended by signal 11: x");
    judge_as(HF_DUTY_RUN, EXIT(4), "", "");
    assert_string_equal(outcome.outcome, "busy");
}

static void messages_are_one_bounded_line(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    (void)state;
    hf_buf_str_add(&text,
                   "{\"error\":{\"class\":\"plugin\",\"message\":\"a\\r\\nBcc: x\\u001b[2J ");
    for (int i = 0; i < 1000; i++)
        hf_buf_str_add(&text, "\xC3\xA4");
    hf_buf_str_add(&text, "\"}}");
    const struct hf_ending e = {
        .status = EXIT(1), .out = hf_buf_str(&text), .out_len = text.len, .said = ""};
    assert_hf_ok(hf_outcome_of_child(HF_DUTY_RUN, &e, &outcome, &err), &err);
    size_t len = strlen(outcome.message);
    assert_in_range(len, HF_DUTY_TEXT_MAX - 3, HF_DUTY_TEXT_MAX - 1);
    assert_contains(outcome.message, "a  Bcc: x [2J");
    assert_string_equal(outcome.message + len - 2, "\xC3\xA4");
}

static void a_drill_has_to_say_that_it_passed(void **state)
{
    (void)state;
    judge_as(HF_DUTY_DRILL, EXIT(0), "{\"run\":\"" RUN "\",\"passed\":true}", "");
    assert_string_equal(outcome.outcome, "done");
    judge_as(HF_DUTY_DRILL, EXIT(0), "{\"run\":\"" RUN "\"}", "");
    assert_failed("internal", "no drill that passed");
    judge_as(HF_DUTY_DRILL, EXIT(1),
             "{\"run\":\"" RUN "\",\"passed\":false,\"why\":\"rows differ\"}", "");
    assert_failed("internal", "the drill failed: rows differ");
    assert_string_equal(outcome.run_id, RUN);
}

static void reports_of_other_shapes_are_borne(void **state)
{
    (void)state;
    judge(EXIT(0), "{\"run\":\"" RUN "\",\"stores\":[7,null,{\"bytes\":\"x\"}],\"stall_ms\":\"y\","
                   "\"datastores\":[1],\"protected\":\"yes\",\"grade\":5}");
    assert_string_equal(outcome.outcome, "done");
    assert_int_equal(outcome.bytes, 0);
    assert_true(outcome.stall_ms < 0);
    assert_false(outcome.is_protected);
    assert_null(outcome.grade);
    judge(EXIT(0), "{\"run\":\"" RUN "\",\"stores\":[{\"bytes\":9223372036854775807},"
                   "{\"bytes\":9223372036854775807}]}");
    assert_int_equal(outcome.bytes, 0);
}

/* ---- by the catalog --------------------------------------------------------------------- */

static void look_up(const char *kind, const char *result, const char *report)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_catalog_run run = {.id = RUN,
                                       .verb = "backup",
                                       .vm = "web",
                                       .outcome = result,
                                       .report = report,
                                       .started_us = 1000000,
                                       .ended_us = 3000000};
    assert_hf_ok(hf_outcome_of_run(kind, &run, &outcome, &err), &err);
}

static void the_catalog_tells_of_runs_that_nobody_saw_end(void **state)
{
    (void)state;
    look_up(HF_DUTY_RUN, "done", BACKUP);
    assert_string_equal(outcome.outcome, "done");
    assert_int_equal(outcome.bytes, 120);
    assert_int_equal(outcome.started_us, 1000000);
    assert_int_equal(outcome.ended_us, 3000000);
    look_up(HF_DUTY_RUN, "degraded", BACKUP);
    assert_string_equal(outcome.outcome, "degraded");
    look_up(HF_DUTY_RUN, "failed", ERROR("no-space"));
    assert_failed("no-space", "it is so");
    look_up(HF_DUTY_RUN, "undone", NULL);
    assert_failed("internal", "undone");
    look_up(HF_DUTY_RUN, NULL, NULL);
    assert_failed("internal", "nobody has seen its end");
    assert_string_equal(outcome.run_id, RUN);
    look_up(HF_DUTY_RUN, "done", NULL);
    assert_failed("internal", "done");
    look_up(HF_DUTY_DRILL, "failed", "{\"run\":\"x\",\"passed\":false,\"why\":\"rows differ\"}");
    assert_failed("internal", "rows differ");
}

static void an_error_before_the_run_is_told_as_one(void **state)
{
    struct hf_err err = HF_ERR_INIT, why = HF_ERR_INIT;
    (void)state;
    hf_fail(&why, HF_E_NOT_FOUND, "no point");
    assert_hf_ok(hf_outcome_failed(&why, &outcome, &err), &err);
    assert_failed("not-found", "no point");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_good_report_is_taken_in),
        TEST(a_status_of_0_alone_is_no_success),
        TEST(a_report_that_was_too_long_is_no_success),
        TEST(status_3_says_what_is_less),
        TEST(an_error_document_says_class_and_message),
        TEST(without_a_document_the_last_words_count),
        TEST(messages_are_one_bounded_line),
        TEST(a_drill_has_to_say_that_it_passed),
        TEST(reports_of_other_shapes_are_borne),
        TEST(the_catalog_tells_of_runs_that_nobody_saw_end),
        TEST(an_error_before_the_run_is_told_as_one),
    };
    return HF_RUN_TESTS("daemon.outcome", tests);
}

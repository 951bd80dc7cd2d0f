/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/civil.h"
#include "harness/hf_test.h"
#include "policy/alarms.h"
#include "random.h"

#include <string.h>

#define NOW_S (hf_civil_days(2026, 11, 3) * HF_DAY_S + 2 * 3600)

static struct hf_duty ended(const char *kind, const char *outcome)
{
    return (struct hf_duty){.policy = "nightly",
                            .vm = "web01",
                            .kind = kind,
                            .served_s = NOW_S,
                            .attempts = 1,
                            .began_us = NOW_S * 1000000,
                            .ended_us = NOW_S * 1000000 + 1,
                            .outcome = outcome,
                            .grade = "B"};
}

/* "+failed -missed " */
static const char *said(const struct hf_alarm_changes *c)
{
    static char text[256];
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    for (size_t i = 0; i < c->n; i++)
        hf_buf_printf(&out, "%c%s ", c->items[i].is_on ? '+' : '-', c->items[i].kind);
    snprintf(text, sizeof text, "%s", hf_buf_str(&out));
    return text;
}

static void each_end_decides(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *outcome, *changes;
    } cases[] = {
        {HF_DUTY_RUN, "done", "-failed -missed -degraded "},
        {HF_DUTY_RUN, "degraded", "-failed -missed +degraded "},
        {HF_DUTY_RUN, "failed", "+failed "},
        {HF_DUTY_RUN, "busy", ""},
        {HF_DUTY_RUN, NULL, ""},
        {HF_DUTY_DRILL, "done", "-drill-failed -drill-overdue "},
        {HF_DUTY_DRILL, "degraded", "+drill-failed "},
        {HF_DUTY_DRILL, "failed", "+drill-failed "},
        {HF_DUTY_DRILL, "busy", ""},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_alarm_changes out;
        const struct hf_duty d = ended(cases[i].kind, cases[i].outcome);
        hf_alarms_of_attempt(NULL, &d, &out);
        assert_string_equal(said(&out), cases[i].changes);
    }
}

static void an_attempt_of_which_nothing_came_changes_nothing(void **state)
{
    (void)state;
    struct hf_alarm_changes out;
    const struct hf_duty before = ended(HF_DUTY_RUN, "failed");
    struct hf_duty after = before;
    hf_alarms_of_attempt(&before, &after, &out); /* withdrawn: as it was */
    assert_int_equal(out.n, 0);
    after.ended_us = 0; /* goes on; the outcome is that of an earlier one */
    hf_alarms_of_attempt(&before, &after, &out);
    assert_int_equal(out.n, 0);
    after.ended_us = before.ended_us + 1;
    hf_alarms_of_attempt(&before, &after, &out);
    assert_string_equal(said(&out), "+failed ");
}

static void the_text_is_the_errors_own(void **state)
{
    (void)state;
    struct hf_alarm_changes out;
    struct hf_duty d = ended(HF_DUTY_RUN, "failed");
    d.error = "unreachable";
    d.message = "vm web01: connect to 10.0.0.5:3306: no route to host";
    hf_alarms_of_attempt(NULL, &d, &out);
    assert_string_equal(out.items[0].text,
                        "failed: unreachable: vm web01: connect to 10.0.0.5:3306: "
                        "no route to host");
    d.error = d.message = "cancelled";
    hf_alarms_of_attempt(NULL, &d, &out);
    assert_string_equal(out.items[0].text, "failed: cancelled");
    d.error = d.message = NULL;
    hf_alarms_of_attempt(NULL, &d, &out);
    assert_string_equal(out.items[0].text, "failed: without a message");
    d.outcome = "done";
    hf_alarms_of_attempt(NULL, &d, &out);
    assert_string_equal(out.items[0].text, "done with grade B");
    d.outcome = "degraded"; /* the grade is that of the last good one */
    hf_alarms_of_attempt(NULL, &d, &out);
    assert_string_equal(out.items[0].text, "degraded");
}

static void what_did_not_happen_is_missed(void **state)
{
    (void)state;
    struct hf_alarm_changes out;
    struct hf_job job = {.kind = HF_DUTY_RUN, .due_s = NOW_S};
    hf_alarms_of_job(&job, &out);
    assert_int_equal(out.n, 0);
    job.has_missed = true;
    hf_alarms_of_job(&job, &out);
    assert_string_equal(said(&out), "+missed ");
    assert_string_equal(out.items[0].text,
                        "due times before 2026-11-03 02:00:00 UTC passed without a run");
    job.kind = HF_DUTY_DRILL;
    hf_alarms_of_job(&job, &out);
    assert_string_equal(said(&out), "+drill-overdue ");
}

static void a_pair_that_is_overdue_is_told(void **state)
{
    (void)state;
    struct hf_alarm_changes out;
    struct hf_plan_row row = {.kind = HF_DUTY_RUN, .due_s = NOW_S, .start_s = NOW_S + 60};
    hf_alarms_of_row(&row, &out);
    assert_int_equal(out.n, 0);
    row.has_missed = true;
    hf_alarms_of_row(&row, &out);
    assert_string_equal(out.items[0].text,
                        "due times before 2026-11-03 02:00:00 UTC passed without a run");
    row.is_overdue = true;
    hf_alarms_of_row(&row, &out);
    assert_string_equal(said(&out), "+missed ");
    assert_string_equal(out.items[0].text,
                        "the run due at 2026-11-03 02:00:00 UTC has not been made");
    row.is_running = true;
    hf_alarms_of_row(&row, &out);
    assert_string_equal(
        out.items[0].text,
        "the run due at 2026-11-03 02:00:00 UTC has not been made: the one before still runs");
    row.kind = HF_DUTY_DRILL;
    row.has_missed = false;
    row.due_s = row.start_s = INT64_MAX;
    hf_alarms_of_row(&row, &out);
    assert_string_equal(said(&out), "+drill-overdue ");
}

static void a_text_is_one_line_and_no_trick(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"plain", "plain"},
        {"", ""},
        {"a\r\nBcc: x@y\tz\x7f", "a  Bcc: x@y z "},
        {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x92\xbe", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x92\xbe"},
        {"a\xc2\x85z\xe2\x80\xa8z\xe2\x80\xaez\xef\xbb\xbf", "a z z z "}, /* NEL, LS, RLO, BOM */
        {"\xff\xc3(\xe2\x82", "?"
                              "?("
                              "?"
                              "?"},
        {"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", "?????????"}, /* overlong, surrogate, too high */
    };
    char out[HF_ALARM_TEXT_MAX];
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        hf_alarm_text(cases[i].text, out);
        assert_string_equal(out, cases[i].wanted);
    }
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    char text[1200], out[HF_ALARM_TEXT_MAX];
    for (size_t n = HF_ALARM_TEXT_MAX - 8; n < HF_ALARM_TEXT_MAX + 4; n++) {
        memset(text, 'x', n);
        text[n] = '\0';
        hf_alarm_text(text, out);
        assert_int_equal(strlen(out), n < HF_ALARM_TEXT_MAX ? n : HF_ALARM_TEXT_MAX - 1);
    }
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = 0; i < 390; i++)
            memcpy(text + shift + 3 * i, "\xe2\x82\xac", 4);
        hf_alarm_text(text, out);
        const size_t len = strlen(out);
        assert_true(len < HF_ALARM_TEXT_MAX && len >= HF_ALARM_TEXT_MAX - 3);
        assert_string_equal(out + len - 3, "\xe2\x80\xa6");
        assert_memory_equal(out + len - 6, "\xe2\x82\xac", 3);
    }
}

/* Whatever the bytes: short enough, one line, and itself a text that stays as it is. */
static void any_bytes_make_a_text(void **state)
{
    (void)state;
    uint64_t rng = random_seed();
    for (int i = 0; i < 20000; i++) {
        char text[600], out[HF_ALARM_TEXT_MAX], again[HF_ALARM_TEXT_MAX];
        const size_t n = random_below(&rng, sizeof text);
        for (size_t k = 0; k < n; k++)
            text[k] = (char)(random_below(&rng, 2) ? 0x80 + random_below(&rng, 0x80)
                                                   : 1 + random_below(&rng, 0x7f));
        text[n] = '\0';
        hf_alarm_text(text, out);
        assert_true(strlen(out) < HF_ALARM_TEXT_MAX);
        for (const char *c = out; *c; c++)
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
        hf_alarm_text(out, again);
        assert_string_equal(out, again);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_end_decides),
        HF_TEST(an_attempt_of_which_nothing_came_changes_nothing),
        HF_TEST(the_text_is_the_errors_own),
        HF_TEST(what_did_not_happen_is_missed),
        HF_TEST(a_pair_that_is_overdue_is_told),
        HF_TEST(a_text_is_one_line_and_no_trick),
        HF_TEST(a_long_text_is_cut_between_characters),
        HF_TEST(any_bytes_make_a_text),
    };
    return HF_RUN_TESTS("policy.alarms", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/civil.h"
#include "config/cron.h"
#include "harness/hf_test.h"

#include <string.h>

static struct hf_cron cron(const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_cron c;
    assert_hf_ok(hf_cron_parse(text, &c, &err), &err);
    assert_string_equal(c.text, text);
    return c;
}

static void reads_lists_ranges_and_steps(void **state)
{
    (void)state;
    struct hf_cron c = cron("0,30 8-10,22 1-31/10 */6 1-5");
    assert_true(c.minutes == (1ull << 0 | 1ull << 30));
    assert_true(c.hours == (1ull << 8 | 1ull << 9 | 1ull << 10 | 1ull << 22));
    assert_true(c.days == (1ull << 1 | 1ull << 11 | 1ull << 21 | 1ull << 31));
    assert_true(c.months == (1ull << 1 | 1ull << 7));
    assert_true(c.weekdays == 0x3e);
    c = cron("*/15\t*  * * *");
    assert_true(c.minutes == (1ull << 0 | 1ull << 15 | 1ull << 30 | 1ull << 45));
    assert_true(c.hours == (1ull << 24) - 1 && c.days == ((1ull << 32) - 2));
}

static void reads_names_in_any_case(void **state)
{
    (void)state;
    assert_true(cron("0 0 * jan,DEC *").months == (1ull << 1 | 1ull << 12));
    assert_true(cron("0 0 * * Mon-fri").weekdays == 0x3e);
    assert_true(cron("0 0 * * fri-sun").weekdays == 0x61);
    assert_true(cron("0 0 * * 5-7").weekdays == 0x61);
    assert_true(cron("0 0 * * 0").weekdays == 1);
    assert_true(cron("0 0 * * 7").weekdays == 1);
    assert_true(cron("0 0 * * *").weekdays == 0x7f);
    assert_true(cron("0 0 * * 0-7").weekdays == 0x7f);
}

static void knows_the_nicknames(void **state)
{
    (void)state;
    struct hf_cron c = cron("@weekly");
    assert_true(c.minutes == 1 && c.hours == 1 && c.weekdays == 1 && c.is_any_day);
    assert_true(cron("@hourly").hours == (1ull << 24) - 1);
    assert_true(cron("@Daily").minutes == cron("@midnight").minutes);
    assert_true(cron("@yearly").days == 2 && cron("@annually").months == 2);
    assert_true(cron("@monthly").days == 2);
}

/* 2026-11-13 is a Friday, the 14th a Saturday, the 20th a Friday. */
static void either_day_counts_when_both_are_restricted(void **state)
{
    (void)state;
    int64_t day13 = hf_civil_days(2026, 11, 13);
    struct hf_cron c = cron("0 0 14 * fri");
    assert_true(hf_cron_has_day(&c, day13) && hf_cron_has_day(&c, day13 + 1));
    assert_false(hf_cron_has_day(&c, day13 + 2));
    c = cron("0 0 * * fri");
    assert_true(hf_cron_has_day(&c, day13) && !hf_cron_has_day(&c, day13 + 1));
    c = cron("0 0 14 * *");
    assert_true(!hf_cron_has_day(&c, day13) && hf_cron_has_day(&c, day13 + 1));
    c = cron("0 0 */2 * fri"); /* begins with a star: both have to fit */
    assert_true(hf_cron_has_day(&c, day13) && !hf_cron_has_day(&c, day13 + 7));
    c = cron("0 0 13 10 *");
    assert_false(hf_cron_has_day(&c, day13));
}

static void refuses_what_is_no_schedule(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "5 fields, here are 0"},
        {"0 2 * *", "5 fields, here are 4"},
        {"0 2 * * * *", "5 fields, here are 6"},
        {"60 2 * * *", "minute '60': not in its range"},
        {"0 24 * * *", "hour '24'"},
        {"0 0 0 * *", "day of month '0'"},
        {"0 0 32 * *", "day of month '32'"},
        {"0 0 * 13 *", "month '13'"},
        {"0 0 * 0 *", "month '0'"},
        {"0 0 * * 8", "day of week '8'"},
        {"0 0 * * funday", "day of week 'funday'"},
        {"0 0 * * sunday", "day of week 'sunday': not understood"},
        {"-5 0 * * *", "minute '-5'"},
        {"1- 0 * * *", "minute '1-'"},
        {"0 22-2 * * *", "runs backwards"},
        {"*/0 0 * * *", "a step"},
        {"*/ 0 * * *", "a step"},
        {"5/10 0 * * *", "a step"},
        {"*/100 0 * * *", "a step"},
        {"1,,2 0 * * *", "comma"},
        {",1 0 * * *", "comma"},
        {"1, 0 * * *", "comma"},
        {", 0 * * *", "comma"},
        {"** 0 * * *", "not understood"},
        {"001 0 * * *", "not in its range"},
        {"0 0 30 feb *", "no month has"},
        {"0 0 31 4,6,9,11 *", "no month has"},
        {"@reboot", "not a schedule"},
        {"@", "not a schedule"},
        {"? 0 * * *", "minute '?'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_cron c;
        if (hf_cron_parse(bad[i].text, &c, &err) == 0)
            fail_msg("accepted: %s", bad[i].text);
        assert_hf_err(&err, HF_E_CONFIG, bad[i].message);
    }
}

static void a_day_that_only_leap_years_have_is_a_schedule(void **state)
{
    (void)state;
    cron("0 0 29 feb *");
    cron("0 0 30 feb mon"); /* Mondays in February */
}

static void a_long_text_is_refused(void **state)
{
    (void)state;
    char text[HF_CRON_TEXT_MAX + 2];
    struct hf_err err = HF_ERR_INIT;
    struct hf_cron c;
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(hf_cron_parse(text, &c, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "more than");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_lists_ranges_and_steps),
        HF_TEST(reads_names_in_any_case),
        HF_TEST(knows_the_nicknames),
        HF_TEST(either_day_counts_when_both_are_restricted),
        HF_TEST(refuses_what_is_no_schedule),
        HF_TEST(a_day_that_only_leap_years_have_is_a_schedule),
        HF_TEST(a_long_text_is_refused),
    };
    return HF_RUN_TESTS("config.cron", tests);
}

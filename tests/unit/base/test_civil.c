/* SPDX-License-Identifier: Apache-2.0 */
#include "base/civil.h"
#include "harness/hf_test.h"

static void counts_every_day_of_eight_centuries_once(void **state)
{
    (void)state;
    int64_t days = hf_civil_days(1600, 1, 1);
    unsigned weekday = 6; /* a Saturday */
    for (int year = 1600; year < 2400; year++)
        for (unsigned month = 1; month <= 12; month++)
            for (unsigned day = 1; day <= hf_civil_month_length(year, month); day++) {
                struct hf_date date = hf_civil_date(days);
                assert_int_equal(hf_civil_days(year, month, day), days);
                assert_true(date.year == year && date.month == month && date.day == day);
                assert_int_equal(hf_civil_weekday(days), weekday);
                weekday = (weekday + 1) % 7;
                days++;
            }
    assert_int_equal(days, hf_civil_days(2400, 1, 1));
}

static void counts_from_1970(void **state)
{
    (void)state;
    assert_int_equal(hf_civil_days(1970, 1, 1), 0);
    assert_int_equal(hf_civil_days(2026, 11, 25), 20782);
    assert_int_equal(hf_civil_days(1969, 12, 31), -1);
}

static void rounds_towards_the_past(void **state)
{
    (void)state;
    assert_int_equal(hf_div_floor(-1, 60), -1);
    assert_int_equal(hf_div_floor(-60, 60), -1);
    assert_int_equal(hf_div_floor(59, 60), 0);
    assert_int_equal(hf_mod_floor(-1, 60), 59);
    assert_int_equal(hf_mod_floor(-60, 60), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(counts_every_day_of_eight_centuries_once),
        HF_TEST(counts_from_1970),
        HF_TEST(rounds_towards_the_past),
    };
    return HF_RUN_TESTS("base.civil", tests);
}

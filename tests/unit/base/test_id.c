/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"
#include "harness/hf_test.h"

#include <string.h>

static void begins_with_the_second_and_is_valid(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char id[HF_ID_MAX];
    assert_hf_ok(hf_id_new(&hf_test_clock(state)->clock, id, &err), &err);
    assert_memory_equal(id, "20261123T030000Z-", 17);
    assert_int_equal(strlen(id), 25);
    assert_true(hf_id_is_valid(id));
}

static void differs_within_one_second(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char a[HF_ID_MAX], b[HF_ID_MAX], c[HF_ID_MAX];
    const struct hf_clock *clock = &hf_test_clock(state)->clock;
    assert_hf_ok(hf_id_new(clock, a, &err), &err);
    assert_hf_ok(hf_id_new(clock, b, &err), &err);
    assert_hf_ok(hf_id_new(clock, c, &err), &err);
    /* Two of three: one collision in 2^32 is no reason to wake anybody. */
    assert_true(strcmp(a, b) != 0 || strcmp(b, c) != 0);
}

static void sorts_by_time(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char early[HF_ID_MAX], late[HF_ID_MAX];
    struct hf_fake_clock *fake = hf_test_clock(state);
    assert_hf_ok(hf_id_new(&fake->clock, early, &err), &err);
    hf_fake_clock_advance_ms(fake, 1000);
    assert_hf_ok(hf_id_new(&fake->clock, late, &err), &err);
    assert_true(strcmp(early, late) < 0);
}

static void refuses_a_clock_beyond_four_digit_years(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char id[HF_ID_MAX];
    struct hf_fake_clock *fake = hf_test_clock(state);
    fake->wall_us = INT64_MAX;
    assert_int_equal(hf_id_new(&fake->clock, id, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "no run id from the time");
    assert_hf_err(&err, HF_E_INTERNAL, "Set the clock");
}

static void knows_an_id_from_anything_else(void **state)
{
    (void)state;
    assert_true(hf_id_is_valid("20261123T030000Z-7f3a9c21"));
    static const char *const bad[] = {
        "",
        "20261123T030000Z-7f3a9c2",
        "20261123T030000Z-7f3a9c210",
        "20261123T030000Z-7F3A9C21",
        "20261123T030000Z-7f3a9c2g",
        "2026112aT030000Z-7f3a9c21",
        "20261123 030000Z-7f3a9c21",
        "20261123T030000z-7f3a9c21",
        "20261123T030000Z_7f3a9c21",
        "../../../../../etc/shadow",
        "20261123T030000Z-7f3a/c21",
        " 0261123T030000Z-7f3a9c21",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (hf_id_is_valid(bad[i]))
            fail_msg("accepted: %s", bad[i]);
}

static void its_random_digits_are_the_last_eight(void **state)
{
    (void)state;
    assert_string_equal(hf_id_digits("20261123T030000Z-7f3a9c21"), "7f3a9c21");
    assert_string_equal(hf_id_digits("short"), "short");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(begins_with_the_second_and_is_valid),
        HF_TEST(differs_within_one_second),
        HF_TEST(sorts_by_time),
        HF_TEST(refuses_a_clock_beyond_four_digit_years),
        HF_TEST(knows_an_id_from_anything_else),
        HF_TEST(its_random_digits_are_the_last_eight),
    };
    return HF_RUN_TESTS("base.id", tests);
}

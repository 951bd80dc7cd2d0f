/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a snapshot's time is over, by the clock of the wall and by the one that nobody sets.
 */
#include "harness/hf_test.h"
#include "run/expiry.h"

#define HOUR_US (INT64_C(3600) * 1000000)
#define T0 (INT64_C(1700000000) * 1000000)

/* Taken at T0, a minute after the boot, to be kept for an hour. */
static const struct hf_known hour = {
    .taken_us = T0, .expires_us = T0 + HOUR_US, .taken = {.up_ms = 60000, .boot_id = "one"}};

static enum hf_expiry judge(int64_t wall_us, int64_t up_ms, const char *boot)
{
    struct hf_expiry_now now = {.wall_us = wall_us, .up_ms = up_ms};
    snprintf(now.boot_id, sizeof now.boot_id, "%s", boot);
    return hf_expiry_judge(&hour, &now);
}

static void both_clocks_have_to_agree_within_one_boot(void **state)
{
    (void)state;
    assert_int_equal(judge(T0 + HOUR_US - 1, 3660000, "one"), HF_EXPIRY_NOT_DUE);
    assert_int_equal(judge(T0 + HOUR_US, 3660000, "one"), HF_EXPIRY_DUE);
    assert_int_equal(judge(T0 + HOUR_US, 3659000, "one"), HF_EXPIRY_NOT_DUE);
    assert_int_equal(judge(T0 + 9 * HOUR_US, 120000, "one"), HF_EXPIRY_CLOCK);
    assert_int_equal(judge(T0 - 1, 120000, "one"), HF_EXPIRY_CLOCK);
}

static void after_a_reboot_the_time_of_day_decides(void **state)
{
    (void)state;
    assert_int_equal(judge(T0 + HOUR_US, 1000, "two"), HF_EXPIRY_DUE);
    assert_int_equal(judge(T0 + HOUR_US, 1000, ""), HF_EXPIRY_DUE);
}

static void what_never_expires_or_makes_no_sense_is_not_due(void **state)
{
    (void)state;
    const struct hf_expiry_now now = {.wall_us = T0 + 9 * HOUR_US};
    struct hf_known k = {.taken_us = T0};
    assert_int_equal(hf_expiry_judge(&k, &now), HF_EXPIRY_NEVER);
    k.expires_us = T0 - 1;
    assert_int_equal(hf_expiry_judge(&k, &now), HF_EXPIRY_CLOCK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HF_TEST(both_clocks_have_to_agree_within_one_boot),
        HF_TEST(after_a_reboot_the_time_of_day_decides),
        HF_TEST(what_never_expires_or_makes_no_sense_is_not_due),
    };
    return HF_RUN_TESTS("run.expiry", tests);
}

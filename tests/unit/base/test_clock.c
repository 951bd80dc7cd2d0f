/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "harness/hf_test.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>

static void counts_down_to_a_deadline(void **state)
{
    struct hf_fake_clock *fake = hf_test_clock(state);
    int64_t deadline = hf_clock_mono_ms(&fake->clock) + 250;
    assert_int_equal(hf_clock_left_ms(&fake->clock, deadline), 250);
    assert_false(hf_clock_is_past(&fake->clock, deadline));
    hf_fake_clock_advance_ms(fake, 249);
    assert_int_equal(hf_clock_left_ms(&fake->clock, deadline), 1);
    assert_false(hf_clock_is_past(&fake->clock, deadline));
    hf_fake_clock_advance_ms(fake, 1);
    assert_int_equal(hf_clock_left_ms(&fake->clock, deadline), 0);
    assert_true(hf_clock_is_past(&fake->clock, deadline));
    hf_fake_clock_advance_ms(fake, 5000);
    assert_int_equal(hf_clock_left_ms(&fake->clock, deadline), 0);
}

static void what_is_left_fits_poll(void **state)
{
    struct hf_fake_clock *fake = hf_test_clock(state);
    assert_int_equal(hf_clock_left_ms(&fake->clock, HF_NO_DEADLINE), INT32_MAX);
    assert_false(hf_clock_is_past(&fake->clock, HF_NO_DEADLINE));
    assert_int_equal(hf_clock_left_ms(&fake->clock, INT64_MIN), 0);
}

static void sleeping_goes_through_the_clock(void **state)
{
    struct hf_fake_clock *fake = hf_test_clock(state);
    int64_t before = hf_clock_mono_us(&fake->clock);
    hf_clock_sleep_ms(&fake->clock, 1500);
    assert_int_equal(hf_clock_mono_us(&fake->clock) - before, 1500000);
    hf_clock_sleep_ms(&fake->clock, 0);
    hf_clock_sleep_ms(&fake->clock, -5);
    assert_int_equal(fake->slept_us, 1500000);
}

static void a_sleep_without_end_does_not_overflow(void **state)
{
    struct hf_fake_clock *fake = hf_test_clock(state);
    fake->mono_us = fake->wall_us = 0;
    hf_clock_sleep_ms(&fake->clock, INT64_MAX);
    assert_true(fake->slept_us == INT64_MAX);
}

static void wall_time_is_another_clock(void **state)
{
    struct hf_fake_clock *fake = hf_test_clock(state);
    fake->wall_us -= 3600 * INT64_C(1000000); /* somebody set the clock back */
    assert_int_equal(hf_clock_mono_ms(&fake->clock), 1000000);
    assert_true(hf_clock_wall_us(&fake->clock) == INT64_C(1795399200000000));
}

static void the_system_clock_moves_forward_and_sleeps(void **state)
{
    (void)state;
    const struct hf_clock *clock = hf_clock_system();
    int64_t before = hf_clock_mono_us(clock);
    hf_clock_sleep_ms(clock, 20);
    int64_t slept = hf_clock_mono_us(clock) - before;
    assert_true(slept >= 20000);
    assert_true(hf_clock_wall_us(clock) > INT64_C(1700000000000000));
}

static void nothing(int signal)
{
    (void)signal;
}

static void a_signal_does_not_shorten_a_sleep(void **state)
{
    (void)state;
    const struct hf_clock *clock = hf_clock_system();
    struct sigaction action = {.sa_handler = nothing}, old;
    sigaction(SIGALRM, &action, &old);
    struct itimerval every_5_ms = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every_5_ms, NULL);
    int64_t before = hf_clock_mono_us(clock);
    hf_clock_sleep_ms(clock, 50);
    int64_t slept = hf_clock_mono_us(clock) - before;
    setitimer(ITIMER_REAL, &off, NULL);
    sigaction(SIGALRM, &old, NULL);
    assert_true(slept >= 50000);
}

static void writes_times_as_rfc3339_with_milliseconds(void **state)
{
    (void)state;
    char out[HF_TIME_MAX];
    hf_time_rfc3339(INT64_C(1795402800123999), out);
    assert_string_equal(out, "2026-11-23T03:00:00.123Z");
    hf_time_rfc3339(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    hf_time_rfc3339(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
}

static void writes_times_compact_for_names(void **state)
{
    (void)state;
    char out[HF_TIME_MAX];
    hf_time_compact(INT64_C(1795402800999999), out);
    assert_string_equal(out, "20261123T030000Z");
}

static void times_at_the_end_of_the_world_fit(void **state)
{
    (void)state;
    char out[HF_TIME_MAX];
    hf_time_rfc3339(INT64_MAX, out);
    assert_true(strlen(out) < HF_TIME_MAX);
    assert_int_equal(out[strlen(out) - 1], 'Z');
    hf_time_rfc3339(INT64_MIN, out);
    assert_true(strlen(out) < HF_TIME_MAX);
    hf_time_compact(INT64_MIN, out);
    assert_true(strlen(out) < HF_TIME_MAX);
}

static void reads_times_as_it_writes_them_and_no_others(void **state)
{
    static const char *const others[] = {"",
                                         "2026-11-23T03:00:00Z",
                                         "2026-11-23T03:00:00.123",
                                         "2026-11-23T03:00:00.123Zx",
                                         "2026-11-23T03:00:00.123+",
                                         "2026-11-23 03:00:00.123Z",
                                         "2026-02-29T03:00:00.123Z",
                                         "2026-11-23T24:00:00.000Z",
                                         "2026-11-23T03:00:60.000Z",
                                         "2026-11-23T03:00: 0.123Z",
                                         "2026-11-23T03:00:00.-12Z",
                                         "1969-12-31T23:59:59.999Z"};
    static const int64_t times[] = {0, INT64_C(1795402800123000), INT64_C(951782400000000)};
    (void)state;
    int64_t got = 17;
    char text[HF_TIME_MAX];
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        hf_time_rfc3339(times[i], text);
        assert_int_equal(hf_time_parse(text, &got), 0);
        assert_int_equal(got, times[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (hf_time_parse(others[i], &got) == 0)
            fail_msg("'%s' counts as a time", others[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(counts_down_to_a_deadline),
        HF_TEST(what_is_left_fits_poll),
        HF_TEST(sleeping_goes_through_the_clock),
        HF_TEST(a_sleep_without_end_does_not_overflow),
        HF_TEST(wall_time_is_another_clock),
        HF_TEST(the_system_clock_moves_forward_and_sleeps),
        HF_TEST(a_signal_does_not_shorten_a_sleep),
        HF_TEST(writes_times_as_rfc3339_with_milliseconds),
        HF_TEST(writes_times_compact_for_names),
        HF_TEST(times_at_the_end_of_the_world_fit),
        HF_TEST(reads_times_as_it_writes_them_and_no_others),
    };
    return HF_RUN_TESTS("base.clock", tests);
}

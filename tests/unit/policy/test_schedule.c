/* SPDX-License-Identifier: Apache-2.0 */
#include "base/civil.h"
#include "harness/hf_test.h"
#include "model.h"
#include "policy/schedule.h"
#include "random.h"

#include <inttypes.h>
#include <string.h>

static struct hf_zone *open_zone(const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_zone *zone = hf_zone_open(name, &err);
    assert_hf_got(zone, &err);
    return zone;
}

static struct hf_cron cron(const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_cron c;
    assert_hf_ok(hf_cron_parse(text, &c, &err), &err);
    return c;
}

/* "2026-03-29 01:30", UTC */
static int64_t utc(const char *text)
{
    int year;
    unsigned month, day, hour, minute;
    assert_int_equal(sscanf(text, "%d-%u-%u %u:%u", &year, &month, &day, &hour, &minute), 5);
    return hf_civil_days(year, month, day) * HF_DAY_S + hour * 3600 + minute * 60;
}

/* The times after `after`, one by one; all in UTC. */
static void assert_times(const char *tz_name, const char *schedule, const char *after,
                         const char *const *times)
{
    HF_AUTO(hf_zone) struct hf_zone *zone = open_zone(tz_name);
    struct hf_cron c = cron(schedule);
    int64_t begin = utc(after), t = begin;
    for (; *times; times++) {
        int64_t wanted = utc(*times);
        t = hf_schedule_next(&c, zone, t);
        if (t != wanted)
            fail_msg("%s, %s: %" PRId64 " s after what was expected, %s", schedule, tz_name,
                     t - wanted, *times);
        assert_int_equal(hf_schedule_last(&c, zone, begin, t), t);
        assert_int_equal(hf_schedule_last(&c, zone, begin, t + 59), t);
    }
}
#define TIMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_time_that_does_not_exist_comes_once_at_the_change(void **state)
{
    (void)state; /* Berlin: 2026-03-29 02:00 becomes 03:00, which is 01:00 UTC */
    assert_times("Europe/Berlin", "30 2 * * *", "2026-03-27 12:00",
                 TIMES("2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"));
    assert_times(
        "Europe/Berlin", "0,15,30 2,3 * * *", "2026-03-29 00:00",
        TIMES("2026-03-29 01:00", "2026-03-29 01:15", "2026-03-29 01:30", "2026-03-30 00:00"));
    assert_times("Europe/Berlin", "59 1 * * *", "2026-03-28 12:00",
                 TIMES("2026-03-29 00:59", "2026-03-29 23:59"));
}

static void a_time_that_comes_twice_counts_once(void **state)
{
    (void)state; /* Berlin: 2026-10-25 03:00 becomes 02:00, at 01:00 UTC */
    assert_times("Europe/Berlin", "30 2 * * *", "2026-10-24 12:00",
                 TIMES("2026-10-25 00:30", "2026-10-26 01:30"));
    assert_times("Europe/Berlin", "0 */2 * * *", "2026-10-24 22:30",
                 TIMES("2026-10-25 00:00", "2026-10-25 03:00", "2026-10-25 05:00"));
    assert_times("America/New_York", "30 1 * * *", "2026-11-01 00:00",
                 TIMES("2026-11-01 05:30", "2026-11-02 06:30"));
}

static void every_hour_means_every_real_hour(void **state)
{
    (void)state;
    assert_times("Europe/Berlin", "15 * * * *", "2026-03-29 00:00",
                 TIMES("2026-03-29 00:15", "2026-03-29 01:15", "2026-03-29 02:15"));
    assert_times("Europe/Berlin", "15 * * * *", "2026-10-24 23:30",
                 TIMES("2026-10-25 00:15", "2026-10-25 01:15", "2026-10-25 02:15"));
}

static void half_an_hour_and_a_whole_day_are_skipped_alike(void **state)
{
    (void)state; /* Lord Howe: 2026-10-04 02:00 becomes 02:30, at 15:30 UTC the day before */
    assert_times("Australia/Lord_Howe", "15 2 * * *", "2026-10-03 00:00",
                 TIMES("2026-10-03 15:30", "2026-10-04 15:15"));
    assert_times("Australia/Lord_Howe", "15 * * * *", "2026-10-03 14:00",
                 TIMES("2026-10-03 14:45", "2026-10-03 15:30", "2026-10-03 16:15"));
    assert_times("Pacific/Apia", "0 2 * * *", "2011-12-29 00:00", /* there was no 30th */
                 TIMES("2011-12-29 12:00", "2011-12-30 10:00", "2011-12-30 12:00"));
}

static void leap_days_and_weekdays_are_found(void **state)
{
    (void)state;
    assert_times("UTC", "0 0 29 2 *", "2096-02-29 00:00", TIMES("2104-02-29 00:00"));
    /* Both have to fit: a Sunday. */
    assert_times(
        "UTC", "0 0 29 2 */7", "2027-01-01 00:00",
        TIMES("2032-02-29 00:00", "2060-02-29 00:00", "2088-02-29 00:00", "2128-02-29 00:00"));
    assert_times("UTC", "0 0 13 * fri", "2026-11-12 00:00",
                 TIMES("2026-11-13 00:00", "2026-11-20 00:00", "2026-11-27 00:00",
                       "2026-12-04 00:00", "2026-12-11 00:00", "2026-12-13 00:00"));
    assert_times("UTC", "@yearly", "2026-01-01 00:00", TIMES("2027-01-01 00:00"));
}

static void times_end_with_what_is_known(void **state)
{
    (void)state;
    HF_AUTO(hf_zone) struct hf_zone *zone = open_zone("UTC");
    struct hf_cron c = cron("@yearly");
    assert_true(hf_schedule_next(&c, zone, utc("2199-06-01 00:00")) == HF_NO_TIME);
    assert_true(hf_schedule_next(&c, zone, INT64_MAX) == HF_NO_TIME);
    assert_true(hf_schedule_next(&c, zone, INT64_MIN) != HF_NO_TIME);
    assert_true(hf_schedule_last(&c, zone, utc("2026-01-02 00:00"), utc("2026-12-31 00:00")) ==
                HF_NO_TIME);
}

/* ---- against a model that looks at every minute -------------------------------------------- */

/* Is this real minute a time of the schedule? The clock showed `shown` the minute before, `latest` at
 * the most in the days before, and was put back by `back` last. */
static bool model(const struct hf_cron *c, int64_t local, int64_t shown, int64_t latest,
                  int64_t back)
{
    bool is_hourly = c->hours == (1u << 24) - 1;
    int64_t skipped = local - shown - 60;
    if (skipped > 0 && !(is_hourly && skipped % 3600 == 0))
        for (int64_t m = shown + 60; m < local; m += 60)
            if (names_minute(c, m))
                return true;
    if (local <= latest && !(is_hourly && back % 3600 == 0))
        return false;
    return names_minute(c, local);
}

static void compare_with_model(const struct hf_cron *c, const struct hf_zone *zone, int64_t from,
                               int64_t until, const char *what)
{
    int64_t shown = from - 60 + hf_zone_offset(zone, from - 60), latest = shown, back = 0;
    int64_t next = hf_schedule_next(c, zone, from - 1);
    for (int64_t t = from; t < until; t += 60) {
        int64_t local = t + hf_zone_offset(zone, t);
        if (local <= shown)
            back = shown + 60 - local;
        if (model(c, local, shown, latest, back) != (next == t))
            fail_msg("%s: '%s' at %" PRId64 ", seed %" PRIu64, what, c->text, t, random_seed());
        if (next == t)
            next = hf_schedule_next(c, zone, t);
        shown = local;
        latest = local > latest ? local : latest;
    }
}

static void random_schedule(uint64_t *rng, char *out, size_t size)
{
    static const char *const minutes[] = {"0", "30", "*/15", "*/20", "59", "1-5", "*", "7,37"};
    static const char *const hours[] = {"*", "2", "1-3", "*/2", "0", "23", "1,2,3", "*/6"};
    static const char *const days[] = {"*", "*", "29", "1-7", "*/2", "25,29"};
    static const char *const weekdays[] = {"*", "*", "sun", "1-5", "sat-sun"};
    snprintf(out, size, "%s %s %s * %s", minutes[random_below(rng, 8)], hours[random_below(rng, 8)],
             days[random_below(rng, 6)], weekdays[random_below(rng, 5)]);
}

static void agrees_with_the_model_around_every_change(void **state)
{
    (void)state;
    static const char *const zones[] = {"Europe/Berlin", "America/New_York",  "Australia/Lord_Howe",
                                        "Pacific/Apia",  "Africa/Casablanca", "Asia/Kolkata",
                                        "America/Nuuk",  "Antarctica/Troll"};
    uint64_t rng = random_seed();
    for (int i = 0; i < 400; i++) {
        char text[64];
        const char *name = zones[random_below(&rng, 8)];
        HF_AUTO(hf_zone) struct hf_zone *zone = open_zone(name);
        random_schedule(&rng, text, sizeof text);
        struct hf_cron c = cron(text);
        int64_t t = utc("2005-01-01 00:00") + (int64_t)random_below(&rng, 30 * 365) * HF_DAY_S;
        struct hf_zone_span s = hf_zone_span_at(zone, t);
        int64_t change = s.until_s == HF_ZONE_NEVER ? t : s.until_s;
        compare_with_model(&c, zone, change - 3 * HF_DAY_S, change + 3 * HF_DAY_S, name);
    }
}

/* ---- windows ------------------------------------------------------------------------------- */

static void a_window_opens_and_closes_by_local_time(void **state)
{
    (void)state;
    HF_AUTO(hf_zone) struct hf_zone *zone = open_zone("Europe/Berlin");
    static const struct hf_window night = {.from_min = 22 * 60, .until_min = 6 * 60};
    assert_int_equal(hf_window_open(&night, zone, utc("2026-11-25 12:00")),
                     utc("2026-11-25 21:00"));
    assert_int_equal(hf_window_open(&night, zone, utc("2026-11-25 21:00")),
                     utc("2026-11-25 21:00"));
    assert_int_equal(hf_window_close(&night, zone, utc("2026-11-25 21:00")),
                     utc("2026-11-26 05:00"));
    assert_int_equal(hf_window_open(&night, zone, utc("2026-11-26 05:00")),
                     utc("2026-11-26 21:00"));
    /* the nights of both changes */
    assert_int_equal(hf_window_close(&night, zone, utc("2026-03-28 21:00")),
                     utc("2026-03-29 04:00"));
    assert_int_equal(hf_window_close(&night, zone, utc("2026-10-24 20:00")),
                     utc("2026-10-25 05:00"));
}

static void a_window_in_the_skipped_hour_opens_the_next_day(void **state)
{
    (void)state;
    HF_AUTO(hf_zone) struct hf_zone *zone = open_zone("Europe/Berlin");
    static const struct hf_window w = {.from_min = 120, .until_min = 180};
    static const struct hf_window across = {.from_min = 150, .until_min = 240};
    assert_int_equal(hf_window_open(&w, zone, utc("2026-03-29 00:00")), utc("2026-03-30 00:00"));
    assert_int_equal(hf_window_open(&across, zone, utc("2026-03-29 00:00")),
                     utc("2026-03-29 01:00"));
}

static void without_a_window_it_is_always_open(void **state)
{
    (void)state;
    HF_AUTO(hf_zone) struct hf_zone *zone = open_zone("UTC");
    static const struct hf_window always = {0};
    assert_int_equal(hf_window_open(&always, zone, 12345), 12345);
    assert_true(hf_window_close(&always, zone, 12345) == HF_NO_TIME);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_time_that_does_not_exist_comes_once_at_the_change),
        HF_TEST(a_time_that_comes_twice_counts_once),
        HF_TEST(every_hour_means_every_real_hour),
        HF_TEST(half_an_hour_and_a_whole_day_are_skipped_alike),
        HF_TEST(leap_days_and_weekdays_are_found),
        HF_TEST(times_end_with_what_is_known),
        HF_TEST(agrees_with_the_model_around_every_change),
        HF_TEST(a_window_opens_and_closes_by_local_time),
        HF_TEST(a_window_in_the_skipped_hour_opens_the_next_day),
        HF_TEST(without_a_window_it_is_always_open),
    };
    return HF_RUN_TESTS("policy.schedule", tests);
}

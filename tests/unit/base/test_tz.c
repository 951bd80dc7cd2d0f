/* SPDX-License-Identifier: Apache-2.0 */
#include "base/civil.h"
#include "base/tz.h"
#include "harness/hf_test.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const zones[] = {
    "UTC",          "Europe/Berlin",     "Europe/Dublin",       "America/New_York",
    "Asia/Kolkata", "Asia/Kathmandu",    "Australia/Lord_Howe", "Pacific/Apia",
    "Africa/Cairo", "Africa/Casablanca", "America/Sao_Paulo",   "Pacific/Chatham",
    "Asia/Tehran",  "America/Nuuk",      "Europe/Moscow",       "Pacific/Kwajalein",
};

static struct hf_tz *open_zone(const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_tz *tz = hf_tz_open(name, &err);
    assert_hf_got(tz, &err);
    return tz;
}

static long libc_offset(int64_t at_s)
{
    struct tm tm;
    time_t t = (time_t)at_s;
    assert_non_null(localtime_r(&t, &tm));
    return tm.tm_gmtoff;
}

/* Moments spread over the years, and those around each change. */
static void agrees_with_libc_in_every_zone(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(zones); i++) {
        HF_AUTO(hf_tz) struct hf_tz *tz = open_zone(zones[i]);
        setenv("TZ", zones[i], 1);
        tzset();
        int64_t end = hf_civil_days(2199, 12, 1) * HF_DAY_S;
        for (int64_t t = hf_civil_days(1900, 1, 1) * HF_DAY_S; t < end; t += 500009)
            if (hf_tz_offset(tz, t) != libc_offset(t))
                fail_msg("%s at %" PRId64 ": %d, libc %ld", zones[i], t, hf_tz_offset(tz, t),
                         libc_offset(t));
        struct hf_tz_span s = hf_tz_span_at(tz, 0);
        for (; s.until_s < end; s = hf_tz_span_at(tz, s.until_s)) {
            assert_int_equal(libc_offset(s.until_s - 1), s.offset);
            assert_int_equal(libc_offset(s.until_s), hf_tz_offset(tz, s.until_s));
        }
    }
    unsetenv("TZ");
    tzset();
}

static void spans_join_and_name_the_offset_before(void **state)
{
    (void)state;
    HF_AUTO(hf_tz) struct hf_tz *tz = open_zone("Europe/Berlin");
    struct hf_tz_span s = hf_tz_span_at(tz, INT64_MIN);
    size_t n = 0;
    assert_true(s.from_s == INT64_MIN && s.offset_before == s.offset);
    for (; s.until_s != HF_TZ_NEVER; n++) {
        struct hf_tz_span next = hf_tz_span_at(tz, s.until_s);
        assert_true(next.from_s == s.until_s && next.until_s > next.from_s);
        assert_true(next.offset_before == s.offset && next.offset != s.offset);
        s = next;
    }
    assert_true(n > 400);
}

static void reads_a_rule(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    static const struct {
        const char *rule;
        int year;
        unsigned month, day;
        int32_t seconds, offset;
    } cases[] = {
        {"CET-1CEST,M3.5.0,M10.5.0/3", 2026, 3, 29, 3599, 3600},
        {"CET-1CEST,M3.5.0,M10.5.0/3", 2026, 3, 29, 3600, 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", 2026, 10, 25, 3600, 3600},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, 7, 1, 0, -3600},
        {"EST5EDT,J60/2:30,J300", 2024, 3, 1, 27000, -14400},
        {"EST5EDT,59,J300", 2024, 2, 29, 25200, -14400},
        {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2026, 12, 24, 0, 39600},
        {"XXX3EWT2,0/0,J365/25", 2026, 7, 1, 0, -7200},
        {"XXX3EWT2,0/0,J365/25", 2027, 1, 1, 10800, -7200},
        {"JST-9", 2026, 7, 1, 0, 32400},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTO(hf_tz) struct hf_tz *tz = hf_tz_from_rule(cases[i].rule, &err);
        assert_hf_got(tz, &err);
        int64_t t = hf_civil_days(cases[i].year, cases[i].month, cases[i].day) * HF_DAY_S;
        if (hf_tz_offset(tz, t + cases[i].seconds) != cases[i].offset)
            fail_msg("case %zu: %d", i, hf_tz_offset(tz, t + cases[i].seconds));
    }
}

static void refuses_what_is_no_rule(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "CE-1",
                                      "CET",
                                      "CET-25",
                                      "<+0-1",
                                      "CET-1CEST",
                                      "CET-1CEST,M3.5.0",
                                      "CET-1CEST,M13.5.0,M10.5.0",
                                      "CET-1CEST,M3.6.0,M10.5.0",
                                      "CET-1CEST,M3.5.7,M10.5.0",
                                      "CET-1CEST,J0,J1",
                                      "CET-1CEST,366,1",
                                      "CET-1CEST,M3.5.0/168,M10.5.0",
                                      "CET-1CEST,M3.5.0,M10.5.0x"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        if (hf_tz_from_rule(bad[i], &err))
            fail_msg("accepted: %s", bad[i]);
        assert_hf_err(&err, HF_E_CORRUPT, "is not a time zone rule");
    }
}

static void names_are_no_paths(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",       "Europe/Berlln",   "/etc/localtime", "../../../etc/localtime",
        "Europe", "Europe/Berlin\n", "tzdata.zi"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        if (hf_tz_open(bad[i], &err))
            fail_msg("accepted: %s", bad[i]);
        assert_hf_err(&err, HF_E_CONFIG, "is not a time zone of this host");
        assert_hf_err(&err, HF_E_CONFIG, "Europe/Berlin");
    }
}

static void the_hosts_own_zone_opens(void **state)
{
    (void)state;
    hf_tz_free(open_zone(NULL));
}

/* A file that is cut anywhere is refused, or (behind the data) has lost its rule: never read over. */
static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static const unsigned char file[] =
        "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
        "\0\0\0\0\0\0UTC\0"
        "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\4"
        "\0\0\0\0\0\1\0\0\1"
        "\0\0\0\0\0\0\0\0\x0e\x10\0\0UTC\0"
        "\nCET-1\n";
    size_t len = sizeof file - 1;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_tz) struct hf_tz *tz = hf_tz_parse(file, len, &err);
    assert_hf_got(tz, &err);
    assert_int_equal(hf_tz_offset(tz, 65535), 0);
    assert_int_equal(hf_tz_offset(tz, 65536), 3600);
    for (size_t n = 0; n < len; n++) {
        HF_AUTOFREE unsigned char *copy = malloc(n + 1); /* its end is the sanitizer's */
        memcpy(copy, file, n);
        if (hf_tz_parse(copy, n, &err))
            fail_msg("accepted %zu bytes", n);
        assert_hf_err(&err, HF_E_CORRUPT, "time zone");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(agrees_with_libc_in_every_zone),
        HF_TEST(spans_join_and_name_the_offset_before),
        HF_TEST(reads_a_rule),
        HF_TEST(refuses_what_is_no_rule),
        HF_TEST(names_are_no_paths),
        HF_TEST(the_hosts_own_zone_opens),
        HF_TEST(a_file_cut_anywhere_is_refused),
    };
    return HF_RUN_TESTS("base.tz", tests);
}

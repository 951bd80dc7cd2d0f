/* SPDX-License-Identifier: Apache-2.0
 *
 * The C library judges: what localtime_r says of the same instant in the same zone.
 */
#include "base/zone.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const zones[] = {
    "Europe/Berlin",    "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo",
    "Asia/Kathmandu",   "Pacific/Apia",     "Africa/Casablanca",   "Europe/Dublin",
    "America/Havana",   "Asia/Tehran",      "Pacific/Chatham",     "Antarctica/Troll",
    "America/Nuuk",     "Etc/UTC",          "Asia/Jerusalem",      "America/St_Johns",
    "America/Santiago",
};

/* xorshift: the same row of instants each time. */
static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void assert_same(const struct hf_zone *z, const char *name, int64_t at_s)
{
    struct hf_zone_time got;
    struct tm tm;
    char mine[64], theirs[64], week[16];
    int year, number;
    const time_t t = (time_t)at_s;
    assert_non_null(localtime_r(&t, &tm));
    hf_zone_at(z, at_s * 1000000, &got);
    hf_zone_week(&got, &year, &number);
    snprintf(mine, sizeof mine, "%04d-%02d-%02d %02d:%02d:%02d %+d %04d-%02d", got.year, got.month,
             got.day, got.hour, got.minute, got.second, got.offset_s, year, number);
    strftime(week, sizeof week, "%G-%V", &tm);
    snprintf(theirs, sizeof theirs, "%04d-%02d-%02d %02d:%02d:%02d %+ld %s", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_gmtoff, week);
    if (strcmp(mine, theirs) != 0)
        print_error("%s at %lld\n", name, (long long)at_s);
    assert_string_equal(mine, theirs);
}

static void it_shows_what_the_system_shows(void **state)
{
    uint64_t seed = 20261126;
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(zones); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_zone) struct hf_zone *z = hf_zone_open(zones[i], &err);
        assert_hf_got(z, &err);
        setenv("TZ", zones[i], 1);
        tzset();
        for (int n = 0; n < 4000; n++) /* 1970 to 2100 */
            assert_same(z, zones[i], (int64_t)(next(&seed) % 4102444800u));
        /* each half hour of two years, one of them beyond what files list */
        for (int64_t at = 1767222000; at < 1767222000 + 366 * 86400; at += 1800) {
            assert_same(z, zones[i], at);
            assert_same(z, zones[i], at - 1 + INT64_C(40) * 31556952);
        }
    }
    unsetenv("TZ");
    tzset();
}

static void a_rule_alone_is_a_zone(void **state)
{
    static const char *const rules[] = {"CET-1CEST,M3.5.0,M10.5.0/3",
                                        "UTC0",
                                        "<+0545>-5:45",
                                        "EST5EDT,M3.2.0,M11.1.0",
                                        "AAA3BBB,J60/0,J300/24",
                                        "XXX-2<+03>-3,59/-1,299/26"};
    uint64_t seed = 7;
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(rules); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_zone) struct hf_zone *z = hf_zone_open(rules[i], &err);
        assert_hf_got(z, &err);
        setenv("TZ", rules[i], 1);
        tzset();
        for (int n = 0; n < 3000; n++)
            assert_same(z, rules[i], (int64_t)(next(&seed) % 4102444800u));
    }
    unsetenv("TZ");
    tzset();
}

static void the_hosts_own_is_what_tz_says(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_zone_time t;
    (void)state;
    setenv("TZ", ":Asia/Tokyo", 1);
    HF_AUTO(hf_zone) struct hf_zone *z = hf_zone_open(NULL, &err);
    assert_hf_got(z, &err);
    hf_zone_at(z, 0, &t);
    assert_int_equal(t.hour, 9);
    unsetenv("TZ");
    HF_AUTO(hf_zone) struct hf_zone *host = hf_zone_open(NULL, &err);
    assert_hf_got(host, &err);
}

static void what_is_no_zone_is_refused(void **state)
{
    static const char *const none[] = {
        "Europe/Berlino", "../etc/passwd", "/etc/passwd", "",          "Europe",
        "zone.tab",       "CET-1CEST,M3",  "C1",          "CET-1CEST", "CET-1CEST,M13.1.0,M1.1.0",
        "right/../x"};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(none); i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_null(hf_zone_open(none[i], &err));
        assert_hf_err(&err, HF_E_CONFIG, "there is no time zone");
    }
}

static void a_damaged_file_is_told_from_a_missing_one(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_file(state, "zone", "TZif2 and nothing more", 0600);
    setenv("TZ", path, 1);
    assert_null(hf_zone_open(NULL, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "this is no zone file");
    unsetenv("TZ");
}

static void spans_join_and_name_the_offset_before(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_zone) struct hf_zone *z = hf_zone_open("Europe/Berlin", &err);
    assert_hf_got(z, &err);
    struct hf_zone_span s = hf_zone_span_at(z, INT64_MIN);
    size_t n = 0;
    assert_true(s.from_s == INT64_MIN && s.offset_before == s.offset);
    for (; s.until_s != HF_ZONE_NEVER; n++) {
        struct hf_zone_span next = hf_zone_span_at(z, s.until_s);
        assert_true(next.from_s == s.until_s && next.until_s > next.from_s);
        assert_true(next.offset_before == s.offset && next.offset != s.offset);
        s = next;
    }
    assert_true(n > 400);
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
        if (hf_zone_from_rule(bad[i], &err))
            fail_msg("accepted: %s", bad[i]);
        assert_hf_err(&err, HF_E_CORRUPT, "is not a time zone rule");
    }
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
    HF_AUTO(hf_zone) struct hf_zone *z = hf_zone_parse(file, len, &err);
    assert_hf_got(z, &err);
    assert_int_equal(hf_zone_offset(z, 65535), 0);
    assert_int_equal(hf_zone_offset(z, 65536), 3600);
    for (size_t n = 0; n < len; n++) {
        HF_AUTOFREE unsigned char *copy = malloc(n + 1); /* its end is the sanitizer's */
        memcpy(copy, file, n);
        if (hf_zone_parse(copy, n, &err))
            fail_msg("accepted %zu bytes", n);
        assert_hf_err(&err, HF_E_CORRUPT, "no zone file");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(it_shows_what_the_system_shows),
        HF_TEST(a_rule_alone_is_a_zone),
        HF_TEST(the_hosts_own_is_what_tz_says),
        HF_TEST(what_is_no_zone_is_refused),
        HF_TEST(a_damaged_file_is_told_from_a_missing_one),
        HF_TEST(spans_join_and_name_the_offset_before),
        HF_TEST(refuses_what_is_no_rule),
        HF_TEST(a_file_cut_anywhere_is_refused),
    };
    return HF_RUN_TESTS("base.zone", tests);
}

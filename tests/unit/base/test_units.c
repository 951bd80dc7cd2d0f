/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"
#include "harness/hf_test.h"

#include <inttypes.h>

static void reads_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"250ms", 250},
        {"2s", 2000},
        {"10m", 600000},
        {"24h", 86400000},
        {"7d", 604800000},
        {"4w", INT64_C(2419200000)},
        {"0s", 0},
        {"1m30s", 90000},
        {"1w2d3h4m5s6ms", 788645006},
        {"007s", 7000},
        {"9223372036854775807ms", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hf_err err = HF_ERR_INIT;
        int64_t ms = -1;
        assert_hf_ok(hf_parse_duration(cases[i].text, &ms, &err), &err);
        assert_true(ms == cases[i].ms);
    }
}

static void refuses_what_is_no_duration(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "5",
        "s",
        "5 s",
        "-5s",
        "+5s",
        "5S",
        "5sec",
        "1.5s",
        "5s ",
        " 5s",
        "5s5",
        "30s1m",
        "5s5s",
        "5x",
        "5mss",
        "0",
        "soon",
        "9223372036854775808ms",
        "99999999999999999999s",
        "9223372036854775807s",
        "9223372036854775s9223372036854775807ms",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hf_err err = HF_ERR_INIT;
        int64_t ms = -1;
        if (hf_parse_duration(bad[i], &ms, &err) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_hf_err(&err, HF_E_CONFIG, "is not a duration");
        assert_hf_err(&err, HF_E_CONFIG, "Write a number and its unit");
        assert_true(ms == -1);
    }
}

static void names_the_text_it_refuses(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    int64_t ms;
    uint64_t bytes;
    assert_int_equal(hf_parse_duration("30", &ms, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "'30'");
    assert_int_equal(hf_parse_size("4X", &bytes, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "'4X'");
}

static void reads_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"512", 512},
        {"0", 0},
        {"64K", 65536},
        {"64k", 65536},
        {"64KiB", 65536},
        {"32M", 33554432},
        {"4G", UINT64_C(4294967296)},
        {"1T", UINT64_C(1) << 40},
        {"2PiB", UINT64_C(2) << 50},
        {"15E", UINT64_C(15) << 60},
        {"18446744073709551615", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hf_err err = HF_ERR_INIT;
        uint64_t bytes = 1;
        assert_hf_ok(hf_parse_size(cases[i].text, &bytes, &err), &err);
        assert_true(bytes == cases[i].bytes);
    }
}

static void refuses_what_is_no_size(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "K",
        "-1",
        "+1",
        "1.5G",
        "4 G",
        "4GB",
        "4KB",
        "4iB",
        "4X",
        "4Gi",
        "4GiBs",
        "4G ",
        "16E",
        "18446744073709551616",
        "99999999999999999999999",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hf_err err = HF_ERR_INIT;
        uint64_t bytes = 1;
        if (hf_parse_size(bad[i], &bytes, &err) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_hf_err(&err, HF_E_CONFIG, "is not a size");
        assert_hf_err(&err, HF_E_CONFIG, "powers of 1024");
        assert_true(bytes == 1);
    }
}

static void writes_durations_as_people_do(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "0s"},         {250, "250ms"},      {2000, "2s"},
        {90000, "1m30s"},  {1500, "1s500ms"},   {3600000, "1h"},
        {86400000, "24h"}, {604800000, "7d"},   {172799999, "47h59m59s999ms"},
        {172800000, "2d"}, {183600000, "2d3h"}, {-90000, "-1m30s"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[HF_UNITS_MAX];
        hf_format_duration(cases[i].ms, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void the_longest_durations_fit(void **state)
{
    (void)state;
    char out[HF_UNITS_MAX];
    hf_format_duration(INT64_MAX, out);
    assert_string_equal(out, "106751991167d7h12m55s807ms");
    hf_format_duration(INT64_MIN, out);
    assert_string_equal(out, "-106751991167d7h12m55s808ms");
}

static void reads_back_the_durations_it_writes(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms < INT64_MAX / 7; ms = ms * 3 + 777) {
        struct hf_err err = HF_ERR_INIT;
        char out[HF_UNITS_MAX];
        int64_t again = -1;
        hf_format_duration(ms, out);
        assert_hf_ok(hf_parse_duration(out, &again, &err), &err);
        assert_true(again == ms);
    }
}

static void writes_sizes_with_one_digit(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {1048575, "1.0 MiB"}, /* not "1024.0 KiB" */
        {UINT64_C(4) << 30, "4.0 GiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[HF_UNITS_MAX];
        hf_format_size(cases[i].bytes, out);
        assert_string_equal(out, cases[i].text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_durations),
        HF_TEST(refuses_what_is_no_duration),
        HF_TEST(names_the_text_it_refuses),
        HF_TEST(reads_sizes),
        HF_TEST(refuses_what_is_no_size),
        HF_TEST(writes_durations_as_people_do),
        HF_TEST(the_longest_durations_fit),
        HF_TEST(reads_back_the_durations_it_writes),
        HF_TEST(writes_sizes_with_one_digit),
    };
    return HF_RUN_TESTS("base.units", tests);
}

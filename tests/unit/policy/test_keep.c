/* SPDX-License-Identifier: Apache-2.0 */
#include "base/civil.h"
#include "harness/hf_test.h"
#include "policy/keep.h"
#include "random.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define POINTS_MAX 400
#define DAY(y, m, d) (hf_civil_days(y, m, d) * HF_DAY_S)
#define BIT(rule) (1u << HF_KEEP_##rule)

static struct hf_tz *zone(const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_tz *tz = hf_tz_open(name, &err);
    assert_hf_got(tz, &err);
    return tz;
}

/* One verified point a day at noon, n days up to now. */
static size_t daily(struct hf_keep_point *points, size_t n, int64_t now_s)
{
    for (size_t i = 0; i < n; i++)
        points[i] = (struct hf_keep_point){
            .at_s = now_s - (int64_t)i * HF_DAY_S, .is_verified = true, .id = i};
    return n;
}

static void each_rule_keeps_the_newest_of_its_time(void **state)
{
    (void)state;
    HF_AUTO(hf_tz) struct hf_tz *tz = zone("UTC");
    static const struct hf_keep keep = {{3, 0, 7, 4, 12, 2}};
    struct hf_keep_point p[POINTS_MAX];
    int64_t now = DAY(2026, 11, 25) + 43200; /* a Wednesday */
    size_t n = daily(p, 400, now);
    size_t kept = hf_keep_apply(&keep, tz, now, p, n);
    assert_int_equal(p[0].reasons, BIT(LAST) | BIT(DAILY) | BIT(WEEKLY) | BIT(MONTHLY) |
                                       BIT(YEARLY) | HF_KEEP_FOR_LATEST);
    assert_int_equal(p[1].reasons, BIT(LAST) | BIT(DAILY));
    assert_int_equal(p[3].reasons, BIT(DAILY) | BIT(WEEKLY)); /* Sunday the 22nd */
    assert_int_equal(p[7].reasons, 0);
    assert_int_equal(p[10].reasons, BIT(WEEKLY));                 /* the 15th */
    assert_int_equal(p[25].reasons, BIT(MONTHLY));                /* 31 October */
    assert_int_equal(p[329].reasons, BIT(MONTHLY) | BIT(YEARLY)); /* 31 December 2025 */
    assert_int_equal(kept, 7 + 2 + 11); /* two Sundays and eleven month ends lie behind the week */
}

static void without_rules_everything_stays(void **state)
{
    (void)state;
    HF_AUTO(hf_tz) struct hf_tz *tz = zone("UTC");
    static const struct hf_keep keep = {{0}};
    struct hf_keep_point p[POINTS_MAX];
    size_t n = daily(p, 50, 0);
    assert_int_equal(hf_keep_apply(&keep, tz, 0, p, n), 50);
    assert_true(p[49].reasons == HF_KEEP_FOR_ALL);
    assert_int_equal(hf_keep_apply(&keep, tz, 0, NULL, 0), 0);
}

static void the_newest_verified_point_is_untouchable(void **state)
{
    (void)state;
    HF_AUTO(hf_tz) struct hf_tz *tz = zone("UTC");
    static const struct hf_keep keep = {{2, 0, 0, 0, 0, 0}};
    struct hf_keep_point p[POINTS_MAX];
    size_t n = daily(p, 6, HF_DAY_S * 100);
    p[0].is_verified = p[1].is_verified = p[3].is_verified = false;
    assert_int_equal(hf_keep_apply(&keep, tz, HF_DAY_S * 100, p, n), 4);
    assert_int_equal(p[0].reasons, HF_KEEP_FOR_UNVERIFIED);
    assert_int_equal(p[1].reasons, HF_KEEP_FOR_UNVERIFIED);
    assert_int_equal(p[2].reasons, BIT(LAST) | HF_KEEP_FOR_LATEST);
    assert_int_equal(p[3].reasons, 0);
    assert_int_equal(p[4].reasons, BIT(LAST));
    assert_int_equal(p[5].reasons, 0);
}

static void points_from_the_future_push_nothing_out(void **state)
{
    (void)state;
    HF_AUTO(hf_tz) struct hf_tz *tz = zone("UTC");
    static const struct hf_keep keep = {{2, 0, 3, 0, 0, 0}};
    struct hf_keep_point p[POINTS_MAX], q[POINTS_MAX];
    int64_t now = DAY(2026, 11, 25);
    size_t n = daily(p, 10, now);
    hf_keep_apply(&keep, tz, now, p, n);
    daily(q, 10, now);
    for (size_t i = 0; i < 5; i++)
        q[n + i] = (struct hf_keep_point){
            .at_s = now + (int64_t)(i + 1) * HF_DAY_S, .is_verified = i % 2 == 0, .id = 50 + i};
    hf_keep_apply(&keep, tz, now, q, n + 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(q[i].reasons & HF_KEEP_FOR_FUTURE);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(q[5 + i].reasons, p[i].reasons);
}

static void a_pause_uses_nothing_up(void **state)
{
    (void)state;
    HF_AUTO(hf_tz) struct hf_tz *tz = zone("UTC");
    static const struct hf_keep keep = {{1, 0, 5, 0, 0, 0}};
    struct hf_keep_point p[POINTS_MAX];
    size_t n = daily(p, 5, DAY(2026, 1, 1));
    assert_int_equal(hf_keep_apply(&keep, tz, DAY(2026, 11, 25), p, n), 5);
}

static void days_are_local_and_hours_are_real(void **state)
{
    (void)state;
    HF_AUTO(hf_tz) struct hf_tz *berlin = zone("Europe/Berlin");
    static const struct hf_keep days = {{0, 0, 9, 0, 0, 0}}, hours = {{0, 9, 0, 0, 0, 0}};
    int64_t midnight = DAY(2026, 7, 1) - 7200; /* of Berlin */
    struct hf_keep_point p[] = {{.at_s = midnight - 60, .is_verified = true},
                                {.at_s = midnight, .is_verified = true},
                                {.at_s = midnight + 7200, .is_verified = true}};
    assert_int_equal(hf_keep_apply(&days, berlin, midnight * 2, p, 3), 2);
    assert_int_equal(p[1].reasons, 0);
    int64_t change = DAY(2026, 10, 25) + 3600; /* 03:00 becomes 02:00 */
    struct hf_keep_point q[] = {{.at_s = change - 1800, .is_verified = true},
                                {.at_s = change + 1800, .is_verified = true}};
    assert_int_equal(hf_keep_apply(&hours, berlin, midnight * 2, q, 2), 2);
}

/* ---- against a model ----------------------------------------------------------------------- */

/* What the C library makes of the local time, as text: one text per hour, day, … */
static void bucket_text(enum hf_keep_rule rule, int64_t local_s, char *out, size_t size)
{
    static const char *const formats[] = {[HF_KEEP_HOURLY] = "%Y-%m-%d %H",
                                          [HF_KEEP_DAILY] = "%Y-%m-%d",
                                          [HF_KEEP_WEEKLY] = "%G-%V",
                                          [HF_KEEP_MONTHLY] = "%Y-%m",
                                          [HF_KEEP_YEARLY] = "%Y"};
    struct tm tm;
    time_t t = (time_t)local_s;
    assert_non_null(gmtime_r(&t, &tm));
    assert_true(strftime(out, size, formats[rule], &tm) > 0);
}

/* Is there no newer countable point in the same bucket, and are fewer than `count` buckets newer? */
static bool model_keeps(enum hf_keep_rule rule, uint32_t count, const struct hf_tz *tz, int64_t now,
                        const struct hf_keep_point *p, size_t n, size_t at)
{
    char mine[32], other[32], seen[POINTS_MAX][32];
    size_t newer = 0;
    if (!p[at].is_verified || p[at].at_s > now)
        return false;
    if (rule != HF_KEEP_LAST)
        bucket_text(rule, p[at].at_s + hf_tz_offset(tz, p[at].at_s), mine, sizeof mine);
    for (size_t i = 0; i < n; i++) {
        bool is_newer = p[i].at_s > p[at].at_s || (p[i].at_s == p[at].at_s && p[i].id > p[at].id);
        if (!is_newer || !p[i].is_verified || p[i].at_s > now)
            continue;
        snprintf(other, sizeof other, "%zu", i);
        if (rule != HF_KEEP_LAST)
            bucket_text(rule, p[i].at_s + hf_tz_offset(tz, p[i].at_s), other, sizeof other);
        if (rule != HF_KEEP_LAST && strcmp(mine, other) == 0)
            return false;
        size_t k = 0;
        while (k < newer && strcmp(seen[k], other) != 0)
            k++;
        if (k == newer)
            memcpy(seen[newer++], other, sizeof other);
    }
    return newer < count;
}

static void random_points(uint64_t *rng, struct hf_keep_point *p, size_t n, int64_t now)
{
    static const int64_t reach[] = {3 * HF_DAY_S, 60 * HF_DAY_S, 1200 * HF_DAY_S};
    int64_t span = reach[random_below(rng, 3)];
    for (size_t i = 0; i < n; i++)
        p[i] = (struct hf_keep_point){.at_s = now + span / 10 -
                                              (int64_t)random_below(rng, (uint64_t)span),
                                      .is_verified = random_below(rng, 5) > 0,
                                      .id = i};
}

/* Seasons without a repeated hour in UTC and Kolkata; Berlin's is a case of its own above. */
static void agrees_with_the_model(void **state)
{
    (void)state;
    static const char *const zones[] = {"UTC", "Asia/Kolkata", "Asia/Kathmandu"};
    uint64_t rng = random_seed();
    for (int round = 0; round < 300; round++) {
        HF_AUTO(hf_tz) struct hf_tz *tz = zone(zones[random_below(&rng, 3)]);
        struct hf_keep keep = {{0}};
        struct hf_keep_point p[POINTS_MAX];
        int64_t now = DAY(2020, 1, 1) + (int64_t)random_below(&rng, 3000) * HF_DAY_S;
        size_t n = random_below(&rng, 80);
        for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
            keep.count[rule] = (uint32_t)(random_below(&rng, 2) * random_below(&rng, 9));
        keep.count[HF_KEEP_LAST]++;
        random_points(&rng, p, n, now);
        hf_keep_apply(&keep, tz, now, p, n);
        for (size_t i = 0; i < n; i++)
            for (size_t rule = 0; rule < HF_KEEP_RULES; rule++) {
                bool wanted =
                    model_keeps((enum hf_keep_rule)rule, keep.count[rule], tz, now, p, n, i);
                if (wanted != (p[i].reasons >> rule & 1))
                    fail_msg("round %d, point %zu, %s: seed %" PRIu64, round, i,
                             hf_keep_rule_name((enum hf_keep_rule)rule), random_seed());
            }
    }
}

/* Expiring day by day ends where expiring once would have. */
static void expiring_often_and_seldom_end_alike(void **state)
{
    (void)state;
    HF_AUTO(hf_tz) struct hf_tz *tz = zone("Europe/Berlin");
    static const struct hf_keep keep = {{3, 0, 7, 4, 6, 2}};
    struct hf_keep_point often[POINTS_MAX], once[POINTS_MAX];
    size_t n = 0;
    int64_t begin = DAY(2025, 1, 1), now = begin;
    for (size_t i = 0; i < POINTS_MAX; i++, now += HF_DAY_S) {
        struct hf_keep_point p = {.at_s = now, .is_verified = true, .id = i};
        once[i] = often[n++] = p;
        n = hf_keep_apply(&keep, tz, now, often, n);
        size_t kept = 0; /* those that stay move up */
        for (size_t k = 0; kept < n; k++)
            if (often[k].reasons)
                often[kept++] = often[k];
    }
    size_t kept = hf_keep_apply(&keep, tz, now - HF_DAY_S, once, POINTS_MAX);
    assert_int_equal(kept, n);
    for (size_t i = 0, k = 0; i < POINTS_MAX; i++)
        if (once[i].reasons)
            assert_int_equal(once[i].id, often[k++].id);
}

static void each_reason_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(hf_keep_reason_name(BIT(LAST)), "last");
    assert_string_equal(hf_keep_reason_name(BIT(YEARLY)), "yearly");
    assert_string_equal(hf_keep_reason_name(HF_KEEP_FOR_FUTURE), "future");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_rule_keeps_the_newest_of_its_time),
        HF_TEST(without_rules_everything_stays),
        HF_TEST(the_newest_verified_point_is_untouchable),
        HF_TEST(points_from_the_future_push_nothing_out),
        HF_TEST(a_pause_uses_nothing_up),
        HF_TEST(days_are_local_and_hours_are_real),
        HF_TEST(agrees_with_the_model),
        HF_TEST(expiring_often_and_seldom_end_alike),
        HF_TEST(each_reason_has_a_name),
    };
    return HF_RUN_TESTS("policy.keep", tests);
}

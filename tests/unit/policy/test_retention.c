/* SPDX-License-Identifier: Apache-2.0
 *
 * Retention against a model that has nothing in common with it: buckets by strftime and the C library's zones, each point judged
 * alone by counting the buckets of those that are newer.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "harness/hf_test.h"
#include "policy/retention.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POINTS 160
#define HOUR_S 3600
#define DAY_S (24 * HOUR_S)
#define NOW_S INT64_C(1795651200) /* 2026-11-26 */

static const char *const zones[] = {"Europe/Berlin",  "America/New_York",  "Australia/Lord_Howe",
                                    "America/Havana", "Africa/Casablanca", "Pacific/Chatham",
                                    "Etc/UTC",        "America/Sao_Paulo"};

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* ---- the model -------------------------------------------------------------------------- */

static void model_bucket(int rule, int64_t taken_us, char out[64])
{
    static const char *const forms[HF_KEEP_RULES] = {"", "%F %H %z", "%F", "%G %V", "%Y %m", "%Y"};
    const time_t t = (time_t)(taken_us / 1000000);
    struct tm tm;
    localtime_r(&t, &tm);
    out[0] = '\0';
    if (rule != HF_KEEP_LAST)
        strftime(out, 64, forms[rule], &tm);
    else
        snprintf(out, 64, "%lld", (long long)taken_us);
}

static char buckets_of[HF_KEEP_RULES][POINTS][64]; /* of the calendar that is judged */

static bool counts(const struct hf_retention *r, const struct hf_retained *p, bool with_damaged)
{
    return p->taken_us <= r->now_us + HF_RETENTION_SLACK_US && (with_damaged || !p->is_damaged);
}

/* Among those that count: is it the newest of its bucket, and are there less than N buckets of newer ones? */
static bool model_rule(const struct hf_retention *r, int rule, bool with_damaged,
                       const struct hf_retained *items, size_t i)
{
    char(*names)[64] = buckets_of[rule];
    uint32_t buckets = 0;
    if (!r->keep->n[rule] || !counts(r, &items[i], with_damaged))
        return false;
    for (size_t k = 0; k < i; k++) {
        bool is_first = true;
        if (!counts(r, &items[k], with_damaged))
            continue;
        if (rule != HF_KEEP_LAST && strcmp(names[k], names[i]) == 0)
            return false;
        for (size_t j = 0; j < k && rule != HF_KEEP_LAST; j++)
            is_first = is_first &&
                       !(counts(r, &items[j], with_damaged) && strcmp(names[j], names[k]) == 0);
        buckets += is_first;
    }
    return buckets < r->keep->n[rule];
}

static bool model(const struct hf_retention *r, const struct hf_retained *items, size_t i)
{
    size_t newer = 0, newer_whole = 0, newer_verified = 0;
    if (!counts(r, &items[i], true))
        return true;
    for (size_t k = 0; k < i; k++) {
        newer += counts(r, &items[k], true);
        newer_whole += counts(r, &items[k], false);
        newer_verified += counts(r, &items[k], false) && items[k].is_verified;
    }
    const bool is_whole = !items[i].is_damaged;
    if (!newer || (is_whole && !newer_whole) ||
        (is_whole && items[i].is_verified && newer_verified < r->verified))
        return true;
    for (int rule = 0; rule < HF_KEEP_RULES; rule++)
        if (model_rule(r, rule, true, items, i) || model_rule(r, rule, false, items, i))
            return true;
    return false;
}

/* ---- random calendars ------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
    const struct hf_retained *x = a, *y = b;
    return x->taken_us < y->taken_us ? 1 : x->taken_us > y->taken_us ? -1 : 0;
}

/* Dense or sparse, regular or not, some around a switch of the clocks, some from the future. */
static size_t calendar(uint64_t *seed, struct hf_retained items[POINTS])
{
    static const int64_t switches[] = {1792890000, 1793512800, 1772953200,
                                       1775314800, 1774746000, 1793509200};
    static const int64_t steps[] = {900, HOUR_S, HOUR_S, 3 * HOUR_S, DAY_S, 5 * DAY_S, 40 * DAY_S};
    const size_t n = 1 + next(seed) % POINTS;
    const int64_t step = steps[next(seed) % HF_ARRAY_SIZE(steps)];
    const bool is_regular = next(seed) % 2;
    int64_t at = next(seed) % 2 ? NOW_S - (int64_t)(next(seed) % (400 * DAY_S))
                                : switches[next(seed) % HF_ARRAY_SIZE(switches)] +
                                      (int64_t)(next(seed) % n) * step;
    for (size_t i = 0; i < n; i++) {
        items[i] = (struct hf_retained){.taken_us = at * 1000000 + (int64_t)(next(seed) % 1000000),
                                        .is_verified = next(seed) % 7 == 0,
                                        .is_damaged = next(seed) % 9 == 0};
        if (next(seed) % 25 == 0)
            items[i].taken_us = (NOW_S + 1000 + (int64_t)(next(seed) % (900 * DAY_S))) * 1000000;
        at -= is_regular ? step : (int64_t)(next(seed) % (uint64_t)(2 * step)) + 1;
    }
    qsort(items, n, sizeof *items, newest_first);
    return n;
}

static void random_rules(uint64_t *seed, struct hf_keep *keep)
{
    *keep = (struct hf_keep){0};
    for (size_t i = 0; i < HF_KEEP_RULES; i++)
        if (next(seed) % 2)
            keep->n[i] = 1 + (uint32_t)(next(seed) % (next(seed) % 2 ? 4 : 40));
    keep->n[next(seed) % HF_KEEP_RULES] = 1 + (uint32_t)(next(seed) % 9);
}

static void assert_as_the_model(const struct hf_retention *r, struct hf_retained *items, size_t n,
                                const char *zone, int round)
{
    hf_retention_judge(r, items, n);
    for (int rule = 0; rule < HF_KEEP_RULES; rule++)
        for (size_t i = 0; i < n; i++)
            model_bucket(rule, items[i].taken_us, buckets_of[rule][i]);
    for (size_t i = 0; i < n; i++) {
        char why[HF_RETENTION_WHY];
        const bool wanted = model(r, items, i);
        hf_retention_why(r, items, n, i, why);
        if ((items[i].reasons != 0) != wanted)
            print_error("round %d in %s: point %zu of %zu, at %lld: %s\n", round, zone, i, n,
                        (long long)items[i].taken_us, why);
        assert_int_equal(items[i].reasons != 0, wanted);
        assert_true(why[0]);
    }
}

static void random_calendars_are_kept_as_the_model_keeps_them(void **state)
{
    const char *given = getenv("HOLDFAST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) | 1 : 20261126;
    static struct hf_retained items[POINTS];
    size_t deleted = 0;
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 1200; round++) {
        struct hf_err err = HF_ERR_INIT;
        const char *name = zones[(size_t)round % HF_ARRAY_SIZE(zones)];
        struct hf_keep keep;
        HF_AUTO(hf_zone) struct hf_zone *zone = hf_zone_open(name, &err);
        assert_hf_got(zone, &err);
        setenv("TZ", name, 1);
        tzset();
        const size_t n = calendar(&seed, items);
        random_rules(&seed, &keep);
        const struct hf_retention r = {&keep, 1 + (uint32_t)(next(&seed) % 3), zone,
                                       NOW_S * 1000000};
        assert_as_the_model(&r, items, n, name, round);
        for (size_t i = 0; i < n; i++)
            deleted += items[i].reasons == 0;
    }
    unsetenv("TZ");
    tzset();
    assert_true(deleted > 10000);
}

/* ---- single facts ----------------------------------------------------------------------- */

static const char *judge(const char *zone_name, struct hf_keep keep, uint32_t verified,
                         struct hf_retained *items, size_t n)
{
    static char text[4096];
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_zone) struct hf_zone *zone = hf_zone_open(zone_name, &err);
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    assert_hf_got(zone, &err);
    const struct hf_retention r = {&keep, verified, zone, NOW_S * 1000000};
    hf_retention_judge(&r, items, n);
    for (size_t i = 0; i < n; i++) {
        char why[HF_RETENTION_WHY];
        hf_retention_why(&r, items, n, i, why);
        hf_buf_printf(&out, "%c %s\n", items[i].reasons ? '+' : '-', why);
    }
    snprintf(text, sizeof text, "%s", hf_buf_str(&out));
    return text;
}

static int64_t at(const char *text)
{
    char whole[HF_TIME_MAX];
    int64_t us = 0;
    snprintf(whole, sizeof whole, "%s:00.000Z", text);
    assert_int_equal(hf_time_parse(whole, &us), 0);
    return us;
}

static void each_decision_says_why(void **state)
{
    struct hf_retained items[] = {{.taken_us = at("2026-11-25T12:00")},
                                  {.taken_us = at("2026-11-25T03:00")},
                                  {.taken_us = at("2026-11-19T03:00")},
                                  {.taken_us = at("2026-11-18T03:00")},
                                  {.taken_us = at("2026-11-01T03:00")}};
    (void)state;
    const struct hf_keep keep = {.n = {[HF_KEEP_LAST] = 1, [HF_KEEP_WEEKLY] = 2}};
    assert_string_equal(judge("Etc/UTC", keep, 1, items, HF_ARRAY_SIZE(items)),
                        "+ last 1, weekly 2026-W48\n- 2026-W48 has a newer one\n"
                        "+ weekly 2026-W47\n- 2026-W47 has a newer one\n- older than weekly 2\n");
}

static void an_hour_that_the_clocks_show_twice_is_two(void **state)
{
    struct hf_retained items[] = {{.taken_us = at("2026-10-25T02:30")},  /* 03:30 */
                                  {.taken_us = at("2026-10-25T01:30")},  /* 02:30 again */
                                  {.taken_us = at("2026-10-25T00:40")},  /* 02:40, summer */
                                  {.taken_us = at("2026-10-25T00:30")}}; /* 02:30, summer */
    (void)state;
    const struct hf_keep keep = {.n = {[HF_KEEP_HOURLY] = 3}};
    assert_string_equal(judge("Europe/Berlin", keep, 1, items, HF_ARRAY_SIZE(items)),
                        "+ hourly 2026-10-25T03+01:00\n+ hourly 2026-10-25T02+01:00\n"
                        "+ hourly 2026-10-25T02+02:00\n- 2026-10-25T02+02:00 has a newer one\n");
}

static void a_day_begins_when_it_does_there(void **state)
{
    struct hf_retained items[] = {{.taken_us = at("2026-11-24T23:30")},
                                  {.taken_us = at("2026-11-24T22:30")}};
    (void)state;
    const struct hf_keep keep = {.n = {[HF_KEEP_DAILY] = 2}};
    assert_string_equal(judge("Europe/Berlin", keep, 1, items, 2),
                        "+ daily 2026-11-25\n+ daily 2026-11-24\n");
    assert_string_equal(judge("Etc/UTC", keep, 1, items, 2),
                        "+ daily 2026-11-24\n- 2026-11-24 has a newer one\n");
}

static void points_from_the_future_push_nothing_out(void **state)
{
    struct hf_retained items[] = {{.taken_us = at("2031-01-01T00:00"), .is_verified = true},
                                  {.taken_us = at("2027-01-01T00:00")},
                                  {.taken_us = at("2026-11-25T12:00")},
                                  {.taken_us = at("2026-11-24T12:00"), .is_verified = true},
                                  {.taken_us = at("2026-11-23T12:00")}};
    (void)state;
    const struct hf_keep keep = {.n = {[HF_KEEP_LAST] = 1, [HF_KEEP_YEARLY] = 1}};
    assert_string_equal(judge("Etc/UTC", keep, 1, items, HF_ARRAY_SIZE(items)),
                        "+ from the future\n+ from the future\n+ last 1, yearly 2026\n"
                        "+ verified\n- 2026 has a newer one\n");
}

static void the_newest_and_the_verified_stay_whatever_the_rules_say(void **state)
{
    struct hf_retained items[] = {{.taken_us = at("2026-11-25T12:00"), .is_damaged = true},
                                  {.taken_us = at("2026-11-25T03:00")},
                                  {.taken_us = at("2026-11-24T03:00")},
                                  {.taken_us = at("2026-11-23T03:00"), .is_verified = true},
                                  {.taken_us = at("2026-11-22T03:00"), .is_verified = true},
                                  {.taken_us = at("2026-11-21T03:00"), .is_verified = true}};
    (void)state;
    const struct hf_keep keep = {.n = {[HF_KEEP_LAST] = 1}};
    assert_string_equal(judge("Etc/UTC", keep, 2, items, HF_ARRAY_SIZE(items)),
                        "+ last 1\n+ last 1\n- older than last 1\n+ verified\n+ verified\n"
                        "- older than last 1\n");
}

static void without_rules_nothing_goes(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_retained items[] = {{.taken_us = at("2026-11-25T12:00")},
                                  {.taken_us = at("1999-11-25T03:00"), .is_damaged = true}};
    HF_AUTO(hf_zone) struct hf_zone *zone = hf_zone_open("Etc/UTC", &err);
    (void)state;
    const struct hf_retention r = {NULL, 1, zone, NOW_S * 1000000};
    char why[HF_RETENTION_WHY];
    hf_retention_judge(&r, items, 2);
    assert_true(items[0].reasons && items[1].reasons);
    hf_retention_why(&r, items, 2, 1, why);
    assert_string_equal(why, "no keep");
    assert_string_equal(judge("Etc/UTC", (struct hf_keep){.is_all = true}, 1, items, 2),
                        "+ all\n+ all\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(random_calendars_are_kept_as_the_model_keeps_them),
        HF_TEST(each_decision_says_why),
        HF_TEST(an_hour_that_the_clocks_show_twice_is_two),
        HF_TEST(a_day_begins_when_it_does_there),
        HF_TEST(points_from_the_future_push_nothing_out),
        HF_TEST(the_newest_and_the_verified_stay_whatever_the_rules_say),
        HF_TEST(without_rules_nothing_goes),
    };
    return HF_RUN_TESTS("point.retention", tests);
}

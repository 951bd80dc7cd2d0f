/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/civil.h"
#include "harness/hf_test.h"
#include "policy/forecast.h"

#include <string.h>

#define NOW_S (hf_civil_days(2026, 11, 25) * HF_DAY_S + 12 * 3600)

struct fixture {
    struct hf_config *config;
    struct hf_policy a, b;
};

/* Two policies in UTC with these keys. */
static struct fixture two(const char *a, const char *b)
{
    struct hf_err err = HF_ERR_INIT;
    struct fixture f = {0};
    HF_AUTOFREE char *text =
        hf_asprintf("[policy a]\nvms = *\ntimezone = UTC\n%s[policy b]\nvms = *\n"
                    "timezone = UTC\n%s",
                    a, b);
    f.config = hf_config_parse(text, strlen(text), "test.conf", &err);
    assert_hf_got(f.config, &err);
    assert_hf_ok(hf_policy_open(&f.a, f.config, hf_config_policy_at(f.config, 0), &err), &err);
    assert_hf_ok(hf_policy_open(&f.b, f.config, hf_config_policy_at(f.config, 1), &err), &err);
    return f;
}

static void fixture_free(struct fixture *f)
{
    hf_policy_close(&f->a);
    hf_policy_close(&f->b);
    hf_config_free(f->config);
}
#define AUTO_FIXTURE __attribute__((cleanup(fixture_free))) struct fixture

static size_t kept(const char *keys, bool *is_cut)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_forecast_kept) struct hf_forecast_kept k = {0};
    AUTO_FIXTURE f = two(keys, "schedule = @daily\n");
    assert_hf_ok(hf_forecast_kept(&f.a, NOW_S, &k, &err), &err);
    *is_cut = k.is_cut;
    return k.n;
}

static void reaches_back_until_each_rule_is_full(void **state)
{
    (void)state;
    bool is_cut;
    assert_int_equal(kept("schedule = @daily\nkeep = last 3\n", &is_cut), 3);
    assert_int_equal(kept("schedule = @daily\nkeep = yearly 20\n", &is_cut), 20);
    assert_int_equal(kept("schedule = @yearly\nkeep = daily 9\n", &is_cut), 9);
    assert_int_equal(kept("schedule = 0 0 29 2 *\nkeep = last 10\n", &is_cut), 10);
    assert_false(is_cut);
}

static void says_when_it_cannot_reach_back_far_enough(void **state)
{
    (void)state;
    bool is_cut;
    assert_true(kept("schedule = * * * * *\nkeep = daily 5, yearly 10\n", &is_cut) >= 5);
    assert_true(is_cut);
}

static void runs_that_wait_for_the_window_begin_as_one(void **state)
{
    (void)state;
    AUTO_FIXTURE f = two("schedule = 0 * * * *\nwindow = 22:00-02:00\n",
                         "schedule = 0 9 * * *\nwindow = 22:00-06:00\n");
    int64_t t = NOW_S, opens = NOW_S + 10 * 3600;
    for (int i = 0; i < 4; i++) {
        t = hf_policy_begin_next(&f.a, t);
        assert_int_equal(t, opens + i * 3600);
    }
    assert_int_equal(hf_policy_begin_next(&f.a, t), opens + HF_DAY_S);
    assert_int_equal(hf_policy_begin_next(&f.b, NOW_S), opens); /* due at nine, it waits already */
    assert_int_equal(hf_policy_begin_next(&f.b, opens), opens + HF_DAY_S);
}

static void a_clash_is_the_first_common_beginning(void **state)
{
    (void)state;
    AUTO_FIXTURE f = two("schedule = 0 */5 * * *\n", "schedule = 0 3,15 * * *\n");
    assert_int_equal(hf_forecast_clash(&f.a, &f.b, NOW_S, NOW_S + HF_DAY_S), NOW_S + 3 * 3600);
    assert_true(hf_forecast_clash(&f.a, &f.b, NOW_S, NOW_S + 3600) == HF_NO_TIME);
    AUTO_FIXTURE g = two("schedule = 0 * * * *\n", "schedule = 30 * * * *\n");
    assert_true(hf_forecast_clash(&g.a, &g.b, NOW_S, NOW_S + 366 * HF_DAY_S) == HF_NO_TIME);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reaches_back_until_each_rule_is_full),
        HF_TEST(says_when_it_cannot_reach_back_far_enough),
        HF_TEST(runs_that_wait_for_the_window_begin_as_one),
        HF_TEST(a_clash_is_the_first_common_beginning),
    };
    return HF_RUN_TESTS("policy.forecast", tests);
}

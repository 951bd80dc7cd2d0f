/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows, jitter, and what is due after a pause.
 */
#include "base/buf.h"
#include "base/civil.h"
#include "harness/hf_test.h"
#include "policy/policy.h"
#include "random.h"

#include <inttypes.h>
#include <string.h>

#define MINUTE 60
#define HOUR 3600

/* A policy with these keys; belongs to the test. */
struct fixture {
    struct hf_config *config;
    struct hf_policy policy;
};

static struct fixture policy_of(const char *keys)
{
    struct hf_err err = HF_ERR_INIT;
    struct fixture f = {0};
    HF_AUTOFREE char *text =
        hf_asprintf("[hypervisor lab]\nplugin = libvirt\n[vm web01]\n"
                    "hypervisor = lab\n[policy p]\ntimezone = Europe/Berlin\n%s",
                    keys);
    f.config = hf_config_parse(text, strlen(text), "test.conf", &err);
    assert_hf_got(f.config, &err);
    assert_hf_ok(hf_policy_open(&f.policy, f.config, hf_config_policy_at(f.config, 0), &err), &err);
    return f;
}

static void fixture_free(struct fixture *f)
{
    hf_policy_close(&f->policy);
    hf_config_free(f->config);
}
#define AUTO_FIXTURE __attribute__((cleanup(fixture_free))) struct fixture

static int64_t at(int month, int day, int hour, int minute)
{
    return hf_civil_days(2026, (unsigned)month, (unsigned)day) * HF_DAY_S + hour * HOUR +
           minute * MINUTE;
}

static void a_delay_is_the_same_each_time_and_differs_between_vms(void **state)
{
    (void)state;
    AUTO_FIXTURE f = policy_of("vms = web*\nschedule = @daily\njitter = 1h\n");
    unsigned sixths[6] = {0};
    for (int i = 0; i < 6000; i++) {
        char vm[16];
        snprintf(vm, sizeof vm, "web%04d", i);
        int64_t due = at(11, 25, 23, 0), delay = hf_policy_start(&f.policy, vm, due) - due;
        assert_true(delay >= 0 && delay < HOUR);
        assert_int_equal(hf_policy_start(&f.policy, vm, due + HF_DAY_S), due + HF_DAY_S + delay);
        sixths[delay / 600]++;
    }
    for (size_t i = 0; i < 6; i++)
        if (sixths[i] < 800 || sixths[i] > 1200)
            fail_msg("%u of 6000 VMs in one of six parts", sixths[i]);
}

static void what_is_due_outside_the_window_waits_for_it(void **state)
{
    (void)state;
    AUTO_FIXTURE f = policy_of("vms = web*\nschedule = 0 12 * * *\nwindow = 22:00-06:00\n");
    assert_int_equal(hf_policy_start(&f.policy, "web01", at(11, 25, 11, 0)), at(11, 25, 21, 0));
    assert_int_equal(hf_policy_start(&f.policy, "web01", at(11, 25, 22, 0)), at(11, 25, 22, 0));
}

static void starts_stay_in_the_window_and_in_order(void **state)
{
    (void)state;
    AUTO_FIXTURE f =
        policy_of("vms = web*\nschedule = * * * * *\nwindow = 22:00-06:00\njitter = 12h\n");
    uint64_t rng = random_seed();
    for (int i = 0; i < 200; i++) {
        char vm[16];
        int64_t due = at(1, 1, 0, 0) + (int64_t)random_below(&rng, 360) * HF_DAY_S, last = 0;
        snprintf(vm, sizeof vm, "web%d", (int)random_below(&rng, 1000));
        for (int k = 0; k < 200; k++, due += 7 * MINUTE) {
            int64_t start = hf_policy_start(&f.policy, vm, due);
            assert_true(start >= due && start >= last);
            assert_int_equal(hf_window_open(&f.policy.config->window, f.policy.zone, start), start);
            last = start;
        }
    }
}

static void a_run_comes_due_and_is_served(void **state)
{
    (void)state;
    AUTO_FIXTURE f = policy_of("vms = web*\nschedule = 0 2 * * *\n");
    struct hf_due d = hf_policy_due(&f.policy, "web01", at(11, 24, 1, 0), at(11, 24, 12, 0));
    assert_true(d.due_s == at(11, 25, 1, 0) && d.start_s == d.due_s && !d.has_missed);
    d = hf_policy_due(&f.policy, "web01", at(11, 24, 1, 0), at(11, 25, 1, 0));
    assert_true(d.due_s == at(11, 25, 1, 0) && !d.has_missed);
    d = hf_policy_due(&f.policy, "web01", d.due_s, at(11, 25, 1, 0));
    assert_true(d.due_s == at(11, 26, 1, 0));
}

static void missed_runs_are_caught_up_once(void **state)
{
    (void)state;
    AUTO_FIXTURE f = policy_of("vms = web*\nschedule = 0 2 * * *\n");
    int64_t now = at(11, 25, 12, 0);
    struct hf_due d = hf_policy_due(&f.policy, "web01", at(11, 10, 1, 0), now);
    assert_true(d.due_s == at(11, 25, 1, 0) && d.start_s <= now && d.has_missed);
    d = hf_policy_due(&f.policy, "web01", d.due_s, now);
    assert_true(d.due_s == at(11, 26, 1, 0) && !d.has_missed);
}

static void what_gathered_before_the_window_is_one_run(void **state)
{
    (void)state;
    AUTO_FIXTURE f = policy_of("vms = web*\nschedule = 0 * * * *\nwindow = 22:00-06:00\n");
    int64_t opens = at(11, 25, 21, 0), served = at(11, 25, 4, 0);
    struct hf_due d = hf_policy_due(&f.policy, "web01", served, at(11, 25, 12, 0));
    assert_true(d.start_s == opens);
    d = hf_policy_due(&f.policy, "web01", served, opens);
    assert_true(d.due_s == opens && !d.has_missed);
    d = hf_policy_due(&f.policy, "web01", d.due_s, opens + 1);
    assert_true(d.start_s == opens + HOUR);
}

/* Jitter that is longer than the time between two runs would otherwise put each one off for ever. */
static void long_jitter_starves_nobody(void **state)
{
    (void)state;
    AUTO_FIXTURE f = policy_of("vms = web*\nschedule = */5 * * * *\njitter = 1h\n");
    int64_t served = at(11, 25, 0, 0), end = served + HF_DAY_S;
    unsigned runs = 0;
    for (int64_t now = served; now < end; now += 30) {
        struct hf_due d = hf_policy_due(&f.policy, "web17", served, now);
        if (d.start_s > now)
            continue;
        served = d.due_s;
        runs++;
    }
    assert_true(runs > 270 && runs <= 288);
}

/* A clock that was wrong: what was served in the future is not done again, and the present goes on
 * when it gets there. */
static void a_clock_put_back_doubles_nothing(void **state)
{
    (void)state;
    AUTO_FIXTURE f = policy_of("vms = web*\nschedule = 0 2 * * *\n");
    struct hf_due d = hf_policy_due(&f.policy, "web01", at(11, 25, 1, 0), at(11, 20, 0, 0));
    assert_true(d.due_s == at(11, 26, 1, 0));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_delay_is_the_same_each_time_and_differs_between_vms),
        HF_TEST(what_is_due_outside_the_window_waits_for_it),
        HF_TEST(starts_stay_in_the_window_and_in_order),
        HF_TEST(a_run_comes_due_and_is_served),
        HF_TEST(missed_runs_are_caught_up_once),
        HF_TEST(what_gathered_before_the_window_is_one_run),
        HF_TEST(long_jitter_starves_nobody),
        HF_TEST(a_clock_put_back_doubles_nothing),
    };
    return HF_RUN_TESTS("policy.policy", tests);
}

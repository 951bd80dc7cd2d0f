/* SPDX-License-Identifier: Apache-2.0
 *
 * Which alarms the daemon's hooks write, and that they write nothing that is so already. The catalog's alarms are a list of this test.
 */
#include "base/buf.h"
#include "catalog/alarm.h"
#include "daemon/alarms.h"
#include "harness/hf_test.h"
#include "policy/alarms.h"

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1795402800) /* 2026-11-23T03:00:00Z */
#define HOUR 3600

int __wrap_hf_alarm_raise(struct hf_catalog *c, const struct hf_alarm *a,
                          const char *const *targets, size_t n, struct hf_err *err);
int __wrap_hf_alarm_clear(struct hf_catalog *c, const struct hf_alarm *a,
                          const char *const *targets, size_t n, struct hf_err *err);
int __wrap_hf_alarms(struct hf_catalog *c, hf_alarm_cb emit, void *ctx, struct hf_err *err);

static struct {
    char on[8][64]; /* "KIND POLICY VM" */
    size_t n, n_targets;
    int raised, cleared;
    bool fails;
} written;

static size_t find(const struct hf_alarm *a, char name[64])
{
    size_t i = 0;
    snprintf(name, 64, "%s %s %s", a->kind, a->policy, a->vm);
    while (i < written.n && strcmp(written.on[i], name) != 0)
        i++;
    return i;
}

int __wrap_hf_alarm_raise(struct hf_catalog *c, const struct hf_alarm *a,
                          const char *const *targets, size_t n, struct hf_err *err)
{
    char name[64];
    size_t i = find(a, name);
    (void)c;
    if (written.fails)
        return hf_fail(err, HF_E_NOSPACE, "full");
    assert_true(n > 0 && strcmp(targets[0], "all") == 0);
    assert_true(n == 1 || strcmp(targets[1], "some") == 0);
    assert_true(*a->text && a->since_us > 0);
    written.n_targets = n;
    written.raised++;
    if (i < written.n)
        return 0;
    memcpy(written.on[written.n++], name, sizeof name);
    return 1;
}

int __wrap_hf_alarm_clear(struct hf_catalog *c, const struct hf_alarm *a,
                          const char *const *targets, size_t n, struct hf_err *err)
{
    char name[64];
    size_t i = find(a, name);
    (void)c;
    (void)targets;
    (void)n;
    (void)err;
    assert_true(i < written.n); /* one that is not on is not written */
    memmove(written.on[i], written.on[--written.n], sizeof name);
    written.cleared++;
    return 1;
}

int __wrap_hf_alarms(struct hf_catalog *c, hf_alarm_cb emit, void *ctx, struct hf_err *err)
{
    (void)c;
    for (size_t i = 0; i < written.n; i++) {
        char kind[64], policy[64] = "", vm[64] = "";
        sscanf(written.on[i], "%63s %63s %63s", kind, policy, vm);
        const struct hf_alarm a = {.kind = kind, .policy = policy, .vm = vm, .text = "so"};
        if (emit(ctx, &a, err))
            return -1;
    }
    return 0;
}

static void assert_on(const char *name)
{
    size_t i = 0;
    while (i < written.n && strcmp(written.on[i], name) != 0)
        i++;
    if (i == written.n)
        print_error("%s is not on\n", name);
    assert_true(i < written.n);
}

/* ---- a site -------------------------------------------------------------------------------- */

#define CONFIG                                                                                     \
    "[hypervisor lab]\nplugin = libvirt\n[vm a]\nhypervisor = lab\n"                               \
    "[policy p]\nvms = *\nschedule = 0 * * * *\ntimezone = UTC\ndrill = daily\n"                   \
    "[notify all]\nwebhook = https://example.org/\n"                                               \
    "[notify some]\nwebhook = https://example.org/\non = failed, daemon\n"

struct site {
    struct hf_config *config;
    struct hf_plan *plan;
    struct hf_catalog *catalog;
    struct hf_daemon_alarms *alarms;
};

static struct hf_duty duty_of(const char *kind, const char *outcome, int64_t served_s)
{
    return (struct hf_duty){.policy = "p",
                            .vm = "a",
                            .kind = kind,
                            .served_s = served_s,
                            .attempts = 1,
                            .began_us = served_s * 1000000,
                            .ended_us = served_s * 1000000 + 1,
                            .outcome = outcome,
                            .error = "timeout",
                            .message = "so it is",
                            .stall_ms = -1};
}

static void record(const struct site *s, const struct hf_duty *d)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_duty_follow(s->catalog, d, &err), &err);
    assert_hf_ok(hf_duty_begin(s->catalog, d, &err), &err);
    if (d->outcome)
        assert_hf_ok(hf_duty_end(s->catalog, d, &err), &err);
    hf_plan_load(s->plan, d, NULL);
}

static struct site site_new(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = {.config = hf_config_parse(CONFIG, strlen(CONFIG), "test.conf", &err),
                     .alarms = hf_daemon_alarms_new()};
    memset(&written, 0, sizeof written);
    assert_hf_got(s.config, &err);
    s.plan = hf_plan_new(s.config, NOW, &err);
    s.catalog = hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err);
    assert_true(s.plan && s.catalog && s.alarms);
    hf_daemon_alarms_configured(s.alarms, s.config);
    return s;
}

static void site_free(struct site *s)
{
    hf_daemon_alarms_free(s->alarms);
    hf_catalog_close(s->catalog);
    hf_plan_free(s->plan);
    hf_config_free(s->config);
}
#define AUTO_SITE __attribute__((cleanup(site_free))) struct site

static void end(const struct site *s, const char *kind, const char *outcome)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_duty d = duty_of(kind, outcome, NOW);
    const struct hf_daemon_change change = {.what = HF_CHANGE_ENDED,
                                            .policy = "p",
                                            .vm = "a",
                                            .kind = kind,
                                            .duty = &d,
                                            .at_us = NOW * 1000000};
    assert_hf_ok(hf_daemon_alarms_changed(s->alarms, s->catalog, &change, &err), &err);
}

static void attach(const struct site *s, int64_t now_s)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_daemon_alarms_attached(s->alarms, s->catalog, s->plan, now_s, &err), &err);
}

/* ---- cases --------------------------------------------------------------------------------- */

static void a_failure_is_on_until_a_good_run_and_nothing_is_written_twice(void **state)
{
    AUTO_SITE s = site_new(state);
    attach(&s, NOW);
    end(&s, HF_DUTY_RUN, "done");
    assert_int_equal(written.raised + written.cleared, 0);
    end(&s, HF_DUTY_RUN, "failed");
    assert_on("failed p a");
    assert_int_equal(written.n_targets, 2);
    end(&s, HF_DUTY_RUN, "busy");
    assert_int_equal(written.n, 1);
    end(&s, HF_DUTY_RUN, "degraded");
    assert_int_equal(written.n, 1);
    assert_on("degraded p a");
    assert_int_equal(written.n_targets, 1);
    end(&s, HF_DUTY_RUN, "done");
    end(&s, HF_DUTY_RUN, "done");
    assert_int_equal(written.n, 0);
    assert_int_equal(written.cleared, 2);
    end(&s, HF_DUTY_DRILL, "failed");
    assert_on("drill-failed p a");
}

static void what_is_missed_is_on_until_it_is_made_up_for(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    AUTO_SITE s = site_new(state);
    const struct hf_job job = {.policy = hf_config_policy_at(s.config, 0),
                               .vm = hf_config_vm_at(s.config, 0),
                               .kind = HF_DUTY_RUN,
                               .due_s = NOW,
                               .has_missed = true};
    const struct hf_daemon_change change = {.what = HF_CHANGE_BEGAN,
                                            .policy = "p",
                                            .vm = "a",
                                            .kind = HF_DUTY_RUN,
                                            .job = &job,
                                            .at_us = NOW * 1000000};
    assert_hf_ok(hf_daemon_alarms_changed(s.alarms, s.catalog, &change, &err), &err);
    assert_on("missed p a");
    end(&s, HF_DUTY_RUN, "failed");
    assert_int_equal(written.n, 2);
    end(&s, HF_DUTY_RUN, "done");
    assert_int_equal(written.n, 0);
}

/* It died between the end of a run and its alarm. */
static void a_daemon_that_starts_makes_up_for_what_was_not_said(void **state)
{
    AUTO_SITE s = site_new(state);
    const struct hf_duty failed = duty_of(HF_DUTY_RUN, "failed", NOW);
    const struct hf_duty drill = duty_of(HF_DUTY_DRILL, "done", NOW);
    record(&s, &failed);
    record(&s, &drill);
    snprintf(written.on[written.n++], sizeof written.on[0], "drill-failed p a");
    snprintf(written.on[written.n++], sizeof written.on[0], "daemon");
    attach(&s, NOW + 60);
    assert_on("failed p a");
    assert_on("daemon");
    assert_int_equal(written.n, 2);
    int before = written.raised + written.cleared;
    attach(&s, NOW + 60);
    assert_int_equal(written.raised + written.cleared, before);
}

static void what_is_overdue_stays_on_over_a_restart(void **state)
{
    AUTO_SITE s = site_new(state);
    const struct hf_duty done = duty_of(HF_DUTY_RUN, "done", NOW);
    record(&s, &done);
    attach(&s, NOW + 10 * HOUR);
    assert_on("missed p a");
    attach(&s, NOW + 10 * HOUR);
    assert_on("missed p a");
    assert_int_equal(written.raised, 1);
    assert_int_equal(written.cleared, 0);
}

static void alarms_of_what_is_no_longer_configured_go(void **state)
{
    AUTO_SITE s = site_new(state);
    snprintf(written.on[written.n++], sizeof written.on[0], "failed p gone");
    snprintf(written.on[written.n++], sizeof written.on[0], "drill-overdue former a");
    snprintf(written.on[written.n++], sizeof written.on[0], "failed p a");
    attach(&s, NOW);
    assert_int_equal(written.n, 1);
    assert_on("failed p a");
}

static void trouble_of_the_daemon_is_on_until_it_is_over(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    AUTO_SITE s = site_new(state);
    assert_hf_ok(hf_daemon_alarms_trouble(s.alarms, s.catalog, NULL, &err), &err);
    assert_hf_ok(hf_daemon_alarms_trouble(s.alarms, s.catalog, "no process\nto be had", &err),
                 &err);
    assert_on("daemon  ");
    assert_hf_ok(hf_daemon_alarms_trouble(s.alarms, s.catalog, NULL, &err), &err);
    assert_int_equal(written.n, 0);
    written.fails = true;
    assert_int_equal(hf_daemon_alarms_trouble(s.alarms, s.catalog, "x", &err), -1);
    written.fails = false;
    assert_hf_ok(hf_daemon_alarms_trouble(s.alarms, s.catalog, "x", &err), &err);
    assert_on("daemon  ");
}

static int64_t look(const struct site *s, int64_t now_s, int64_t wake_s)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_daemon_alarms_turned(s->alarms, s->catalog, s->plan, now_s, &wake_s, &err),
                 &err);
    return wake_s;
}

static void it_looks_for_what_is_overdue_while_something_waits_and_never_idles_awake(void **state)
{
    AUTO_SITE s = site_new(state);
    const struct hf_duty done = duty_of(HF_DUTY_RUN, "done", NOW);
    const struct hf_duty drill = duty_of(HF_DUTY_DRILL, "done", NOW);
    record(&s, &done);
    record(&s, &drill);
    attach(&s, NOW + 60);
    /* A burst of turns is followed by one look, and then nobody wakes before the next due time. */
    assert_int_equal(look(&s, NOW + 61, NOW + HOUR), NOW + 360);
    assert_int_equal(look(&s, NOW + 70, NOW + HOUR), NOW + 360);
    assert_int_equal(look(&s, NOW + 360, NOW + HOUR), NOW + HOUR);
    assert_true(look(&s, NOW + 360 + 300, HF_NO_TIME) == HF_NO_TIME);
    /* Due, and it does not begin. */
    assert_int_equal(look(&s, NOW + HOUR + 1, HF_NO_TIME), NOW + HOUR + 301);
    assert_int_equal(written.n, 0);
    look(&s, NOW + 2 * HOUR + 60, HF_NO_TIME);
    assert_on("missed p a");
    assert_true(look(&s, NOW, NOW + 5) == NOW + 5); /* a clock that was set back */
}

/* Nothing else wakes the daemon while a run hangs: it has to look by itself when the next one is due. */
static void a_run_that_never_ends_is_told_of_when_the_next_one_does_not_begin(void **state)
{
    AUTO_SITE s = site_new(state);
    struct hf_duty hangs = duty_of(HF_DUTY_RUN, NULL, NOW);
    const struct hf_duty drill = duty_of(HF_DUTY_DRILL, "done", NOW);
    hangs.ended_us = 0;
    record(&s, &hangs);
    record(&s, &drill);
    attach(&s, NOW + 60);
    assert_int_equal(look(&s, NOW + 61, HF_NO_TIME), NOW + 360);
    assert_int_equal(look(&s, NOW + 360, HF_NO_TIME), NOW + HOUR);
    assert_int_equal(look(&s, NOW + HOUR, HF_NO_TIME), NOW + HOUR + 300);
    assert_int_equal(written.n, 0);
    look(&s, NOW + 2 * HOUR + 60, HF_NO_TIME);
    assert_on("missed p a");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_failure_is_on_until_a_good_run_and_nothing_is_written_twice),
        HF_TEST(what_is_missed_is_on_until_it_is_made_up_for),
        HF_TEST(a_daemon_that_starts_makes_up_for_what_was_not_said),
        HF_TEST(what_is_overdue_stays_on_over_a_restart),
        HF_TEST(alarms_of_what_is_no_longer_configured_go),
        HF_TEST(trouble_of_the_daemon_is_on_until_it_is_over),
        HF_TEST(it_looks_for_what_is_overdue_while_something_waits_and_never_idles_awake),
        HF_TEST(a_run_that_never_ends_is_told_of_when_the_next_one_does_not_begin),
    };
    return HF_RUN_TESTS("daemon.alarms", tests);
}

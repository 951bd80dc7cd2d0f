/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_policies: how long the next runs of 10,000 VMs take, with five kinds of policies, windows and
 * jitter, everything loaded; and how long a plan takes for them: from cold, with all the runs that
 * are due begun, and when nothing is due. Best and median of 20 rounds, at moments all over the year;
 * fails when a median is over its limit: 50 ms, 1 ms when nothing is due.
 */
#include "base/buf.h"
#include "base/civil.h"
#include "base/clock.h"
#include "policy/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VMS 10000
#define ROUNDS 20
#define LIMIT_US 50000
#define IDLE_LIMIT_US 1000
#define POLICIES 5

static const char *const keys[POLICIES] = {
    "schedule = 30 2 * * *\ntimezone = Europe/Berlin\njitter = 2h\nwindow = 22:00-06:00\n",
    "schedule = 0 12 * * *\ntimezone = America/New_York\nwindow = 22:00-06:00\njitter = 1h\n",
    "schedule = */15 * * * *\ntimezone = Europe/London\njitter = 5m\n",
    "schedule = 0 3 1,15 * mon\ntimezone = Asia/Kolkata\n",
    "schedule = 0 0 29 2 *\ntimezone = Australia/Sydney\njitter = 1h\n",
};

static int ascending(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int64_t one_round(const struct hf_policy *policies, int64_t now_s)
{
    const struct hf_clock *clock = hf_clock_system();
    int64_t begin = hf_clock_mono_us(clock), sum = 0;
    for (int i = 0; i < VMS; i++) {
        char vm[16];
        snprintf(vm, sizeof vm, "vm%05d", i);
        sum += hf_policy_due(&policies[i % POLICIES], vm, now_s - 60, now_s).start_s;
    }
    int64_t end = hf_clock_mono_us(clock);
    return sum > 0 ? end - begin : -1; /* sum: so that the work is not left out */
}

/* Each VM is in one policy. */
static struct hf_config *config_new(struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_buf_str_add(
        &text, "[defaults]\nmax-runs = 1000\n[hypervisor lab]\nplugin = libvirt\nmax-runs = 900\n");
    for (int i = 0; i < POLICIES; i++)
        hf_buf_printf(&text, "[policy p%d]\nvms = *-%d\n%s", i, i, keys[i]);
    for (int i = 0; i < VMS; i++)
        hf_buf_printf(&text, "[vm vm%05d-%d]\nhypervisor = lab\n", i, i % POLICIES);
    return hf_config_parse(hf_buf_str(&text), text.len, "bench.conf", err);
}

static int64_t since(int64_t begin_us)
{
    return hf_clock_mono_us(hf_clock_system()) - begin_us;
}

struct times {
    int64_t cold[ROUNDS], begun[ROUNDS], idle[ROUNDS];
};

/* cold: first ready and wake, served two days ago. begun: as many as may begin. idle: then both again, a second later. */
static void plan_round(struct hf_plan *p, int64_t now_s, struct times *out, size_t i)
{
    struct hf_job job;
    int64_t begin = hf_clock_mono_us(hf_clock_system());
    bool is_ready = hf_plan_ready(p, now_s, &job);
    hf_plan_wake(p, now_s);
    out->cold[i] = since(begin);
    begin = hf_clock_mono_us(hf_clock_system());
    for (; is_ready; is_ready = hf_plan_ready(p, now_s, &job))
        hf_plan_began(p, &job, now_s);
    out->begun[i] = since(begin);
    begin = hf_clock_mono_us(hf_clock_system());
    hf_plan_ready(p, now_s + 1, &job);
    hf_plan_wake(p, now_s + 1);
    out->idle[i] = since(begin);
}

static void load_all(struct hf_plan *p, const struct hf_config *c, int64_t served_s)
{
    for (size_t i = 0; i < hf_config_vm_count(c); i++) {
        char policy[16];
        snprintf(policy, sizeof policy, "p%zu", i % POLICIES);
        const struct hf_duty d = {.policy = policy,
                                  .vm = hf_config_vm_at(c, i)->label,
                                  .kind = HF_DUTY_RUN,
                                  .served_s = served_s};
        hf_plan_load(p, &d, NULL);
    }
}

/* True: within the limit. */
static bool tell(const char *what, int64_t us[ROUNDS], int64_t limit_us)
{
    qsort(us, ROUNDS, sizeof *us, ascending);
    printf("%s of %d VMs: best %.3f ms, median %.3f ms, limit %.1f ms\n", what, VMS,
           (double)us[0] / 1000, (double)us[ROUNDS / 2] / 1000, (double)limit_us / 1000);
    return us[ROUNDS / 2] <= limit_us;
}

static bool bench_due(const struct hf_policy *policies, int64_t now_s)
{
    int64_t us[ROUNDS];
    for (int i = 0; i < ROUNDS; i++)
        us[i] = one_round(policies, now_s + i * (18 * HF_DAY_S + 4321));
    return tell("next runs", us, LIMIT_US);
}

static bool bench_plan(const struct hf_config *c, int64_t now_s, struct hf_err *err)
{
    struct times t;
    for (size_t i = 0; i < ROUNDS; i++) {
        const int64_t now = now_s + (int64_t)i * (18 * HF_DAY_S + 4321);
        HF_AUTO(hf_plan) struct hf_plan *p = hf_plan_new(c, now, err);
        if (!p)
            return false;
        load_all(p, c, now - 2 * HF_DAY_S);
        plan_round(p, now, &t, i);
    }
    bool is_good = tell("cold plan", t.cold, LIMIT_US);
    is_good = tell("all that may begin", t.begun, LIMIT_US) && is_good;
    return tell("idle plan", t.idle, IDLE_LIMIT_US) && is_good;
}

int main(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_policy policies[POLICIES] = {0};
    const int64_t now = hf_civil_days(2026, 1, 1) * HF_DAY_S;
    HF_AUTO(hf_config) struct hf_config *c = config_new(&err);
    for (size_t i = 0; c && i < POLICIES; i++)
        if (hf_policy_open(&policies[i], c, hf_config_policy_at(c, i), &err) != 0)
            break;
    bool is_good = !err.cls && bench_due(policies, now);
    is_good = !err.cls && bench_plan(c, now, &err) && is_good;
    if (err.cls)
        fprintf(stderr, "%s\n", err.message);
    for (size_t i = 0; i < POLICIES; i++)
        hf_policy_close(&policies[i]);
    return is_good ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_policies: how long the next runs of 10,000 VMs take, with five kinds of policies, windows and
 * jitter, everything loaded. Best and median of 20 rounds, at moments all over the year; fails when
 * the median is over 50 ms.
 */
#include "base/buf.h"
#include "base/civil.h"
#include "base/clock.h"
#include "policy/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VMS 10000
#define ROUNDS 20
#define LIMIT_US 50000
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

int main(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_policy policies[POLICIES] = {0};
    int64_t us[ROUNDS], now = hf_civil_days(2026, 1, 1) * HF_DAY_S;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    for (int i = 0; i < POLICIES; i++)
        hf_buf_printf(&text, "[policy p%d]\nvms = *\n%s", i, keys[i]);
    HF_AUTO(hf_config)
    struct hf_config *c = hf_config_parse(hf_buf_str(&text), text.len, "bench.conf", &err);
    for (size_t i = 0; c && i < POLICIES; i++)
        if (hf_policy_open(&policies[i], c, hf_config_policy_at(c, i), &err) != 0)
            break;
    if (err.cls) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (int i = 0; i < ROUNDS; i++)
        us[i] = one_round(policies, now + i * (18 * HF_DAY_S + 4321));
    qsort(us, ROUNDS, sizeof *us, ascending);
    printf("next runs of %d VMs: best %.1f ms, median %.1f ms, limit %.1f ms\n", VMS,
           (double)us[0] / 1000, (double)us[ROUNDS / 2] / 1000, (double)LIMIT_US / 1000);
    for (size_t i = 0; i < POLICIES; i++)
        hf_policy_close(&policies[i]);
    return us[ROUNDS / 2] > LIMIT_US;
}

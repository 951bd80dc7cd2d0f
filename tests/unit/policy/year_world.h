/* SPDX-License-Identifier: Apache-2.0
 *
 * The VMs and policies of test_year.c, and when they are due by looking at every minute of the year.
 */
#ifndef HF_TEST_POLICY_YEAR_WORLD_H
#define HF_TEST_POLICY_YEAR_WORLD_H

#include "base/buf.h"
#include "base/civil.h"
#include "harness/hf_test.h"
#include "model.h"
#include "policy/plan.h"
#include "policy/retention.h"

#include <inttypes.h>
#include <string.h>

#define BEGIN_S (hf_civil_days(2026, 1, 1) * HF_DAY_S)
#define END_S (hf_civil_days(2027, 1, 1) * HF_DAY_S)
#define POINTS_MAX 36000
#define HYPERVISORS 20
#define DATASTORES 3 /* of each */
#define DRILL_S (30 * HF_DAY_S)

/* How many of 100 VMs have it, and how long a run takes. */
static const struct {
    unsigned share;
    int64_t takes_s;
    const char *keys;
} kinds[] = {
    {48, 400,
     "schedule = 30 2 * * *\ntimezone = Europe/Berlin\njitter = 2h\nkeep = last 3, daily 7, "
     "weekly 4, monthly 12\n"},
    {20, 240,
     "schedule = 0 1 * * *\ntimezone = America/New_York\nkeep = last 1, daily 14, yearly 2\n"
     "drill = 30d\n"},
    {10, 300,
     "schedule = 15 2 * * mon-fri\ntimezone = Australia/Lord_Howe\njitter = 20m\nkeep = daily "
     "5, weekly 8\n"},
    {10, 600,
     "schedule = 0 12 * * 0\ntimezone = UTC\nwindow = 22:00-06:00\njitter = 1h\nkeep = weekly 6\n"},
    {6, 180,
     "schedule = 0 */4 * * *\ntimezone = America/Sao_Paulo\njitter = 5m\nkeep = last 6, hourly "
     "12, daily 7\n"},
    {3, 120,
     "schedule = 45 * * * *\ntimezone = Europe/Berlin\nkeep = hourly 24, daily 7, monthly 6\n"},
    {2, 150,
     "schedule = 0 * * * *\ntimezone = Europe/Berlin\nwindow = 22:00-06:00\njitter = 30m\nkeep "
     "= last 2, daily 30\n"},
    {1, 60,
     "schedule = */15 * * * *\ntimezone = Europe/London\njitter = 10m\nkeep = last 8, hourly 24\n"},
};
#define KINDS HF_ARRAY_SIZE(kinds)

struct world {
    struct hf_config *config;
    struct hf_policy policies[KINDS];
    int64_t *due[KINDS]; /* by looking at every minute */
    size_t n_due[KINDS], n_vms;
    struct hf_retained *pruned, *all; /* oldest first */
};

static inline size_t kind_of(size_t vm)
{
    unsigned at = (unsigned)(vm % 100), kind = 0;
    for (unsigned sum = kinds[0].share; at >= sum; sum += kinds[kind].share)
        kind++;
    return kind;
}

/* The zones of this test change by whole hours, but Lord Howe, whose schedule is not hourly. */
static inline void list_due(struct world *w, size_t kind)
{
    const struct hf_cron *c = &w->policies[kind].config->schedule;
    bool is_hourly = c->hours == (1u << 24) - 1;
    int64_t shown = BEGIN_S + hf_zone_offset(w->policies[kind].zone, BEGIN_S), latest = shown;
    w->due[kind] = calloc(POINTS_MAX, sizeof(int64_t));
    assert_non_null(w->due[kind]);
    for (int64_t t = BEGIN_S + 60; t < END_S; t += 60) {
        int64_t local = t + hf_zone_offset(w->policies[kind].zone, t);
        bool is_due = names_minute(c, local) && (is_hourly || local > latest);
        for (int64_t m = shown + 60; m < local && !is_hourly; m += 60)
            is_due = is_due || names_minute(c, m);
        if (is_due)
            w->due[kind][w->n_due[kind]++] = t;
        shown = local;
        latest = local > latest ? local : latest;
    }
}

static inline void world_free(struct world *w)
{
    for (size_t i = 0; i < KINDS; i++) {
        hf_policy_close(&w->policies[i]);
        free(w->due[i]);
    }
    free(w->pruned);
    free(w->all);
    hf_config_free(w->config);
}

static inline unsigned at_least(size_t n, unsigned low)
{
    return n > low ? (unsigned)n : low;
}

/* Limits that make some wait, and leave time enough for all. */
static inline void write_world(const struct world *w, struct hf_buf *out)
{
    const size_t n = w->n_vms;
    hf_buf_printf(out,
                  "[defaults]\nmax-runs = %u\n[store vault]\nurl = file:///mnt\nmax-runs = %u\n",
                  at_least(n * 3 / 100, 8), at_least(n / 40, 6));
    for (int i = 0; i < HYPERVISORS; i++)
        hf_buf_printf(out, "[hypervisor h%d]\nplugin = x\nmax-runs = %u\nmax-runs-datastore = %u\n",
                      i, at_least(n / 500, 2), at_least(n / 1000, 1));
    for (size_t i = 0; i < n; i++)
        hf_buf_printf(out, "[vm vm%zu-%zu]\nhypervisor = h%zu\n", i, kind_of(i),
                      i / 7 % HYPERVISORS);
    for (size_t i = 0; i < KINDS; i++)
        hf_buf_printf(out, "[policy p%zu]\nvms = vm*-%zu\n%s", i, i, kinds[i].keys);
}

static inline void world_init(struct world *w, size_t n_vms)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    w->n_vms = n_vms;
    write_world(w, &text);
    w->config = hf_config_parse(hf_buf_str(&text), text.len, "year.conf", &err);
    assert_hf_got(w->config, &err);
    w->pruned = calloc(POINTS_MAX, sizeof(*w->pruned));
    w->all = calloc(POINTS_MAX, sizeof(*w->all));
    assert_true(w->pruned && w->all);
    for (size_t i = 0; i < KINDS; i++) {
        assert_hf_ok(
            hf_policy_open(&w->policies[i], w->config, hf_config_policy_at(w->config, i), &err),
            &err);
        list_due(w, i);
    }
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * A year of many VMs with mixed policies on a clock of our own: every due run exactly once, also
 * where the clocks change and after the scheduler was off, and retention exact.
 *
 * HOLDFAST_TEST_VMS says how many VMs: 10000 is the promise, 200 the sample.
 */
#include "base/buf.h"
#include "base/civil.h"
#include "harness/hf_test.h"
#include "model.h"
#include "policy/policy.h"
#include "policy/retention.h"

#include <inttypes.h>
#include <string.h>

#define BEGIN_S (hf_civil_days(2026, 1, 1) * HF_DAY_S)
#define END_S (hf_civil_days(2027, 1, 1) * HF_DAY_S)
#define POINTS_MAX 36000
#define OFF_BEGIN_S (hf_civil_days(2026, 7, 3) * HF_DAY_S + 5000) /* the scheduler is off */
#define OFF_END_S (hf_civil_days(2026, 7, 6) * HF_DAY_S + 40000)

/* How many of 100 VMs have it. */
static const struct {
    unsigned share;
    const char *keys;
} kinds[] = {
    {48, "schedule = 30 2 * * *\ntimezone = Europe/Berlin\njitter = 2h\nkeep = last 3, daily 7, "
         "weekly 4, monthly 12\n"},
    {20, "schedule = 0 1 * * *\ntimezone = America/New_York\nkeep = last 1, daily 14, yearly 2\n"},
    {10, "schedule = 15 2 * * mon-fri\ntimezone = Australia/Lord_Howe\njitter = 20m\nkeep = daily "
         "5, weekly 8\n"},
    {10,
     "schedule = 0 12 * * 0\ntimezone = UTC\nwindow = 22:00-06:00\njitter = 1h\nkeep = weekly 6\n"},
    {6, "schedule = 0 */4 * * *\ntimezone = America/Sao_Paulo\njitter = 5m\nkeep = last 6, hourly "
        "12, daily 7\n"},
    {3, "schedule = 45 * * * *\ntimezone = Europe/Berlin\nkeep = hourly 24, daily 7, monthly 6\n"},
    {2, "schedule = 0 * * * *\ntimezone = Europe/Berlin\nwindow = 22:00-06:00\njitter = 30m\nkeep "
        "= last 2, daily 30\n"},
    {1,
     "schedule = */15 * * * *\ntimezone = Europe/London\njitter = 10m\nkeep = last 8, hourly 24\n"},
};
#define KINDS HF_ARRAY_SIZE(kinds)

struct world {
    struct hf_config *config;
    struct hf_policy policies[KINDS];
    int64_t *due[KINDS]; /* by looking at every minute */
    size_t n_due[KINDS];
    struct hf_retained *pruned, *all; /* oldest first */
};

static size_t vm_count(void)
{
    const char *text = getenv("HOLDFAST_TEST_VMS");
    return text ? strtoul(text, NULL, 10) : 200;
}

/* The zones of this test change by whole hours, but Lord Howe, whose schedule is not hourly. */
static void list_due(struct world *w, size_t kind)
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

static void world_free(struct world *w)
{
    for (size_t i = 0; i < KINDS; i++) {
        hf_policy_close(&w->policies[i]);
        free(w->due[i]);
    }
    free(w->pruned);
    free(w->all);
    hf_config_free(w->config);
}

static void world_init(struct world *w)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    for (size_t i = 0; i < KINDS; i++)
        hf_buf_printf(&text, "[policy p%zu]\nvms = vm*-%zu\n%s", i, i, kinds[i].keys);
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

/* When a run for this due time can begin, with the scheduler off for some days. */
static int64_t start_of(const struct hf_policy *p, const char *vm, int64_t due_s)
{
    int64_t start = hf_policy_start(p, vm, due_s);
    return start >= OFF_BEGIN_S && start < OFF_END_S ? OFF_END_S : start;
}

static void turn_round(struct hf_retained *points, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        const struct hf_retained swap = points[i];
        points[i] = points[n - 1 - i];
        points[n - 1 - i] = swap;
    }
}

/* Returns how many stay. */
static size_t prune(const struct hf_policy *p, int64_t now_s, struct hf_retained *points, size_t n)
{
    const struct hf_retention r = {
        .keep = &p->config->keep, .verified = 1, .zone = p->zone, .now_us = now_s * 1000000};
    size_t kept = 0;
    turn_round(points, n);
    hf_retention_judge(&r, points, n);
    for (size_t i = 0; i < n; i++)
        if (points[i].reasons)
            points[kept++] = points[i];
    turn_round(points, kept);
    return kept;
}

/* Of due times that begin together only the last one is run. */
static size_t next_expected(const struct world *w, size_t kind, const char *vm, size_t i)
{
    const struct hf_policy *p = &w->policies[kind];
    while (i + 1 < w->n_due[kind] &&
           start_of(p, vm, w->due[kind][i]) == start_of(p, vm, w->due[kind][i + 1]))
        i++;
    return i;
}

static void same_points(const struct world *w, size_t n_pruned, size_t n_all, const char *vm)
{
    if (n_pruned != n_all)
        fail_msg("%s: %zu points left, expected %zu", vm, n_pruned, n_all);
    for (size_t i = 0; i < n_all; i++)
        assert_int_equal(w->pruned[i].taken_us, w->all[i].taken_us);
}

/* Returns how many runs there were. */
static size_t live_one_year(struct world *w, size_t kind, const char *vm)
{
    const struct hf_policy *p = &w->policies[kind];
    int64_t now = BEGIN_S, served = BEGIN_S, pruned_at = now;
    size_t n = 0, left = 0, expected = 0;
    for (;; expected++) {
        struct hf_due due = hf_policy_due(p, vm, served, now);
        if (due.start_s > now)
            now = due.start_s >= OFF_BEGIN_S && due.start_s < OFF_END_S ? OFF_END_S : due.start_s;
        due = hf_policy_due(p, vm, served, now);
        if (due.due_s >= END_S)
            break;
        expected = next_expected(w, kind, vm, expected);
        if (expected >= w->n_due[kind] || due.due_s != w->due[kind][expected] || due.start_s > now)
            fail_msg("%s: run %zu for %" PRId64 " at %" PRId64, vm, n, due.due_s, now);
        served = due.due_s;
        const struct hf_retained point = {.taken_us = now * 1000000, .is_verified = true};
        w->all[n++] = w->pruned[left++] = point;
        if (now < pruned_at + HF_DAY_S)
            continue;
        left = prune(p, now, w->pruned, left);
        pruned_at = now;
    }
    assert_int_equal(expected, w->n_due[kind]);
    same_points(w, prune(p, now, w->pruned, left), prune(p, now, w->all, n), vm);
    return n;
}

static size_t kind_of(size_t vm)
{
    unsigned at = (unsigned)(vm % 100), kind = 0;
    for (unsigned sum = kinds[0].share; at >= sum; sum += kinds[kind].share)
        kind++;
    return kind;
}

static void every_due_run_of_a_year_runs_exactly_once(void **state)
{
    (void)state;
    __attribute__((cleanup(world_free))) struct world w = {0};
    char lab[] = "lab";
    size_t runs = 0, n = vm_count();
    world_init(&w);
    for (size_t i = 0; i < n; i++) {
        char vm[32];
        snprintf(vm, sizeof vm, "vm%zu-%zu", i, kind_of(i));
        const struct hf_config_vm section = {.label = vm, .hypervisor = lab};
        assert_true(hf_policy_selects(&w.policies[kind_of(i)], &section));
        runs += live_one_year(&w, kind_of(i), vm);
    }
    print_message("%zu VMs, %zu runs\n", n, runs);
    assert_true(runs > n * 50);
}

/* The lists that the year is compared with: 365 nights, and 8760 real hours. */
static void the_model_has_the_days_of_the_year(void **state)
{
    (void)state;
    __attribute__((cleanup(world_free))) struct world w = {0};
    world_init(&w);
    assert_int_equal(w.n_due[0], 365);
    assert_int_equal(w.n_due[1], 365);
    assert_int_equal(w.n_due[5], 8760);
    assert_int_equal(w.n_due[7], 365 * 96 - 1); /* the first minute of the year is not in it */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(every_due_run_of_a_year_runs_exactly_once),
        HF_TEST(the_model_has_the_days_of_the_year),
    };
    return HF_RUN_TESTS("policy.year", tests);
}

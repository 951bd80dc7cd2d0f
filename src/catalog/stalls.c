/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog_intern.h"
#include "catalog/duty.h"

#include <math.h>
#include <string.h>

/* As Prometheus' histograms want it: fixed for ever, or what was counted before has another meaning. */
static const double ends_ms[HF_STALL_BUCKETS] = {1,   2,   5,    10,   20,   50,    100,
                                                 200, 500, 1000, 2000, 5000, 10000, INFINITY};

double hf_stall_bucket_ms(size_t bucket)
{
    return ends_ms[bucket];
}

static int64_t bucket_of(double ms)
{
    int64_t i = 0;
    while (ms > ends_ms[i])
        i++;
    return i;
}

static bool counts(const struct hf_duty *d)
{
    return strcmp(d->kind, HF_DUTY_RUN) == 0 && isfinite(d->stall_ms) && d->stall_ms >= 0 &&
           (strcmp(d->outcome, "done") == 0 || strcmp(d->outcome, "degraded") == 0);
}

/* Whoever records an end again (after an error behind the commit, or a crash) finds that it has ended: nothing is counted twice. */
int hf_stalls_count(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    if (!counts(d))
        return 0;
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err,
        "INSERT INTO stalls (policy, vm, bucket, runs, sum_ms) SELECT policy, vm, ?, 1, ?"
        " FROM duties WHERE policy = ? AND vm = ? AND kind = ? AND ended_us = 0"
        " ON CONFLICT (policy, vm, bucket)"
        " DO UPDATE SET runs = runs + 1, sum_ms = sum_ms + excluded.sum_ms",
        "idsss", bucket_of(d->stall_ms), d->stall_ms, d->policy, d->vm, d->kind);
    return hf_sql_run(c, s, "count the stall", err);
}

/* Rows of one policy and VM follow each other; their texts are kept, for those of a row do not outlive it. */
struct group {
    struct hf_stalls stalls;
    char *policy, *vm;
};

static void group_free(struct group *g)
{
    free(g->policy);
    free(g->vm);
    *g = (struct group){0};
}
HF_DEFINE_AUTO_VALUE(group, group_free)

static int group_emit(struct group *g, hf_stalls_cb emit, void *ctx, struct hf_err *err)
{
    return g->policy && emit(ctx, &g->stalls, err) ? -1 : 0;
}

static bool is_of(const struct group *g, sqlite3_stmt *s)
{
    return g->policy && strcmp(g->policy, hf_sql_text(s, 0)) == 0 &&
           strcmp(g->vm, hf_sql_text(s, 1)) == 0;
}

static int group_begin(struct group *g, sqlite3_stmt *s, struct hf_err *err)
{
    group_free(g);
    g->policy = strdup(hf_sql_text(s, 0));
    g->vm = strdup(hf_sql_text(s, 1));
    if (!g->policy || !g->vm)
        return hf_fail_nomem(err);
    g->stalls.policy = g->policy;
    g->stalls.vm = g->vm;
    return 0;
}

static void group_add(struct group *g, sqlite3_stmt *s)
{
    int64_t bucket = sqlite3_column_int64(s, 2);
    if (bucket < 0 || bucket >= HF_STALL_BUCKETS)
        return;
    g->stalls.runs[bucket] += (uint64_t)sqlite3_column_int64(s, 3);
    g->stalls.sum_ms += sqlite3_column_double(s, 4);
}

int hf_stalls(struct hf_catalog *c, hf_stalls_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTO(group) struct group g = {0};
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err, "SELECT policy, vm, bucket, runs, sum_ms FROM stalls ORDER BY policy, vm, bucket",
        "");
    int rc = s ? 1 : -1;
    while (rc > 0 && (rc = hf_sql_step(c, s, "list the stalls", err)) > 0) {
        if (!is_of(&g, s) && (group_emit(&g, emit, ctx, err) < 0 || group_begin(&g, s, err) < 0))
            return -1;
        group_add(&g, s);
    }
    return rc < 0 ? -1 : group_emit(&g, emit, ctx, err);
}

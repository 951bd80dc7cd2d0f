/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/forecast.h"

#include "base/civil.h"

#include <stdlib.h>

#define POINTS_MAX 50000
#define FIRST_REACH_DAYS 32
#define LAST_REACH_DAYS (64 * 366)

void hf_forecast_kept_free(struct hf_forecast_kept *k)
{
    free(k->points);
    *k = (struct hf_forecast_kept){0};
}

/* All runs from from_s to now_s, the newest first; false: too many. */
static bool fill(const struct hf_policy *p, int64_t from_s, int64_t now_s,
                 struct hf_forecast_kept *out)
{
    out->n = 0;
    for (int64_t t = from_s; (t = hf_policy_begin_next(p, t)) <= now_s;) {
        if (out->n == POINTS_MAX)
            return false;
        out->points[out->n++] = (struct hf_retained){.taken_us = t * 1000000};
    }
    for (size_t i = 0; i < out->n / 2; i++) {
        const struct hf_retained swap = out->points[i];
        out->points[i] = out->points[out->n - 1 - i];
        out->points[out->n - 1 - i] = swap;
    }
    return true;
}

/* Has each rule found as many as it keeps? Then older points change nothing. */
static bool is_full(const struct hf_keep *keep, const struct hf_forecast_kept *k)
{
    uint32_t found[HF_KEEP_RULES] = {0};
    for (size_t i = 0; i < k->n; i++)
        for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
            found[rule] += k->points[i].reasons >> rule & 1;
    for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
        if (found[rule] < keep->n[rule])
            return false;
    return true;
}

static void drop_expired(struct hf_forecast_kept *k)
{
    size_t kept = 0;
    for (size_t i = 0; i < k->n; i++)
        if (k->points[i].reasons)
            k->points[kept++] = k->points[i];
    k->n = kept;
}

int hf_forecast_kept(const struct hf_policy *p, int64_t now_s, struct hf_forecast_kept *out,
                     struct hf_err *err)
{
    const struct hf_retention r = {
        .keep = &p->config->keep, .zone = p->zone, .now_us = now_s * 1000000};
    *out = (struct hf_forecast_kept){.points = calloc(POINTS_MAX, sizeof(*out->points))};
    if (!out->points)
        return hf_fail_nomem(err);
    int64_t reach = FIRST_REACH_DAYS, good = 0;
    for (; reach <= LAST_REACH_DAYS; reach *= 2) {
        if (!fill(p, now_s - reach * HF_DAY_S, now_s, out)) {
            out->is_cut = true;
            break;
        }
        good = reach;
        hf_retention_judge(&r, out->points, out->n);
        if (is_full(r.keep, out))
            break;
    }
    if (out->is_cut) { /* the last reach whose times all fitted */
        fill(p, now_s - good * HF_DAY_S, now_s, out);
        hf_retention_judge(&r, out->points, out->n);
    }
    drop_expired(out);
    return 0;
}

int64_t hf_forecast_clash(const struct hf_policy *a, const struct hf_policy *b, int64_t now_s,
                          int64_t until_s)
{
    int64_t x = hf_policy_begin_next(a, now_s), y = hf_policy_begin_next(b, now_s);
    while (x <= until_s && y <= until_s && x != y) {
        if (x < y)
            x = hf_policy_begin_next(a, y - 1);
        else
            y = hf_policy_begin_next(b, x - 1);
    }
    return x == y && x <= until_s ? x : HF_NO_TIME;
}

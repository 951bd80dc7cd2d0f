/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keep.h"

#include "base/civil.h"

#include <stdlib.h>

#define HOUR_S 3600

static int newest_first(const void *a, const void *b)
{
    const struct hf_keep_point *x = a, *y = b;
    if (x->at_s != y->at_s)
        return x->at_s < y->at_s ? 1 : -1;
    return x->id < y->id ? 1 : x->id > y->id ? -1 : 0;
}

/* The number of the hour, day, … in which the moment lies. */
static int64_t bucket(enum hf_keep_rule rule, const struct hf_tz *tz, int64_t at_s)
{
    int64_t offset = hf_tz_offset(tz, at_s);
    int64_t day = hf_div_floor(at_s + offset, HF_DAY_S);
    switch (rule) {
    case HF_KEEP_HOURLY: /* a local hour that comes twice is two */
        return hf_div_floor(at_s + hf_mod_floor(offset, HOUR_S), HOUR_S);
    case HF_KEEP_WEEKLY:
        return hf_div_floor(day + 3, 7); /* 1970-01-01 was a Thursday */
    case HF_KEEP_MONTHLY: {
        struct hf_date date = hf_civil_date(day);
        return (int64_t)date.year * 12 + date.month;
    }
    case HF_KEEP_YEARLY:
        return hf_civil_date(day).year;
    default:
        return day;
    }
}

static bool counts(const struct hf_keep_point *p)
{
    return p->is_verified && !(p->reasons & HF_KEEP_FOR_FUTURE);
}

static void apply_last(uint32_t count, struct hf_keep_point *points, size_t n)
{
    for (size_t i = 0, found = 0; i < n && found < (count ? count : 1); i++) {
        if (!counts(&points[i]))
            continue;
        points[i].reasons |= count ? 1u << HF_KEEP_LAST : 0;
        points[i].reasons |= found++ == 0 ? HF_KEEP_FOR_LATEST : 0;
    }
}

static void apply_rule(enum hf_keep_rule rule, uint32_t count, const struct hf_tz *tz,
                       struct hf_keep_point *points, size_t n)
{
    int64_t last = INT64_MAX; /* no bucket has this number */
    for (size_t i = 0, found = 0; i < n && found < count; i++) {
        if (!counts(&points[i]))
            continue;
        int64_t number = bucket(rule, tz, points[i].at_s);
        if (number == last)
            continue;
        last = number;
        points[i].reasons |= 1u << rule;
        found++;
    }
}

/* What stays whatever the rules say, and counts for none of them. */
static void set_aside(bool has_rules, int64_t now_s, struct hf_keep_point *points, size_t n)
{
    bool has_verified = false;
    for (size_t i = 0; i < n; i++) {
        bool is_future = points[i].at_s > now_s;
        points[i].reasons = has_rules ? 0 : HF_KEEP_FOR_ALL;
        points[i].reasons |= is_future ? HF_KEEP_FOR_FUTURE : 0;
        if (!is_future && points[i].is_verified)
            has_verified = true;
        if (!points[i].is_verified && !has_verified)
            points[i].reasons |= HF_KEEP_FOR_UNVERIFIED;
    }
}

size_t hf_keep_apply(const struct hf_keep *keep, const struct hf_tz *tz, int64_t now_s,
                     struct hf_keep_point *points, size_t n)
{
    bool has_rules = false;
    size_t kept = 0;
    for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
        has_rules = has_rules || keep->count[rule] > 0;
    if (n > 1)
        qsort(points, n, sizeof(*points), newest_first);
    set_aside(has_rules, now_s, points, n);
    apply_last(keep->count[HF_KEEP_LAST], points, n);
    for (size_t rule = HF_KEEP_HOURLY; rule < HF_KEEP_RULES; rule++)
        apply_rule((enum hf_keep_rule)rule, keep->count[rule], tz, points, n);
    for (size_t i = 0; i < n; i++)
        kept += points[i].reasons != 0;
    return kept;
}

const char *hf_keep_reason_name(uint32_t reason)
{
    switch (reason) {
    case HF_KEEP_FOR_LATEST:
        return "latest";
    case HF_KEEP_FOR_FUTURE:
        return "future";
    case HF_KEEP_FOR_UNVERIFIED:
        return "unverified";
    case HF_KEEP_FOR_ALL:
        return "everything";
    default:
        return hf_keep_rule_name((enum hf_keep_rule)__builtin_ctz(reason));
    }
}

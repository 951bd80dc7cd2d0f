/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/retention.h"

#include "base/civil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_MAX 64
#define HOUR_S 3600

static bool is_future(const struct hf_retention *r, const struct hf_retained *p)
{
    return p->taken_us > r->now_us + HF_RETENTION_SLACK_US;
}

static bool counts(const struct hf_retention *r, const struct hf_retained *p, bool with_damaged)
{
    return !is_future(r, p) && (with_damaged || !p->is_damaged);
}

/* ---- a rule ----------------------------------------------------------------------------- */

/* What a point shares with those of which one is enough: a number for its hour, day, week, month or year. */
static int64_t bucket(const struct hf_zone *zone, enum hf_keep_rule rule, int64_t taken_us)
{
    const int64_t at_s = hf_div_floor(taken_us, 1000000), offset = hf_zone_offset(zone, at_s);
    const int64_t day = hf_div_floor(at_s + offset, HF_DAY_S);
    switch (rule) {
    case HF_KEEP_LAST:
        return 0;
    case HF_KEEP_HOURLY: /* with the offset, or the hour that comes twice would be one */
        return hf_div_floor(at_s + offset, HOUR_S) * (INT64_C(1) << 20) + offset;
    case HF_KEEP_DAILY:
        return day;
    case HF_KEEP_WEEKLY: /* from Monday; 1970-01-01 was a Thursday */
        return hf_div_floor(day + 3, 7);
    case HF_KEEP_MONTHLY:
        return (int64_t)hf_civil_date(day).year * 12 + hf_civil_date(day).month;
    case HF_KEEP_YEARLY:
        break;
    }
    return hf_civil_date(day).year;
}

static void apply(const struct hf_retention *r, enum hf_keep_rule rule, bool with_damaged,
                  struct hf_retained *items, size_t n)
{
    int64_t last = 0;
    uint32_t found = 0;
    for (size_t i = 0; i < n && found < r->keep->n[rule]; i++) {
        if (!counts(r, &items[i], with_damaged))
            continue;
        const int64_t in = bucket(r->zone, rule, items[i].taken_us);
        if (found && rule != HF_KEEP_LAST && in == last)
            continue;
        last = in;
        found++;
        items[i].reasons |= 1u << rule;
    }
}

/* ---- what no rule may delete ------------------------------------------------------------ */

static void keep_newest(const struct hf_retention *r, struct hf_retained *items, size_t n,
                        bool with_damaged)
{
    for (size_t i = 0; i < n; i++) {
        if (!counts(r, &items[i], with_damaged))
            continue;
        if (!items[i].reasons)
            items[i].reasons = HF_KEPT_NEWEST;
        return;
    }
}

static void keep_verified(const struct hf_retention *r, struct hf_retained *items, size_t n)
{
    uint32_t kept = 0;
    for (size_t i = 0; i < n && kept < r->verified; i++) {
        if (!counts(r, &items[i], false) || !items[i].is_verified)
            continue;
        items[i].reasons |= HF_KEPT_VERIFIED;
        kept++;
    }
}

/* ---- the whole -------------------------------------------------------------------------- */

static bool has_rules(const struct hf_retention *r)
{
    return r->keep && !r->keep->is_all;
}

void hf_retention_judge(const struct hf_retention *r, struct hf_retained *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        items[i].reasons = !has_rules(r)             ? HF_KEPT_NO_RULES
                           : is_future(r, &items[i]) ? HF_KEPT_FUTURE
                                                     : 0;
    if (!has_rules(r))
        return;
    for (int with_damaged = 0; with_damaged < 2; with_damaged++)
        for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
            apply(r, (enum hf_keep_rule)rule, with_damaged, items, n);
    keep_verified(r, items, n);
    keep_newest(r, items, n, false);
    keep_newest(r, items, n, true);
}

void hf_keep_widen(struct hf_keep *keep, const struct hf_keep *other)
{
    keep->is_all = keep->is_all || other->is_all;
    for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
        if (keep->n[rule] < other->n[rule])
            keep->n[rule] = other->n[rule];
}

/* ---- why -------------------------------------------------------------------------------- */

static void add_why(char out[HF_RETENTION_WHY], const char *text)
{
    const size_t len = strlen(out);
    snprintf(out + len, HF_RETENTION_WHY - len, "%s%s", len ? ", " : "", text);
}

/* As people call it: "2026-W47". */
static void bucket_name(const struct hf_zone *zone, enum hf_keep_rule rule, int64_t taken_us,
                        char out[BUCKET_MAX])
{
    struct hf_zone_time t;
    int year, week;
    hf_zone_at(zone, taken_us, &t);
    switch (rule) {
    case HF_KEEP_LAST:
        out[0] = '\0';
        return;
    case HF_KEEP_HOURLY:
        snprintf(out, BUCKET_MAX, "%04d-%02d-%02dT%02d%c%02d:%02d", t.year, t.month, t.day, t.hour,
                 t.offset_s < 0 ? '-' : '+', abs(t.offset_s) / 3600, abs(t.offset_s) / 60 % 60);
        return;
    case HF_KEEP_DAILY:
        snprintf(out, BUCKET_MAX, "%04d-%02d-%02d", t.year, t.month, t.day);
        return;
    case HF_KEEP_WEEKLY:
        hf_zone_week(&t, &year, &week);
        snprintf(out, BUCKET_MAX, "%04d-W%02d", year, week);
        return;
    case HF_KEEP_MONTHLY:
        snprintf(out, BUCKET_MAX, "%04d-%02d", t.year, t.month);
        return;
    case HF_KEEP_YEARLY:
        snprintf(out, BUCKET_MAX, "%04d", t.year);
        return;
    }
}

/* The how many'th it is of those that count beside it. */
static unsigned rank(const struct hf_retention *r, const struct hf_retained *items, size_t i)
{
    unsigned number = 0;
    for (size_t k = 0; k <= i; k++)
        number += counts(r, &items[k], items[i].is_damaged);
    return number;
}

static void say_rule(const struct hf_retention *r, const struct hf_retained *items, size_t i,
                     enum hf_keep_rule rule, char out[HF_RETENTION_WHY])
{
    char in[BUCKET_MAX], why[BUCKET_MAX + 16];
    bucket_name(r->zone, rule, items[i].taken_us, in);
    if (rule == HF_KEEP_LAST)
        snprintf(in, sizeof in, "%u", rank(r, items, i));
    snprintf(why, sizeof why, "%s %s", hf_keep_rule_name(rule), in);
    add_why(out, why);
}

/* By the rule that reaches furthest back: has a newer one taken its place, or is it beyond all? */
static void say_deleted(const struct hf_retention *r, const struct hf_retained *items, size_t n,
                        size_t i, char out[HF_RETENTION_WHY])
{
    char in[BUCKET_MAX];
    size_t rule = HF_KEEP_RULES - 1;
    while (rule > 0 && !r->keep->n[rule])
        rule--;
    const enum hf_keep_rule widest = (enum hf_keep_rule)rule;
    const int64_t mine = bucket(r->zone, widest, items[i].taken_us);
    for (size_t k = 0; widest != HF_KEEP_LAST && k < n; k++) {
        if (!items[k].reasons || is_future(r, &items[k]) ||
            bucket(r->zone, widest, items[k].taken_us) != mine)
            continue;
        bucket_name(r->zone, widest, items[i].taken_us, in);
        snprintf(out, HF_RETENTION_WHY, "%s has a newer one", in);
        return;
    }
    snprintf(out, HF_RETENTION_WHY, "older than %s %u", hf_keep_rule_name(widest),
             r->keep->n[rule]);
}

void hf_retention_why(const struct hf_retention *r, const struct hf_retained *items, size_t n,
                      size_t i, char out[HF_RETENTION_WHY])
{
    const uint32_t reasons = items[i].reasons;
    out[0] = '\0';
    if (!reasons) {
        say_deleted(r, items, n, i, out);
        return;
    }
    if (reasons & HF_KEPT_NO_RULES)
        add_why(out, r->keep ? "all" : "no keep");
    if (reasons & HF_KEPT_FUTURE)
        add_why(out, "from the future");
    for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
        if (reasons & 1u << rule)
            say_rule(r, items, i, (enum hf_keep_rule)rule, out);
    if (reasons & HF_KEPT_VERIFIED)
        add_why(out, "verified");
    if (reasons & HF_KEPT_NEWEST)
        add_why(out, "newest");
}

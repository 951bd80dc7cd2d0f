/* SPDX-License-Identifier: Apache-2.0 */
#include "point/retention.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_MAX 64

static void add_why(struct hf_retained *p, const char *text)
{
    const size_t len = strlen(p->why);
    snprintf(p->why + len, sizeof p->why - len, "%s%s", len ? ", " : "", text);
}

static void keep(struct hf_retained *p, const char *why)
{
    p->is_kept = true;
    add_why(p, why);
}

static bool is_future(const struct hf_retention *r, const struct hf_retained *p)
{
    return p->taken_us > r->now_us + HF_RETENTION_SLACK_US;
}

/* ---- a rule ----------------------------------------------------------------------------- */

/* What a point shares with those of which one is enough: "2026-W47". */
static void bucket(const struct hf_zone *zone, enum hf_keep_rule rule, int64_t taken_us,
                   char out[BUCKET_MAX])
{
    struct hf_zone_time t;
    int year, week;
    hf_zone_at(zone, taken_us, &t);
    switch (rule) {
    case HF_KEEP_LAST:
        out[0] = '\0';
        return;
    case HF_KEEP_HOURLY: /* with the offset, or the hour that comes twice would be one */
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

static void keep_by(struct hf_retained *p, enum hf_keep_rule rule, const char *in, uint32_t number)
{
    char why[BUCKET_MAX + 16];
    if (p->is_kept && strstr(p->why, hf_keep_rule_name(rule)))
        return; /* with and without the damaged ones: once is enough */
    if (rule == HF_KEEP_LAST)
        snprintf(why, sizeof why, "%s %u", hf_keep_rule_name(rule), number);
    else
        snprintf(why, sizeof why, "%s %s", hf_keep_rule_name(rule), in);
    keep(p, why);
}

static void apply(const struct hf_retention *r, enum hf_keep_rule rule, bool with_damaged,
                  struct hf_retained *items, size_t n)
{
    char last[BUCKET_MAX] = "", in[BUCKET_MAX];
    uint32_t buckets = 0;
    for (size_t i = 0; i < n && buckets < r->keep->n[rule]; i++) {
        if (is_future(r, &items[i]) || (items[i].is_damaged && !with_damaged))
            continue;
        bucket(r->zone, rule, items[i].taken_us, in);
        if (buckets && rule != HF_KEEP_LAST && strcmp(in, last) == 0)
            continue;
        memcpy(last, in, sizeof last);
        keep_by(&items[i], rule, in, ++buckets);
    }
}

/* ---- what no rule may delete ------------------------------------------------------------ */

static void keep_newest(const struct hf_retention *r, struct hf_retained *items, size_t n,
                        bool with_damaged)
{
    for (size_t i = 0; i < n; i++) {
        if (is_future(r, &items[i]) || (items[i].is_damaged && !with_damaged))
            continue;
        if (!items[i].is_kept)
            keep(&items[i], "newest");
        return;
    }
}

static void keep_verified(const struct hf_retention *r, struct hf_retained *items, size_t n)
{
    uint32_t kept = 0;
    for (size_t i = 0; i < n && kept < r->verified; i++) {
        if (is_future(r, &items[i]) || items[i].is_damaged || !items[i].is_verified)
            continue;
        keep(&items[i], "verified");
        kept++;
    }
}

/* ---- the whole -------------------------------------------------------------------------- */

/* By the rule that reaches furthest back: has a newer one taken its place, or is it beyond all? */
static void say_deleted(const struct hf_retention *r, struct hf_retained *items, size_t n, size_t i)
{
    char in[BUCKET_MAX], of_kept[BUCKET_MAX];
    size_t rule = HF_KEEP_RULES - 1;
    while (rule > 0 && !r->keep->n[rule])
        rule--;
    bucket(r->zone, (enum hf_keep_rule)rule, items[i].taken_us, in);
    for (size_t k = 0; rule != HF_KEEP_LAST && k < n; k++) {
        if (!items[k].is_kept || is_future(r, &items[k]))
            continue;
        bucket(r->zone, (enum hf_keep_rule)rule, items[k].taken_us, of_kept);
        if (strcmp(in, of_kept) != 0)
            continue;
        snprintf(items[i].why, HF_RETENTION_WHY, "%s has a newer one", in);
        return;
    }
    snprintf(items[i].why, HF_RETENTION_WHY, "older than %s %u",
             hf_keep_rule_name((enum hf_keep_rule)rule), r->keep->n[rule]);
}

static void keep_all(struct hf_retained *items, size_t n, const char *why)
{
    for (size_t i = 0; i < n; i++)
        keep(&items[i], why);
}

void hf_retention_judge(const struct hf_retention *r, struct hf_retained *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        items[i].is_kept = false;
        items[i].why[0] = '\0';
    }
    if (!r->keep || r->keep->is_all) {
        keep_all(items, n, r->keep ? "all" : "no keep");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (is_future(r, &items[i]))
            keep(&items[i], "from the future");
    for (int with_damaged = 0; with_damaged < 2; with_damaged++)
        for (size_t rule = 0; rule < HF_KEEP_RULES; rule++)
            apply(r, (enum hf_keep_rule)rule, with_damaged, items, n);
    keep_verified(r, items, n);
    keep_newest(r, items, n, false);
    keep_newest(r, items, n, true);
    for (size_t i = 0; i < n; i++)
        if (!items[i].is_kept)
            say_deleted(r, items, n, i);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The rule at the end of a TZif file, in the form of POSIX's variable TZ with RFC 8536's wider
 * hours: STD OFFSET [DST [OFFSET] , START [/TIME] , END [/TIME]]. Its offsets count westward.
 */
#include "base/civil.h"
#include "base/zone_intern.h"

#include <string.h>

#define FIRST_YEAR 1970
#define HOURS_MAX 167 /* of the time of day at which a rule changes the offset */

struct day_rule {
    char kind; /* 'M' month.week.weekday, 'J' day without leap days, 'n' day from 0 */
    unsigned month, week, day; /* day alone for J and n */
    int32_t time_s;            /* of that day, local */
};

struct rule {
    int32_t std, dst;
    bool has_dst;
    struct day_rule start, end;
};

static bool read_number(const char **p, unsigned max, unsigned *out)
{
    unsigned value = 0;
    const char *first = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        value = value * 10 + (unsigned)(**p - '0');
        if (value > max)
            return false;
    }
    *out = value;
    return *p > first;
}

/* "CET" or "<+03>"; what it is called does not matter. */
static bool skip_name(const char **p)
{
    static const char *const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (**p == '<') {
        const char *end = strchr(*p, '>');
        if (!end || end - *p < 4)
            return false;
        *p = end + 1;
        return true;
    }
    size_t n = strspn(*p, letters);
    *p += n;
    return n >= 3;
}

/* [+-]HH[:MM[:SS]] */
static bool read_time(const char **p, unsigned max_hours, int32_t *out)
{
    unsigned part[3] = {0};
    int32_t sign = 1;
    if (**p == '+' || **p == '-')
        sign = *(*p)++ == '-' ? -1 : 1;
    if (!read_number(p, max_hours, &part[0]))
        return false;
    for (size_t i = 1; i < 3 && **p == ':'; i++) {
        (*p)++;
        if (!read_number(p, 59, &part[i]))
            return false;
    }
    *out = sign * (int32_t)(part[0] * 3600 + part[1] * 60 + part[2]);
    return true;
}

static bool read_separator(const char **p, char wanted)
{
    if (**p != wanted)
        return false;
    (*p)++;
    return true;
}

static bool read_day(const char **p, struct day_rule *d)
{
    *d = (struct day_rule){.kind = 'n', .time_s = 2 * 3600};
    if (**p == 'M' || **p == 'J')
        d->kind = *(*p)++;
    bool good = d->kind == 'M'
                    ? read_number(p, 12, &d->month) && d->month > 0 && read_separator(p, '.') &&
                          read_number(p, 5, &d->week) && d->week > 0 && read_separator(p, '.') &&
                          read_number(p, 6, &d->day)
                    : read_number(p, 365, &d->day) && (d->kind == 'n' || d->day > 0);
    if (!good)
        return false;
    return **p != '/' || (read_separator(p, '/') && read_time(p, HOURS_MAX, &d->time_s));
}

static bool read_rule(const char *p, struct rule *r)
{
    if (!skip_name(&p) || !read_time(&p, 24, &r->std))
        return false;
    r->std = -r->std;
    if (*p == '\0')
        return true;
    r->has_dst = true;
    r->dst = r->std + 3600;
    if (!skip_name(&p))
        return false;
    if (*p != ',') {
        if (!read_time(&p, 24, &r->dst))
            return false;
        r->dst = -r->dst;
    }
    return read_separator(&p, ',') && read_day(&p, &r->start) && read_separator(&p, ',') &&
           read_day(&p, &r->end) && *p == '\0';
}

/* The local time of the change in that year. */
static int64_t change_in(const struct day_rule *d, int year)
{
    int64_t january = hf_civil_days(year, 1, 1);
    int64_t day = january + d->day;
    if (d->kind == 'J') {
        bool is_behind_leap_day = d->day >= 60 && hf_civil_month_length(year, 2) == 29;
        day = january + d->day - 1 + is_behind_leap_day;
    } else if (d->kind == 'M') {
        int64_t first = hf_civil_days(year, d->month, 1);
        unsigned to_weekday = (d->day + 7 - hf_civil_weekday(first)) % 7;
        unsigned in_month = to_weekday + 7 * (d->week - 1);
        while (in_month >= hf_civil_month_length(year, d->month)) /* week 5 means the last */
            in_month -= 7;
        day = first + in_month;
    }
    return day * HF_DAY_S + d->time_s;
}

/* Summer time all year round ends in the very moment in which the next one begins: that is no change. */
static int add_after(struct hf_zone *z, int64_t at_s, int32_t offset, int64_t after_s,
                     struct hf_err *err)
{
    int64_t last = z->n ? z->changes[z->n - 1].at_s : INT64_MIN;
    if (at_s <= after_s || at_s < last)
        return 0;
    if (at_s == last)
        z->n--;
    return hf_zone_add(z, at_s, offset, err);
}

static int add_year(struct hf_zone *z, const struct rule *r, int year, int64_t after_s,
                    struct hf_err *err)
{
    struct hf_zone_change first = {.at_s = change_in(&r->start, year) - r->std, .offset = r->dst};
    struct hf_zone_change second = {.at_s = change_in(&r->end, year) - r->dst, .offset = r->std};
    if (second.at_s < first.at_s) { /* the south: the year begins in summer */
        struct hf_zone_change swap = first;
        first = second;
        second = swap;
    }
    return add_after(z, first.at_s, first.offset, after_s, err) != 0 ||
                   add_after(z, second.at_s, second.offset, after_s, err) != 0
               ? -1
               : 0;
}

int hf_zone_rule_apply(struct hf_zone *z, const char *rule, int64_t after_s, struct hf_err *err)
{
    struct rule r = {0};
    if (!read_rule(rule, &r))
        return hf_fail(err, HF_E_CORRUPT, "'%.64s' is not a time zone rule", rule);
    if (z->n == 0 && after_s == INT64_MIN)
        z->first = r.std;
    int year = FIRST_YEAR;
    if (after_s > 0 && after_s < hf_civil_days(HF_ZONE_LAST_YEAR, 1, 1) * HF_DAY_S)
        year = hf_civil_date(after_s / HF_DAY_S).year;
    for (; r.has_dst && year <= HF_ZONE_LAST_YEAR; year++)
        if (add_year(z, &r, year, after_s, err) != 0)
            return -1;
    return 0;
}

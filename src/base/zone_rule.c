/* SPDX-License-Identifier: Apache-2.0
 *
 * The rule at the end of a zone's file, and days of the calendar.
 */
#include "base/zone_intern.h"

#include <ctype.h>
#include <string.h>

#define DAY_S 86400

/* ---- days ------------------------------------------------------------------------------- */

/* Years begin in March here, so that the day that some have not is the last one; eras are of 400 of them. */
int64_t hf_zone_days(int year, int month, int day)
{
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t of_era = y - era * 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void hf_zone_date(int64_t days, int *year, int *month, int *day)
{
    const int64_t z = days + 719468;
    const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    const int64_t of_era = z - era * 146097;
    const int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    const int64_t m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* 0: Sunday. 1 January 1970 was a Thursday. */
static int weekday(int64_t days)
{
    return (int)(((days + 4) % 7 + 7) % 7);
}

static int64_t last_of_month(int year, int month)
{
    return month == 12 ? hf_zone_days(year, 12, 31) : hf_zone_days(year, month + 1, 1) - 1;
}

static int64_t change_day(const struct hf_zone_change *c, int year)
{
    const int64_t new_year = hf_zone_days(year, 1, 1);
    if (c->kind == HF_ZONE_DAY)
        return new_year + c->day;
    if (c->kind == HF_ZONE_JULIAN)
        return new_year + c->day - 1 + (is_leap(year) && c->day >= 60);
    const int64_t first = hf_zone_days(year, c->month, 1);
    int64_t day = first + (c->weekday - weekday(first) + 7) % 7 + INT64_C(7) * (c->week - 1);
    while (day > last_of_month(year, c->month))
        day -= 7;
    return day;
}

int hf_zone_rule_offset(const struct hf_zone_rule *r, int64_t wall_s)
{
    int year, month, day;
    if (!r->has_summer)
        return r->standard_s;
    const int64_t here = wall_s + r->standard_s;
    hf_zone_date((here >= 0 ? here : here - DAY_S + 1) / DAY_S, &year, &month, &day);
    /* Each change is in the time that holds until then. */
    const int64_t begin = change_day(&r->begin, year) * DAY_S + r->begin.at_s - r->standard_s;
    const int64_t end = change_day(&r->end, year) * DAY_S + r->end.at_s - r->summer_s;
    const bool is_summer =
        begin < end ? wall_s >= begin && wall_s < end : wall_s >= begin || wall_s < end;
    return is_summer ? r->summer_s : r->standard_s;
}

/* ---- reading ---------------------------------------------------------------------------- */

static bool skip_name(const char **p)
{
    const char *begin = *p;
    if (**p == '<') {
        *p = strchr(begin, '>');
        return *p && (*p)++ - begin >= 4;
    }
    while (isalpha((unsigned char)**p))
        (*p)++;
    return *p - begin >= 3;
}

static bool read_number(const char **p, int max, int *out)
{
    const char *begin = *p;
    for (*out = 0; isdigit((unsigned char)**p) && *p - begin < 3; (*p)++)
        *out = *out * 10 + (**p - '0');
    return *p > begin && *out <= max;
}

/* "[+-]hh[:mm[:ss]]" */
static bool read_seconds(const char **p, int hours_max, int *out)
{
    int hours, minutes = 0, seconds = 0;
    const int sign = **p == '-' ? -1 : 1;
    *p += **p == '-' || **p == '+';
    if (!read_number(p, hours_max, &hours))
        return false;
    if (**p == ':' && (++*p, !read_number(p, 59, &minutes)))
        return false;
    if (**p == ':' && (++*p, !read_number(p, 59, &seconds)))
        return false;
    *out = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool read_day(const char **p, struct hf_zone_change *out)
{
    switch (**p) {
    case 'M':
        out->kind = HF_ZONE_WEEKDAY;
        ++*p;
        return read_number(p, 12, &out->month) && out->month && *(*p)++ == '.' &&
               read_number(p, 5, &out->week) && out->week && *(*p)++ == '.' &&
               read_number(p, 6, &out->weekday);
    case 'J':
        out->kind = HF_ZONE_JULIAN;
        ++*p;
        return read_number(p, 365, &out->day) && out->day;
    default:
        out->kind = HF_ZONE_DAY;
        return read_number(p, 365, &out->day);
    }
}

static bool read_change(const char **p, struct hf_zone_change *out)
{
    *out = (struct hf_zone_change){.at_s = 2 * 3600};
    if (*(*p)++ != ',' || !read_day(p, out))
        return false;
    return **p != '/' || (++*p, read_seconds(p, 167, &out->at_s));
}

bool hf_zone_rule_parse(const char *text, struct hf_zone_rule *out)
{
    const char *p = text;
    *out = (struct hf_zone_rule){0};
    /* Written the other way round: how far UTC is ahead. */
    if (!skip_name(&p) || !read_seconds(&p, 24, &out->standard_s))
        return false;
    out->standard_s = -out->standard_s;
    if (!*p)
        return true;
    out->has_summer = true;
    out->summer_s = out->standard_s + 3600;
    if (!skip_name(&p))
        return false;
    if (*p != ',') {
        if (!read_seconds(&p, 24, &out->summer_s))
            return false;
        out->summer_s = -out->summer_s;
    }
    return read_change(&p, &out->begin) && read_change(&p, &out->end) && !*p;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Local time is walked in spans of one offset: within a span it is a straight line. The two places
 * where it is not, a hole and a repetition, lie at the beginning of a span.
 */
#include "policy/schedule.h"

#include "base/civil.h"

#define HOUR_S 3600
#define MINUTE_S 60
#define ALL_HOURS ((UINT64_C(1) << 24) - 1)
/* 29 February on one weekday, where both have to fit: from 2088 to 2128; all else comes more often. */
#define SEARCH_DAYS (41 * 366)
#define LATEST_S INT64_C(7258118400) /* 2200-01-01 */
#define EARLIEST_S (-LATEST_S)

/* ---- local time ------------------------------------------------------------------------- */

/* The lowest bit from `from` on; 64: none. */
static unsigned first_bit(uint64_t bits, unsigned from)
{
    uint64_t left = from < 64 ? bits >> from << from : 0;
    return left ? (unsigned)__builtin_ctzll(left) : 64;
}

/* The first named minute of a day, not before `second` of it; -1: none. */
static int64_t next_in_day(const struct hf_cron *c, int64_t second)
{
    int64_t minute = (second + MINUTE_S - 1) / MINUTE_S;
    unsigned hour = first_bit(c->hours, (unsigned)(minute / 60));
    if (hour == (unsigned)(minute / 60)) {
        unsigned m = first_bit(c->minutes, (unsigned)(minute % 60));
        if (m < 60)
            return (int64_t)hour * HOUR_S + (int64_t)m * MINUTE_S;
        hour = first_bit(c->hours, hour + 1);
    }
    return hour < 24 ? (int64_t)hour * HOUR_S + (int64_t)first_bit(c->minutes, 0) * MINUTE_S : -1;
}

/* The first named minute of local time in [from_s, until_s); HF_NO_TIME: none. */
static int64_t next_local(const struct hf_cron *c, int64_t from_s, int64_t until_s)
{
    int64_t day = hf_div_floor(from_s, HF_DAY_S), second = from_s - day * HF_DAY_S;
    int64_t end = day + SEARCH_DAYS;
    for (; day < end && day * HF_DAY_S < until_s; second = 0) {
        struct hf_date date = hf_civil_date(day);
        if (!(c->months >> date.month & 1)) {
            day += hf_civil_month_length(date.year, date.month) - date.day + 1;
            continue;
        }
        int64_t at = hf_cron_has_day(c, day) ? next_in_day(c, second) : -1;
        if (at >= 0)
            return day * HF_DAY_S + at < until_s ? day * HF_DAY_S + at : HF_NO_TIME;
        day++;
    }
    return HF_NO_TIME;
}

/* ---- schedule --------------------------------------------------------------------------- */

/* Are the hours that this span's beginning skips or repeats to be taken as they come? */
static bool takes_real_hours(const struct hf_cron *c, const struct hf_zone_span *s)
{
    return c->hours == ALL_HOURS && (s->offset - s->offset_before) % HOUR_S == 0;
}

/* The first time of the span in [from_s, …). */
static int64_t next_in_span(const struct hf_cron *c, const struct hf_zone_span *s, int64_t from_s)
{
    int64_t from = from_s + s->offset;
    int64_t until = s->until_s == HF_ZONE_NEVER ? INT64_MAX : s->until_s + s->offset;
    if (s->from_s != INT64_MIN && !takes_real_hours(c, s)) {
        int64_t before = s->from_s + s->offset_before, behind = s->from_s + s->offset;
        bool has_hole = from_s == s->from_s && behind > before;
        if (has_hole && next_local(c, before, behind) != HF_NO_TIME)
            return from_s;
        if (before > from) /* up to `before` the clock has shown it already */
            from = before;
    }
    int64_t at = from < until ? next_local(c, from, until) : HF_NO_TIME;
    return at == HF_NO_TIME ? at : at - s->offset;
}

int64_t hf_schedule_next(const struct hf_cron *c, const struct hf_zone *zone, int64_t after_s)
{
    if (after_s >= LATEST_S)
        return HF_NO_TIME;
    int64_t from = after_s < EARLIEST_S ? EARLIEST_S : after_s + 1;
    int64_t end = from + SEARCH_DAYS * HF_DAY_S;
    while (from < end) {
        struct hf_zone_span s = hf_zone_span_at(zone, from);
        int64_t at = next_in_span(c, &s, from);
        if (at != HF_NO_TIME)
            return at < LATEST_S ? at : HF_NO_TIME;
        if (s.until_s == HF_ZONE_NEVER)
            break;
        from = s.until_s;
    }
    return HF_NO_TIME;
}

/* Halving: there is a time in (low, at_s], and none in (high, at_s]. */
int64_t hf_schedule_last(const struct hf_cron *c, const struct hf_zone *zone, int64_t not_before_s,
                         int64_t at_s)
{
    int64_t found = HF_NO_TIME, low = not_before_s - 1, high = at_s;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t next = hf_schedule_next(c, zone, middle);
        if (next <= at_s) {
            found = next;
            low = next;
        } else {
            high = middle;
        }
    }
    return found;
}

/* ---- window ----------------------------------------------------------------------------- */

static bool is_always_open(const struct hf_window *w)
{
    return w->from_min == w->until_min;
}

static bool is_open(const struct hf_window *w, int64_t second_of_day)
{
    int64_t minute = second_of_day / MINUTE_S;
    if (w->from_min < w->until_min)
        return minute >= w->from_min && minute < w->until_min;
    return minute >= w->from_min || minute < w->until_min;
}

/* The first moment from at_s on in which the window is, or is not, open. edge_min is the minute of
 * the day in which that begins. A change of the clocks may lead across it. */
static int64_t next_state(const struct hf_window *w, const struct hf_zone *zone, int64_t at_s,
                          bool wanted, unsigned edge_min)
{
    while (at_s < LATEST_S) {
        struct hf_zone_span s = hf_zone_span_at(zone, at_s);
        int64_t second = hf_mod_floor(at_s + s.offset, HF_DAY_S);
        if (is_open(w, second) == wanted)
            return at_s;
        int64_t at = at_s + hf_mod_floor((int64_t)edge_min * MINUTE_S - second, HF_DAY_S);
        if (at < s.until_s)
            return at;
        at_s = s.until_s;
    }
    return HF_NO_TIME;
}

int64_t hf_window_open(const struct hf_window *w, const struct hf_zone *zone, int64_t at_s)
{
    return is_always_open(w) ? at_s : next_state(w, zone, at_s, true, w->from_min);
}

int64_t hf_window_close(const struct hf_window *w, const struct hf_zone *zone, int64_t at_s)
{
    return is_always_open(w) ? HF_NO_TIME : next_state(w, zone, at_s, false, w->until_min);
}

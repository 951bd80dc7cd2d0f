/* SPDX-License-Identifier: Apache-2.0
 *
 * config/cron.h - a schedule as in crontab(5): which minutes of local time it names.
 *
 * Five fields, minute hour day-of-month month day-of-week: `*`, numbers, ranges 1-5, steps
 * (each with / and a number behind `*` or a range), lists with commas, names jan..dec and sun..sat
 * (three letters, any case), 0 and 7 both for Sunday; or one of @yearly @annually @monthly @weekly
 * @daily @midnight @hourly. A schedule that no date fulfils (30 February) is refused.
 *
 * When both day fields are restricted, a day that fits either of them counts; a field that begins
 * with `*` is not restricted, and then both have to fit (crontab(5), "Note: The day of a command's
 * execution").
 */
#ifndef HF_CONFIG_CRON_H
#define HF_CONFIG_CRON_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define HF_CRON_TEXT_MAX 160

struct hf_cron {
    uint64_t minutes; /* bit n: minute n */
    uint64_t hours, days, months,
        weekdays;                    /* days and months from bit 1, weekdays 0..6, 0 Sunday */
    bool is_any_day, is_any_weekday; /* the field begins with a star */
    char text[HF_CRON_TEXT_MAX];     /* as it was written */
};

/* CONFIG: which field, and why. out is written on success only. */
int hf_cron_parse(const char *text, struct hf_cron *out, struct hf_err *err) HF_CHECKED;

/* Does the schedule name this day? days since 1970-01-01 */
bool hf_cron_has_day(const struct hf_cron *c, int64_t days);

#endif

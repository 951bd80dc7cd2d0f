/* SPDX-License-Identifier: Apache-2.0
 *
 * base/civil.h - dates of the Gregorian calendar and day numbers (days since 1970-01-01).
 *
 * gmtime_r and timegm read the environment's time zone under a lock; these are arithmetic.
 * Years -9999 to 9999.
 */
#ifndef HF_BASE_CIVIL_H
#define HF_BASE_CIVIL_H

#include <stdint.h>

#define HF_DAY_S INT64_C(86400)

struct hf_date {
    int year;
    unsigned month, day; /* 1..12, 1..31 */
};

int64_t hf_civil_days(int year, unsigned month, unsigned day);
struct hf_date hf_civil_date(int64_t days);
unsigned hf_civil_month_length(int year, unsigned month);
unsigned hf_civil_weekday(int64_t days); /* 0: Sunday */

/* Rounded towards minus infinity: times before 1970 fall into the right day. b is positive. */
int64_t hf_div_floor(int64_t a, int64_t b);
int64_t hf_mod_floor(int64_t a, int64_t b);

#endif

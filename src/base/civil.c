/* SPDX-License-Identifier: Apache-2.0
 *
 * Years are counted from March here: the leap day is then the last one of a year, and the lengths
 * of the months follow a straight line (153 days in five months).
 */
#include "base/civil.h"

#define DAYS_OF_ERA 146097 /* 400 years */
#define EPOCH 719468       /* 1970-01-01, counted from 0000-03-01 */

int64_t hf_div_floor(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t hf_mod_floor(int64_t a, int64_t b)
{
    return a - hf_div_floor(a, b) * b;
}

int64_t hf_civil_days(int year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = hf_div_floor(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_OF_ERA + day_of_era - EPOCH;
}

struct hf_date hf_civil_date(int64_t days)
{
    int64_t z = days + EPOCH;
    int64_t era = hf_div_floor(z, DAYS_OF_ERA);
    int64_t day_of_era = z - era * DAYS_OF_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0: March */
    return (struct hf_date){.year = (int)(year_of_era + era * 400 + (month >= 10)),
                            .month = (unsigned)(month < 10 ? month + 3 : month - 9),
                            .day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1)};
}

unsigned hf_civil_month_length(int year, unsigned month)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return lengths[month - 1] + (month == 2 && is_leap ? 1u : 0u);
}

unsigned hf_civil_weekday(int64_t days)
{
    return (unsigned)hf_mod_floor(days + 4, 7); /* 1970-01-01 was a Thursday */
}

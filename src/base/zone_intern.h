/* SPDX-License-Identifier: Apache-2.0
 *
 * base/zone_intern.h - the two parts of a zone: what was, from its file, and the rule for what is to come.
 */
#ifndef HF_BASE_ZONE_INTERN_H
#define HF_BASE_ZONE_INTERN_H

#include "base/zone.h"

#include <stdbool.h>
#include <stddef.h>

enum hf_zone_day_kind { HF_ZONE_JULIAN, HF_ZONE_DAY, HF_ZONE_WEEKDAY };

/* A day of each year, and the second of it. */
struct hf_zone_change {
    enum hf_zone_day_kind kind;
    int day;                  /* JULIAN 1..365, without 29 February; DAY 0..365, with it */
    int month, week, weekday; /* WEEKDAY: 1..12, 1..5 (5: the last), 0..6 (0: Sunday) */
    int at_s;                 /* -167 h..167 h after midnight */
};

/* The form of POSIX: "CET-1CEST,M3.5.0,M10.5.0/3". Offsets are ahead of UTC here. */
struct hf_zone_rule {
    int standard_s, summer_s;
    bool has_summer;
    struct hf_zone_change begin, end; /* of summer */
};

/* False: it is none. */
bool hf_zone_rule_parse(const char *text, struct hf_zone_rule *out);
int hf_zone_rule_offset(const struct hf_zone_rule *r, int64_t wall_s);

/* Days since 1 January 1970, and the other way round. */
int64_t hf_zone_days(int year, int month, int day);
void hf_zone_date(int64_t days, int *year, int *month, int *day);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * base/zone.h - what the clocks on the wall of a place show, and showed.
 *
 * The C library knows one zone per process, in an environment variable; who asks for another one would change it for all threads. So
 * the system's zone files (TZif, RFC 8536, and the rule at their end for the years to come) are read here. Exact until the end of
 * 2199; later times keep the last offset.
 *
 * Times are seconds since the epoch, UTC, where their names do not say microseconds; offsets are seconds ahead of UTC, within 26 hours.
 *
 * Errors: CONFIG, there is no such zone; CORRUPT, its file is none. Threads: any, it does not change.
 */
#ifndef HF_BASE_ZONE_H
#define HF_BASE_ZONE_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct hf_zone;

/* "Europe/Berlin", as the system calls it; a rule such as "CET-1CEST,M3.5.0,M10.5.0/3". NULL: that of this host ($TZ, else
 * /etc/localtime, else UTC). */
struct hf_zone *hf_zone_open(const char *name, struct hf_err *err) HF_CHECKED;
void hf_zone_close(struct hf_zone *z);
HF_DEFINE_AUTO(hf_zone, hf_zone_close)
/* The content of a zone's file. */
struct hf_zone *hf_zone_parse(const void *data, size_t len, struct hf_err *err) HF_CHECKED;
/* A rule alone, from 1970 on. CORRUPT: it is none. */
struct hf_zone *hf_zone_from_rule(const char *rule, struct hf_err *err) HF_CHECKED;

/* A time with one offset: it holds from from_s on (INT64_MIN: it always did), until before until_s. */
struct hf_zone_span {
    int64_t from_s, until_s; /* HF_ZONE_NEVER: for good */
    int32_t offset;
    int32_t offset_before; /* of what ends at from_s; the same as offset when nothing does */
};
#define HF_ZONE_NEVER INT64_MAX
struct hf_zone_span hf_zone_span_at(const struct hf_zone *z, int64_t at_s);
int32_t hf_zone_offset(const struct hf_zone *z, int64_t at_s);

struct hf_zone_time {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
    int offset_s; /* ahead of UTC */
};
void hf_zone_at(const struct hf_zone *z, int64_t wall_us, struct hf_zone_time *out);
/* The week of ISO 8601 and the year it is counted in, which is not always that of the day. */
void hf_zone_week(const struct hf_zone_time *t, int *out_year, int *out_week);

#endif

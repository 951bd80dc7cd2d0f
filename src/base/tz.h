/* SPDX-License-Identifier: Apache-2.0
 *
 * base/tz.h - local time by the TZ database, without the process's one time zone.
 *
 * localtime_r knows one zone per process, and setting it (TZ, tzset) is not for threads. So the
 * TZif files of /usr/share/zoneinfo (RFC 8536) are read here: each zone is an object, immutable,
 * for any thread. Exact until the end of 2199; later times keep the last offset.
 *
 * Times are seconds since the epoch, UTC; local times are the same number as if the wall clock
 * showed UTC. Offsets are seconds east of UTC, within a day and two hours.
 *
 * A file from outside is bounded in size and counts; what does not hold together is CORRUPT.
 */
#ifndef HF_BASE_TZ_H
#define HF_BASE_TZ_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_TZ_NAME_MAX 64
#define HF_TZ_NEVER INT64_MAX

struct hf_tz;

/* "Europe/Berlin"; "UTC" needs no file. NULL: the host's own, /etc/localtime, and UTC without it.
 * CONFIG: not a name, or no such zone. */
struct hf_tz *hf_tz_open(const char *name, struct hf_err *err) HF_CHECKED;
/* The content of a TZif file. */
struct hf_tz *hf_tz_parse(const void *data, size_t len, struct hf_err *err) HF_CHECKED;
/* A rule as in the variable TZ, "CET-1CEST,M3.5.0,M10.5.0/3", from 1970 on. */
struct hf_tz *hf_tz_from_rule(const char *rule, struct hf_err *err) HF_CHECKED;
void hf_tz_free(struct hf_tz *tz);
HF_DEFINE_AUTO(hf_tz, hf_tz_free)

int32_t hf_tz_offset(const struct hf_tz *tz, int64_t at_s);
/* A time with one offset: it holds from from_s (INT64_MIN: always did) until before until_s. */
struct hf_tz_span {
    int64_t from_s, until_s; /* HF_TZ_NEVER: for good */
    int32_t offset;
    int32_t offset_before; /* of what ends at from_s; the same as offset when nothing does */
};
struct hf_tz_span hf_tz_span_at(const struct hf_tz *tz, int64_t at_s);

#endif

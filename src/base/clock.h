/* SPDX-License-Identifier: Apache-2.0
 *
 * base/clock.h - time comes in as an object, so that tests own it.
 *
 * Monotonic time (deadlines, durations) and wall time (records) are never mixed.
 * Deadlines are absolute monotonic milliseconds; HF_NO_DEADLINE: never.
 */
#ifndef HF_BASE_CLOCK_H
#define HF_BASE_CLOCK_H

#include "api/holdfast/plugin.h" /* HF_NO_DEADLINE */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_clock {
    int64_t (*mono_us)(void *ctx);
    int64_t (*wall_us)(void *ctx); /* microseconds since the epoch, UTC */
    void (*sleep_us)(void *ctx, int64_t us);
    void *ctx;
};

const struct hf_clock *hf_clock_system(void);

int64_t hf_clock_mono_us(const struct hf_clock *c);
int64_t hf_clock_mono_ms(const struct hf_clock *c);
int64_t hf_clock_wall_us(const struct hf_clock *c);
void hf_clock_sleep_ms(const struct hf_clock *c, int64_t ms);

/* An instant, to ask later how long it is past also when the host has slept in between, which one of the clocks does not count and
 * somebody may have set the other: the longer of both counts. For promises to others that something is done in time. */
struct hf_clock_mark {
    int64_t mono_us, wall_us;
};
struct hf_clock_mark hf_clock_mark(const struct hf_clock *c);
int64_t hf_clock_past_ms(const struct hf_clock *c, const struct hf_clock_mark *m);

/* Milliseconds until the deadline: 0 when past, INT32_MAX at most (fits poll). */
int hf_clock_left_ms(const struct hf_clock *c, int64_t deadline_ms);
bool hf_clock_is_past(const struct hf_clock *c, int64_t deadline_ms);

#define HF_TIME_MAX 32
/* "2026-11-23T03:00:00.123Z" (RFC 3339, UTC, milliseconds). */
void hf_time_rfc3339(int64_t wall_us, char out[HF_TIME_MAX]);
/* Of exactly that form, from the year 1970 on; -1: another one, or no such day. */
int hf_time_parse(const char *text, int64_t *out_wall_us);
/* "20261123T030000Z": file and snapshot names. */
void hf_time_compact(int64_t wall_us, char out[HF_TIME_MAX]);

#endif

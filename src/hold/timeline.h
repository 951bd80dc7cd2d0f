/* SPDX-License-Identifier: Apache-2.0
 *
 * hold/timeline.h - what happened when, in one run: a fixed list of named instants.
 *
 * Names are a contract (DESIGN section 7): services_stop_begin services_stopped
 * stop_begin stopped lock_begin locked synced freeze_begin frozen capture_begin capture_end thawed unlocked started
 * services_started. Instants are monotonic microseconds; the report counts them
 * from the run's start. Allocation-free: marking an instant inside the hold costs a clock read.
 */
#ifndef HF_HOLD_TIMELINE_H
#define HF_HOLD_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#define HF_TIMELINE_MAX 24

struct hf_timeline {
    int64_t start_us;      /* monotonic, the run's start */
    int64_t start_wall_us; /* the same instant, wall clock */
    size_t n;
    struct {
        int64_t at_us;
        const char *event; /* a literal */
    } items[HF_TIMELINE_MAX];
};

void hf_timeline_mark_at(struct hf_timeline *t, const char *event, int64_t mono_us);
/* The first instant of that name, or -1. */
int64_t hf_timeline_at(const struct hf_timeline *t, const char *event);
/* from → to in milliseconds, 0 when either is missing. */
double hf_timeline_span_ms(const struct hf_timeline *t, const char *from, const char *to);

#endif

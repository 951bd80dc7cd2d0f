/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/schedule.h - when a schedule and a window of local time are due: pure functions.
 *
 * Times are seconds since the epoch, UTC. Where the clocks are put forward, the named minutes that
 * do not exist come once, at the moment of the change; where they are put back, a minute that comes
 * twice counts the first time. A schedule that names every hour of the day is about real hours
 * instead: it loses the hour that does not exist, and has the one that comes twice both times.
 * (Changes by a part of an hour have no such hours, so there the first rule holds for all.)
 */
#ifndef HF_POLICY_SCHEDULE_H
#define HF_POLICY_SCHEDULE_H

#include "base/zone.h"
#include "config/config.h"

/* There is no such time, or it is later than the time zones are known for (2199). */
#define HF_NO_TIME INT64_MAX

/* The first time after after_s. */
int64_t hf_schedule_next(const struct hf_cron *c, const struct hf_zone *zone, int64_t after_s);
/* The last time not later than at_s, looking back no further than not_before_s; HF_NO_TIME: none. */
int64_t hf_schedule_last(const struct hf_cron *c, const struct hf_zone *zone, int64_t not_before_s,
                         int64_t at_s);

/* The first moment from at_s on in which the window is open; at_s itself when it is. */
int64_t hf_window_open(const struct hf_window *w, const struct hf_zone *zone, int64_t at_s);
/* The first moment from at_s on in which it is closed; HF_NO_TIME: never. */
int64_t hf_window_close(const struct hf_window *w, const struct hf_zone *zone, int64_t at_s);

#endif

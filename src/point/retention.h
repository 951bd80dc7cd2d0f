/* SPDX-License-Identifier: Apache-2.0
 *
 * point/retention.h - which points of one VM on one store are kept, and why. Pure.
 *
 * Promise   the newest point is kept, and the newest `verified` ones that were found good. Points from the future are kept and count
 *           nowhere, for a clock that was wrong once must push nothing out. Damaged ones count nowhere either, and are themselves kept
 *           for as long as they would be if they were whole: what is kept is what the rules want with them and what they want without.
 *           Without rules all are kept.
 * Rules     each by itself, over all points: the newest N; the newest of each of the last N hours, days, weeks, months, years that have
 *           one, by the clocks of the zone. An hour that the clocks show twice is two.
 */
#ifndef HF_POINT_RETENTION_H
#define HF_POINT_RETENTION_H

#include "base/zone.h"
#include "config/config.h"

#define HF_RETENTION_WHY 192
#define HF_RETENTION_SLACK_US (INT64_C(600) * 1000000) /* clocks may differ so much */

struct hf_retained {
    int64_t taken_us;
    bool is_verified; /* found good since, and not damaged later */
    bool is_damaged;  /* by the last verification */
    /* out */
    bool is_kept;
    char why[HF_RETENTION_WHY]; /* "last 3, weekly 2026-W47"; deleted: "older than weekly 4" */
};

struct hf_retention {
    const struct hf_keep *keep; /* NULL: nothing is deleted */
    uint32_t verified;
    const struct hf_zone *zone;
    int64_t now_us;
};

/* items: newest first. */
void hf_retention_judge(const struct hf_retention *r, struct hf_retained *items, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/retention.h - which points of one VM on one store are kept, and why. Pure.
 *
 * Promise   the newest point is kept, and the newest `verified` ones that were found good. Points from the future are kept and count
 *           nowhere, for a clock that was wrong once must push nothing out. Damaged ones count nowhere either, and are themselves kept
 *           for as long as they would be if they were whole: what is kept is what the rules want with them and what they want without.
 *           Without rules all are kept.
 * Rules     each by itself, over all points: the newest N; the newest of each of the last N hours, days, weeks, months, years that have
 *           one, by the clocks of the zone. An hour that the clocks show twice is two.
 */
#ifndef HF_POLICY_RETENTION_H
#define HF_POLICY_RETENTION_H

#include "base/zone.h"
#include "config/config.h"

#define HF_RETENTION_WHY 192
#define HF_RETENTION_SLACK_US (INT64_C(600) * 1000000) /* clocks may differ so much */

/* Reasons to keep a point, as bits: 1 << enum hf_keep_rule, and these. */
enum {
    HF_KEPT_FUTURE = 1u << HF_KEEP_RULES,
    HF_KEPT_VERIFIED = 2u << HF_KEEP_RULES,
    HF_KEPT_NEWEST = 4u << HF_KEEP_RULES, /* and nothing else wants it */
    HF_KEPT_NO_RULES = 8u << HF_KEEP_RULES
};

struct hf_retained {
    int64_t taken_us;
    bool is_verified; /* found good since, and not damaged later */
    bool is_damaged;  /* by the last verification */
    uint32_t reasons; /* out; 0: it is deleted */
};

struct hf_retention {
    const struct hf_keep *keep; /* NULL: nothing is deleted */
    uint32_t verified;
    const struct hf_zone *zone;
    int64_t now_us;
};

/* items: newest first. */
void hf_retention_judge(const struct hf_retention *r, struct hf_retained *items, size_t n);

/* Of items[i], judged: "last 3, weekly 2026-W47"; deleted: "older than weekly 4". */
void hf_retention_why(const struct hf_retention *r, const struct hf_retained *items, size_t n,
                      size_t i, char out[HF_RETENTION_WHY]);

/* What either of the two wants. */
void hf_keep_widen(struct hf_keep *keep, const struct hf_keep *other);

#endif

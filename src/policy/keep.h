/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/keep.h - retention: which points stay, each with its reasons. Pure.
 *
 * Of the verified points, from the newest back: the last N stay; and of each hour, day, week (from
 * Monday), month and year the newest one, until as many as the rule says were found. Only those
 * with a point count, so a pause in the backups uses nothing up. Days and so on are local; hours
 * are real ones, also where a clock shows one twice. Each rule works on its own.
 *
 * - The newest verified points are untouchable: `last` of them, one at least, whatever the rules.
 * - A point from the future (a clock was wrong) stays and counts for nothing: it pushes none out.
 * - A point that is not verified counts for nothing either. It stays until there is a newer
 *   verified one.
 * - Without any rule everything stays.
 */
#ifndef HF_POLICY_KEEP_H
#define HF_POLICY_KEEP_H

#include "base/tz.h"
#include "config/config.h"

/* Reasons as bits: 1 << enum hf_keep_rule, and these. 0: the point can go. */
#define HF_KEEP_FOR_LATEST (1u << (HF_KEEP_RULES + 0))     /* the newest verified one */
#define HF_KEEP_FOR_FUTURE (1u << (HF_KEEP_RULES + 1))     /* its time has not come yet */
#define HF_KEEP_FOR_UNVERIFIED (1u << (HF_KEEP_RULES + 2)) /* no newer one is verified */
#define HF_KEEP_FOR_ALL (1u << (HF_KEEP_RULES + 3))        /* nothing expires */

struct hf_keep_point {
    int64_t at_s;
    bool is_verified;
    uint32_t reasons; /* out */
    size_t id;        /* the caller's; of two points of one second the greater one is newer */
};

/* Sets the reasons, and sorts the points, newest first. Returns how many stay. */
size_t hf_keep_apply(const struct hf_keep *keep, const struct hf_tz *tz, int64_t now_s,
                     struct hf_keep_point *points, size_t n);

/* "daily", "future", … of one bit. */
const char *hf_keep_reason_name(uint32_t reason);

#endif

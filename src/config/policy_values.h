/* SPDX-License-Identifier: Apache-2.0
 *
 * config/policy_values.h - what the keys of [policy NAME] hold, beside the schedule; included by
 * config.h.
 */
#ifndef HF_CONFIG_POLICY_VALUES_H
#define HF_CONFIG_POLICY_VALUES_H

#include "base/strv.h"

#include <stdbool.h>
#include <stdint.h>

/* From the finest to the coarsest: a calendar names a point by the last one that holds. */
enum hf_keep_rule {
    HF_KEEP_LAST,
    HF_KEEP_HOURLY,
    HF_KEEP_DAILY,
    HF_KEEP_WEEKLY,
    HF_KEEP_MONTHLY,
    HF_KEEP_YEARLY,
    HF_KEEP_RULES
};
const char *hf_keep_rule_name(enum hf_keep_rule rule); /* "daily", as in the file */

/* How many of each are kept; 0: the rule is not there. All 0: nothing ever expires. */
struct hf_keep {
    uint32_t count[HF_KEEP_RULES];
};

/* Minutes of the local day, [from, until); until before from: over midnight. Both 0: always. */
struct hf_window {
    uint16_t from_min, until_min;
};

/* Patterns with * and ?; what an exclusion matches is left out, wherever it stands. */
struct hf_selection {
    struct hf_strv include, exclude;
};

/* What a run leaves behind, as bits. */
enum { HF_PRODUCE_SNAPSHOT = 1u << 0 };

#endif

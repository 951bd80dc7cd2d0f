/* SPDX-License-Identifier: Apache-2.0
 *
 * config/policy_values.h - what the keys of [policy NAME] hold, beside the schedule; included by config.h.
 */
#ifndef HF_CONFIG_POLICY_VALUES_H
#define HF_CONFIG_POLICY_VALUES_H

#include "base/strv.h"

#include <stdbool.h>
#include <stdint.h>

/* Minutes of the local day, [from, until); until before from: over midnight. Both 0: always. */
struct hf_window {
    uint16_t from_min, until_min;
};

/* Patterns with * and ? of names, "tag:" and patterns of tags, "hypervisor:" and patterns of hypervisors; what an exclusion matches
 * is left out, wherever it stands. */
#define HF_SELECT_TAG "tag:"
#define HF_SELECT_HYPERVISOR "hypervisor:"
struct hf_selection {
    struct hf_strv include, exclude;
};

/* What a run leaves behind, as bits; 0: a backup of all that is configured. SNAPSHOT stands alone, the others never without IMAGE. */
enum {
    HF_PRODUCE_SNAPSHOT = 1u << 0,
    HF_PRODUCE_IMAGE = 1u << 1,
    HF_PRODUCE_DUMP = 1u << 2,
    HF_PRODUCE_FILES = 1u << 3
};
const char *hf_produce_name(unsigned bit); /* "image", as in the file */

#endif

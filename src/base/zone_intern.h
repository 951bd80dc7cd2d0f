/* SPDX-License-Identifier: Apache-2.0
 *
 * base/zone_intern.h - the changes of a zone, and the rule that makes the later ones; private.
 */
#ifndef HF_BASE_ZONE_INTERN_H
#define HF_BASE_ZONE_INTERN_H

#include "base/zone.h"

#define HF_ZONE_OFFSET_MAX (26 * 3600)
#define HF_ZONE_LAST_YEAR 2199
#define HF_ZONE_RULE_MAX 128

struct hf_zone_change {
    int64_t at_s;
    int32_t offset; /* from at_s on */
};

/* The changes ascend, and each one does change the offset. */
struct hf_zone {
    int32_t first; /* before all changes */
    struct hf_zone_change *changes;
    size_t n, cap;
};

/* Appends one, unless the offset is the same already; it has to lie behind the last one. */
int hf_zone_add(struct hf_zone *z, int64_t at_s, int32_t offset, struct hf_err *err) HF_CHECKED;
int32_t hf_zone_last_offset(const struct hf_zone *z);

/* Appends what the rule says for the times after after_s. CORRUPT: not a rule. */
int hf_zone_rule_apply(struct hf_zone *z, const char *rule, int64_t after_s, struct hf_err *err)
    HF_CHECKED;

#endif

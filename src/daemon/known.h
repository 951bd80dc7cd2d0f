/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/known.h - how far a plan was that is no more: what a catalog does not know (it was lost, or damaged and taken away) is
 * followed from there, so that what came due meanwhile is still made.
 */
#ifndef HF_DAEMON_KNOWN_H
#define HF_DAEMON_KNOWN_H

#include "catalog/duty.h"
#include "policy/plan.h"

struct hf_known_pair {
    char *policy, *vm;
    const char *kind; /* static */
    int64_t served_s;
};
struct hf_known {
    struct hf_known_pair *items; /* by policy, VM, kind */
    size_t n, cap;
};

/* Instead of what was known before. Without memory nothing is known. */
void hf_known_learn(struct hf_known *k, const struct hf_plan *plan, int64_t now_s);
void hf_known_free(struct hf_known *k);
/* Up to when the duty was served. false: nothing is known of it. */
bool hf_known_served(const struct hf_known *k, const struct hf_duty *d, int64_t *out_served_s);

#endif

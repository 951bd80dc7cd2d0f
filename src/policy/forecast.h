/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/forecast.h - what the policies will do, for people to look at: pure.
 */
#ifndef HF_POLICY_FORECAST_H
#define HF_POLICY_FORECAST_H

#include "policy/policy.h"
#include "policy/retention.h"

/* What would be there now had every run since long succeeded: the points that keep leaves of them. */
struct hf_forecast_kept {
    struct hf_retained *points; /* newest first, only those that stay */
    size_t n;
    bool is_cut; /* the schedule is so dense, or keep so long, that the oldest ones are missing */
};
/* By the policy's own keep, which must be there. */
int hf_forecast_kept(const struct hf_policy *p, int64_t now_s, struct hf_forecast_kept *out,
                     struct hf_err *err) HF_CHECKED;
void hf_forecast_kept_free(struct hf_forecast_kept *k);
HF_DEFINE_AUTO_VALUE(hf_forecast_kept, hf_forecast_kept_free)

/* The first moment in (now_s, until_s] in which runs of both begin; HF_NO_TIME: none. */
int64_t hf_forecast_clash(const struct hf_policy *a, const struct hf_policy *b, int64_t now_s,
                          int64_t until_s);

#endif

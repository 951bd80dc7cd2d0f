/* SPDX-License-Identifier: Apache-2.0
 *
 * The plain meaning of a schedule, for the models that look at every minute.
 */
#ifndef HF_TEST_POLICY_MODEL_H
#define HF_TEST_POLICY_MODEL_H

#include "base/civil.h"
#include "config/cron.h"

static inline bool names_minute(const struct hf_cron *c, int64_t local_s)
{
    int64_t second = hf_mod_floor(local_s, HF_DAY_S);
    return c->minutes >> (second / 60 % 60) & 1 && c->hours >> (second / 3600) & 1 &&
           hf_cron_has_day(c, hf_div_floor(local_s, HF_DAY_S));
}

#endif

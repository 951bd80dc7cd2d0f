/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/patience.h - whether a call of the guest agent that failed is worth another try.
 *
 * It is when what was said may pass (restarted, busy, gone for a moment), until nothing else was said for gone_ms; while the
 * guest is frozen, when the agent does nothing, for frozen_ms. Only for calls that may be made twice.
 */
#ifndef HF_GUEST_PATIENCE_H
#define HF_GUEST_PATIENCE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct hf_patience {
    int64_t gone_ms, frozen_ms; /* set by the caller */
    bool is_failing;            /* the last call did */
    int64_t failing_ms;         /* since when */
};

/* Of a call that began and ended at these times; one NULL: it worked. False: give up. */
bool hf_patience_judge(struct hf_patience *p, const struct hf_err *one, int64_t begin_ms,
                       int64_t end_ms);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/patience.h - whether a call of the guest agent that failed is worth another try.
 *
 * It is when what was said may pass (restarted, busy, gone for a moment), until nothing else was said for HF_PATIENCE_MS;
 * while the guest is frozen, when the agent does nothing, for longer. Only for calls that may be made twice.
 */
#ifndef HF_GUEST_PATIENCE_H
#define HF_GUEST_PATIENCE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define HF_PATIENCE_MS 8000

struct hf_patience {
    bool is_failing;    /* the last call did */
    int64_t failing_ms; /* since when */
};

/* Of a call that began and ended at these times; one NULL: it worked. frozen_ms: how long a frozen guest is waited for.
 * False: give up. */
bool hf_patience_judge(struct hf_patience *p, const struct hf_err *one, int64_t begin_ms,
                       int64_t end_ms, int64_t frozen_ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/patience.h"

#include <string.h>

/* The word "frozen" is the agent's own: it decides how long we wait, no more. */
static int64_t limit_ms(const struct hf_patience *p, const struct hf_err *one)
{
    switch (one->cls) {
    case HF_E_TIMEOUT:
    case HF_E_UNREACHABLE:
    case HF_E_BUSY:
    case HF_E_PLUGIN:
        return p->gone_ms;
    case HF_E_CONFLICT:
        return strstr(one->message, "frozen") ? p->frozen_ms : p->gone_ms;
    default:
        return 0;
    }
}

bool hf_patience_judge(struct hf_patience *p, const struct hf_err *one, int64_t begin_ms,
                       int64_t end_ms)
{
    if (one && !p->is_failing)
        p->failing_ms = begin_ms;
    p->is_failing = one != NULL;
    return !one || end_ms - p->failing_ms < limit_ms(p, one);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "hold/stack.h"

int hf_hold_stack_push(struct hf_hold_stack *s, const struct hf_hold *hold, struct hf_err *err)
{
    if (s->n == HF_HOLD_MAX)
        return hf_fail(err, HF_E_INTERNAL, "more than %d holds in one run", HF_HOLD_MAX);
    s->items[s->n++] = *hold;
    return 0;
}

int hf_hold_stack_release(struct hf_hold_stack *s, struct hf_err *err)
{
    int result = 0;
    while (s->n > 0) {
        const struct hf_hold *hold = &s->items[--s->n];
        struct hf_err one = HF_ERR_INIT;
        if (hold->release(hold->self, &one) == 0)
            continue;
        hf_wrap(&one, "release of the %s", hold->name);
        result = hf_also(err, &one);
    }
    return result;
}

void hf_hold_stack_drop(struct hf_hold_stack *s)
{
    struct hf_err err = HF_ERR_INIT;
    if (hf_hold_stack_release(s, &err) < 0)
        hf_log_err(s->log, HF_LOG_ERROR, "hold", &err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tries.h"

#include <stdatomic.h>

#define NONSENSE_TRIES 3
#define ONCE_MS 10000
#define SLOWEST_BYTES_MS 4

void hf_tries_begin(struct hf_tries *t, const struct hf_store *s, const struct hf_clock *clock,
                    const struct hf_cancel *cancel, uint64_t bytes, bool once)
{
    const int64_t patience_ms = once ? ONCE_MS : atomic_load(&s->patience_ms);
    *t = (struct hf_tries){.retry = {.clock = clock,
                                     .cancel = cancel,
                                     .deadline_ms = hf_clock_mono_ms(clock) + patience_ms},
                           .work_ms = (int64_t)(bytes / SLOWEST_BYTES_MS),
                           .once = once};
}

int64_t hf_tries_timeout_ms(const struct hf_tries *t)
{
    return hf_clock_left_ms(t->retry.clock, t->retry.deadline_ms) + t->work_ms + 1;
}

static bool is_worth_it(struct hf_tries *t, const struct hf_err *err)
{
    if (t->once || !err->retryable)
        return false;
    return err->cls != HF_E_CORRUPT || ++t->nonsense <= NONSENSE_TRIES;
}

int hf_tries_again(struct hf_tries *t, const struct hf_err *last, const struct hf_http_answer *out,
                   struct hf_err *err)
{
    return is_worth_it(t, last) && hf_retry_wait(&t->retry, hf_http_retry_after_ms(out))
               ? 0
               : hf_retry_give_up(&t->retry, last, err);
}

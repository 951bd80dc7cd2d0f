/* SPDX-License-Identifier: Apache-2.0 */
#include "net/retry.h"

#include <sys/random.h>

#define FIRST_MS 200
#define MOST_MS 20000

/* Between half of the step and all of it. */
static int64_t jittered(unsigned tries)
{
    int64_t step = tries < 7 ? (int64_t)FIRST_MS << tries : MOST_MS;
    uint32_t dice = 0;
    if (step > MOST_MS)
        step = MOST_MS;
    if (getrandom(&dice, sizeof dice, 0) != sizeof dice)
        dice = UINT32_MAX;
    return step / 2 + (int64_t)((uint64_t)dice * (uint64_t)(step / 2) >> 32);
}

bool hf_retry_wait(struct hf_retry *r, int64_t at_least_ms)
{
    int64_t pause = jittered(r->tries);
    if (pause < at_least_ms)
        pause = at_least_ms;
    if (r->deadline_ms != HF_NO_DEADLINE && hf_clock_mono_ms(r->clock) + pause >= r->deadline_ms)
        return false;
    r->tries++;
    return hf_cancel_sleep(r->cancel, r->clock, pause);
}

int hf_retry_give_up(const struct hf_retry *r, const struct hf_err *last, struct hf_err *err)
{
    if (hf_cancel_check(r->cancel, err) < 0)
        return -1;
    hf_err_copy(err, last);
    return r->tries ? hf_wrap(err, "after %u tries", r->tries + 1) : -1;
}

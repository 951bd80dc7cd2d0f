/* SPDX-License-Identifier: Apache-2.0
 *
 * net/retry.h - how long to wait before the next try: growing, with jitter, under one deadline.
 *
 * The jitter keeps many who failed at once from coming back at once. A server that says when to come back is believed, within the deadline.
 */
#ifndef HF_NET_RETRY_H
#define HF_NET_RETRY_H

#include "base/cancel.h"
#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct hf_retry {
    const struct hf_clock *clock;
    const struct hf_cancel *cancel; /* or NULL */
    int64_t deadline_ms;
    unsigned tries; /* that were waited for */
};

/* Sleeps; at_least_ms: what the server asked for, 0 nothing. False: the deadline would pass, and nothing was waited; or cancelled,
 * before or in mid-pause. */
bool hf_retry_wait(struct hf_retry *r, int64_t at_least_ms);

/* Always -1: what went wrong last, with how often it was tried; CANCELLED, if it is. */
int hf_retry_give_up(const struct hf_retry *r, const struct hf_err *last, struct hf_err *err)
    HF_CHECKED;

#endif

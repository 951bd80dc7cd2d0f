/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/clock.h - how far the guest's wall clock is from ours.
 */
#ifndef HF_GUEST_CLOCK_H
#define HF_GUEST_CLOCK_H

#include "base/clock.h"
#include "guest/guest.h"

/* The guest's clock minus the host's, in ms: right to ±*out_within_ms, half of what the question took. clock NULL: system. */
int hf_guest_clock_offset(struct hf_guest *g, const struct hf_clock *clock, int64_t deadline_ms,
                          int64_t *out_ms, int64_t *out_within_ms, struct hf_err *err) HF_CHECKED;

#endif

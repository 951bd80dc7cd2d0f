/* SPDX-License-Identifier: Apache-2.0
 *
 * io/rate.h - no more than so many bytes a second, shared by all who take from one rate.
 *
 * A bucket of one second's worth: who takes from an empty one sleeps until it is filled again, or the cancel is set: then nobody waits
 * any more, and it is for the caller to look at it. Threads: any.
 */
#ifndef HF_IO_RATE_H
#define HF_IO_RATE_H

#include "base/cancel.h"
#include "base/clock.h"
#include "io/sink.h"

struct hf_io_rate;

/* clock and cancel (or NULL) are borrowed. */
struct hf_io_rate *hf_io_rate_new(uint64_t bytes_per_s, const struct hf_clock *clock,
                                  const struct hf_cancel *cancel, struct hf_err *err) HF_CHECKED;
void hf_io_rate_free(struct hf_io_rate *r);
HF_DEFINE_AUTO(hf_io_rate, hf_io_rate_free)

/* Returns when they may go, or cancelled. NULL: at once. */
void hf_io_rate_take(struct hf_io_rate *r, size_t bytes);

/* A filter that takes for what it passes on; owns next, also when it fails. The rate outlives it. */
struct hf_io_sink *hf_io_rate_sink_new(struct hf_io_rate *r, struct hf_io_sink *next,
                                       struct hf_err *err) HF_CHECKED;

#endif

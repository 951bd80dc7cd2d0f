/* SPDX-License-Identifier: Apache-2.0
 *
 * base/cancel.h - "somebody wants us to stop", set from a signal or another thread.
 *
 * A descriptor becomes readable when it is set, so waits can poll on it. Once set it stays set, until whoever has
 * dealt with it clears it for what comes next (a command that was interrupted; its cleaning up is not).
 */
#ifndef HF_BASE_CANCEL_H
#define HF_BASE_CANCEL_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>

struct hf_cancel;

struct hf_cancel *hf_cancel_new(struct hf_err *err) HF_CHECKED;
/* One that is set as long as its parent is (NULL: none), and from deadline_ms on (absolute, monotonic); setting it does
 * not set the parent. Borrows both; is not cleared. */
struct hf_cancel *hf_cancel_until(const struct hf_cancel *parent, const struct hf_clock *clock,
                                  int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
void hf_cancel_free(struct hf_cancel *c);
HF_DEFINE_AUTO(hf_cancel, hf_cancel_free)

void hf_cancel_set(struct hf_cancel *c);          /* async-signal-safe */
void hf_cancel_signal(struct hf_cancel *c, int number); /* the same, and which signal it was */
/* As new. The number of the signal that had set it, 0: none had. */
int hf_cancel_clear(struct hf_cancel *c);
bool hf_cancel_is_set(const struct hf_cancel *c); /* NULL: false */
int hf_cancel_fd(const struct hf_cancel *c);      /* for poll; -1 when c is NULL */
/* CANCELLED when set, TIMEOUT when only its time is over, else 0. */
int hf_cancel_check(const struct hf_cancel *c, struct hf_err *err) HF_CHECKED;
/* Sleeps for so long, or until a fifth of a second after it was set (NULL: never). False: it is set. */
bool hf_cancel_sleep(const struct hf_cancel *c, const struct hf_clock *clock, int64_t ms);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * store/tries.h - an HTTP request to a store that is sent again: for how long each try may take, and whether there is another.
 *
 * Promise  what passes is tried again until the store's patience is over; what makes no sense a few times only, for a wrong server stays
 *          wrong. A body is given time of its own: that nothing stands still is watched elsewhere.
 * Errors   of the last try, with how often it was tried; CANCELLED.
 */
#ifndef HF_STORE_TRIES_H
#define HF_STORE_TRIES_H

#include "net/http.h"
#include "net/retry.h"
#include "store/store.h"

struct hf_tries {
    struct hf_retry retry;
    unsigned nonsense;
    int64_t work_ms;
    bool once;
};

/* bytes: of the body and of the answer. once: not again, and no patience. */
void hf_tries_begin(struct hf_tries *t, const struct hf_store *s, const struct hf_clock *clock,
                    const struct hf_cancel *cancel, uint64_t bytes, bool once);
/* Of the next try. */
int64_t hf_tries_timeout_ms(const struct hf_tries *t);
/* After one that failed. 0: again, and what was to be waited for is over. */
int hf_tries_again(struct hf_tries *t, const struct hf_err *last, const struct hf_http_answer *out,
                   struct hf_err *err) HF_CHECKED;

#endif

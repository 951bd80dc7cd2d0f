/* SPDX-License-Identifier: Apache-2.0
 *
 * run/at_rest.h - a VM's services at rest until some work is done, as a part of a run.
 *
 * Order      everything is looked at first; journal entry and dead-man before the first stop; the services are started again
 *            as soon as the work is done, failed, cancelled, or limit_ms is over.
 * Crash      the guardian starts them within a second; without it, and without its host, the dead-man in the guest does,
 *            limit_ms after they came to rest.
 */
#ifndef HF_RUN_AT_REST_H
#define HF_RUN_AT_REST_H

#include "hold/hold.h"
#include "run/run.h"

struct hf_at_rest {
    struct hf_strv stopped;  /* in the order in which they were started again */
    struct hf_strv warnings; /* of the run */
    double rest_ms;          /* from the first stop to the last start */
};
void hf_at_rest_free(struct hf_at_rest *r);
HF_DEFINE_AUTO_VALUE(hf_at_rest, hf_at_rest_free)

/* 0: the work was done and nothing of `units` ran meanwhile (hold/hold.h, hf_hold_at_rest). -1: the caller fails the run,
 * which starts what may still be stopped. */
int hf_run_at_rest(struct hf_run *run, const struct hf_strv *units, int64_t limit_ms,
                   const struct hf_hold_work *work, struct hf_at_rest *out, struct hf_err *err)
    HF_CHECKED;

#endif

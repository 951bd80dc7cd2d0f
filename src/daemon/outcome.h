/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/outcome.h - how a run ended: from its exit status and the document it printed, or, where nobody saw its end, from the
 * catalog's row of it. Pure.
 *
 * Promise   "done" only with a status of 0 and a report that says so: what cannot be read is a failure.
 */
#ifndef HF_DAEMON_OUTCOME_H
#define HF_DAEMON_OUTCOME_H

#include "base/cleanup.h"
#include "catalog/duty.h"

struct hf_outcome {
    const char *outcome;                                 /* as in the duty, static */
    char *run_id, *error, *message, *grade, *datastores; /* or NULL; as in the duty */
    double stall_ms;                                     /* negative: none */
    int64_t bytes;
    int64_t started_us, ended_us; /* by the catalog; 0: not known from there */
    bool is_protected;
};
void hf_outcome_free(struct hf_outcome *o);
HF_DEFINE_AUTO_VALUE(hf_outcome, hf_outcome_free)

struct hf_ending {
    int status;      /* as waitpid gives it */
    const char *out; /* what it printed */
    size_t out_len;
    bool is_cut;      /* it printed more */
    const char *said; /* its last line on stderr, "" */
};

/* kind: HF_DUTY_…. -1: no memory. *out is zero, or an earlier one, which is freed. */
int hf_outcome_of_child(const char *kind, const struct hf_ending *e, struct hf_outcome *out,
                        struct hf_err *err) HF_CHECKED;
/* Of a run whose process is gone. The same. */
int hf_outcome_of_run(const char *kind, const struct hf_catalog_run *run, struct hf_outcome *out,
                      struct hf_err *err) HF_CHECKED;
/* "failed", and why. The same. */
int hf_outcome_failed(const struct hf_err *why, struct hf_outcome *out, struct hf_err *err)
    HF_CHECKED;

#endif

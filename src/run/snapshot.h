/* SPDX-License-Identifier: Apache-2.0
 *
 * run/snapshot.h - the engines behind `snapshot create` and `snapshot delete`.
 *
 * Each is one run (run/run.h): 0 with a report (a JSON document, to be put; DESIGN section 7), or
 * -1 with everything undone, or err->left saying what is not. ^C before the capture undoes; after
 * it the run goes to its end.
 */
#ifndef HF_RUN_SNAPSHOT_H
#define HF_RUN_SNAPSHOT_H

#include "net/json.h"
#include "run/env.h"

struct hf_snapshot_create {
    const char *vm;    /* section name */
    const char *label; /* or NULL */
    int64_t keep_ms;   /* until it expires; 0: as snapshot-keep says */
};

/* *out_degraded: the snapshot is there, its grade is below the required one. */
int hf_run_snapshot_create(const struct hf_env *env, const struct hf_snapshot_create *req,
                           struct json_object **out_report, bool *out_degraded, struct hf_err *err)
    HF_CHECKED;

int hf_run_snapshot_delete(const struct hf_env *env, const char *vm, const char *name,
                           struct json_object **out_report, struct hf_err *err) HF_CHECKED;

#endif

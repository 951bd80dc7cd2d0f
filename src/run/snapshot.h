/* SPDX-License-Identifier: Apache-2.0
 *
 * run/snapshot.h - the engines behind `snapshot create`, `snapshot delete` and `snapshot rollback`.
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
    int64_t keep_ms;   /* until it expires; 0: as snapshot-keep of the policy or the VM says */
};

/* *out_degraded: the snapshot is there, its grade is below the required one. */
int hf_run_snapshot_create(const struct hf_env *env, const struct hf_snapshot_create *req,
                           struct json_object **out_report, bool *out_degraded, struct hf_err *err)
    HF_CHECKED;

int hf_run_snapshot_delete(const struct hf_env *env, const char *vm, const char *name,
                           struct json_object **out_report, struct hf_err *err) HF_CHECKED;

#define HF_VERB_DELETE "snapshot delete"
#define HF_VERB_ROLLBACK "snapshot rollback"

struct hf_snapshot_rollback {
    const char *vm;   /* section name */
    const char *name; /* of the snapshot */
    bool
        keep_current; /* the state that is left stays as files beside the disks, named in the report */
};

/* The VM stops, and starts again with the snapshot's disks. Until its database accepts connections (where it has one, and
 * ran before) the old state stays and is what a failure, ^C or death goes back to; from then on the rollback is finished.
 * TIMEOUT: the new state did not come up, the old one runs again. Report:
 * {"run","vm","snapshot","kept":[PATH],"younger":[NAME],"off_ms","boot_ms"|null,"db_ms"|null,"warnings","timeline"}; off_ms:
 * the VM was being stopped or was off; boot_ms: from its start until the database accepted; db_ms: that, from the begin of
 * the run on. */
int hf_run_snapshot_rollback(const struct hf_env *env, const struct hf_snapshot_rollback *req,
                             struct json_object **out_report, struct hf_err *err) HF_CHECKED;

/* What it would cost, with nothing changed: {"vm","snapshot","taken_at"|null,"discarded_bytes","younger":[NAME],
 * "running","warnings":[]}. Refuses what the rollback would refuse. */
int hf_run_snapshot_rollback_preview(const struct hf_env *env,
                                     const struct hf_snapshot_rollback *req,
                                     struct json_object **out_doc, struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * run/maintain.h - the engine behind `maintain`: snapshot, command, probes, and the way back.
 *
 * before   `check` finds nothing that fails, every probe passes, the command exists, and, where a rollback is asked for
 *          beforehand, the writes can be saved. Else nothing is done.
 * snapshot as `snapshot create`. Below the required grade: the command is not begun, the snapshot stays.
 * command  run/command.h. Its status is the first probe; then the VM's probes, until they pass or probe-grace is over.
 * keep     all is well, or somebody decided so. The snapshot stays either way.
 * go back  the writes since the snapshot are saved (run/saved_writes.h), then `snapshot rollback`, then the probes again.
 *          What cannot be saved is not thrown away: without discard_writes nobody rolls back unasked, and the disks that
 *          are set aside stay.
 *
 * One run (run/run.h), unguarded: it holds the VM's lock from beginning to end and lends it to the runs inside. Its journal
 * entry says how far it came; nobody decides after its death (run/maintenance.h).
 * Signals: until the snapshot is taken they cancel. The command is asked to end, and decides. While probes are tried they
 * mean that it failed. From the decision to go back on they are not heard. A lost terminal: nobody is asked any more.
 */
#ifndef HF_RUN_MAINTAIN_H
#define HF_RUN_MAINTAIN_H

#include "net/json.h"
#include "run/env.h"
#include "run/probe.h"

enum hf_maintain_choice { HF_MAINTAIN_KEEP, HF_MAINTAIN_ROLL_BACK };

/* What somebody has to know to decide. */
struct hf_maintain_question {
    const char *vm, *snapshot, *log;
    const char *why; /* what failed */
    bool saves;      /* the writes since can be saved */
    const char *why_not;
};

struct hf_maintain {
    const char *vm;    /* section name */
    const char *label; /* or NULL */
    const char *const *argv;
    enum hf_maintain_choice on_failure; /* where nobody is asked */
    bool discard_writes;                /* roll back although they cannot be saved */
    bool keep_current;                  /* the disks that are set aside stay in any case */
    bool out_to_stderr;
    /* Asks somebody; NULL: nobody is there. -1: no answer, which means keep. */
    int (*ask)(void *ctx, const struct hf_maintain_question *q, enum hf_maintain_choice *out);
    void *ctx;
};

enum hf_maintain_outcome {
    HF_MAINTAIN_KEPT,
    HF_MAINTAIN_ROLLED_BACK,
    HF_MAINTAIN_FAILED_KEPT,
    HF_MAINTAIN_NOT_BEGUN, /* the snapshot is below its grade */
};

/* 0 with a report (to be put), whatever the outcome; -1: refused or failed, with what is left said. */
int hf_run_maintain(const struct hf_env *env, const struct hf_maintain *req,
                    struct json_object **out_report, enum hf_maintain_outcome *out,
                    struct hf_err *err) HF_CHECKED;

#endif

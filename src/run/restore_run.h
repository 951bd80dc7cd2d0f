/* SPDX-License-Identifier: Apache-2.0
 *
 * run/restore_run.h - `holdfast restore files --to-guest VM`: an archive, or parts of it, into the guest by ssh.
 *
 * Before     run/restore_ask.h: nothing of the archive is in the guest yet when that fails (the target's folder may be).
 * While      what files/plan.h lets through is written as a clean tar to the guest's own GNU tar, which replaces a file by a new
 *            one and writes through no symlink that it has made itself.
 * After      tar's status is 0, and the guest has synced. What tar said meanwhile is in the warnings.
 * Failure    whatever the reason, `left` says that the guest may have a part. The guest's disk full: NOSPACE, at the first word of it.
 * Crash      nothing is journalled: the session ends with the process, and tar with its input. The guest may have a part.
 */
#ifndef HF_RUN_RESTORE_RUN_H
#define HF_RUN_RESTORE_RUN_H

#include "files/plan.h"
#include "run/env.h"

struct hf_run_restore {
    const char *vm;
    struct hf_unpack what;                                             /* target: in the guest */
    void (*progress)(void *ctx, uint64_t entries, uint64_t tar_bytes); /* may be NULL */
    void *progress_ctx;
};

int hf_run_restore(const struct hf_env *env, const struct hf_run_restore *req,
                   struct hf_unpacked *out, struct hf_err *err) HF_CHECKED;

#endif

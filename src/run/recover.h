/* SPDX-License-Identifier: Apache-2.0
 *
 * run/recover.h - undo or finish what a dead run left; the same for guardian, next run and
 * `holdfast recover`.
 *
 * A journal without an end belongs to a dead run when its VM's lock can be taken. Its holds are
 * undone first, always. If the catalog says that the run was committed, the journal then only lacks
 * its end, and gets it. Otherwise its open effects are undone (run/effects.h), the catalog row ends
 * as "undone" ("done" for a deletion, which is finished), and the journal is removed. A catalog
 * that is lost or damaged means: not committed. One that merely cannot be asked now (busy, no
 * space) decides nothing, and the effects wait for the next time. What could not be undone stays in
 * the journal, is named in `left`, and is tried again next time. Running it twice changes nothing.
 */
#ifndef HF_RUN_RECOVER_H
#define HF_RUN_RECOVER_H

#include "run/effects.h"

/* The caller holds the VM's lock; u->vm may be NULL (found by the journal). *outcome as in struct
 * hf_recovered; NULL: the journal is gone, the run ended by itself. */
int hf_recover_run(struct hf_undo *u, const char *run_id, const char **outcome, struct hf_err *err)
    HF_CHECKED;

/* All dead runs of one VM (NULL: a machine that no section knows), whose lock of this key the caller holds. A journal that nobody can read
 * does not keep other VMs from running: it is logged, and `recover` and `check` name it. A restored machine that runs is not ended: when its guest
 * answers it is there to stay; else BUSY, and ending it is for `recover`, which somebody runs knowingly. */
int hf_recover_vm(const struct hf_env *env, const struct hf_config_vm *vm, const char *lock_key,
                  struct hf_err *err) HF_CHECKED;

/* BUSY: there is a dead run under this key, and this is who must not change anything. */
int hf_recover_is_done(const struct hf_env *env, const char *lock_key, struct hf_err *err)
    HF_CHECKED;

/* What happened to one journal, for the report. */
struct hf_recovered {
    const char *run_id, *vm, *verb;
    const char *
        outcome; /* "undone", "finished", "unfinished" (of a maintenance: somebody has to decide), "alive", "failed", "would undo", "would finish" */
    const struct hf_strv *actions;
    const struct hf_err *err; /* of "failed", else NULL */
};
typedef int (*hf_recovered_cb)(void *ctx, const struct hf_recovered *r, struct hf_err *err);

/* Every journal on this host. -1: one could not be undone (all were tried), err has the first cause
 * and every left. */
int hf_recover_all(const struct hf_env *env, bool dry_run, hf_recovered_cb emit, void *ctx,
                   struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * run/run.h - one run: everything between "somebody asked" and "nothing is open any more".
 *
 * begin    finds the VM, takes its lock (BUSY: another run), undoes what a dead run left on it, creates the
 *          journal and the catalog row, starts the guardian. -1: nothing remains but a failed row.
 * effects  each is preceded by its journal entry (kinds and inverses: run/effects.h).
 * commit   the run counts: catalog first, then the journal's end. A crash between is finished by recover.
 * fail     undoes every open journal entry, joins what could not be undone to err (left), ends row and
 *          journal.
 * close    dismisses the guardian, lets go of the VM's lock. Without commit or fail before it the journal
 *          stays open, as after a crash.
 *
 * apart    a run that has a machine of its own (`drill`): it takes no lock on the VM, which runs on, but one of its own, so that
 *          nobody does the same with that VM meanwhile; found is no machine, but what the VM is called.
 *
 * within   a run may begin others on its own VM (env->within): they share its lock, so that nobody else comes between,
 *          and leave its journal alone. Each has a journal, a guardian and a row of its own.
 *
 * Crash at any point: the guardian inherits the VM's lock and undoes the journal (run/guardian.h).
 */
#ifndef HF_RUN_RUN_H
#define HF_RUN_RUN_H

#include "base/id.h"
#include "catalog/catalog.h"
#include "catalog/journal.h"
#include "catalog/vmlock.h"
#include "run/env.h"

struct hf_guardian;

#define HF_VERB_DRILL "drill"

struct hf_run {
    const struct hf_env *env;
    const struct hf_config_vm *vm;
    const struct hf_config_hypervisor *hypervisor;
    const char *verb; /* "snapshot create": a literal */
    char id[HF_ID_MAX];
    int64_t started_us, started_wall_us;
    struct hf_hv *hv;
    struct hf_vm_copy found;
    struct hf_vmlock *vmlock;
    struct hf_catalog *catalog;
    struct hf_journal *journal;
    struct hf_guardian *guardian;
};

int hf_run_begin(struct hf_run *run, const struct hf_env *env, const char *verb,
                 const char *vm_label, struct hf_err *err) HF_CHECKED;
/* The same without a guardian, for a run whose own entries nobody undoes in a hurry (`maintain`). */
int hf_run_begin_unguarded(struct hf_run *run, const struct hf_env *env, const char *verb,
                           const char *vm_label, struct hf_err *err) HF_CHECKED;
/* One apart, guarded. hypervisor: where its machine will be; NULL: that of the VM. */
int hf_run_begin_apart(struct hf_run *run, const struct hf_env *env, const char *verb,
                       const char *vm_label, const char *hypervisor, struct hf_err *err) HF_CHECKED;
/* The grade that makes it a success: the policy's, else the VM's. */
enum hf_grade hf_run_required(const struct hf_run *run);
/* Waits until the guardian has its connections open. Call before the first effect that a crash must
 * undo at once. */
int hf_run_wait_guardian(struct hf_run *run, struct hf_err *err) HF_CHECKED;

/* The run's own part of a catalog row; strings are borrowed from run and report. */
struct hf_catalog_run hf_run_row(const struct hf_run *run, const char *outcome, const char *report);
/* After the catalog transaction that made the outcome true: the journal's end. The run counts
 * already, so what goes wrong here is logged and left to recover. */
void hf_run_commit(struct hf_run *run);
/* What was done counts already, whatever becomes of its record: the row ends with outcome and report (borrowed), then
 * commit. A catalog that cannot be told now is told by recover, from the journal; done, a sentence without its full
 * stop, is what the log then begins its hint with. */
void hf_run_end(struct hf_run *run, const char *outcome, struct json_object *report,
                const char *done);
/* A deletion of this snapshot stopped half-way, by the catalog: whatever comes of another one, it is no way back any more. */
bool hf_run_is_half_deleted(struct hf_run *run, const char *name);
/* Before hf_run_fail, where what stands is to stay: no open entry of the journal is undone any more. What goes wrong is
 * joined to err. */
void hf_run_keep_effects(struct hf_run *run, struct hf_err *err);
/* Returns -1 always, so that `return hf_run_fail(run, err)` reads well. */
int hf_run_fail(struct hf_run *run, struct hf_err *err);
void hf_run_close(struct hf_run *run);
HF_DEFINE_AUTO_VALUE(hf_run, hf_run_close)

#endif

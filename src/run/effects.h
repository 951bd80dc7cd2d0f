/* SPDX-License-Identifier: Apache-2.0
 *
 * run/effects.h - every kind of thing a run may leave in the outside world, and its inverse.
 *
 * One table (effects.c): kind of journal entry, urgency, inverse. The same inverses serve a failing
 * run, the guardian and `recover`; each is idempotent and looks at what is there before it acts.
 * Holds go first (a guest at rest is urgent, an overlay is not) and in the order of a release: thaw, unlock, set back,
 * start. Within one urgency the last effect goes first.
 *
 *   kind             data                                            inverse
 *   freeze           {vm_id, deadman}                                thaw, disarm
 *   db-lock          {dead_at}                                       kill the marked session
 *   db-variable      {name, old, new}                                SET GLOBAL back
 *   rest             {units, deadmen}                                start the units, disarm
 *   bridge           {}                                              end what leads to the database in the guest
 *   snapshot         {vm_id, name, token}                            capture_discard
 *   export           {vm_id, name, token}                            capture_discard
 *   export-decided   {vm_id, name, token, ref}                       none: names the backup; an `export` beside it is void
 *   snapshot-delete  {vm_id, name}                                   finish the deletion
 *   maintenance      {phase, snapshot, log}                          none: says what somebody has to decide
 *   rollback         {vm_id, name, token}                            back to the state before it
 *   rollback-decided {vm_id, name, token, keep, younger}             finish it; a `rollback` beside it is void
 *   machine          {hypervisor, token, part, dir}                  machine_destroy; the disks' folder has its former name (a machine
 *                                                                    from a pushed backup has none: both are empty)
 *   machine-decided  {hypervisor, token, part, dir}                  settle it; a `machine` beside it is void
 *   machine-served   {hypervisor, name, token, dir}                  machine_destroy; the folder of its sockets removed
 */
#ifndef HF_RUN_EFFECTS_H
#define HF_RUN_EFFECTS_H

#include "base/strv.h"
#include "catalog/journal.h"
#include "run/env.h"
#include "run/way.h"

#define HF_EFFECT_FREEZE "freeze"
#define HF_EFFECT_REST "rest"
#define HF_EFFECT_BRIDGE "bridge"
#define HF_EFFECT_DB_LOCK "db-lock"
#define HF_EFFECT_DB_VARIABLE "db-variable"
#define HF_EFFECT_SNAPSHOT "snapshot"
#define HF_EFFECT_EXPORT "export"
#define HF_EFFECT_EXPORT_DECIDED "export-decided"
#define HF_EFFECT_SNAPSHOT_DELETE "snapshot-delete"
#define HF_EFFECT_MAINTENANCE "maintenance"
#define HF_EFFECT_ROLLBACK "rollback"
#define HF_EFFECT_ROLLBACK_DECIDED "rollback-decided"
#define HF_EFFECT_MACHINE "machine"
#define HF_EFFECT_MACHINE_DECIDED "machine-decided"
#define HF_EFFECT_MACHINE_SERVED "machine-served"

int hf_effect_db_lock(struct hf_journal *j, int64_t dead_at_us, uint64_t *seq, struct hf_err *err)
    HF_CHECKED;
int hf_effect_db_variable(struct hf_journal *j, const char *name, const char *old_value,
                          const char *new_value, uint64_t *seq, struct hf_err *err) HF_CHECKED;
/* units in the order in which they are started again; deadmen: every name that may be armed. */
int hf_effect_rest(struct hf_journal *j, const struct hf_strv *units, const struct hf_strv *deadmen,
                   uint64_t *seq, struct hf_err *err) HF_CHECKED;
int hf_effect_bridge(struct hf_journal *j, uint64_t *seq, struct hf_err *err) HF_CHECKED;
int hf_effect_freeze(struct hf_journal *j, const char *vm_id, const char *deadman, uint64_t *seq,
                     struct hf_err *err) HF_CHECKED;
int hf_effect_snapshot(struct hf_journal *j, const char *vm_id, const char *name, const char *token,
                       struct hf_err *err) HF_CHECKED;
/* The job, its scratch space, its checkpoint. */
int hf_effect_export(struct hf_journal *j, const char *vm_id, const char *name, const char *token,
                     struct hf_err *err) HF_CHECKED;
/* Of a pushed one: from here on a manifest may name the backup ref. */
int hf_effect_export_decided(struct hf_journal *j, const char *vm_id, const char *name,
                             const char *token, const char *ref, struct hf_err *err) HF_CHECKED;
int hf_effect_snapshot_delete(struct hf_journal *j, const char *vm_id, const char *name,
                              struct hf_err *err) HF_CHECKED;

/* snapshot, log: NULL before there is one. */
int hf_effect_maintenance(struct hf_journal *j, const char *phase, const char *snapshot,
                          const char *log, uint64_t *seq, struct hf_err *err) HF_CHECKED;
int hf_effect_rollback(struct hf_journal *j, const char *vm_id, const char *name, const char *token,
                       struct hf_err *err) HF_CHECKED;
/* From here on the new state counts. younger: snapshots that are gone with it. */
int hf_effect_rollback_decided(struct hf_journal *j, const char *vm_id, const char *name,
                               const char *token, bool keep, const struct hf_strv *younger,
                               struct hf_err *err) HF_CHECKED;

/* Beside a disk that is restored (restore/disk_part.h): what there is of it, and its record. */
#define HF_DISK_PART ".holdfast-part"
#define HF_DISK_RECORD ".holdfast-part.json"

/* A machine from a stored definition, whose disks are in the folder `part`, and then, all of them, in `dir`. */
struct hf_effect_machine {
    const char *hypervisor; /* its section */
    const char *token;
    const char *part, *dir;
};
int hf_effect_machine(struct hf_journal *j, const struct hf_effect_machine *m, struct hf_err *err)
    HF_CHECKED;
/* From here on it is there to stay. */
int hf_effect_machine_decided(struct hf_journal *j, const struct hf_effect_machine *m,
                              struct hf_err *err) HF_CHECKED;

/* Once it has been settled: nobody asks any more whether its disks are as they were restored. Not there: nothing. */
int hf_effect_remove_records(const char *dir, struct hf_err *err) HF_CHECKED;

/* A transient machine of the run's own, whose disks are served at sockets in the folder dir. */
int hf_effect_machine_served(struct hf_journal *j, const char *hypervisor, const char *name,
                             const char *token, const char *dir, struct hf_err *err) HF_CHECKED;

/* Connections for undoing; opened when first needed unless handed in. */
struct hf_undo {
    const struct hf_env *env;
    const struct hf_config_vm *vm; /* NULL: no section knows it (machines) */
    const char *vm_id;             /* the hypervisor's; borrowed */
    struct hf_hv *hv;      /* NULL: opened on demand; a stuck one is waited for, then replaced */
    struct hf_way way;     /* opened on demand */
    struct hf_db_conn *db; /* NULL: opened on demand */
    bool owns_hv, owns_db;
    bool dry_run;        /* only say what would be done */
    bool spares_running; /* for somebody who begins something else: see hf_effect_decide_machine */
    struct hf_strv actions; /* what was (would be) done, one sentence each */
    char *
        unfinished; /* the report of a maintenance that nobody finished (run/maintenance.h), or NULL */
};
void hf_undo_close(struct hf_undo *u);
HF_DEFINE_AUTO_VALUE(hf_undo, hf_undo_close)

/* A `machine` that nobody decided on, and that runs: its guest answers, and it is there to stay, as its restore would have said. BUSY: it does
 * not answer, and ending it is for `recover`. */
int hf_effect_decide_machine(struct hf_undo *u, struct hf_journal *j, struct hf_err *err)
    HF_CHECKED;

/* Undoes all open entries, marks each in the journal. Goes on past failures; -1: left names what
 * remains. */
int hf_undo_journal(struct hf_undo *u, struct hf_journal *j, struct hf_err *err) HF_CHECKED;
/* The same for the holds alone (freeze, sessions, variables, services): nobody wants them to stay, also when the run
 * counts. */
int hf_undo_holds(struct hf_undo *u, struct hf_journal *j, struct hf_err *err) HF_CHECKED;
/* The server variables alone. */
int hf_undo_variables(struct hf_undo *u, struct hf_journal *j, struct hf_err *err) HF_CHECKED;
bool hf_undo_is_holding(const struct hf_journal *j); /* a hold's entry is open */
/* Is an entry of this kind void: decided on by another one? */
bool hf_undo_is_void(const struct hf_journal *j, const char *kind);
/* A run that died in a deletion, or in a rollback or the making of a machine that was decided, is finished, not undone. */
bool hf_undo_rolls_forward(const struct hf_journal *j);

#endif

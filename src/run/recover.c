/* SPDX-License-Identifier: Apache-2.0 */
#include "run/recover.h"

#include "base/point.h"
#include "catalog/catalog.h"
#include "catalog/vmlock.h"
#include "run/maintenance.h"
#include "run/run.h"

#include <string.h>

struct who { /* of a journal's "run" entry; borrowed from it */
    const char *verb, *vm, *hypervisor, *vm_id, *lock_key;
    int64_t is_sectionless; /* a machine that is being made: no section has to know it */
};

static int read_who(struct hf_journal *j, struct who *w, struct hf_err *err)
{
    struct json_object *data = hf_journal_run_data(j);
    if (hf_json_get_string(data, "verb", &w->verb, err) < 0 ||
        hf_json_get_string(data, "vm", &w->vm, err) < 0 ||
        hf_json_get_string(data, "hypervisor", &w->hypervisor, err) < 0 ||
        hf_json_get_string(data, "vm_id", &w->vm_id, err) < 0 ||
        hf_json_get_string(data, "lock_key", &w->lock_key, err) < 0 ||
        hf_json_opt_int(data, "sectionless", &w->is_sectionless, err) < 0)
        return hf_wrap(err, "journal of run %s", hf_journal_run_id(j));
    return 0;
}

/* ---- catalog: did the run count? -------------------------------------------------------- */

static int note_outcome(void *ctx, const struct hf_catalog_run *r, struct hf_err *err)
{
    (void)err;
    const char *o = r->outcome;
    /* A drill that the point did not pass was made, and its verdict stays. */
    bool is_verdict = o && strcmp(r->verb, HF_VERB_DRILL) == 0 && strcmp(o, "failed") == 0;
    *(bool *)ctx = is_verdict || (o && (strcmp(o, "done") == 0 || strcmp(o, "degraded") == 0 ||
                                        strcmp(o, HF_MAINTENANCE_ROLLED_BACK) == 0 ||
                                        strcmp(o, HF_MAINTENANCE_FAILED_KEPT) == 0));
    return 0;
}

/* Without a catalog a run did not count: undoing a wanted snapshot costs a snapshot, keeping an
 * unwanted one fills a disk. -1: the catalog is there and cannot be asked now. */
static int was_committed(struct hf_catalog *c, const char *run_id, bool *out, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    *out = false;
    if (!c || hf_catalog_find_run(c, run_id, note_outcome, out, &why) == 0 ||
        why.cls == HF_E_NOT_FOUND || why.cls == HF_E_CORRUPT)
        return 0;
    hf_err_copy(err, &why);
    return hf_wrap(err, "whether run %s counts", run_id);
}

static void end_row(const struct hf_env *env, struct hf_catalog *c, const struct who *w,
                    const char *run_id, const char *outcome, const char *report)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog_run row = {
        .id = run_id,
        .verb = w->verb,
        .vm = w->vm,
        .hypervisor = w->hypervisor,
        .vm_id = w->vm_id,
        .outcome = outcome,
        .report = report,
        .ended_us = hf_clock_wall_us(env->clock),
    };
    if (c && hf_catalog_run_end(c, &row, &err) < 0)
        hf_log_err(env->log, HF_LOG_WARN, "recover", &err);
}

static int finish_journal(struct hf_journal *j, const char *outcome, struct hf_err *err)
{
    if (!hf_journal_is_ended(j) && hf_journal_end(j, outcome, err) < 0)
        return -1;
    HF_POINT("recover.before_finish");
    return hf_journal_finish(j, err);
}

/* ---- one run ---------------------------------------------------------------------------- */

static void set_deleted(const struct hf_env *env, struct hf_catalog *c, const char *vm_id,
                        const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    if (hf_catalog_snapshot_set_state(c, vm_id, name, "deleted", &err) < 0 &&
        err.cls != HF_E_NOT_FOUND)
        hf_log_err(env->log, HF_LOG_WARN, "recover", &err);
}

static void note_entry(const struct hf_env *env, struct hf_catalog *c,
                       const struct hf_journal_entry *e)
{
    const char *vm_id = NULL, *name = NULL;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv gone = HF_STRV_INIT;
    bool is_deletion = strcmp(e->kind, HF_EFFECT_SNAPSHOT_DELETE) == 0;
    if (!is_deletion && strcmp(e->kind, HF_EFFECT_ROLLBACK_DECIDED) != 0)
        return;
    if (hf_json_get_string(e->data, "vm_id", &vm_id, &err) < 0 ||
        (is_deletion ? hf_json_get_string(e->data, "name", &name, &err)
                     : hf_json_get_strings(e->data, "younger", &gone, &err)) < 0) {
        hf_log_err(env->log, HF_LOG_WARN, "recover", &err);
        return;
    }
    if (is_deletion)
        set_deleted(env, c, vm_id, name);
    for (size_t i = 0; i < gone.n; i++)
        set_deleted(env, c, vm_id, gone.items[i]);
}

/* A deletion that was finished, and a rollback past younger snapshots, made rows untrue. */
static void note_deleted(const struct hf_env *env, struct hf_catalog *c, struct hf_journal *j)
{
    for (size_t i = 0; c && i < hf_journal_count(j); i++)
        note_entry(env, c, hf_journal_at(j, i));
}

/* The dead run's own section, which knows its database: one machine may have several. Another one only when that was
 * renamed. */
static int find_vm(struct hf_undo *u, const struct who *w, struct hf_err *err)
{
    struct hf_err mine = HF_ERR_INIT;
    const struct hf_config_vm *own = hf_config_find_vm(u->env->config, w->vm, &mine);
    if (own && (!u->vm || strcmp(own->hypervisor, w->hypervisor) == 0))
        u->vm = own;
    if (u->vm || w->is_sectionless)
        return 0;
    hf_err_copy(err, &mine);
    err->hint[0] = '\0'; /* names of other VMs are no help here */
    return hf_hint(err, "Put the section [vm %s] back until `holdfast recover` has run.", w->vm);
}

/* *out NULL: it is lost, and recovery goes on without. */
static int open_catalog(const struct hf_env *env, struct hf_catalog **out, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    *out = hf_catalog_open(hf_env_state(env), env->clock, &why);
    if (*out)
        return 0;
    if (why.cls != HF_E_CORRUPT) {
        hf_err_copy(err, &why);
        return -1;
    }
    hf_log(env->log, HF_LOG_WARN, "recover", "going on without the catalog: %s", why.message);
    return 0;
}

static int finish_committed(struct hf_undo *u, struct hf_journal *j, const char **outcome,
                            struct hf_err *err)
{
    if (hf_strv_add(&u->actions, "the run was complete: only its journal lacked the end") < 0)
        return hf_fail_nomem(err);
    *outcome = u->dry_run ? "would finish" : "finished";
    return u->dry_run ? 0 : finish_journal(j, "done", err);
}

static int undo_open(struct hf_undo *u, struct hf_catalog *c, struct hf_journal *j,
                     const struct who *w, const char **outcome, struct hf_err *err)
{
    if (u->spares_running && hf_effect_decide_machine(u, j, err) < 0)
        return -1;
    bool forward = hf_undo_rolls_forward(j);
    if (hf_undo_journal(u, j, err) < 0)
        return -1;
    *outcome = forward ? "would finish" : "would undo";
    if (u->dry_run)
        return 0;
    *outcome = u->unfinished ? HF_MAINTENANCE_UNFINISHED : forward ? "finished" : "undone";
    note_deleted(u->env, c, j);
    end_row(u->env, c, w, hf_journal_run_id(j),
            u->unfinished ? HF_MAINTENANCE_UNFINISHED
            : forward     ? "done"
                          : "undone",
            u->unfinished);
    return finish_journal(j, forward ? "done" : "undone", err);
}

static int recover_open(struct hf_undo *u, struct hf_journal *j, const char **outcome,
                        struct hf_err *err)
{
    struct who w = {0};
    bool committed = false;
    if (read_who(j, &w, err) < 0 || find_vm(u, &w, err) < 0)
        return -1;
    u->vm_id = w.vm_id;
    /* Holds need no decision, so they wait for nothing: not for a busy catalog, not for a full
     * disk.
     */
    if (!u->dry_run && hf_undo_holds(u, j, err) < 0)
        return -1;
    HF_AUTO(hf_catalog) struct hf_catalog *c = NULL;
    if (open_catalog(u->env, &c, err) < 0 ||
        was_committed(c, hf_journal_run_id(j), &committed, err) < 0)
        return hf_left(err, "what run %s of %s did", hf_journal_run_id(j), w.vm);
    return committed ? finish_committed(u, j, outcome, err) : undo_open(u, c, j, &w, outcome, err);
}

int hf_recover_run(struct hf_undo *u, const char *run_id, const char **outcome, struct hf_err *err)
{
    struct hf_err mine = HF_ERR_INIT;
    *outcome = NULL;
    HF_AUTO(hf_journal)
    struct hf_journal *j = hf_journal_open(hf_env_state(u->env), run_id, u->env->clock, &mine);
    if (!j && mine.cls == HF_E_NOT_FOUND)
        return 0; /* it ended while we were looking */
    if (!j) {
        hf_err_copy(err, &mine);
        return -1;
    }
    if (!hf_journal_is_ended(j))
        return recover_open(u, j, outcome, err);
    *outcome = u->dry_run ? "would finish" : "finished";
    return u->dry_run ? 0 : finish_journal(j, NULL, err);
}

/* ---- many ------------------------------------------------------------------------------- */

/* NULL: not a dead run of this VM, or not to be read. */
static struct hf_journal *open_of_vm(const struct hf_env *env, const char *id, const char *lock_key)
{
    struct who w = {0};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal)
    struct hf_journal *j = hf_journal_open(hf_env_state(env), id, env->clock, &err);
    if (j && read_who(j, &w, &err) == 0)
        return strcmp(w.lock_key, lock_key) == 0 ? HF_STEAL(j) : NULL;
    if (err.cls != HF_E_NOT_FOUND) /* a run on another VM that ended meanwhile */
        hf_log_err(env->log, HF_LOG_WARN, "recover", &err);
    return NULL;
}

int hf_recover_vm(const struct hf_env *env, const struct hf_config_vm *vm, const char *lock_key,
                  struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    if (hf_journal_list(hf_env_state(env), &ids, err) < 0)
        return -1;
    for (size_t i = 0; i < ids.n; i++) {
        const char *outcome = NULL;
        if (env->within && strcmp(env->within->id, ids.items[i]) == 0)
            continue;
        HF_AUTO(hf_journal) struct hf_journal *j = open_of_vm(env, ids.items[i], lock_key);
        if (!j)
            continue;
        hf_log(env->log, HF_LOG_WARN, "recover", "run %s of %s died: undoing it first",
               ids.items[i], vm ? vm->label : lock_key);
        HF_AUTO(hf_undo) struct hf_undo undo = {.env = env, .vm = vm, .spares_running = true};
        if (hf_recover_run(&undo, ids.items[i], &outcome, err) < 0)
            return hf_wrap(err, "recovery of the dead run %s", ids.items[i]);
    }
    return 0;
}

int hf_recover_is_done(const struct hf_env *env, const char *lock_key, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    if (hf_journal_list(hf_env_state(env), &ids, err) < 0)
        return -1;
    for (size_t i = 0; i < ids.n; i++) {
        HF_AUTO(hf_journal) struct hf_journal *j = open_of_vm(env, ids.items[i], lock_key);
        if (!j)
            continue;
        hf_fail(err, HF_E_BUSY, "run %s died, and what it did is not undone yet", ids.items[i]);
        return hf_hint(err, "Run `holdfast recover` first: a dry run changes nothing.");
    }
    return 0;
}

/* Takes the VM's lock of the journal and undoes it. *outcome NULL and 0: there is nothing (left).
 */
static int recover_locked(struct hf_undo *u, struct hf_journal *j, const struct who *w,
                          const char **outcome, struct hf_err *err)
{
    const char *id = hf_journal_run_id(j);
    struct hf_err mine = HF_ERR_INIT;
    HF_AUTO(hf_vmlock)
    struct hf_vmlock *lock = hf_vmlock_take(hf_env_state(u->env), w->lock_key, id, &mine);
    if (lock)
        return hf_recover_run(u, id, outcome, err);
    *outcome = "alive";
    if (mine.cls == HF_E_BUSY)
        return 0;
    hf_err_copy(err, &mine);
    return -1;
}

static int recover_one(const struct hf_env *env, const char *id, bool dry_run, hf_recovered_cb emit,
                       void *ctx, struct hf_err *failures, struct hf_err *err)
{
    struct who w = {0};
    struct hf_err mine = HF_ERR_INIT;
    const char *outcome = NULL;
    HF_AUTO(hf_undo) struct hf_undo undo = {.env = env, .dry_run = dry_run};
    HF_AUTO(hf_journal)
    struct hf_journal *j = hf_journal_open(hf_env_state(env), id, env->clock, &mine);
    if (!j && mine.cls == HF_E_NOT_FOUND)
        return 0; /* it ended while we were looking */
    bool failed =
        !j || read_who(j, &w, &mine) < 0 || recover_locked(&undo, j, &w, &outcome, &mine) < 0;
    if (failed)
        hf_also(failures, &mine);
    else if (!outcome)
        return 0;
    struct hf_recovered r = {
        .run_id = id,
        .vm = w.vm,
        .verb = w.verb,
        .outcome = failed ? "failed" : outcome,
        .actions = &undo.actions,
        .err = failed ? &mine : NULL,
    };
    return emit(ctx, &r, err);
}

int hf_recover_all(const struct hf_env *env, bool dry_run, hf_recovered_cb emit, void *ctx,
                   struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    struct hf_err failures = HF_ERR_INIT;
    if (hf_journal_list(hf_env_state(env), &ids, err) < 0)
        return -1;
    for (size_t i = 0; i < ids.n; i++)
        if (recover_one(env, ids.items[i], dry_run, emit, ctx, &failures, err) < 0)
            return -1;
    if (failures.cls == HF_E_NONE)
        return 0;
    hf_err_copy(err, &failures);
    return -1;
}

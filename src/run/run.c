/* SPDX-License-Identifier: Apache-2.0 */
#include "run/run.h"

#include "base/buf.h"
#include "base/point.h"
#include "run/effects.h"
#include "run/guardian.h"
#include "run/recover.h"
#include "run/report.h"

#include <string.h>

#define LOOKUP_MS 10000
#define GUARDIAN_MS 20000

struct kind {
    const char *vm; /* label */
    bool is_guarded, is_apart;
    const char *hypervisor; /* of one apart; NULL: the VM's */
};

static int find_machine(struct hf_run *run, const struct kind *kind, struct hf_err *err)
{
    const struct hf_env *env = run->env;
    run->vm = hf_config_find_vm(env->config, kind->vm, err);
    if (!run->vm)
        return -1;
    run->hypervisor = hf_config_find_hypervisor(
        env->config, kind->hypervisor ? kind->hypervisor : run->vm->hypervisor, err);
    if (!run->hypervisor)
        return -1;
    run->hv = hf_env_open_hv(env, run->hypervisor, err);
    if (!run->hv)
        return -1;
    if (kind->is_apart) {
        run->found.id = strdup(run->vm->name);
        return run->found.id ? 0 : hf_fail_nomem(err);
    }
    struct hf_hv_call call = hf_env_call(env, run->id, LOOKUP_MS);
    if (hf_hv_vm_find(run->hv, &call, run->vm->name, &run->found, err) < 0)
        return hf_wrap(err, "vm %s", run->vm->label);
    return 0;
}

static int create_journal(struct hf_run *run, const struct kind *kind, const char *lock_key,
                          struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    if (!data || hf_json_add_string(data, "verb", run->verb) < 0 ||
        hf_json_add_string(data, "vm", run->vm->label) < 0 ||
        hf_json_add_string(data, "hypervisor", run->hypervisor->label) < 0 ||
        hf_json_add_string(data, "vm_id", run->found.id) < 0 ||
        hf_json_add_string(data, "lock_key", lock_key) < 0 ||
        hf_json_add_string(data, "config", run->env->config_path) < 0 ||
        (kind->is_apart && hf_json_add_int(data, "sectionless", 1) < 0))
        return hf_fail_nomem(err);
    run->journal = hf_journal_create(hf_env_state(run->env), run->id, data, run->env->clock, err);
    return run->journal ? 0 : -1;
}

static struct hf_vmlock *take_lock(struct hf_run *run, const char *key, struct hf_err *err)
{
    const struct hf_run *outer = run->env->within;
    if (!outer)
        return hf_vmlock_take(hf_env_state(run->env), key, run->id, err);
    if (strcmp(outer->found.id, run->found.id) == 0 && outer->hypervisor == run->hypervisor)
        return hf_vmlock_share(outer->vmlock, err);
    hf_fail(err, HF_E_INTERNAL, "run %s holds another machine", outer->id);
    return NULL;
}

/* From the lock on: what must not exist twice at a time. */
static int claim(struct hf_run *run, const struct kind *kind, struct hf_err *err)
{
    const char *state = hf_env_state(run->env);
    HF_AUTOFREE char *key = kind->is_apart
                                ? hf_asprintf("%s.%s", run->verb, run->vm->label)
                                : hf_asprintf("%s.%s", run->hypervisor->label, run->found.id);
    if (!key)
        return hf_fail_nomem(err);
    run->catalog = hf_catalog_open(state, run->env->clock, err);
    if (!run->catalog)
        return -1;
    run->vmlock = take_lock(run, key, err);
    if (!run->vmlock)
        return hf_wrap(err, "vm %s", run->vm->label);
    if (hf_recover_vm(run->env, run->vm, key, err) < 0 || create_journal(run, kind, key, err) < 0)
        return -1;
    struct hf_catalog_run row = hf_run_row(run, NULL, NULL);
    if (hf_catalog_run_begin(run->catalog, &row, err) < 0)
        return -1;
    HF_POINT("run.after_journal");
    if (!kind->is_guarded)
        return 0;
    run->guardian = hf_guardian_start(run->env, run->id, hf_vmlock_fd(run->vmlock), err);
    return run->guardian ? 0 : -1;
}

enum hf_grade hf_run_required(const struct hf_run *run)
{
    const struct hf_config_policy *policy = run->env->policy;
    return policy && policy->require != HF_GRADE_NONE ? policy->require : run->vm->require;
}

int hf_run_wait_guardian(struct hf_run *run, struct hf_err *err)
{
    return hf_guardian_wait(run->guardian, hf_clock_mono_ms(run->env->clock) + GUARDIAN_MS, err);
}

struct hf_catalog_run hf_run_row(const struct hf_run *run, const char *outcome, const char *report)
{
    return (struct hf_catalog_run){
        .id = run->id,
        .verb = run->verb,
        .vm = run->vm->label,
        .hypervisor = run->hypervisor->label,
        .vm_id = run->found.id,
        .outcome = outcome,
        .report = report,
        .started_us = run->started_wall_us,
        .ended_us = outcome ? hf_clock_wall_us(run->env->clock) : 0,
    };
}

static int end_journal(struct hf_run *run, struct hf_err *err)
{
    if (hf_undo_is_holding(run->journal))
        return hf_fail(err, HF_E_CONFLICT, "a hold of run %s is not undone yet", run->id);
    if (hf_journal_end(run->journal, "done", err) < 0)
        return -1;
    HF_POINT("run.after_end");
    return hf_journal_finish(run->journal, err);
}

void hf_run_commit(struct hf_run *run)
{
    struct hf_err err = HF_ERR_INIT;
    HF_POINT("run.before_end");
    if (end_journal(run, &err) == 0)
        return;
    hf_hint(&err, "The run is complete; `holdfast recover` ends its journal.");
    hf_log_err(run->env->log, HF_LOG_WARN, "run", &err);
}

void hf_run_end(struct hf_run *run, const char *outcome, struct json_object *report,
                const char *done)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog_run row =
        hf_run_row(run, outcome, json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN));
    if (hf_catalog_run_end(run->catalog, &row, &err) == 0) {
        hf_run_commit(run);
        return;
    }
    hf_hint(&err, "%s; `holdfast recover` completes the record.", done);
    hf_log_err(run->env->log, HF_LOG_WARN, "run", &err);
}

struct row { /* of the catalog that is looked for */
    const char *vm_id, *name;
    bool is_deleting;
};

static int look_at_row(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    struct row *r = ctx;
    (void)err;
    if (strcmp(s->vm_id, r->vm_id) == 0 && strcmp(s->name, r->name) == 0)
        r->is_deleting = strcmp(s->state, "deleting") == 0;
    return 0;
}

bool hf_run_is_half_deleted(struct hf_run *run, const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    struct row r = {.vm_id = run->found.id, .name = name};
    if (hf_catalog_snapshots(run->catalog, NULL, false, look_at_row, &r, &err) < 0)
        hf_log_err(run->env->log, HF_LOG_WARN, "run", &err);
    return r.is_deleting;
}

/* The error as the catalog keeps it. NULL: no memory. */
static char *error_report(const struct hf_run *run, const struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = hf_report_error(err);
    return doc && hf_report_policy(doc, run) == 0 ? strdup(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN))
               : NULL;
}

static int undo_all(struct hf_run *run, struct hf_err *err)
{
    HF_AUTO(hf_undo)
    struct hf_undo undo = {.env = run->env, .vm = run->vm, .vm_id = run->found.id, .hv = run->hv};
    struct hf_err second = HF_ERR_INIT;
    if (hf_undo_journal(&undo, run->journal, &second) == 0)
        return 0;
    hf_also(err, &second);
    return hf_hint(err, "Run `holdfast recover` when the cause is gone.");
}

void hf_run_keep_effects(struct hf_run *run, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    for (size_t i = 0; i < hf_journal_count(run->journal); i++)
        if (hf_journal_undone(run->journal, hf_journal_at(run->journal, i)->seq, &second) < 0)
            hf_also(err, &second);
}

int hf_run_fail(struct hf_run *run, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    HF_POINT("run.before_undo");
    bool clean = undo_all(run, err) == 0;
    HF_AUTOFREE char *report = error_report(run, err);
    struct hf_catalog_run row = hf_run_row(run, "failed", report);
    bool recorded = hf_catalog_run_end(run->catalog, &row, &second) == 0;
    if (!recorded)
        hf_log_err(run->env->log, HF_LOG_WARN, "run", &second);
    /* With something left, or a run that the catalog believes to be under way, the journal stays
     * open: recover goes on from there. */
    if (clean && recorded &&
        (hf_journal_end(run->journal, "failed", &second) < 0 ||
         hf_journal_finish(run->journal, &second) < 0))
        hf_also(err, &second);
    return -1;
}

/* A run that could not even begin - hypervisor away, VM not found - is a failed run to whoever watches. One that was
 * refused because another is at work, or by the configuration, is not. */
static void record_failed_begin(struct hf_run *run, const struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    if (!run->hypervisor || err->cls == HF_E_BUSY || err->cls == HF_E_CONFIG)
        return;
    if (!run->catalog)
        run->catalog = hf_catalog_open(hf_env_state(run->env), run->env->clock, &second);
    HF_AUTOFREE char *report = error_report(run, err);
    struct hf_catalog_run row = hf_run_row(run, "failed", report);
    if (!run->catalog || hf_catalog_run_end(run->catalog, &row, &second) < 0)
        hf_log_err(run->env->log, HF_LOG_WARN, "run", &second);
}

static int begin(struct hf_run *run, const struct hf_env *env, const char *verb,
                 const struct kind *kind, struct hf_err *err)
{
    *run = (struct hf_run){.env = env, .verb = verb};
    run->started_us = hf_clock_mono_us(env->clock);
    run->started_wall_us = hf_clock_wall_us(env->clock);
    if (hf_id_new(env->clock, run->id, err) < 0)
        return -1;
    bool is_found = find_machine(run, kind, err) == 0;
    if (is_found)
        hf_log_bind(env->log, run->id, run->vm->label);
    if (is_found && claim(run, kind, err) == 0)
        return 0;
    if (run->journal)
        return hf_run_fail(run, err);
    record_failed_begin(run, err);
    return -1;
}

int hf_run_begin(struct hf_run *run, const struct hf_env *env, const char *verb,
                 const char *vm_label, struct hf_err *err)
{
    return begin(run, env, verb, &(struct kind){.vm = vm_label, .is_guarded = true}, err);
}

int hf_run_begin_unguarded(struct hf_run *run, const struct hf_env *env, const char *verb,
                           const char *vm_label, struct hf_err *err)
{
    return begin(run, env, verb, &(struct kind){.vm = vm_label}, err);
}

int hf_run_begin_apart(struct hf_run *run, const struct hf_env *env, const char *verb,
                       const char *vm_label, const char *hypervisor, struct hf_err *err)
{
    const struct kind kind = {
        .vm = vm_label, .is_guarded = true, .is_apart = true, .hypervisor = hypervisor};
    return begin(run, env, verb, &kind, err);
}

void hf_run_close(struct hf_run *run)
{
    hf_guardian_dismiss(run->guardian);
    hf_journal_close(run->journal);
    hf_hv_close(run->hv);
    hf_vm_copy_free(&run->found);
    hf_catalog_close(run->catalog);
    hf_vmlock_release(run->vmlock);
    const struct hf_run *outer = run->env ? run->env->within : NULL;
    if (run->env)
        hf_log_bind(run->env->log, outer ? outer->id : NULL, outer ? outer->vm->label : NULL);
    *run = (struct hf_run){0};
}

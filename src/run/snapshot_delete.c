/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "run/effects.h"
#include "run/report.h"
#include "run/run.h"
#include "run/snapshot.h"

#include <string.h>

#define QUERY_MS 5000
#define DELETE_MS (24 * 60 * 60 * 1000)

/* The catalog's row follows the hypervisor; a snapshot it never knew is none of its business. */
static void note_state(struct hf_run *run, const char *name, const char *state)
{
    struct hf_err err = HF_ERR_INIT;
    if (hf_catalog_snapshot_set_state(run->catalog, run->found.id, name, state, &err) < 0 &&
        err.cls != HF_E_NOT_FOUND)
        hf_log_err(run->env->log, HF_LOG_WARN, "snapshot", &err);
}

/* Refused before the journal entry: an interrupted deletion is finished by recover, whatever it
 * was. */
static int check_ours(struct hf_run *run, const char *name, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(run->env, run->id, QUERY_MS);
    HF_AUTO(hf_snapshot_list) struct hf_snapshot_list list = {0};
    if (hf_hv_snapshot_list(run->hv, &call, run->found.id, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.n; i++) {
        if (strcmp(list.items[i].name, name) != 0)
            continue;
        if (list.items[i].is_ours)
            return 0;
        hf_fail(err, HF_E_UNSUPPORTED, "snapshot %s of %s was not made by holdfast", name,
                run->vm->label);
        return hf_hint(err,
                       "holdfast only deletes its own: use the hypervisor's tools for this one.");
    }
    hf_fail(err, HF_E_NOT_FOUND, "%s has no snapshot %s", run->vm->label, name);
    return hf_hint(err, "`holdfast snapshot list %s` shows what there is.", run->vm->label);
}

static int delete (struct hf_run *run, const char *name, bool *out_begun, struct hf_err *err)
{
    if (check_ours(run, name, err) < 0 || hf_run_wait_guardian(run, err) < 0)
        return -1;
    *out_begun = hf_run_is_half_deleted(run, name);
    if (hf_effect_snapshot_delete(run->journal, run->found.id, name, err) < 0)
        return -1;
    HF_POINT("run.before_delete");
    note_state(run, name, "deleting");
    struct hf_hv_call call = hf_env_call(run->env, run->id, DELETE_MS);
    if (hf_hv_snapshot_delete(run->hv, &call, run->found.id, name, err) < 0)
        return -1;
    HF_POINT("run.after_delete");
    note_state(run, name, "deleted");
    return 0;
}

/* A deletion that was refused or cancelled in time has left everything as it was; nothing rolls forward by
 * itself. One that leaves something behind has changed what the snapshot holds: never "present" again. */
static int abandon(struct hf_run *run, const char *name, bool was_begun, struct hf_err *err)
{
    bool is_whole = !was_begun && !err->left[0];
    hf_run_keep_effects(run, err);
    if (hf_journal_count(run->journal) > 0 && is_whole)
        note_state(run, name, "present");
    return hf_run_fail(run, err);
}

int hf_run_snapshot_delete(const struct hf_env *env, const char *vm, const char *name,
                           struct json_object **out_report, struct hf_err *err)
{
    HF_AUTO(hf_run) struct hf_run run = {0};
    if (hf_run_begin(&run, env, HF_VERB_DELETE, vm, err) < 0)
        return -1;
    bool was_begun = false;
    if (delete (&run, name, &was_begun, err) < 0)
        return abandon(&run, name, was_begun, err);
    HF_AUTOJSON struct json_object *doc = hf_report_deletion(&run, name, err);
    if (!doc)
        return -1;
    hf_run_end(&run, "done", doc, "The snapshot is deleted");
    *out_report = HF_STEAL(doc);
    return 0;
}

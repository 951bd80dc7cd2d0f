/* SPDX-License-Identifier: Apache-2.0
 *
 * The effects on the VM itself: snapshots, rollbacks, and a maintenance, which is no effect but a question.
 */
#include "base/buf.h"
#include "run/effects_intern.h"
#include "run/maintenance.h"

#include <stdlib.h>
#include <string.h>

/* A discard may have to wait for libvirt's job lock (30 s) and merge what the guest wrote
 * meanwhile. */
#define DISCARD_MS (10 * 60 * 1000)
#define DELETE_MS (24 * 60 * 60 * 1000)

/* done: said when nothing is left; what, with: what may be there still, when not. */
static int discard(struct hf_undo *u, const char *run_id, struct json_object *data,
                   const char *done, const char *what, const char *with, struct hf_err *err)
{
    const char *vm_id = NULL, *name = NULL, *token = NULL;
    if (hf_json_get_string(data, "vm_id", &vm_id, err) < 0 ||
        hf_json_get_string(data, "name", &name, err) < 0 ||
        hf_json_opt_string(data, "token", &token, err) < 0)
        return -1;
    struct hf_hv_call call = hf_env_call(u->env, run_id, DISCARD_MS);
    if (hf_undo_need_hv(u, err) == 0 &&
        hf_hv_capture_discard(u->hv, &call, vm_id, name, token, err) == 0)
        return hf_undo_say(u, err, done, name);
    return err->left[0] ? -1 : hf_left(err, "%s %s of %s, or %s", what, name, u->vm->label, with);
}

int hf_effect_undo_snapshot(struct hf_undo *u, const char *run_id, struct json_object *data,
                            struct hf_err *err)
{
    return discard(u, run_id, data, "nothing is left of snapshot", "snapshot", "its overlay files",
                   err);
}

int hf_effect_undo_export(struct hf_undo *u, const char *run_id, struct json_object *data,
                          struct hf_err *err)
{
    return discard(u, run_id, data, "nothing is left of export", "backup job", "its scratch files",
                   err);
}

/* A manifest may name it, on a store that cannot be asked from here: it stays, and `list --backups` says if none does. */
int hf_effect_name_export(struct hf_undo *u, const char *run_id, struct json_object *data,
                          struct hf_err *err)
{
    const char *ref = NULL;
    if (hf_json_get_string(data, "ref", &ref, err) < 0)
        return -1;
    HF_AUTOFREE char *text = hf_asprintf("backup %s of run %s stays, and may be without a point: "
                                         "`holdfast list --backups` says whether it is",
                                         ref, run_id);
    return text ? hf_undo_say(u, err, text, NULL) : hf_fail_nomem(err);
}

int hf_effect_finish_delete(struct hf_undo *u, const char *run_id, struct json_object *data,
                            struct hf_err *err)
{
    const char *vm_id = NULL, *name = NULL;
    if (hf_json_get_string(data, "vm_id", &vm_id, err) < 0 ||
        hf_json_get_string(data, "name", &name, err) < 0)
        return -1;
    struct hf_hv_call call = hf_env_call(u->env, run_id, DELETE_MS);
    bool is_there = hf_undo_need_hv(u, err) == 0;
    if (is_there && hf_hv_snapshot_delete(u->hv, &call, vm_id, name, err) == 0)
        return hf_undo_say(u, err, "finished deleting snapshot", name);
    if (is_there && err->cls == HF_E_NOT_FOUND)
        return hf_undo_say(u, err, "already deleted: snapshot", name);
    return err->left[0] ? -1 : hf_left(err, "snapshot %s of %s, half deleted", name, u->vm->label);
}

/* Whether to go back is somebody's decision: nothing is undone, and the snapshot stays. */
int hf_effect_leave_maintenance(struct hf_undo *u, const char *run_id, struct json_object *data,
                                struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv lines = HF_STRV_INIT;
    const char *report = json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN);
    free(u->unfinished);
    u->unfinished = report ? strdup(report) : NULL;
    if (!u->unfinished)
        return hf_fail_nomem(err);
    if (hf_maintenance_advise(u->vm->label, run_id, data, &lines, err) < 0)
        return -1;
    for (size_t i = 0; i < lines.n; i++)
        if (hf_undo_say(u, err, lines.items[i], NULL) < 0)
            return -1;
    return 0;
}

struct going_back { /* of a rollback's entry; borrowed */
    const char *vm_id, *name, *token;
};

static int read_rollback(struct json_object *data, struct going_back *b, struct hf_err *err)
{
    if (hf_json_get_string(data, "vm_id", &b->vm_id, err) < 0 ||
        hf_json_get_string(data, "name", &b->name, err) < 0)
        return -1;
    return hf_json_get_string(data, "token", &b->token, err);
}

int hf_effect_undo_rollback(struct hf_undo *u, const char *run_id, struct json_object *data,
                            struct hf_err *err)
{
    struct going_back b = {0};
    struct hf_hv_call call = hf_env_call(u->env, run_id, DISCARD_MS);
    if (read_rollback(data, &b, err) < 0)
        return -1;
    if (hf_undo_need_hv(u, err) == 0 &&
        hf_hv_rollback_undo(u->hv, &call, b.vm_id, b.token, err) == 0)
        return hf_undo_say(u, err, "the VM has the state of before the rollback:", u->vm->label);
    return err->left[0] ? -1 : hf_left(err, "%s, half rolled back to %s", u->vm->label, b.name);
}

/* Without a way back, and too late to finish: whoever let the VM run has decided. */
static int say_expired(struct hf_undo *u, const struct going_back *b, struct hf_err *err)
{
    HF_AUTOFREE char *line = hf_asprintf("gave up the rollback to %s: %s", b->name, err->message);
    hf_err_clear(err);
    return line ? hf_undo_say(u, err, line, NULL) : hf_fail_nomem(err);
}

int hf_effect_finish_rollback(struct hf_undo *u, const char *run_id, struct json_object *data,
                              struct hf_err *err)
{
    bool keep = false;
    struct going_back b = {0};
    HF_AUTO(hf_strv) struct hf_strv kept = HF_STRV_INIT;
    struct hf_hv_call call = hf_env_call(u->env, run_id, DISCARD_MS);
    if (read_rollback(data, &b, err) < 0 || hf_json_get_bool(data, "keep", &keep, err) < 0)
        return -1;
    int rc = hf_undo_need_hv(u, err);
    if (rc == 0)
        rc = hf_hv_rollback_settle(u->hv, &call, b.vm_id, b.token, keep, &kept, err);
    if (rc < 0 && err->cls == HF_E_EXPIRED)
        return say_expired(u, &b, err);
    if (rc < 0)
        return err->left[0] ? -1
                            : hf_left(err, "what %s was before it was rolled back to %s",
                                      u->vm->label, b.name);
    for (size_t i = 0; i < kept.n; i++)
        if (hf_undo_say(u, err, "kept the state that was left:", kept.items[i]) < 0)
            return -1;
    return hf_undo_say(u, err, "finished the rollback; the VM has the state of snapshot", b.name);
}

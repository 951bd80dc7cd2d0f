/* SPDX-License-Identifier: Apache-2.0
 *
 * Back to a snapshot where the storage knows one direction only. The host has decided before the switch, so there is no
 * undo: what began is finished. In order: VM off, younger snapshots of ours deleted, rolled back, said so in the snapshot,
 * started. A VM that runs without that mark has not gone back, or somebody started it since and writes to it: it is left
 * alone, whoever calls.
 */
#include "base/point.h"
#include "rollback.h"
#include "snapshots.h"
#include "vm.h"

#include <string.h>

#define SNAPSHOTS_MAX 500 /* of one VM: looked at each with each */

/* ---- which snapshots have to go --------------------------------------------------------------------- */

static struct json_object *row_called(struct json_object *list, const char *name)
{
    for (size_t i = 0; name && i < json_object_array_length(list); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        const char *is = pve_text(o, "name");
        if (is && strcmp(is, name) == 0)
            return o;
    }
    return NULL;
}

static bool descends(struct json_object *list, struct json_object *o, const char *from)
{
    const char *parent = pve_text(o, "parent");
    for (size_t steps = 0; parent && steps < SNAPSHOTS_MAX; steps++) {
        if (strcmp(parent, from) == 0)
            return true;
        struct json_object *above = row_called(list, parent);
        parent = above ? pve_text(above, "parent") : NULL;
    }
    return false;
}

/* By its line, and by the node's clock, which may have been wrong. */
static bool is_younger(struct json_object *list, struct json_object *o, struct json_object *target)
{
    const char *name = pve_text(o, "name"), *from = pve_text(target, "name");
    if (!name || strcmp(name, "current") == 0 || strcmp(name, from) == 0)
        return false;
    return pve_int(o, "snaptime", 0) >= pve_int(target, "snaptime", 0) || descends(list, o, from);
}

static int add_younger(struct json_object *o, const char *target, struct hf_strv *out,
                       struct hf_err *err)
{
    const char *name = pve_text(o, "name"), *text = pve_text(o, "description");
    if (!text || strncmp(text, PVE_MARK, strlen(PVE_MARK)) != 0) {
        hf_fail(err, HF_E_CONFLICT,
                "snapshot '%s' is younger than '%s' and was not made by holdfast: it would be lost",
                name, target);
        return hf_hint(err, "Delete it first with the tool that made it, if it may go.");
    }
    return hf_strv_add(out, name) == 0 ? 0 : hf_fail_nomem(err);
}

static int list_younger(struct hf_instance *in, const struct hf_call *call,
                        const struct pve_rollback *rb, struct hf_strv *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *list = NULL;
    if (pve_vm_get(in, call, rb->vm_id, "/snapshot", &list, err) != 0)
        return -1;
    if (!json_object_is_type(list, json_type_array) ||
        json_object_array_length(list) > SNAPSHOTS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the snapshots are no list, or more than %d",
                       SNAPSHOTS_MAX);
    struct json_object *target = row_called(list, rb->name);
    if (!target)
        return hf_fail(err, HF_E_NOT_FOUND, "VM %s has no snapshot '%s'", rb->vm_id, rb->name);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        if (is_younger(list, o, target) && add_younger(o, rb->name, out, err) != 0)
            return -1;
    }
    return 0;
}

int pve_final_plan(struct hf_instance *in, const struct hf_call *call, struct pve_rollback *rb,
                   struct hf_err *err)
{
    struct pve_task seen;
    if (list_younger(in, call, rb, &rb->younger, err) != 0 ||
        pve_task_newest(in, call, rb->vm_id, NULL, 0, NULL, &seen, err) != 0)
        return -1;
    rb->seen = strdup(seen.upid);
    return rb->seen ? 0 : hf_fail_nomem(err);
}

/* Nothing goes that was not told when it was planned. */
static int check_younger(struct hf_instance *in, const struct hf_call *call,
                         const struct pve_rollback *rb, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv now = HF_STRV_INIT;
    if (list_younger(in, call, rb, &now, err) != 0)
        return -1;
    for (size_t i = 0; i < now.n; i++)
        if (!hf_strv_has(&rb->younger, now.items[i]))
            return hf_fail(err, HF_E_CONFLICT, "snapshot '%s' was made since this was planned",
                           now.items[i]);
    return 0;
}

/* ---- what happened since it was planned ------------------------------------------------------------------ */

static int has_been(struct hf_instance *in, const struct hf_call *call,
                    const struct pve_rollback *rb, const char *type, unsigned flags, bool *out,
                    struct hf_err *err)
{
    struct pve_task seen = {0}, found;
    HF_AUTOJSON struct json_object *upid = json_object_new_string(rb->seen);
    if (!upid)
        return hf_fail_nomem(err);
    if ((*rb->seen && pve_task_take(upid, &seen, err) != 0) ||
        pve_task_newest(in, call, rb->vm_id, type, flags, *rb->seen ? &seen : NULL, &found, err) !=
            0)
        return -1;
    *out = found.upid[0] != '\0';
    return 0;
}

/* " (gone: a, b)" of those that had to go, or nothing. */
static int write_gone(struct hf_instance *in, const struct hf_call *call,
                      const struct pve_rollback *rb, struct hf_buf *out, struct hf_err *err)
{
    for (size_t i = 0; i < rb->younger.n; i++) {
        struct pve_snap s;
        if (pve_snap_find(in, call, rb->vm_id, rb->younger.items[i], &s, err) != 0)
            return -1;
        if (!s.exists)
            hf_buf_printf(out, "%s%s", out->len ? ", " : " (gone for it: ", rb->younger.items[i]);
    }
    hf_buf_str_add(out, out->len ? ")" : "");
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

static int fail_foreign(struct hf_instance *in, const struct hf_call *call,
                        const struct pve_rollback *rb, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf gone = HF_BUF_INIT;
    if (write_gone(in, call, rb, &gone, err) != 0)
        return -1;
    hf_fail(err, HF_E_EXPIRED,
            "VM %s was not stopped, or started by somebody since, and is left as it is%s",
            rb->vm_id, hf_buf_str(&gone));
    return hf_hint(err, "If it is to go back to '%s' still, roll back once more.", rb->name);
}

/* ---- the steps -------------------------------------------------------------------------------------------- */

static int is_done(struct hf_instance *in, const struct hf_call *call,
                   const struct pve_rollback *rb, bool *out, struct hf_err *err)
{
    struct pve_snap s;
    if (pve_snap_find(in, call, rb->vm_id, rb->name, &s, err) != 0)
        return -1;
    if (!s.exists)
        return hf_fail(err, HF_E_NOT_FOUND, "VM %s has no snapshot '%s'", rb->vm_id, rb->name);
    *out = strcmp(s.settled, rb->back) == 0;
    return 0;
}

/* With the VM off: a second time is no harm. */
static int go_back(struct hf_instance *in, const struct hf_call *call,
                   const struct pve_rollback *rb, struct hf_err *err)
{
    if (pve_snap_wait_idle(in, call, rb->vm_id, err) != 0 || check_younger(in, call, rb, err) != 0)
        return -1;
    for (size_t i = 0; i < rb->younger.n; i++) {
        bool was = false;
        if (pve_snap_drop(in, call, rb->vm_id, rb->younger.items[i], &was, err) != 0)
            return hf_wrap(err, "snapshot '%s' has to go first", rb->younger.items[i]);
    }
    if (HF_POINT_ERR("proxmox.after_final_younger", err) != 0 ||
        pve_rollback_go(in, call, rb->vm_id, rb->name, err) != 0 ||
        HF_POINT_ERR("proxmox.after_final_task", err) != 0 ||
        pve_rollback_mark(in, call, rb, err) != 0)
        return -1;
    return HF_POINT_ERR("proxmox.after_final_mark", err);
}

static int start(struct hf_instance *in, const struct hf_call *call, const struct pve_rollback *rb,
                 struct hf_err *err)
{
    return rb->was_active ? pve_rollback_power(in, call, rb->vm_id, true, err) : 0;
}

int pve_final_switch(struct hf_instance *in, const struct hf_call *call,
                     const struct pve_rollback *rb, struct hf_err *err)
{
    if (check_younger(in, call, rb, err) != 0 ||
        HF_POINT_ERR("proxmox.before_final_stop", err) != 0 ||
        pve_rollback_power(in, call, rb->vm_id, false, err) != 0 ||
        HF_POINT_ERR("proxmox.after_final_stop", err) != 0 || go_back(in, call, rb, err) != 0 ||
        start(in, call, rb, err) != 0)
        return -1;
    return HF_POINT_ERR("proxmox.after_final_start", err);
}

/* It cannot be finished: a VM that is off helps nobody. */
static int give_up(struct hf_instance *in, const struct hf_call *call,
                   const struct pve_rollback *rb, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf gone = HF_BUF_INIT;
    (void)!write_gone(in, call, rb, &gone, &why);
    if (start(in, call, rb, &why) != 0)
        return hf_left(err, "VM %s, off, between two states%s: %s", rb->vm_id, hf_buf_str(&gone),
                       why.message);
    if (!err->left[0])
        hf_left(err, "VM %s, %s, not known to have gone back%s", rb->vm_id,
                rb->was_active ? "started again" : "off", hf_buf_str(&gone));
    return -1;
}

int pve_final_settle(struct hf_instance *in, const struct hf_call *call,
                     const struct pve_rollback *rb, struct hf_err *err)
{
    bool done = false, was_started = false;
    enum hf_vm_state state = HF_VM_OTHER;
    if (is_done(in, call, rb, &done, err) != 0)
        return -1;
    if (done)
        return start(in, call, rb, err);
    if (pve_snap_wait_idle(in, call, rb->vm_id, err) != 0 ||
        has_been(in, call, rb, "qmstart", 0, &was_started, err) != 0 ||
        pve_rollback_state(in, call, rb->vm_id, &state, err) != 0)
        return -1;
    if (state != HF_VM_OFF || was_started)
        return fail_foreign(in, call, rb, err);
    if (go_back(in, call, rb, err) != 0)
        return give_up(in, call, rb, err);
    return start(in, call, rb, err);
}

int pve_final_undo(struct hf_instance *in, const struct hf_call *call,
                   const struct pve_rollback *rb, struct hf_err *err)
{
    bool done = false, has_gone = false;
    HF_AUTO(hf_buf) struct hf_buf gone = HF_BUF_INIT;
    if (is_done(in, call, rb, &done, err) != 0)
        return -1;
    if (done)
        return hf_fail(err, HF_E_CONFLICT, "the rollback to '%s' is settled", rb->name);
    if (pve_snap_wait_idle(in, call, rb->vm_id, err) != 0 || start(in, call, rb, err) != 0 ||
        has_been(in, call, rb, "qmrollback", PVE_TASK_OURS, &has_gone, err) != 0 ||
        write_gone(in, call, rb, &gone, err) != 0)
        return -1;
    return !has_gone && !gone.len
               ? 0
               : hf_fail(err, HF_E_CONFLICT,
                         "the storage keeps no way back: VM %s %s the state of '%s'%s", rb->vm_id,
                         has_gone ? "has" : "may have", rb->name, hf_buf_str(&gone));
}

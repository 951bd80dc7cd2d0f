/* SPDX-License-Identifier: Apache-2.0 */
#include "rollback.h"

#include "base/point.h"
#include "guest.h"
#include "snapshots.h"
#include "task.h"
#include "vm.h"

#include <string.h>

#define BUSY_PAUSE_MS 500
#define LATE_PAUSE_MS 300
#define LATE_LOOKS 10  /* 3 s */
#define DOUBT_LOOKS 40 /* 12 s, of the undo after a step that is in doubt */
#define AWAY_MS 180000 /* a vCenter takes minutes to come up; a VM is off meanwhile */
#define UNDO_LOOKS 2   /* … after another's, who died */
#define UNDONE " undone"

static int look_at_state(struct hf_instance *in, const struct hf_call *call, enum hf_vm_state *out,
                         struct hf_err *err)
{
    HF_AUTO(vmw_vm) struct vmw_vm vm = {0};
    if (vmw_vm_load(in, call, &in->vm, &vm, err) != 0)
        return -1;
    *out = vm.state;
    return 0;
}

/* A step whose answer was lost, or that met another task: looked at again, the caller says by what. */
static bool may_come_right(const struct hf_instance *in, const struct hf_err *err)
{
    return in->is_unclear || in->was_refused || err->cls == HF_E_BUSY;
}

/* After a lost answer the server may begin a step later still, and would do it another time, at a bad time: so long it is not
 * asked for again. Does *late looks, one for each call. */
static bool waits_for_late(struct hf_instance *in, const struct hf_call *call, int *late)
{
    if (!*late)
        return false;
    --*late;
    vmw_pause(in, call, LATE_PAUSE_MS);
    return true;
}

static int do_step(struct hf_instance *in, const struct hf_call *call, const char *method,
                   const struct vmw_ref *self, struct vmw_args *args, int *late, struct hf_err *err)
{
    if (vmw_work(in, call, method, self, args, err) == 0)
        return 0;
    *late = in->is_unclear ? LATE_LOOKS : 0;
    in->is_in_doubt |= in->is_unclear || vmw_task_may_go_on(in->fault);
    return -1;
}

static int power(struct hf_instance *in, const struct hf_call *call, bool on, struct hf_err *err)
{
    enum hf_vm_state wanted = on ? HF_VM_RUNNING : HF_VM_OFF, state = HF_VM_OTHER;
    struct hf_err why = HF_ERR_INIT;
    for (int late = 0;;) {
        if (look_at_state(in, call, &state, err) != 0)
            return -1;
        if (state == wanted)
            return 0;
        if (vmw_check_stop(in, call, err) != 0) {
            if (why.cls)
                hf_err_copy(err, &why);
            return hf_wrap(err, "VM %s is not %s", in->vm_id, on ? "powered on" : "off");
        }
        if (waits_for_late(in, call, &late))
            continue;
        hf_err_clear(&why);
        int rc = do_step(in, call, on ? "PowerOnVM_Task" : "PowerOffVM_Task", &in->vm, NULL, &late,
                         &why);
        if (rc == 0)
            continue;
        if (!may_come_right(in, &why) && strcmp(in->fault, "InvalidPowerState") != 0) {
            hf_err_copy(err, &why);
            return hf_wrap(err, "VM %s is not %s", in->vm_id, on ? "powered on" : "off");
        }
        vmw_pause(in, call, BUSY_PAUSE_MS);
    }
}

/* Looked for before each try: nothing is made twice. */
static int keep_state(struct hf_instance *in, const struct hf_call *call,
                      const struct vmw_rollback *rb, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTOFREE char *words = hf_asprintf(VMW_MARK "%s back from %s", rb->back + 5, rb->name);
    if (!words)
        return hf_fail_nomem(err);
    vmw_put(&args, "name", rb->back);
    vmw_put(&args, "description", words);
    vmw_put_bool(&args, "memory", false);
    vmw_put_bool(&args, "quiesce", false);
    for (int late = 0;;) {
        struct vmw_snap s;
        struct hf_err why = HF_ERR_INIT;
        if (vmw_snap_wait_idle(in, call, err) != 0 ||
            vmw_snap_find(in, call, rb->back, &s, err) != 0)
            return -1;
        if (s.exists)
            return s.is_ours ? 0
                             : hf_fail(err, HF_E_CONFLICT, "snapshot '%s' was not made by holdfast",
                                       rb->back);
        if (vmw_check_stop(in, call, err) != 0)
            return -1;
        if (waits_for_late(in, call, &late) ||
            do_step(in, call, "CreateSnapshot_Task", &in->vm, &args, &late, &why) == 0)
            continue;
        if (!may_come_right(in, &why)) {
            hf_err_copy(err, &why);
            return -1;
        }
        vmw_pause(in, call, BUSY_PAUSE_MS);
    }
}

/* What somebody writes who starts it after its state was kept would be in no snapshot. */
static int check_off(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    enum hf_vm_state state = HF_VM_OTHER;
    if (look_at_state(in, call, &state, err) != 0)
        return -1;
    return state == HF_VM_OFF
               ? 0
               : hf_fail(err, HF_E_CONFLICT,
                         "VM %s was started by somebody else: it is not rolled back", in->vm_id);
}

/* A revert makes the snapshot the current one: so one whose answer was lost is seen. */
static int go_to(struct hf_instance *in, const struct hf_call *call, const char *name,
                 struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    vmw_put_bool(&args, "suppressPowerOn", true);
    for (int late = 0;;) {
        struct vmw_snap s;
        struct hf_err why = HF_ERR_INIT;
        if (vmw_snap_wait_idle(in, call, err) != 0 || vmw_snap_find(in, call, name, &s, err) != 0)
            return -1;
        if (!s.exists || !s.is_ours)
            return hf_fail(err, HF_E_NOT_FOUND, "snapshot '%s' is not there any more", name);
        if (s.is_current)
            return 0;
        if (check_off(in, call, err) != 0 || vmw_check_stop(in, call, err) != 0)
            return -1;
        if (waits_for_late(in, call, &late))
            continue;
        if (do_step(in, call, "RevertToSnapshot_Task", &s.ref, &args, &late, &why) == 0)
            return 0;
        if (!may_come_right(in, &why)) {
            hf_err_copy(err, &why);
            return -1;
        }
        vmw_pause(in, call, BUSY_PAUSE_MS);
    }
}

static int switch_over(struct hf_instance *in, const struct hf_call *call,
                       const struct vmw_rollback *rb, struct hf_err *err)
{
    vmw_guest_folder_leave(
        in); /* it would lie in the state that is kept, and nobody could remove it */
    if (HF_POINT_ERR("vmware.before_rollback_stop", err) != 0 || power(in, call, false, err) != 0 ||
        HF_POINT_ERR("vmware.after_rollback_stop", err) != 0 ||
        keep_state(in, call, rb, err) != 0 ||
        HF_POINT_ERR("vmware.after_rollback_keep", err) != 0 ||
        go_to(in, call, rb->name, err) != 0 || HF_POINT_ERR("vmware.after_rollback_task", err) != 0)
        return -1;
    if (rb->was_active && power(in, call, true, err) != 0)
        return -1;
    return HF_POINT_ERR("vmware.after_rollback_start", err);
}

int vmware_rollback_switch(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *undo_token, struct hf_err *err)
{
    HF_AUTO(vmw_rollback) struct vmw_rollback rb = {0};
    if (vmw_enter(in, call, err) != 0 || vmw_locate(in, call, vm_id, err) != 0 ||
        vmw_rollback_read(undo_token, &rb, err) != 0)
        return -1;
    in->is_in_doubt = false;
    in->patience_ms = AWAY_MS;
    int rc = switch_over(in, call, &rb, err);
    in->patience_ms = 0;
    return rc == 0 ? 0 : hf_wrap(err, "rollback to '%s'", rb.name);
}

/* ---- settle ------------------------------------------------------------------------------------------------------ */

static int describe(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *snap,
                    char *words, struct hf_err *err)
{
    HF_AUTOFREE char *owned = words;
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *none = NULL;
    struct vmw_request req = {
        .method = "RenameSnapshot", .self = snap, .args = &args, .is_read = true};
    if (!owned)
        return hf_fail_nomem(err);
    vmw_put(&args, "description", owned); /* the same words another time change nothing */
    return vmw_call(in, call, &req, &none, err);
}

/* Said in the snapshot that was gone back to: the undo of this rollback is refused from now on. */
static int mark_settled(struct hf_instance *in, const struct hf_call *call,
                        const struct vmw_rollback *rb, struct hf_err *err)
{
    struct vmw_snap s;
    if (vmw_snap_find(in, call, rb->name, &s, err) != 0)
        return -1;
    if (!s.exists || strcmp(s.settled, rb->back) == 0)
        return 0;
    return describe(in, call, &s.ref, hf_asprintf("%s\n" VMW_SETTLED "%s", s.description, rb->back),
                    err);
}

int vmware_rollback_settle(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *undo_token, hf_text_cb kept, void *ctx, struct hf_err *err)
{
    HF_AUTO(vmw_rollback) struct vmw_rollback rb = {0};
    struct hf_call plain = *call;
    struct vmw_snap s;
    bool keeps = call->flags & HF_ROLLBACK_KEEP, was = false;
    char line[192];
    plain.flags &= ~HF_ROLLBACK_KEEP;
    if (vmw_enter(in, &plain, err) != 0 || vmw_locate(in, &plain, vm_id, err) != 0 ||
        vmw_rollback_read(undo_token, &rb, err) != 0 ||
        HF_POINT_ERR("vmware.before_settle_mark", err) != 0 ||
        mark_settled(in, &plain, &rb, err) != 0 ||
        HF_POINT_ERR("vmware.after_settle_mark", err) != 0)
        return -1;
    if (!keeps)
        return vmw_snap_drop(in, &plain, rb.back, &was, err);
    if (vmw_snap_find(in, &plain, rb.back, &s, err) != 0)
        return -1;
    snprintf(line, sizeof line, "snapshot '%s' of VM %s", rb.back, rb.vm_id);
    return !s.exists || kept(ctx, line) == 0 ? 0 : -1;
}

/* ---- the way back ------------------------------------------------------------------------------------------------ */

/* From here on the VM may write again, and the undo must not go back another time. */
static int mark_undone(struct hf_instance *in, const struct hf_call *call,
                       const struct vmw_rollback *rb, const struct vmw_ref *snap,
                       struct hf_err *err)
{
    return describe(in, call, snap, hf_asprintf(VMW_MARK "%s" UNDONE, rb->back + 5), err);
}

static int go_back(struct hf_instance *in, const struct hf_call *call,
                   const struct vmw_rollback *rb, const struct vmw_ref *snap, struct hf_err *err)
{
    if (power(in, call, false, err) != 0 || go_to(in, call, rb->back, err) != 0 ||
        HF_POINT_ERR("vmware.after_undo_task", err) != 0 ||
        mark_undone(in, call, rb, snap, err) != 0)
        return -1;
    return HF_POINT_ERR("vmware.after_undo_mark", err);
}

/* A VM that descends from the state that was kept was not rolled back, or is back already: somebody may have started it since, and
 * what he wrote stays. A revert changes all disks at once, or none. */
static bool goes_back(const struct vmw_snap *s)
{
    return s->exists && !s->is_undone && !s->is_base;
}

/* The state that was kept. A step of the rollback may begin a moment later still. */
static int find_back(struct hf_instance *in, const struct hf_call *call,
                     const struct vmw_rollback *rb, struct vmw_snap *out, struct hf_err *err)
{
    for (int looks = in->is_in_doubt ? DOUBT_LOOKS : UNDO_LOOKS;;) {
        if (vmw_snap_wait_idle(in, call, err) != 0 ||
            vmw_snap_find(in, call, rb->back, out, err) != 0)
            return -1;
        if (out->exists && !out->is_ours)
            return hf_fail(err, HF_E_CONFLICT, "snapshot '%s' was not made by holdfast", rb->back);
        if (goes_back(out) || out->is_undone || --looks == 0)
            return 0;
        if (vmw_check_stop(in, call, err) != 0)
            return -1;
        vmw_pause(in, call, LATE_PAUSE_MS);
    }
}

/* Only then is the state that was kept not needed any more: looked at again. */
static int undo(struct hf_instance *in, const struct hf_call *call, const struct vmw_rollback *rb,
                struct hf_err *err)
{
    struct vmw_snap s, target;
    bool was = false;
    if (vmw_snap_find(in, call, rb->name, &target, err) != 0)
        return -1;
    if (target.exists && strcmp(target.settled, rb->back) == 0)
        return hf_fail(err, HF_E_CONFLICT, "the rollback to '%s' is settled", rb->name);
    if (find_back(in, call, rb, &s, err) != 0)
        return -1;
    do {
        if (goes_back(&s) && go_back(in, call, rb, &s.ref, err) != 0)
            return -1;
        if (rb->was_active && power(in, call, true, err) != 0)
            return -1;
        if (HF_POINT_ERR("vmware.after_undo_start", err) != 0 ||
            vmw_snap_wait_idle(in, call, err) != 0 ||
            vmw_snap_find(in, call, rb->back, &s, err) != 0)
            return -1;
    } while (goes_back(&s));
    in->is_in_doubt = false;
    return s.exists ? vmw_snap_drop(in, call, rb->back, &was, err) : 0;
}

int vmware_rollback_undo(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         const char *undo_token, struct hf_err *err)
{
    HF_AUTO(vmw_rollback) struct vmw_rollback rb = {0};
    if (vmw_enter(in, call, err) != 0 || vmw_rollback_read(undo_token, &rb, err) != 0)
        return -1;
    in->patience_ms = AWAY_MS;
    int rc = vmw_locate(in, call, vm_id, err) != 0 ? -1 : undo(in, call, &rb, err);
    in->patience_ms = 0;
    if (rc == 0)
        return 0;
    if (!err->left[0])
        hf_left(err, "VM %s, perhaps off, with its former state in snapshot '%s'", rb.vm_id,
                rb.back);
    return hf_wrap(err, "undo of the rollback to '%s'", rb.name);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshots.h"

#include "base/point.h"
#include "lease.h"
#include "task.h"
#include "vm.h"

#include <string.h>

#define IDLE_POLL_FIRST_MS 100
#define IDLE_POLL_MS 1000
#define BUSY_PAUSE_MS 500
#define LATE_PAUSE_MS 300 /* a call whose answer was lost may begin its task a moment later */
#define LATE_LOOKS 2
#define DOUBT_LOOKS 40 /* 12 s: … or the host ends one that its vCenter forgot */

int vmw_snap_wait_idle(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    struct vmw_working w = {0}, seen = {0};
    for (int64_t pause = IDLE_POLL_FIRST_MS;;
         pause = pause * 2 < IDLE_POLL_MS ? pause * 2 : IDLE_POLL_MS) {
        int rc = vmw_working_on(in, call, &in->vm, true, &w, err);
        if (rc == 0 && !w.task.id[0])
            return 0;
        seen = rc == 0 ? w : seen;
        if (rc != 0 || vmw_check_stop(in, call, err) != 0)
            return seen.task.id[0] ? hf_left(err, "task %s runs on (%s)", seen.task.id, seen.what)
                                   : -1;
        vmw_pause(in, call, pause);
    }
}

static int remove_once(struct hf_instance *in, const struct hf_call *call,
                       const struct vmw_ref *snap, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    vmw_put_bool(&args, "removeChildren", false);
    vmw_put_bool(&args, "consolidate", true);
    if (HF_POINT_ERR("vmware.before_delete", err) != 0 ||
        vmw_work(in, call, "RemoveSnapshot_Task", snap, &args, err) != 0)
        return -1;
    return HF_POINT_ERR("vmware.after_delete", err);
}

/* Another task was quicker, or the answer was lost: look again. */
static bool may_come_right(const struct hf_instance *in, const struct hf_err *err)
{
    return in->is_unclear || in->was_refused || err->cls == HF_E_BUSY || err->cls == HF_E_NOT_FOUND;
}

static int needs_consolidation(struct hf_instance *in, const struct hf_call *call, bool *out,
                               struct hf_err *err)
{
    static const char *const paths[] = {"runtime.consolidationNeeded", NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    if (vmw_props_get(in, call, &in->vm, paths, &p, err) != 0)
        return -1;
    *out = vmw_true(vmw_prop(p.object, "runtime.consolidationNeeded"));
    return 0;
}

/* Delta files that no snapshot holds any more grow until the datastore is full. */
static int mend(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    bool needs = false;
    if (needs_consolidation(in, call, &needs, err) != 0)
        return -1;
    if (!needs)
        return 0;
    vmw_log(in, HF_LOG_WARN, "the deletion left delta files behind: consolidating the disks");
    if (vmw_work(in, call, "ConsolidateVMDisks_Task", &in->vm, NULL, &why) == 0 &&
        needs_consolidation(in, call, &needs, &why) == 0 && !needs)
        return 0;
    if (!why.cls)
        hf_fail(&why, HF_E_PLUGIN, "the server consolidated the disks, and says that they need it");
    hf_err_copy(err, &why);
    hf_left(err, "disks of VM %s that need consolidation", in->vm_id);
    return hf_hint(err, "In the client: Snapshots, Consolidate; until then the delta files grow.");
}

int vmw_snap_drop(struct hf_instance *in, const struct hf_call *call, const char *name,
                  bool *out_was, struct hf_err *err)
{
    struct hf_err last = HF_ERR_INIT;
    for (;;) {
        struct vmw_snap s;
        if (vmw_snap_wait_idle(in, call, err) != 0 || vmw_snap_find(in, call, name, &s, err) != 0)
            return -1;
        if (!s.exists)
            return mend(in, call, err);
        if (!s.is_ours)
            return *out_was ? mend(in, call, err)
                            : hf_fail(err, HF_E_CONFLICT, "snapshot '%s' was not made by holdfast",
                                      name);
        *out_was = true;
        if (vmw_check_stop(in, call, err) != 0)
            return last.cls ? hf_also(err, &last) : -1;
        hf_err_clear(&last);
        if (remove_once(in, call, &s.ref, &last) == 0)
            continue;
        if (!may_come_right(in, &last)) {
            hf_err_copy(err, &last);
            return -1;
        }
        vmw_pause(in, call, BUSY_PAUSE_MS);
    }
}

static int tells_uuid(void *ctx, const struct vmw_node *object, struct hf_err *err)
{
    const char *uuid = vmw_text(vmw_prop(object, "summary.config.instanceUuid"));
    const char *name = vmw_text(vmw_prop(object, "name"));
    return uuid && *uuid ? 0
                         : hf_fail(err, HF_E_UNREACHABLE,
                                   "VM %s is not found, and VM '%.80s' tells no instance UUID now",
                                   (const char *)ctx, name ? name : "");
}

/* NOT_FOUND says that nothing is left to delete: not while a VM that may be it tells no UUID. */
static int locate_surely(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         struct hf_err *err)
{
    static const char *const paths[] = {"name", "summary.config.instanceUuid", NULL};
    struct hf_err why = HF_ERR_INIT;
    if (vmw_locate(in, call, vm_id, err) == 0)
        return 0;
    if (err->cls == HF_E_NOT_FOUND &&
        vmw_props_each_vm(in, call, paths, tells_uuid, (void *)(uintptr_t)vm_id, &why) != 0)
        hf_err_copy(err, &why);
    return -1;
}

int vmware_snapshot_delete(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *name, struct hf_err *err)
{
    bool was = false;
    if (vmw_enter(in, call, err) != 0 || locate_surely(in, call, vm_id, err) != 0)
        return -1;
    if (vmw_snap_drop(in, call, name, &was, err) != 0)
        return hf_wrap(err, "delete snapshot '%s'", name);
    return was ? 0 : hf_fail(err, HF_E_NOT_FOUND, "VM %s has no snapshot '%s'", vm_id, name);
}

/* The VM's reference stands last in the token of a capture. */
static bool read_token(const char *token, struct vmw_ref *out)
{
    *out = (struct vmw_ref){"VirtualMachine", ""};
    return token && sscanf(token, "vmware 1 %*s %*s %207s", out->id) == 1;
}

/* Not found by its UUID: gone, hidden from this user, or its settings were not read yet. A reference that another VM has now
 * says that it is gone, unless that one has the snapshot: then it was given another UUID. 0: gone. 1: it is in->vm. */
static int look_by_reference(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             const char *name, const char *token, struct hf_err *err)
{
    static const char *const paths[] = {"config.instanceUuid", NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    struct hf_err why = HF_ERR_INIT;
    struct vmw_ref was;
    char uuid[37];
    if (!read_token(token, &was))
        return 0;
    int rc = vmw_props_get(in, call, &was, paths, &p, &why);
    const char *is_now = rc == 0 ? vmw_text(vmw_prop(p.object, paths[0])) : NULL;
    if (rc != 0 && why.cls == HF_E_NOT_FOUND)
        return 0;
    if (is_now && vmw_uuid(is_now, uuid) && strcasecmp(uuid, vm_id) != 0) {
        struct vmw_snap s;
        in->vm = was;
        snprintf(in->vm_id, sizeof in->vm_id, "%s", uuid);
        return vmw_snap_find(in, call, name, &s, err) != 0 ? -1 : s.exists && s.is_ours;
    }
    if (rc == 0)
        hf_fail(&why, HF_E_UNREACHABLE, "VM %s (%s) is there, and tells no instance UUID now",
                vm_id, was.id);
    hf_err_copy(err, &why);
    return -1;
}

int vmware_capture_discard(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *name, const char *undo_token, struct hf_err *err)
{
    bool was = false;
    struct hf_err why = HF_ERR_INIT;
    if (vmw_enter(in, call, err) != 0)
        return -1;
    vmw_lease_abort(in); /* under one nothing is deleted */
    int rc = vmw_locate(in, call, vm_id, &why);
    if (rc != 0 && why.cls == HF_E_NOT_FOUND) {
        rc = look_by_reference(in, call, vm_id, name, undo_token, err);
        if (rc < 0) {
            hf_left(err, "perhaps snapshot '%s' of VM %s", name, vm_id);
            return hf_wrap(err, "undo of '%s'", name);
        }
        if (rc == 0 && undo_token)
            vmw_log(in, HF_LOG_WARN, "VM %s is gone", vm_id);
        if (rc == 0)
            return 0;
        vmw_log(in, HF_LOG_WARN, "VM %s has the UUID %s now", vm_id, in->vm_id);
        hf_err_clear(&why);
        rc = 0;
    }
    int most = in->is_in_doubt ? DOUBT_LOOKS : LATE_LOOKS;
    for (int looks = 0; rc == 0 && looks < most && !was && (!looks || vmw_left_ms(in, call));
         looks++) {
        if (looks)
            vmw_pause(in, call, LATE_PAUSE_MS);
        rc = vmw_snap_drop(in, call, name, &was, &why);
    }
    if (rc == 0) {
        in->is_in_doubt = false;
        return 0;
    }
    hf_err_copy(err, &why);
    if (!err->left[0] && was)
        hf_left(err, "snapshot '%s' of VM %s", name, vm_id);
    return hf_wrap(err, "undo of '%s'", name);
}

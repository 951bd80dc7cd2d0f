/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include <string.h>

#define TASKS_MAX 32 /* that a VM has had recently; a server keeps fewer */

/* vCenter and ESXi call them VirtualMachine.createSnapshot, vm.Snapshot.remove, …. */
static bool is_about_snapshots(const char *what)
{
    return strstr(what, "napshot") || strstr(what, "onsolidate");
}

/* 1: it works; 0: it does not, or is forgotten. */
static int judge(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *task,
                 bool snapshots_only, struct vmw_working *out, struct hf_err *err)
{
    static const char *const paths[] = {"info.state", "info.descriptionId", "info.reason", NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    struct hf_err gone = HF_ERR_INIT;
    if (vmw_props_get(in, call, task, paths, &p, &gone) != 0) {
        if (gone.cls == HF_E_NOT_FOUND)
            return 0;
        hf_err_copy(err, &gone);
        return -1;
    }
    const struct vmw_node *state = vmw_prop(p.object, "info.state");
    const char *what = vmw_text(vmw_prop(p.object, "info.descriptionId"));
    const char *who = vmw_child_text(vmw_prop(p.object, "info.reason"), "userName");
    if ((!vmw_is(state, "running") && !vmw_is(state, "queued")) ||
        (snapshots_only && !is_about_snapshots(what ? what : "")))
        return 0;
    out->task = *task;
    snprintf(out->what, sizeof out->what, "%s", what ? what : "a task");
    snprintf(out->who, sizeof out->who, "%s", who ? who : "");
    return 1;
}

int vmw_working_on(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *vm,
                   bool snapshots_only, struct vmw_working *out, struct hf_err *err)
{
    static const char *const paths[] = {"recentTask", NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    *out = (struct vmw_working){0};
    if (vmw_props_get(in, call, vm, paths, &p, err) != 0)
        return -1;
    const struct vmw_node *n =
        vmw_child(vmw_prop(p.object, "recentTask"), "ManagedObjectReference");
    for (int i = 0; n && i < TASKS_MAX; n = vmw_next(n), i++) {
        struct vmw_ref task;
        if (!vmw_ref_read(n, &task))
            continue;
        if (judge(in, call, &task, snapshots_only, out, err) < 0)
            return -1;
    }
    return 0;
}

int vmw_check_idle(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    struct vmw_working w;
    if (vmw_working_on(in, call, &in->vm, false, &w, err) != 0)
        return -1;
    if (!w.task.id[0])
        return 0;
    hf_fail(err, HF_E_BUSY, "%s works on the VM (%s%s%s)", w.what, w.task.id, *w.who ? ", by " : "",
            w.who);
    err->retryable = 1;
    return -1;
}

int vmware_vm_busy(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   struct hf_err *err)
{
    if (vmw_enter(in, call, err) != 0 || vmw_locate(in, call, vm_id, err) != 0)
        return -1;
    return vmw_check_idle(in, call, err);
}

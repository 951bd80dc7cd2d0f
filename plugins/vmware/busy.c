/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include <string.h>

/* vCenter and ESXi call them VirtualMachine.createSnapshot, vm.Snapshot.remove, VirtualMachine.powerOff, …. */
static bool is_about_state(const char *what)
{
    return strstr(what, "napshot") || strstr(what, "onsolidate") || strstr(what, "ower");
}

struct seeker {
    struct hf_instance *in;
    bool state_only;
    struct vmw_working *out;
};

static int judge(void *ctx, const struct vmw_node *object, struct hf_err *err)
{
    const struct seeker *s = ctx;
    struct vmw_ref task;
    const struct vmw_node *state = vmw_prop(object, "info.state");
    const char *what = vmw_text(vmw_prop(object, "info.descriptionId"));
    const char *who = vmw_child_text(vmw_prop(object, "info.reason"), "userName");
    if (vmw_check_missing(s->in, object, err) != 0)
        return -1;
    if (!vmw_ref_read(vmw_child(object, "obj"), &task) ||
        (!vmw_is(state, "running") && !vmw_is(state, "queued")) ||
        (s->state_only && !is_about_state(what ? what : "")))
        return 0;
    s->out->task = task;
    snprintf(s->out->what, sizeof s->out->what, "%s", what ? what : "a task");
    snprintf(s->out->who, sizeof s->out->who, "%s", who ? who : "");
    return 0;
}

int vmw_working_on(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *vm,
                   bool state_only, struct vmw_working *out, struct hf_err *err)
{
    static const char *const paths[] = {"info.state", "info.descriptionId", "info.reason", NULL};
    struct seeker s = {in, state_only, out};
    *out = (struct vmw_working){0};
    return vmw_props_each(in, call, vm, "recentTask", "Task", paths, judge, &s, err);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include "plugin.h"
#include "rights.h"

#include <string.h>

void vmw_vm_free(struct vmw_vm *vm)
{
    vmw_props_free(&vm->props);
    *vm = (struct vmw_vm){0};
}

static enum hf_vm_state state_of(const struct vmw_node *power)
{
    return vmw_is(power, "poweredOn")    ? HF_VM_RUNNING
           : vmw_is(power, "poweredOff") ? HF_VM_OFF
           : vmw_is(power, "suspended")  ? HF_VM_PAUSED
                                         : HF_VM_OTHER;
}

int vmw_vm_load(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *ref,
                struct vmw_vm *out, struct hf_err *err)
{
    static const char *const paths[] = {"name",
                                        "config.instanceUuid",
                                        "summary.config.instanceUuid",
                                        "config.firmware",
                                        "config.hardware.device",
                                        "summary.config.template",
                                        "runtime.powerState",
                                        "runtime.connectionState",
                                        "runtime.consolidationNeeded",
                                        "runtime.question",
                                        "guest.toolsRunningStatus",
                                        "guest.guestOperationsReady",
                                        "datastore",
                                        NULL};
    vmw_vm_free(out);
    if (vmw_props_get(in, call, ref, paths, &out->props, err) != 0)
        return -1;
    const struct vmw_node *o = out->props.object;
    const struct vmw_node *connection = vmw_prop(o, "runtime.connectionState");
    out->ref = *ref;
    out->name = vmw_text(vmw_prop(o, "name"));
    if (!out->name)
        out->name = out->ref.id;
    out->state = state_of(vmw_prop(o, "runtime.powerState"));
    out->is_template = vmw_true(vmw_prop(o, "summary.config.template"));
    out->is_uefi = vmw_is(vmw_prop(o, "config.firmware"), "efi");
    out->has_tools = vmw_is(vmw_prop(o, "guest.toolsRunningStatus"), "guestToolsRunning");
    const struct vmw_node *ready = vmw_prop(o, "guest.guestOperationsReady");
    out->is_ready = !ready || vmw_true(ready); /* 5.0 does not tell it */
    out->needs_consolidation = vmw_true(vmw_prop(o, "runtime.consolidationNeeded"));
    out->away = vmw_is(connection, "connected") ? NULL
                : connection                    ? vmw_text(connection)
                                                : "unknown";
    out->question = vmw_child_text(vmw_prop(o, "runtime.question"), "text");
    return 0;
}

int vmw_vm_check(const struct vmw_vm *vm, struct hf_err *err)
{
    if (vm->is_template)
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%.80s' is a template", vm->name);
    if (vm->away) {
        hf_fail(err, HF_E_UNREACHABLE, "VM '%.80s' is %.40s", vm->name, vm->away);
        return hf_hint(err, "Does vCenter reach the VM's host, and the host its datastore?");
    }
    if (vm->question) {
        hf_fail(err, HF_E_BUSY, "VM '%.80s' waits for an answer: %.200s", vm->name, vm->question);
        return hf_hint(err, "Answer the question in the client first.");
    }
    return 0;
}

int vmware_probe(struct hf_instance *in, const struct hf_call *call, struct hf_probe *out,
                 struct hf_err *err)
{
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    const struct vmw_ref service = {"ServiceInstance", "ServiceInstance"};
    struct vmw_request req = {.method = "CurrentTime", .self = &service, .is_read = true};
    if (vmw_enter(in, call, err) != 0 || vmw_call(in, call, &req, &t, err) != 0)
        return -1;
    out->product = vmw_keep(in, strdup(in->content.name));
    out->endpoint = vmw_keep(in, strdup(in->base));
    out->host = vmw_keep(in, strdup(in->base + strlen("https://")));
    return out->product && out->endpoint && out->host ? 0 : hf_fail_nomem(err);
}

/* ---- list ---------------------------------------------------------------------------------------------------- */

struct lister {
    hf_vm_cb emit;
    void *ctx;
};

static int list_one(void *ctx, const struct vmw_node *o, struct hf_err *err)
{
    struct lister *l = ctx;
    struct vmw_ref ref;
    if (!vmw_ref_read(vmw_child(o, "obj"), &ref))
        return hf_fail(err, HF_E_CORRUPT, "a VM without an id");
    const char *uuid = vmw_text(vmw_prop(o, "summary.config.instanceUuid"));
    const char *name = vmw_text(vmw_prop(o, "name"));
    bool is_template = vmw_true(vmw_prop(o, "summary.config.template"));
    bool is_here = vmw_is(vmw_prop(o, "runtime.connectionState"), "connected");
    struct hf_vm vm = {
        .struct_size = sizeof vm,
        .id = uuid ? uuid : ref.id,
        .name = name ? name : ref.id,
        .state = state_of(vmw_prop(o, "runtime.powerState")),
        .can = is_template || !is_here || !uuid ? 0 : VMW_CAPABILITIES & ~VMW_GUEST_CAPABILITIES,
        .cannot = is_template         ? "a template"
                  : !is_here || !uuid ? "vCenter does not reach it"
                                      : NULL};
    return l->emit(l->ctx, &vm) != 0 ? -1 : 0;
}

int vmware_vm_list(struct hf_instance *in, const struct hf_call *call, hf_vm_cb emit, void *ctx,
                   struct hf_err *err)
{
    static const char *const paths[] = {"name",
                                        "summary.config.instanceUuid",
                                        "summary.config.template",
                                        "runtime.powerState",
                                        "runtime.connectionState",
                                        NULL};
    struct lister l = {emit, ctx};
    if (vmw_enter(in, call, err) != 0)
        return -1;
    return vmw_props_each_vm(in, call, paths, list_one, &l, err);
}

/* ---- find ---------------------------------------------------------------------------------------------------- */

/* What the guest operations can do now; *out_why: why not all of it (kept), or NULL. */
static uint64_t judge_guest(struct hf_instance *in, const struct hf_call *call,
                            const struct vmw_vm *vm, const char **out_why)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(vmw_rights) struct vmw_rights r = {0};
    const char *missing = NULL;
    uint64_t can = 0;
    if (!in->guest_user)
        *out_why = "no guest account is configured (guest-user, guest-password-file)";
    else if (vm->state != HF_VM_RUNNING)
        *out_why = "the VM does not run";
    else if (!vm->has_tools)
        *out_why = "VMware Tools do not run in the guest";
    else if (!vm->is_ready)
        *out_why =
            "VMware Tools run, but are not ready for programs and files (the guest boots, or "
            "its tools.conf forbids them)";
    else if (vmw_rights_load(in, call, &vm->ref, &r, &why) != 0)
        *out_why = vmw_keep(in, strdup(why.message));
    else
        can = vmw_rights_can(&r, &missing);
    if (missing)
        *out_why = vmw_keep(in, hf_asprintf("the privilege %s on the VM is missing", missing));
    return can;
}

/* NULL: all that the plugin can. */
static const char *judge_can(struct hf_instance *in, const struct hf_call *call,
                             const struct vmw_vm *vm, struct hf_vm *out)
{
    struct hf_err why = HF_ERR_INIT;
    const char *cannot = NULL;
    if (vmw_vm_check(vm, &why) != 0 || vmw_disks_check(vm, NULL, NULL, &why) != 0)
        cannot = vmw_keep(in, strdup(why.message));
    else
        out->can = VMW_CAPABILITIES & ~VMW_GUEST_CAPABILITIES;
    uint64_t guest = judge_guest(in, call, vm, cannot ? &(const char *){NULL} : &cannot);
    out->can |= guest;
    out->has_agent = guest != 0;
    return cannot;
}

int vmware_vm_find(struct hf_instance *in, const struct hf_call *call, const char *what,
                   struct hf_vm *out, struct hf_err *err)
{
    HF_AUTO(vmw_vm) struct vmw_vm vm = {0};
    struct vmw_ref ref;
    char uuid[37];
    if (vmw_enter(in, call, err) != 0 || vmw_find(in, call, what, &ref, err) != 0 ||
        vmw_vm_load(in, call, &ref, &vm, err) != 0)
        return -1;
    const char *id = vmw_text(vmw_prop(vm.props.object, "config.instanceUuid"));
    if (!id)
        id = vmw_text(vmw_prop(vm.props.object, "summary.config.instanceUuid"));
    if (!id || !vmw_uuid(id, uuid))
        return hf_fail(err, HF_E_UNREACHABLE,
                       "VM '%s' tells no instance UUID: vCenter does not "
                       "reach it",
                       vm.name);
    out->id = vmw_keep(in, strdup(uuid));
    out->name = vmw_keep(in, strdup(vm.name));
    out->state = vm.state;
    out->is_uefi = vm.is_uefi;
    out->n_disks = vmw_disks_captured(&vm);
    out->cannot = judge_can(in, call, &vm, out);
    return out->id && out->name ? 0 : hf_fail_nomem(err);
}

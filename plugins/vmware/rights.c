/* SPDX-License-Identifier: Apache-2.0 */
#include "rights.h"

#include <string.h>

static const struct {
    const char *id, *to_do;
    unsigned what_for;
    uint64_t can; /* of the guest operations */
} list[] = {
    {"VirtualMachine.State.CreateSnapshot", "make a snapshot",
     VMW_FOR_SNAPSHOTS | VMW_FOR_ROLLBACKS, 0},
    {"VirtualMachine.State.RemoveSnapshot", "delete it, and consolidate",
     VMW_FOR_SNAPSHOTS | VMW_FOR_ROLLBACKS, 0},
    {"VirtualMachine.State.RevertToSnapshot", "roll back", VMW_FOR_ROLLBACKS, 0},
    {"VirtualMachine.State.RenameSnapshot", "note what became of a rollback", VMW_FOR_ROLLBACKS, 0},
    {"VirtualMachine.Interact.PowerOn", "start the VM after a rollback", VMW_FOR_ROLLBACKS, 0},
    {"VirtualMachine.Interact.PowerOff", "stop the VM before a rollback", VMW_FOR_ROLLBACKS, 0},
    {"VApp.Export", "read its disks", VMW_FOR_EXPORTS, 0},
    {"VirtualMachine.GuestOperations.Query", "read files of the guest, and how programs end",
     VMW_FOR_GUESTS, HF_CAN_GUEST_EXEC | HF_CAN_GUEST_FILES},
    {"VirtualMachine.GuestOperations.Modify", "write files of the guest", VMW_FOR_GUESTS,
     HF_CAN_GUEST_EXEC | HF_CAN_GUEST_FILES},
    {"VirtualMachine.GuestOperations.Execute", "run programs in the guest", VMW_FOR_GUESTS,
     HF_CAN_GUEST_EXEC},
};

static void take(const struct vmw_node *availability, struct vmw_rights *out)
{
    for (; availability; availability = vmw_next(availability))
        for (size_t i = 0; i < HF_ARRAY_SIZE(list); i++)
            if (vmw_is(vmw_child(availability, "privId"), list[i].id) &&
                vmw_true(vmw_child(availability, "isGranted")))
                out->missing &= ~(UINT32_C(1) << i);
}

int vmw_rights_load(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *vm,
                    struct vmw_rights *out, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct hf_err why = HF_ERR_INIT;
    struct vmw_request req = {.method = "HasPrivilegeOnEntities",
                              .self = &in->content.rights,
                              .args = &args,
                              .is_read = true};
    *out = (struct vmw_rights){.is_unknown = true};
    if (!in->content.rights.id[0])
        return 0;
    vmw_put_ref(&args, "entity", vm);
    vmw_put(&args, "sessionId", in->session_key);
    for (size_t i = 0; i < HF_ARRAY_SIZE(list); i++)
        vmw_put(&args, "privId", list[i].id);
    if (vmw_call(in, call, &req, &t, &why) != 0) {
        if (why.cls == HF_E_UNSUPPORTED)
            return 0;
        hf_err_copy(err, &why);
        return -1;
    }
    out->is_unknown = false;
    out->missing = (UINT32_C(1) << HF_ARRAY_SIZE(list)) - 1;
    take(vmw_child(vmw_child(vmw_response(t), "returnval"), "privAvailability"), out);
    return 0;
}

static bool lacks(const struct vmw_rights *r, size_t i)
{
    return !r->is_unknown && (r->missing & (UINT32_C(1) << i));
}

#define NAMES_MAX 384 /* all of the list */

static void name_missing(const struct vmw_rights *r, unsigned what_for, unsigned not_for,
                         char out[NAMES_MAX])
{
    out[0] = '\0';
    for (size_t i = 0; i < HF_ARRAY_SIZE(list); i++)
        if ((list[i].what_for & what_for) && !(list[i].what_for & not_for) && lacks(r, i))
            snprintf(out + strlen(out), NAMES_MAX - strlen(out), "%s%s", *out ? ", " : "",
                     list[i].id);
}

int vmw_rights_check(const struct vmw_rights *r, unsigned what_for, unsigned later,
                     struct hf_err *err)
{
    char now[NAMES_MAX], more[NAMES_MAX];
    name_missing(r, what_for, 0, now);
    name_missing(r, later, what_for, more);
    if (!*now)
        return 0;
    hf_fail(err, HF_E_AUTH, "privileges on the VM are missing: %s", now);
    return hf_hint(err,
                   "Add them to the role of the user, on the VM or a folder above it with "
                   "propagation (docs/plugins/vmware.md, \"Rights needed\").%s%s",
                   *more ? " Missing for other verbs: " : "", more);
}

int vmw_rights_warn(const struct vmw_rights *r, unsigned what_for, hf_text_cb warn, void *ctx)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(list); i++) {
        char line[256];
        if (!(list[i].what_for & what_for) || !lacks(r, i))
            continue;
        snprintf(line, sizeof line, "the privilege %s on the VM is missing, to %s", list[i].id,
                 list[i].to_do);
        if (warn(ctx, line) != 0)
            return -1;
    }
    return 0;
}

uint64_t vmw_rights_can(const struct vmw_rights *r, const char **out_missing)
{
    uint64_t can = HF_CAN_GUEST_EXEC | HF_CAN_GUEST_FILES;
    *out_missing = NULL;
    for (size_t i = 0; i < HF_ARRAY_SIZE(list); i++) {
        if (!list[i].can || !lacks(r, i))
            continue;
        can &= ~list[i].can;
        *out_missing = *out_missing ? *out_missing : list[i].id;
    }
    return can;
}

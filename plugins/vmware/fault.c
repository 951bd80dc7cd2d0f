/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "vmw.h"

#include <string.h>

static const struct known {
    const char *type;
    enum hf_err_class cls;
    const char *hint;
} known[] = {
    {"InvalidLogin", HF_E_AUTH,
     "Are user and password right? On a vCenter the user carries its domain, as in "
     "holdfast@vsphere.local; on an ESXi host by itself it has none."},
    {"NoPermission", HF_E_AUTH, NULL},
    {"RestrictedVersion", HF_E_AUTH,
     "The licence of this host (free ESXi) forbids changes by the API."},
    {"NotAuthenticated", HF_E_AUTH, NULL},
    {"InvalidGuestLogin", HF_E_AUTH, "Are guest-user and guest-password-file right?"},
    {"GuestPermissionDenied", HF_E_AUTH, "The account in the guest may not do that."},
    {"ManagedObjectNotFound", HF_E_NOT_FOUND, NULL},
    {"FileNotFound", HF_E_NOT_FOUND, NULL},
    {"TaskInProgress", HF_E_BUSY, "Another task works on the VM: a backup, vMotion."},
    {"ResourceInUse", HF_E_BUSY, NULL},
    {"FileLocked", HF_E_BUSY, NULL},
    {"SnapshotLocked", HF_E_BUSY, NULL},
    {"ApplicationQuiesceFault", HF_E_UNREACHABLE,
     "A freeze script in the guest failed, or Tools did: see vmware.log of the VM, and in the "
     "guest the log of vmsvc."},
    {"FilesystemQuiesceFault", HF_E_EXPIRED,
     "The guest was not frozen any more at the instant; the server took the snapshot back."},
    {"ToolsUnavailable", HF_E_UNREACHABLE, "Do VMware Tools run in the guest?"},
    {"GuestOperationsUnavailable", HF_E_UNREACHABLE, "Do VMware Tools run in the guest?"},
    {"GuestComponentsOutOfDate", HF_E_UNSUPPORTED, "Update VMware Tools in the guest."},
    {"OperationDisabledByGuest", HF_E_UNSUPPORTED,
     "tools.conf in the guest says [guestoperations] disabled=true."},
    {"OperationNotSupportedByGuest", HF_E_UNSUPPORTED, NULL},
    {"TooManySnapshotLevels", HF_E_CONFLICT, "Delete snapshots of this VM first."},
    {"SnapshotIncompatibleDeviceInVm", HF_E_UNSUPPORTED, NULL},
    {"MemorySnapshotOnIndependentDisk", HF_E_UNSUPPORTED, NULL},
    {"SnapshotDisabled", HF_E_UNSUPPORTED, "snapshot.maxSnapshots of the VM forbids them."},
    {"NoDiskSpace", HF_E_NOSPACE, "The datastore of the VM is full."},
    {"InvalidPowerState", HF_E_CONFLICT, NULL},
    {"InvalidState", HF_E_CONFLICT, NULL},
    {"NotSupported", HF_E_UNSUPPORTED, NULL},
    {"NotImplemented", HF_E_UNSUPPORTED, NULL},
    {"MethodNotFound", HF_E_UNSUPPORTED, "This server is too old for it."},
    {"MethodDisabled", HF_E_UNSUPPORTED,
     "Something forbids this on the VM: a backup product's mark, or a migration."},
    {"HostCommunication", HF_E_UNREACHABLE, "vCenter does not reach the VM's host."},
    {"HostNotConnected", HF_E_UNREACHABLE, "vCenter does not reach the VM's host."},
    {"HostNotReachable", HF_E_UNREACHABLE, "vCenter does not reach the VM's host."},
    {"Timedout", HF_E_UNREACHABLE, NULL},
    {"RequestCanceled", HF_E_UNREACHABLE, NULL},
};

static int hint_privilege(struct hf_err *err, const struct vmw_node *node)
{
    const char *one = vmw_child_text(node, "privilegeId");
    const struct vmw_node *missing =
        vmw_child(vmw_child(node, "missingPrivileges"), "privilegeIds");
    if (missing)
        one = vmw_text(missing);
    return one && *one ? hf_hint(err,
                                 "The user's role needs the privilege %.80s on the VM "
                                 "(docs/plugins/vmware.md, \"Rights needed\").",
                                 one)
                       : -1;
}

int vmw_fail_fault(struct hf_err *err, const char *type, const char *text,
                   const struct vmw_node *node)
{
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    const struct known *k = NULL;
    for (size_t i = 0; i < HF_ARRAY_SIZE(known); i++)
        if (strcmp(type, known[i].type) == 0)
            k = &known[i];
    hf_utf8_add_line(&line, text ? text : "");
    const char *words = hf_buf_str(&line);
    hf_fail(err, k ? k->cls : HF_E_PLUGIN, "%.64s%s%.300s", *type ? type : "a fault without a type",
            *words ? ": " : "", words);
    err->retryable = err->cls == HF_E_BUSY || err->cls == HF_E_UNREACHABLE;
    if (strcmp(type, "NoPermission") == 0)
        return hint_privilege(err, node);
    return k && k->hint ? hf_hint(err, "%s", k->hint) : -1;
}

static int fail(struct hf_instance *in, const char *type, const char *text,
                const struct vmw_node *node, struct hf_err *err)
{
    snprintf(in->fault, sizeof in->fault, "%s", type);
    return vmw_fail_fault(err, type, text, node);
}

int vmw_fail_envelope(struct hf_instance *in, const struct vmw_tree *t, struct hf_err *err)
{
    const struct vmw_node *fault = vmw_child(vmw_child(vmw_tree_root(t), "Body"), "Fault");
    const struct vmw_node *detail = vmw_child(vmw_child(fault, "detail"), NULL);
    char type[64];
    snprintf(type, sizeof type, "%s", detail ? vmw_type(detail) : "");
    if (!*type && detail) { /* its element is called the same, with Fault behind */
        size_t len = strlen(vmw_name(detail));
        snprintf(type, sizeof type, "%.*s", (int)(len > 5 ? len - 5 : len), vmw_name(detail));
    }
    return fail(in, type, vmw_child_text(fault, "faultstring"), detail, err);
}

int vmw_fail_localized(struct hf_instance *in, const struct vmw_node *fault, struct hf_err *err)
{
    const struct vmw_node *inner = vmw_child(fault, "fault");
    return fail(in, inner ? vmw_type(inner) : "", vmw_child_text(fault, "localizedMessage"), inner,
                err);
}

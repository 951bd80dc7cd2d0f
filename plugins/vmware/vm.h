/* SPDX-License-Identifier: Apache-2.0
 *
 * vm.h - what a VM is, and the slots about VMs. The id is the instance UUID, which one vCenter gives once; a path or a name
 * will do where it means one VM only.
 */
#ifndef HF_VMWARE_VM_H
#define HF_VMWARE_VM_H

#include "vmw.h"

struct vmw_vm {
    struct vmw_ref ref;
    struct vmw_props props;
    const char *name; /* borrowed from props */
    enum hf_vm_state state;
    bool is_template, is_uefi, has_tools; /* has_tools: they run */
    bool is_ready;                        /* for operations in the guest, as far as is told */
    bool needs_consolidation;
    const char *away; /* borrowed: the connection's state where it is not "connected", or NULL */
    const char *question; /* borrowed: the VM waits for an answer to this, or NULL */
};
void vmw_vm_free(struct vmw_vm *vm);
HF_DEFINE_AUTO_VALUE(vmw_vm, vmw_vm_free)

/* find.c. Sets in->vm and in->vm_id. NOT_FOUND. */
int vmw_locate(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
               struct hf_err *err) HF_CHECKED;
/* By path, instance UUID or name. CONFLICT: a name that several have. */
int vmw_find(struct hf_instance *in, const struct hf_call *call, const char *what,
             struct vmw_ref *out, struct hf_err *err) HF_CHECKED;
/* "[A-F0-9]{8}-…" in small letters into out; false: no UUID. */
bool vmw_uuid(const char *text, char out[37]);

int vmw_vm_load(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *ref,
                struct vmw_vm *out, struct hf_err *err) HF_CHECKED;
/* A template, a host that is away, a question that waits: no capture and no rollback then. */
int vmw_vm_check(const struct vmw_vm *vm, struct hf_err *err) HF_CHECKED;

/* busy.c: a task of anybody that works on the VM, or state_only: on its snapshots or its power. An empty id: none. */
struct vmw_working {
    struct vmw_ref task;
    char what[96], who[96];
};
int vmw_working_on(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *vm,
                   bool state_only, struct vmw_working *out, struct hf_err *err) HF_CHECKED;
/* BUSY, naming it: any task works on in->vm. */
int vmw_check_idle(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
    HF_CHECKED;

/* disks.c: what stands in the VM's list of devices. Strings are borrowed from the VM, or stand in it. */
struct vmw_disk {
    struct hf_disk disk;
    int64_t key, controller, unit; /* of a disk's device; controller: -1, it tells none */
    char target[24], store[128], serial[64], why[192];
};
/* scsi, sata, ide or nvme: how the VM's file of settings calls the bus of a controller of that type; NULL: none. */
const char *vmw_bus_of(const char *type);
typedef int (*vmw_disk_cb)(void *ctx, const struct vmw_disk *d);
/* The first device; vmw_next gives the others. NULL: none. */
const struct vmw_node *vmw_devices(const struct vmw_vm *vm);
int vmw_disks_each(const struct vmw_vm *vm, vmw_disk_cb each, void *ctx);
uint32_t vmw_disks_captured(const struct vmw_vm *vm);
/* UNSUPPORTED: with this device there is no snapshot. Disks that a snapshot leaves out are told to warn. */
int vmw_disks_check(const struct vmw_vm *vm, hf_text_cb warn, void *ctx, struct hf_err *err)
    HF_CHECKED;
/* Little room on a datastore of the VM is told to warn; none is NOSPACE. */
int vmw_room_check(struct hf_instance *in, const struct hf_call *call, const struct vmw_vm *vm,
                   hf_text_cb warn, void *ctx, struct hf_err *err) HF_CHECKED;

int vmware_probe(struct hf_instance *in, const struct hf_call *call, struct hf_probe *out,
                 struct hf_err *err);
int vmware_vm_list(struct hf_instance *in, const struct hf_call *call, hf_vm_cb emit, void *ctx,
                   struct hf_err *err);
int vmware_vm_find(struct hf_instance *in, const struct hf_call *call, const char *what,
                   struct hf_vm *out, struct hf_err *err);
int vmware_vm_disks(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    hf_disk_cb emit, void *ctx, struct hf_err *err);
int vmware_vm_busy(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   struct hf_err *err);
/* definition.c */
int vmware_vm_definition(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         const char **out, struct hf_err *err);

#endif

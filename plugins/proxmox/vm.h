/* SPDX-License-Identifier: Apache-2.0
 *
 * vm.h - what a VM is, and the slots about VMs. The id is the vmid; a name must be that of one VM only.
 *
 * vm_list tells what the cluster's statistics tell (a node that just booted has no names yet); vm_find asks the VM.
 */
#ifndef HF_PROXMOX_VM_H
#define HF_PROXMOX_VM_H

#include "pve.h"

struct pve_vm {
    struct json_object *config; /* as it runs now */
    const char *name;           /* borrowed from config, or the vmid */
    const char *lock;           /* borrowed, or NULL */
    enum hf_vm_state state;
    bool never_freezes; /* nor thaws, by its options */
    bool has_agent;     /* configured; whether it answers is another question */
    bool is_template, is_uefi;
    bool is_ha; /* under high availability: it is that which starts and stops it */
};
void pve_vm_free(struct pve_vm *vm);
HF_DEFINE_AUTO_VALUE(pve_vm, pve_vm_free)

int pve_vm_load(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                struct pve_vm *out, struct hf_err *err) HF_CHECKED;
/* BUSY: somebody has it locked. The lock of a snapshot or its deletion is seen for some seconds after the end of its task,
 * and so waited for, 3 s. */
int pve_vm_load_unlocked(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         struct pve_vm *out, struct hf_err *err) HF_CHECKED;
int pve_vm_check_lock(const struct pve_vm *vm, struct hf_err *err) HF_CHECKED;

/* Of the cluster's statistics, VMs and containers; each has a type and a vmid. */
bool pve_is_container(struct json_object *row);
typedef int (*pve_row_cb)(void *ctx, struct json_object *row, struct hf_err *err);
int pve_each_vm(struct hf_instance *in, const struct hf_call *call, pve_row_cb row, void *ctx,
                struct hf_err *err) HF_CHECKED;

/* disks.c: one drive of a configuration. Strings are borrowed from buf or the configuration. */
struct pve_disk {
    struct hf_disk disk;
    char target[16], source[512], serial[128];
    bool is_left_out; /* of backups by the server */
    bool has_data;    /* of the guest: no variables of UEFI, no TPM */
};
/* Each drive; a callback that returns non-zero ends it with -1. */
typedef int (*pve_disk_cb)(void *ctx, const struct pve_disk *d);
int pve_disks_each(const struct pve_vm *vm, pve_disk_cb each, void *ctx);
uint32_t pve_disks_captured(const struct pve_vm *vm);

int proxmox_probe(struct hf_instance *in, const struct hf_call *call, struct hf_probe *out,
                  struct hf_err *err);
int proxmox_vm_list(struct hf_instance *in, const struct hf_call *call, hf_vm_cb emit, void *ctx,
                    struct hf_err *err);
int proxmox_vm_find(struct hf_instance *in, const struct hf_call *call, const char *what,
                    struct hf_vm *out, struct hf_err *err);
int proxmox_vm_disks(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                     hf_disk_cb emit, void *ctx, struct hf_err *err);
int proxmox_vm_busy(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    struct hf_err *err);
int proxmox_vm_definition(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char **out, struct hf_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * rights.h - what the token (or user) may do on a VM, and which right of which version is missing for what.
 *
 * Version 9 has a right for each kind of call to the guest's agent, and .Unrestricted for all of them; version 8 has
 * VM.Monitor in their place. Naming a right of the other version is an error of its pveum, so it is never named.
 */
#ifndef HF_PROXMOX_RIGHTS_H
#define HF_PROXMOX_RIGHTS_H

#include "pve.h"

struct pve_rights {
    struct json_object *all, *of_vm; /* of the VM, or the storage: borrowed from all; NULL: none */
};
void pve_rights_free(struct pve_rights *r);
HF_DEFINE_AUTO_VALUE(pve_rights, pve_rights_free)

int pve_rights_load(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    struct pve_rights *out, struct hf_err *err) HF_CHECKED;
int pve_rights_load_storage(struct hf_instance *in, const struct hf_call *call, const char *storage,
                            struct pve_rights *out, struct hf_err *err) HF_CHECKED;
bool pve_rights_has(const struct pve_rights *r, const char *right);
/* AUTH, naming all that is missing for a snapshot. */
int pve_rights_check(const struct pve_rights *r, const char *vm_id, struct hf_err *err) HF_CHECKED;
/* The same for a backup of the VM by the server, and on the storage that it goes to. */
int pve_rights_check_backup(const struct pve_rights *r, const char *vm_id, struct hf_err *err)
    HF_CHECKED;
int pve_rights_check_storage(const struct pve_rights *r, const char *storage, struct hf_err *err)
    HF_CHECKED;
/* All of these. */
int pve_rights_check_list(const struct pve_rights *r, const struct hf_strv *rights,
                          const char *vm_id, struct hf_err *err) HF_CHECKED;
/* A line for each right that is missing for what the guest's agent is asked. -1: warn ended it. */
int pve_rights_warn(const struct hf_instance *in, const struct pve_rights *r, const char *vm_id,
                    hf_text_cb warn, void *ctx) HF_CHECKED;
/* The HF_CAN_GUEST_* that the rights allow. *out_missing: the first right that is missing (static), or NULL. */
uint64_t pve_rights_can(const struct hf_instance *in, const struct pve_rights *r,
                        const char **out_missing);

#endif

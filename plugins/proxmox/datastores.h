/* SPDX-License-Identifier: Apache-2.0
 *
 * datastores.h - the storages that a VM's disks lie on, and what is free there.
 *
 * From the statistics that each node tells the cluster, at most some minutes old: no storage is asked, so that a dead
 * server of one cannot delay the answer. Total - used is what is free; what a file system reserves for root counts as free.
 */
#ifndef HF_PROXMOX_DATASTORES_H
#define HF_PROXMOX_DATASTORES_H

#include "vm.h"

struct pve_datastores {
    struct json_object *rows; /* or NULL: not known */
    const char *node;         /* of the VM, borrowed */
};
void pve_datastores_free(struct pve_datastores *s);
HF_DEFINE_AUTO_VALUE(pve_datastores, pve_datastores_free)

/* As in->node sees them. Not to be had within 5 s, or not for us: none is known, which is no error. */
void pve_datastores_load(struct hf_instance *in, const struct hf_call *call,
                         struct pve_datastores *out);
/* Fills store and its sizes of a disk that is captured: "nfs1", or "local-lvm on pve1" of what each node has for itself.
 * 0 bytes: not known. The name is written to buf. */
void pve_datastores_fill(const struct pve_datastores *s, struct hf_disk *disk, char *buf,
                         size_t size);

#endif

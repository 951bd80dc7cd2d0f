/* SPDX-License-Identifier: Apache-2.0
 *
 * fsinfo.h - the guest's file systems as its agent tells them, and the disks of the VM they lie on.
 * Pure functions; hostile input, see agent_reply.h.
 *
 * A disk of the guest is recognised by its serial, when exactly one disk of the VM has that one,
 * else by its bus address, as libvirt does. Device names (vda) prove nothing. The guest numbers PCI
 * buses by itself; with the layouts that libvirt makes these are the numbers of the definition.
 */
#ifndef HF_LIBVIRT_FSINFO_H
#define HF_LIBVIRT_FSINFO_H

#include "domain_xml.h"
#include "net/json.h"

struct lv_fs_disk {
    int64_t domain, bus, slot, function; /* PCI address of disk or controller; -1: unknown */
    int64_t channel, scsi_target, unit;  /* on the controller */
    char *serial;                        /* or NULL */
};

struct lv_fs {
    char *mountpoint, *type;
    char *name; /* of the device, without /dev/ */
    struct lv_fs_disk *disks;
    size_t n_disks;
};

struct lv_fs_list {
    struct lv_fs *items; /* the agent's order: what was mounted last comes first */
    size_t n;
};
void lv_fs_list_free(struct lv_fs_list *l);
HF_DEFINE_AUTO_VALUE(lv_fs_list, lv_fs_list_free)

/* guest-get-fsinfo: what stands in "return". */
int lv_fsinfo_parse(struct json_object *value, struct lv_fs_list *out, struct hf_err *err)
    HF_CHECKED;
/* The one mounted last there, or NULL. */
const struct lv_fs *lv_fs_find(const struct lv_fs_list *l, const char *mountpoint);
/* The target of the VM's disk, or NULL: none of its disks. */
const char *lv_fs_disk_target(const struct lv_fs_disk *d, const struct lv_vm *vm);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * machine_foreign.h - a domain of the definition of another hypervisor's machine (net/machine_doc.h): vSphere's.
 *
 * What stands in that definition is made here, of devices that this host has; the nearest of them where it has no such, and each of
 * that is told as CHANGED. The domain then goes through the adaptation of machine.h as any other definition, and nothing of the way
 * from there on knows where it came from.
 *
 *   firmware     BIOS: a 'pc'; UEFI: a 'q35', and no disk on a SCSI controller of VMware's, for common builds of QEMU's UEFI read
 *                none there
 *   controllers  pvscsi, lsilogic, lsisas as QEMU has them, IDE and SATA; the others, and those that QEMU has not, are SATA, buslogic
 *                lsilogic. Disks stand on them in their order, without gaps
 *   disks        'sda' for the definition's 'scsi0:0', in the request too; each may boot, the first one before the second
 *   network      by its name, which libvirt may have as well
 *   agent        a port for qemu-guest-agent, which a guest of vSphere has not unless somebody installed it
 */
#ifndef HF_LIBVIRT_MACHINE_FOREIGN_H
#define HF_LIBVIRT_MACHINE_FOREIGN_H

#include "machine.h"
#include "net/machine_doc.h"

#define LV_TARGET_MAX 8

struct lv_foreign {
    struct hf_machine_request req; /* whose definition and disks are these: */
    char *xml;
    struct hf_machine_disk *disks;
    char (*targets)[LV_TARGET_MAX];
};
void lv_foreign_free(struct lv_foreign *f); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(lv_foreign, lv_foreign_free)

/* It says of itself that it is one. */
bool lv_foreign_is(const struct hf_machine_request *req);
/* m has req, has and say, and is the caller's to drop; type: libvirt's of the domain. out is empty before, and borrows from req.
 * CORRUPT: it is no such definition; UNSUPPORTED, CONFLICT: a finding of the kind REFUSED said why, or it shall replace a machine. */
int lv_foreign_make(struct lv_making *m, const char *type, struct lv_foreign *out,
                    struct hf_err *err) HF_CHECKED;

/* machine_foreign_disks.c: m->devices gets the disks of the request, and what they hang on. */
void lv_foreign_disks(struct lv_making *m, const struct hf_machine_doc *doc,
                      struct lv_foreign *out);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * disks.h - which disks a capture contains, which it leaves out, and which forbid it.
 */
#ifndef HF_LIBVIRT_DISKS_H
#define HF_LIBVIRT_DISKS_H

#include "domain_xml.h"
#include "lv.h"

/* Why it is not part of a capture, or NULL. */
const char *lv_disk_skipped(const struct lv_disk *d);
/* Why no capture of its VM is possible, or NULL. Asks of a disk that is not skipped. */
const char *lv_disk_refused(const struct lv_disk *d, bool has_overlay_dir);
bool lv_disk_is_captured(const struct lv_disk *d);
/* How many disks a capture would contain. */
size_t lv_disks_captured(const struct lv_vm *vm);

int libvirt_vm_disks(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                     hf_disk_cb emit, void *ctx, struct hf_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * pushed.h - the backups that vzdump left, as the contract tells them: an archive on a storage, ours by the mark in its notes.
 *
 * A list shows only what our rights allow (section 9 of the reference: without VM.Backup on the VM it is empty), and the archives on
 * a storage of one node only on that node. So "it is not there" is believed only when the rights are there and no node that has the
 * storage is away.
 */
#ifndef HF_PROXMOX_PUSHED_H
#define HF_PROXMOX_PUSHED_H

#include "api/holdfast/plugin.h"

int proxmox_export_pushed(struct hf_instance *in, const struct hf_call *call,
                          struct hf_capture *cap, struct hf_pushed *out, struct hf_err *err);
int proxmox_pushed_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        hf_pushed_cb emit, void *ctx, struct hf_err *err);
int proxmox_pushed_find(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        const char *ref, struct hf_pushed *out, struct hf_err *err);
int proxmox_pushed_delete(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char *ref, const char *run, struct hf_err *err);

#endif

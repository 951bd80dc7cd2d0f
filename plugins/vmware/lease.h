/* SPDX-License-Identifier: Apache-2.0
 *
 * lease.h - the server's leave to read the disks of a snapshot (HttpNfcLease), and from where.
 *
 * While it is held nothing may change the VM's power, place or snapshots, so it is held for the reading alone. It ends when it is
 * completed or aborted, with its session, or by itself when nobody tells the server that it goes on (keeper.h).
 */
#ifndef HF_VMWARE_LEASE_H
#define HF_VMWARE_LEASE_H

#include "vmw.h"

struct vmw_lease;

/* Waits until it is ready; in->lease has it then. BUSY: another task or lease has the VM. */
int vmw_lease_open(struct hf_instance *in, const struct hf_call *call,
                   const struct vmw_ref *snapshot, struct hf_err *err) HF_CHECKED;
/* Of in->lease: where the disk is to be had. Borrowed. CONFLICT: it has no such disk. */
const char *vmw_lease_url(const struct hf_instance *in, const char *target, struct hf_err *err)
    HF_CHECKED;
/* UNREACHABLE: in->lease is lost. */
int vmw_lease_check(const struct hf_instance *in, struct hf_err *err) HF_CHECKED;
void vmw_lease_percent(const struct hf_instance *in, int percent);
/* Everything was read. in->lease is gone in any case. */
int vmw_lease_complete(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
    HF_CHECKED;
/* It is not wanted any more, also when somebody is in a hurry: as well as it goes, in a few seconds. None: nothing. */
void vmw_lease_abort(struct hf_instance *in);

#endif

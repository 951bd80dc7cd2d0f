/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshots.h - the snapshots of a VM: list, delete, and the undo of a capture. A snapshot is ours by its description.
 *
 * Names need not be unique on a server, so a snapshot is asked for by what stands in the tree, not by its name alone. The
 * children of one that is deleted stay. After a deletion the VM may still run on left-over delta files: that is looked for, mended,
 * and where it cannot be an error.
 */
#ifndef HF_VMWARE_SNAPSHOTS_H
#define HF_VMWARE_SNAPSHOTS_H

#include "vmw.h"

#define VMW_MARK "holdfast run="
#define VMW_SETTLED "settled " /* begins the second line */

struct vmw_snap {
    bool exists, is_ours, has_memory, is_quiesced;
    bool is_undone;           /* of the state that a rollback left: the VM is back in it */
    bool is_current, is_base; /* is_base: the VM's present state descends from it */
    struct vmw_ref ref;
    int64_t taken_at_s;
    char settled[72]; /* name of the state that the last settled rollback to it had left, or "" */
    char description[512]; /* its first line */
};

/* Of that name; one of ours where there are several. */
int vmw_snap_find(struct hf_instance *in, const struct hf_call *call, const char *name,
                  struct vmw_snap *out, struct hf_err *err) HF_CHECKED;
/* How many snapshots the VM's present state hangs below. */
int vmw_snap_depth(struct hf_instance *in, const struct hf_call *call, int *out, struct hf_err *err)
    HF_CHECKED;
/* Waits for tasks of anybody that make, delete or go back to a snapshot of the VM, or power it on or off, good or bad. */
int vmw_snap_wait_idle(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
    HF_CHECKED;
/* Deletes it until it is gone, and mends the disks. *out_was: it was there. CONFLICT: not ours. All these: of in->vm. */
int vmw_snap_drop(struct hf_instance *in, const struct hf_call *call, const char *name,
                  bool *out_was, struct hf_err *err) HF_CHECKED;

int vmware_snapshot_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         hf_snapshot_cb emit, void *ctx, struct hf_err *err);
int vmware_snapshot_delete(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *name, struct hf_err *err);
int vmware_capture_discard(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *name, const char *undo_token, struct hf_err *err);

#endif

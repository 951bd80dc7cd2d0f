/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshots.h - the snapshots of a VM: list, delete, and the undo of a capture. A snapshot is ours by its description.
 *
 * A snapshot task is never stopped: its clean-up may need more time than it would get, and then the VM stays paused and
 * locked. What runs is waited for, then undone. Locks are never removed.
 */
#ifndef HF_PROXMOX_SNAPSHOTS_H
#define HF_PROXMOX_SNAPSHOTS_H

#include "pve.h"

#define PVE_MARK "holdfast run="
#define PVE_SETTLED "settled " /* begins the second line */

struct pve_snap {
    bool exists, is_ours, is_unfinished, has_memory;
    bool is_current; /* the VM descends from it directly */
    bool is_undone;  /* of the state that a rollback left: the VM is back in it */
    int64_t taken_at_s;
    char settled[64]; /* name of the state that the last settled rollback to it had left, or "" */
    char description[512]; /* its first line */
};
int pve_snap_find(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                  const char *name, struct pve_snap *out, struct hf_err *err) HF_CHECKED;

/* Waits for tasks that work on the VM's snapshots, good or bad: making, deleting, rolling back. */
int pve_snap_wait_idle(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err) HF_CHECKED;
/* Deletes it, whoever else works on it, until it is gone. *out_was: it was there. CONFLICT: not ours. */
int pve_snap_drop(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                  const char *name, bool *out_was, struct hf_err *err) HF_CHECKED;

int proxmox_snapshot_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          hf_snapshot_cb emit, void *ctx, struct hf_err *err);
int proxmox_snapshot_delete(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *name, struct hf_err *err);
int proxmox_capture_discard(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *name, const char *undo_token, struct hf_err *err);

#endif

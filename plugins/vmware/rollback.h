/* SPDX-License-Identifier: Apache-2.0
 *
 * rollback.h - back to a snapshot, with a way back from there.
 *
 * The VM is powered off, the state that is left becomes a snapshot of its own ("back-RUN"), the VM is reverted and powered on:
 * nothing is written between the last two, so the undo has exactly what was left. Reverting leaves the VM off, and the younger
 * snapshots where they are. Before the undo starts the VM its snapshot says so: called again, it does not go back another time.
 */
#ifndef HF_VMWARE_ROLLBACK_H
#define HF_VMWARE_ROLLBACK_H

#include "vmw.h"

struct vmw_rollback {
    char *vm_id, *name, *back; /* back: of the snapshot of what was left */
    bool was_active;
};
void vmw_rollback_free(struct vmw_rollback *rb);
HF_DEFINE_AUTO_VALUE(vmw_rollback, vmw_rollback_free)

char *vmw_rollback_write(const struct vmw_rollback *rb, struct hf_err *err) HF_CHECKED;
/* CORRUPT: no token of a rollback. */
int vmw_rollback_read(const char *token, struct vmw_rollback *out, struct hf_err *err) HF_CHECKED;

int vmware_rollback_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_rollback_request *req, hf_text_cb younger, hf_text_cb warn,
                         void *ctx, struct hf_rollback_plan *out, struct hf_err *err);
int vmware_rollback_switch(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *undo_token, struct hf_err *err);
int vmware_rollback_settle(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *undo_token, hf_text_cb kept, void *ctx, struct hf_err *err);
int vmware_rollback_undo(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         const char *undo_token, struct hf_err *err);

#endif

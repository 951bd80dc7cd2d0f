/* SPDX-License-Identifier: Apache-2.0
 *
 * rollback.h - back to a snapshot, with a way back from there.
 *
 * The VM is stopped, the state that is left becomes a snapshot of its own ("back-RUN"), the VM is rolled back and started:
 * nothing is written between the last two, so the undo has exactly what was left. Before the undo starts the VM its
 * snapshot says so: called again, it does not go back another time.
 *
 * ZFS and volume chains go back to their newest snapshot only, so nothing can be kept there: FINAL (rollback_final.c). Where
 * the token may not see the storages that is refused by the server, after the VM was stopped; the undo starts it again.
 */
#ifndef HF_PROXMOX_ROLLBACK_H
#define HF_PROXMOX_ROLLBACK_H

#include "pve.h"

struct pve_rollback {
    char *vm_id, *name, *back; /* back: of the snapshot of what was left */
    bool was_active;
    bool is_final;          /* nothing of what was left is kept */
    struct hf_strv younger; /* then: our snapshots that have to go before */
    char *seen;             /* then: UPID of the VM's newest task when it was planned, or "" */
};
void pve_rollback_free(struct pve_rollback *rb);
HF_DEFINE_AUTO_VALUE(pve_rollback, pve_rollback_free)

char *pve_rollback_write(const struct pve_rollback *rb, struct hf_err *err) HF_CHECKED;
/* CORRUPT: no token of a rollback. */
int pve_rollback_read(const char *token, struct pve_rollback *out, struct hf_err *err) HF_CHECKED;

/* ---- rollback.c: steps of both ways ------------------------------------------------------------------- */

int pve_rollback_state(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       enum hf_vm_state *out, struct hf_err *err) HF_CHECKED;
/* Started or stopped, and so when it returns. */
int pve_rollback_power(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       bool on, struct hf_err *err) HF_CHECKED;
int pve_rollback_go(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    const char *name, struct hf_err *err) HF_CHECKED;
/* Said in the snapshot that was gone back to: it is done, and neither undone nor done another time. */
int pve_rollback_mark(struct hf_instance *in, const struct hf_call *call,
                      const struct pve_rollback *rb, struct hf_err *err) HF_CHECKED;

/* ---- rollback_final.c: without a way back -------------------------------------------------------------- */

/* Which snapshots go, and what was seen. CONFLICT: one of them is not ours. */
int pve_final_plan(struct hf_instance *in, const struct hf_call *call, struct pve_rollback *rb,
                   struct hf_err *err) HF_CHECKED;
int pve_final_switch(struct hf_instance *in, const struct hf_call *call,
                     const struct pve_rollback *rb, struct hf_err *err) HF_CHECKED;
/* Finishes what a switch has begun. A VM that runs without the mark is not stopped again: EXPIRED, nothing is left to do. */
int pve_final_settle(struct hf_instance *in, const struct hf_call *call,
                     const struct pve_rollback *rb, struct hf_err *err) HF_CHECKED;
/* Starts the VM as it is. CONFLICT: something is gone that does not come back. */
int pve_final_undo(struct hf_instance *in, const struct hf_call *call,
                   const struct pve_rollback *rb, struct hf_err *err) HF_CHECKED;

int proxmox_rollback_plan(struct hf_instance *in, const struct hf_call *call,
                          const struct hf_rollback_request *req, hf_text_cb younger,
                          hf_text_cb warn, void *ctx, struct hf_rollback_plan *out,
                          struct hf_err *err);
int proxmox_rollback_switch(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *undo_token, struct hf_err *err);
int proxmox_rollback_settle(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *undo_token, hf_text_cb kept, void *ctx, struct hf_err *err);
int proxmox_rollback_undo(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char *undo_token, struct hf_err *err);

#endif

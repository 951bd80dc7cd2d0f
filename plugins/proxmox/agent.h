/* SPDX-License-Identifier: Apache-2.0
 *
 * agent.h - the QEMU guest agent, through the API. Its answers come from the guest: hostile input.
 *
 * Every call is synchronous and takes one client at a time; what takes more than 30 s may be reported as failed (596) and
 * goes on. So a freeze whose answer is unclear counts as failed and is followed by a thaw. Reading the status of a
 * program is destructive: it is asked again when the connection breaks, but if that one answer was lost, how it ended is
 * not to be had (an error, with `left`).
 */
#ifndef HF_PROXMOX_AGENT_H
#define HF_PROXMOX_AGENT_H

#include "pve.h"

/* Without pve_enter. */
int pve_agent_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   struct hf_err *err) HF_CHECKED;
int pve_agent_state(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    enum hf_freeze_state *out, struct hf_err *err) HF_CHECKED;
int pve_agent_thaw(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   struct hf_err *err) HF_CHECKED;
/* Of the calls without parameters: *out is what stands in "result"; an error in there is an error. */
int pve_agent_plain(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    const char *method, const char *command, struct json_object **out,
                    struct hf_err *err) HF_CHECKED;
/* The file's bytes, all that the API hands out (16 MiB). */
int pve_agent_read(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   const char *path, struct hf_buf *out, bool *out_cut, struct hf_err *err)
    HF_CHECKED;

int proxmox_guest_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err);
/* Input of at most 48 000 bytes (the API takes 64 KiB, as text), before 8.4 of less: all of the request is 64 KiB. */
int proxmox_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                       struct hf_err *err);
int proxmox_guest_file_read(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *path, uint64_t max_bytes, hf_data_cb emit, void *ctx,
                            struct hf_err *err);
/* In pieces of 45 000 bytes at the most, the second and later ones by the guest's base64: not in one step. */
int proxmox_guest_file_write(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             const char *path, const void *data, size_t len, struct hf_err *err);
int proxmox_guest_freeze(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         uint32_t *out_frozen, struct hf_err *err);
int proxmox_guest_thaw(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err);
int proxmox_guest_freeze_state(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, enum hf_freeze_state *out, struct hf_err *err);
/* By serial: a SCSI disk has that of its drive, others need serial=… in their configuration. */
int proxmox_guest_mounts(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         hf_mount_cb emit, void *ctx, struct hf_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * capture.h - a snapshot of all disks, without memory, by a task of Proxmox VE.
 *
 * The task stops the virtual CPUs, snapshots disk by disk, lets them run. Nothing in its log marks the end of the last
 * disk, so capture_begin returns when the task has STOPPED (or says that it cleans up after a failure), at the
 * latest one look (250 ms) later. At the deadline it returns with TIMEOUT and the task runs on: it is never stopped, the
 * undo waits for it. A lost answer to the POST: the task is looked for, never begun twice.
 */
#ifndef HF_PROXMOX_CAPTURE_H
#define HF_PROXMOX_CAPTURE_H

#include "pve.h"

int proxmox_capture_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_capture_request *req, hf_text_cb warn, void *ctx,
                         struct hf_capture **out, struct hf_capture_plan *plan, struct hf_err *err);
int proxmox_capture_prepare(struct hf_instance *in, const struct hf_call *call,
                            struct hf_capture *cap, struct hf_err *err);
int proxmox_capture_begin(struct hf_instance *in, const struct hf_call *call,
                          struct hf_capture *cap, struct hf_err *err);
int proxmox_capture_settle(struct hf_instance *in, const struct hf_call *call,
                           struct hf_capture *cap, struct hf_err *err);
void proxmox_capture_free(struct hf_instance *in, struct hf_capture *cap);

#endif

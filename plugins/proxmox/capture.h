/* SPDX-License-Identifier: Apache-2.0
 *
 * capture.h - a snapshot of all disks, without memory, by a task of Proxmox VE.
 *
 * The task stops the virtual CPUs, snapshots disk by disk, lets them run. Nothing in its log marks the end of the last
 * disk, so capture_begin returns when the task has STOPPED (or says that it cleans up after a failure), at the
 * latest one look (250 ms) later. At the deadline it returns with TIMEOUT and the task runs on: it is never stopped, the
 * undo waits for it. A lost answer to the POST: the task is looked for, never begun twice. The kind EXPORT is vzdump.h.
 */
#ifndef HF_PROXMOX_CAPTURE_H
#define HF_PROXMOX_CAPTURE_H

#include "rights.h"
#include "vm.h"
#include "vzdump_log.h"

struct hf_capture {
    enum hf_capture_kind kind;
    char *vm_id, *name, *token;
    struct hf_buf params;   /* of the POST, from plan on */
    struct pve_task before; /* the newest task of its type when we prepared: ours is another */
    struct pve_task task;
    int64_t log_at;
    bool is_prepared;
    bool host_freezes;   /* holdfast itself, before begin */
    bool is_cleaning_up; /* a snapshot: the log says so */
    /* vzdump */
    char node[PVE_NODE_MAX]; /* where it was planned, and the task runs */
    bool needs_freeze;       /* several disks of a VM that runs: without it not of one instant */
    bool needs_rest;         /* the same of one that was off when it was planned */
    bool has_ended;
    struct pve_dump_log log;
    int64_t looked_at_ms;
};

/* That it will not freeze, or thaws too early, and which rights it lacks for the agent. -1: warn ended it. */
int pve_warn_of_agent(struct hf_instance *in, const struct hf_call *call, const struct pve_vm *vm,
                      const struct pve_rights *rights, const struct hf_capture_request *req,
                      hf_text_cb warn, void *ctx) HF_CHECKED;

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

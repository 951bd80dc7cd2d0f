/* SPDX-License-Identifier: Apache-2.0
 *
 * capture.h - a snapshot as a capture: planned, prepared, begun inside the hold, settled.
 *
 * The instant lies somewhere in the task, so begin returns when the task has ended. Where the answer to the request was lost,
 * or the server with it, the tree of the VM's snapshots tells: name and run id are the caller's, and nothing is made twice.
 */
#ifndef HF_VMWARE_CAPTURE_H
#define HF_VMWARE_CAPTURE_H

#include "task.h"
#include "vm.h"

struct hf_capture {
    char *vm_id, *name, *token;
    char *description;
    struct vmw_ref vm;
    struct vmw_task task;
    struct vmw_ref made; /* the snapshot, once it is known */
    bool is_prepared;
    bool is_quiesced; /* was asked for */
    bool is_export;   /* its disks are to be read (export.c) */
    bool is_settled, has_ended;
    uint32_t n_disks;               /* that were to be in it */
    struct vmw_vm disks;            /* those of the snapshot; once one was asked for */
    uint64_t all_bytes, read_bytes; /* of them, for the server's progress */
};

int vmware_capture_plan(struct hf_instance *in, const struct hf_call *call,
                        const struct hf_capture_request *req, hf_text_cb warn, void *ctx,
                        struct hf_capture **out, struct hf_capture_plan *plan, struct hf_err *err);
int vmware_capture_prepare(struct hf_instance *in, const struct hf_call *call,
                           struct hf_capture *cap, struct hf_err *err);
int vmware_capture_begin(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         struct hf_err *err);
int vmware_capture_settle(struct hf_instance *in, const struct hf_call *call,
                          struct hf_capture *cap, struct hf_err *err);
void vmware_capture_free(struct hf_instance *in, struct hf_capture *cap);

#endif

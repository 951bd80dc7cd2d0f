/* SPDX-License-Identifier: Apache-2.0
 *
 * export.h - the disks of a snapshot, read as a stream: the capture is a snapshot, its disks come by a lease, and in the end it is deleted.
 *
 * A stream that breaks off is asked for again, from its beginning, for no part of one is to be had; what was told already is the same in
 * the same snapshot, and is passed over. What is left by a process that dies: the lease, which ends by itself, and the snapshot, of which
 * capture_discard knows.
 */
#ifndef HF_VMWARE_EXPORT_H
#define HF_VMWARE_EXPORT_H

#include "capture.h"

int vmware_export_disk(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                       const char *target, struct hf_export *out, struct hf_err *err);
int vmware_export_stream(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         const char *target, hf_extent_cb emit, void *ctx, struct hf_err *err);
int vmware_export_watch(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                        struct hf_export_state *out, struct hf_err *err);
int vmware_export_end(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                      struct hf_err *err);

#endif

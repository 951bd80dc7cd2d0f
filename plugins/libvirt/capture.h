/* SPDX-License-Identifier: Apache-2.0
 *
 * capture.h - an external, disk-only snapshot of a running VM.
 *
 *   plan      decides: which disks, which overlay files; checks everything that can be checked
 *   prepare   makes the empty overlay files (qemu-img) and the request
 *   begin     one virDomainSnapshotCreateXML with REUSE_EXT: libvirt only opens the files. Measured
 * on libvirt 9.0 and QEMU 7.2, two disks: 3 ms; 30 ms when QEMU has to create them settle    reads
 * the live definition: is each active layer ours, over the base we planned with?
 *
 * A file that a discard has removed cannot be snapshotted into any more: a begin that comes late,
 * after its run was undone, fails instead of leaving an overlay that nobody knows of.
 */
#ifndef HF_LIBVIRT_CAPTURE_H
#define HF_LIBVIRT_CAPTURE_H

#include "lv.h"

int libvirt_capture_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_capture_request *req, hf_text_cb warn, void *ctx,
                         struct hf_capture **out, struct hf_capture_plan *plan, struct hf_err *err);
int libvirt_capture_prepare(struct hf_instance *in, const struct hf_call *call,
                            struct hf_capture *cap, struct hf_err *err);
int libvirt_capture_begin(struct hf_instance *in, const struct hf_call *call,
                          struct hf_capture *cap, struct hf_err *err);
int libvirt_capture_settle(struct hf_instance *in, const struct hf_call *call,
                           struct hf_capture *cap, struct hf_err *err);
void libvirt_capture_free(struct hf_instance *in, struct hf_capture *cap);
/* NULL, err set: it is a snapshot. */
struct lv_export *lv_capture_export(struct hf_capture *cap, struct hf_err *err) HF_CHECKED;
/* export.c, where a capture of kind EXPORT goes all its steps. */
int libvirt_export_disk(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                        const char *target, struct hf_export *out, struct hf_err *err);
int libvirt_export_watch(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         struct hf_export_state *out, struct hf_err *err);
int libvirt_export_end(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                       struct hf_err *err);

#endif

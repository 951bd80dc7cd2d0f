/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.h - programs and files in the guest, by VMware Tools (the guest operations). The account is one of the guest's own.
 *
 * A program has no standard streams here: it is run by a shell of the guest, with files of a private folder in their places,
 * which are fetched afterwards. So guests with a /bin/sh only. Each request takes Tools their time, and a sync may run while a
 * database is held: so the folder stays from one program to the next, until one fails or the connection ends. Nothing is frozen or thawed this way: vSphere has no call for it.
 */
#ifndef HF_VMWARE_GUEST_H
#define HF_VMWARE_GUEST_H

#include "vmw.h"

/* One conversation with the guest of in->vm. */
struct vmw_guest {
    struct hf_instance *in;
    const struct hf_call *call;
};

/* CONFIG: no account is configured. UNSUPPORTED: the server has no guest operations. Finds the VM. */
int vmw_guest_enter(struct vmw_guest *g, struct hf_instance *in, const struct hf_call *call,
                    const char *vm_id, struct hf_err *err) HF_CHECKED;
/* The first two arguments of each of these methods: VM and account. */
void vmw_guest_put(const struct vmw_guest *g, struct vmw_args *a);
/* method of the files' or the programs' manager; *out as of vmw_call. */
int vmw_guest_call(const struct vmw_guest *g, bool of_files, const char *method,
                   struct vmw_args *args, bool is_read, struct vmw_tree **out, struct hf_err *err)
    HF_CHECKED;

/* guest_folder.c. in->folder, made where there is none in this guest; *out_kept: it was there already, or should be. */
int vmw_guest_folder(const struct vmw_guest *g, bool *out_kept, struct hf_err *err) HF_CHECKED;
/* Also when somebody cancelled: what stands in it may be a secret. One that cannot be removed is logged. */
void vmw_guest_folder_drop(const struct vmw_guest *g);
void vmw_guest_folder_leave(struct hf_instance *in); /* before the log-out, in a few seconds */

/* guest_files.c: whole files. At most max bytes of it; what is longer is cut. size_counts: one that is told to be empty is (those
 * of /proc are not). */
int vmw_guest_get(const struct vmw_guest *g, const char *path, size_t max, bool size_counts,
                  struct hf_buf *out, struct hf_err *err) HF_CHECKED;
int vmw_guest_put_file(const struct vmw_guest *g, const char *path, const void *data, size_t len,
                       struct hf_err *err) HF_CHECKED;

int vmware_guest_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                      struct hf_err *err);
int vmware_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                      const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                      struct hf_err *err);
int vmware_guest_file_read(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *path, uint64_t max_bytes, hf_data_cb emit, void *ctx,
                           struct hf_err *err);
int vmware_guest_file_write(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *path, const void *data, size_t len, struct hf_err *err);

#endif

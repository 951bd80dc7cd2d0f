/* SPDX-License-Identifier: Apache-2.0
 *
 * vzdump.h - a capture of the kind EXPORT: the server copies all disks itself, by vzdump, to the storage of `backup-storage`.
 *
 * Instant  the line "started backup task": QEMU has copy-before-write on every disk. Not the thaw, which is told also when the
 *          job failed. capture_begin returns one look (250 ms) later at the most; at the deadline with TIMEOUT.
 * One      instant for several disks only while the guest is frozen, for nothing stops it: a VM that runs, with several disks
 *          and without an agent that freezes, is refused, and a freeze that failed is a CONFLICT of settle.
 * End      export_end waits for the copy. TIMEOUT, UNREACHABLE, CANCELLED: it goes on, and export_end may be called again.
 *          When it returns 0 the task ended well and the storage lists the archive, which export_disk has named (PUSHED).
 * Undo     a task of ours that runs is stopped (that is safe for vzdump, and only for it), and its archive deleted: the one
 *          that its log names, or whose notes carry the run.
 */
#ifndef HF_PROXMOX_VZDUMP_H
#define HF_PROXMOX_VZDUMP_H

#include "capture.h"
#include "storage.h"

#define PVE_DUMP_TOKEN "proxmox vzdump 1 "

/* vzdump_plan.c */
int pve_dump_plan(struct hf_instance *in, const struct hf_call *call,
                  const struct hf_capture_request *req, hf_text_cb warn, void *ctx,
                  struct hf_capture **out, struct hf_capture_plan *plan, struct hf_err *err);
/* vzdump.c */
int pve_dump_prepare(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                     struct hf_err *err);
int pve_dump_begin(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                   struct hf_err *err);
int pve_dump_settle(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                    struct hf_err *err);
int proxmox_export_disk(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                        const char *target, struct hf_export *out, struct hf_err *err);
int proxmox_export_watch(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         struct hf_export_state *out, struct hf_err *err);
int proxmox_export_end(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                       struct hf_err *err);
/* "STORAGE:backup/NAME" from the log, or "" */
void pve_dump_volid(const struct pve_dump_log *log, const char *storage, char out[PVE_VOLID_MAX]);
/* vzdump_undo.c. token NULL: lost. */
int pve_dump_discard(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                     const char *name, const char *token, struct hf_err *err) HF_CHECKED;

#endif

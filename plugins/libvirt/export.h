/* SPDX-License-Identifier: Apache-2.0
 *
 * export.h - the disks of one instant, read over NBD: libvirt's backup job in pull mode, or qemu-nbd for a VM that is off.
 *
 *   plan      decides: which disks, where, incremental to what, with a checkpoint or without one
 *   prepare   makes the export's own directory with the scratch files (empty qcow2) in it, and the two requests
 *   begin     one virDomainBackupBegin with REUSE_EXTERNAL, the checkpoint in the same call
 *   settle    reads the job back: all disks are in it, at the size they were prepared for
 *   end       the job is still ours and the VM was never in its way: it is aborted (the good end of a pull), files removed
 *
 * All an export leaves on disk lies in one directory, DIR/NAME.export, which is open to the user QEMU runs as and
 * to nobody else: scratch files TARGET.scratch and the socket. DIR: what the request says, else the keys scratch-dir and
 * overlay-dir, else beside the first disk. The directory is renamed before it is removed: a begin that comes late,
 * after its run was undone, finds no scratch file and fails.
 *
 * The VM writes as ever; what it is about to overwrite goes to the scratch files first. When those cannot grow any
 * more QEMU pauses the VM, so the export is given up before (watch), and a VM paused by it is resumed.
 *
 * A VM that is off is read by one qemu-nbd per disk, which takes no lock that would keep the VM from starting. If it does
 * start, what was read is void: the disks' files show that (watch, end).
 */
#ifndef HF_LIBVIRT_EXPORT_H
#define HF_LIBVIRT_EXPORT_H

#include "domain_xml.h"
#include "lv.h"
#include "warn.h"

#include <sys/stat.h>

struct lv_export_disk {
    char *target;
    struct lv_layer layer; /* the active one */
    uint64_t capacity_bytes;
    bool is_alone;       /* no layer below it */
    bool takes_bitmap;   /* its format can hold the checkpoint's bitmap */
    bool is_incremental; /* the parent has a bitmap of it */
    char *compare_why;   /* or why it has none, where a parent was asked for */
    bool has_lost_changes; /* … which it had, or should have had */
    struct stat before;  /* of a VM that is off: the active layer's file */
};

struct lv_export {
    char *vm_id, *name, *run_id;
    char *parent; /* checkpoint, NULL: everything is read */
    char *dir;    /* DIR/NAME.export */
    char *token;
    char *backup_xml, *checkpoint_xml; /* from prepare on; no checkpoint: NULL */
    struct lv_export_disk *disks;
    size_t n;
    virDomainPtr dom; /* from prepare on */
    bool is_off;      /* qemu-nbd instead of a job */
    bool leaves_checkpoint;
    bool is_begun, is_ended; /* a job runs in between */
    bool is_given_up;        /* for want of scratch space; not ended yet: it is tried again */
    bool was_paused_by_io;   /* before us: not ours to resume */
};

/* NULL: not in it. */
const struct lv_export_disk *lv_export_disk(const struct lv_export *e, const char *target);

/* The steps of capture.h for a capture of kind EXPORT. */
int lv_export_plan(struct hf_instance *in, const struct hf_call *call,
                   const struct hf_capture_request *req, virDomainPtr dom,
                   const struct lv_warner *w, struct lv_export **out, struct hf_capture_plan *plan,
                   struct hf_err *err) HF_CHECKED;
int lv_export_prepare(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                      struct hf_err *err) HF_CHECKED;
int lv_export_begin(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                    struct hf_err *err) HF_CHECKED;
int lv_export_settle(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                     struct hf_err *err) HF_CHECKED;
/* Ends what still runs, without a word; the checkpoint stays. Takes NULL. */
void lv_export_free(struct lv_export *e);

/* Inside begin and end, and for whoever undoes: the parts that know libvirt's jobs, files and processes. */

/* export_xml.c: <domainbackup> and <domaincheckpoint>, each naming all disks of vm. NULL: no memory. */
char *lv_export_backup_xml(const struct lv_vm *vm, const struct lv_export *e) HF_CHECKED;
char *lv_export_checkpoint_xml(const struct lv_vm *vm, const struct lv_export *e) HF_CHECKED;
/* The directory of the socket of the backup job that runs; NULL (which is no error): none, or none like ours. */
int lv_export_job_dir(virDomainPtr dom, char **out, struct hf_err *err) HF_CHECKED;

/* export_parent.c: which disks can be read as changes since e->parent, and why the others cannot. None: there is no parent any
 * more. Costs time and nothing else: what is not read as changes is compared. */
int lv_export_plan_parent(struct hf_instance *in, const struct hf_call *call,
                          const struct lv_vm *vm, virDomainPtr dom, struct lv_export *e,
                          struct hf_err *err) HF_CHECKED;

/* export_job.c: *out: the job that runs has its socket in dir. */
int lv_export_is_running(virDomainPtr dom, const char *dir, bool *out, struct hf_err *err)
    HF_CHECKED;
/* Aborts the job whose socket lies in dir and waits until it is gone. None, or another one: fine. */
int lv_export_abort(virDomainPtr dom, const char *dir, struct hf_err *err) HF_CHECKED;
/* Resumes a VM that an I/O error paused. */
int lv_export_resume(virDomainPtr dom, struct hf_err *err) HF_CHECKED;

/* export_dir.c: DIR/NAME.export; NULL, err set. */
char *lv_export_dir(const char *base, const char *name, struct hf_err *err) HF_CHECKED;
bool lv_export_dir_is_of(const char *dir, const char *name);
/* A new directory, for nobody but us. */
int lv_export_dir_make(const char *dir, struct hf_err *err) HF_CHECKED;
/* From now on it belongs to the owner of `like`, a disk that libvirt has given to QEMU's user. Not before all of our files
 * are in it: whoever owns it can replace them. */
int lv_export_dir_give(const char *dir, const char *like, struct hf_err *err) HF_CHECKED;
/* Out of the way under another name, so that a late call finds nothing. Gone already: fine. */
int lv_export_dir_retire(const char *dir, const char *name, struct hf_err *err) HF_CHECKED;
/* Under either name. */
bool lv_export_dir_is_left(const char *dir);
/* Removes it under either name, with what we put there. */
int lv_export_dir_remove(const char *dir, const char *name, struct hf_err *err) HF_CHECKED;
char *lv_export_scratch(const struct lv_export *e, const char *target);
/* What the scratch files have taken, and how much that may become until their file system is full. */
int lv_export_scratch_use(const struct lv_export *e, uint64_t *used, uint64_t *room,
                          struct hf_err *err) HF_CHECKED;

/* export_off.c: one qemu-nbd per disk, and their end. */
int lv_export_off_begin(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                        struct hf_err *err) HF_CHECKED;
/* CONFLICT when the VM was started, or its disks were written to, since begin. */
int lv_export_off_check(struct lv_export *e, struct hf_err *err) HF_CHECKED;
/* Ends every qemu-nbd whose socket lies in dir. */
int lv_export_off_end(const char *dir, struct hf_err *err) HF_CHECKED;
char *lv_export_off_socket(const struct lv_export *e, const char *target);

/* export_undo.c: dom NULL: the VM is gone. token NULL: looks for whatever an export of this name leaves. */
int lv_export_discard(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                      const char *vm_id, const char *name, const char *token, struct hf_err *err)
    HF_CHECKED;
/* Was this token made by an export? */
bool lv_export_token_is(const char *token);
char *lv_export_token(const char *uuid, const struct lv_export *e, struct hf_err *err) HF_CHECKED;

#endif

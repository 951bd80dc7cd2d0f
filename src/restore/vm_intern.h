/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/vm_intern.h - one restore of a machine under way: shared by vm*.c and instant.c.
 */
#ifndef HF_RESTORE_VM_INTERN_H
#define HF_RESTORE_VM_INTERN_H

#include "base/id.h"
#include "catalog/journal.h"
#include "catalog/vmlock.h"
#include "restore/disk.h"
#include "restore/serve.h"
#include "restore/vm.h"
#include "run/guardian.h"
#include "run/point_open.h"

struct restoring_disk {
    const struct hf_point_artifact *artifact;
    char *part, *file; /* where it comes to lie first, and then; instant: NULL, and its socket */
    struct hf_restored_disk done;
};

struct restoring_kept {  /* a disk of the machine before that the point does not have */
    char *target, *file; /* file: or NULL */
};

struct restoring {
    const struct hf_env *env;
    const struct hf_restore_vm *req;
    char id[HF_ID_MAX];
    int64_t began_ms;
    struct hf_open_point point;
    const struct hf_point_pushed *pushed; /* its disks are there; NULL: on the store */
    char damage[HF_ERR_MESSAGE_MAX];      /* what is wrong there, as far as can be seen; or "" */
    struct hf_buf definition;
    const struct hf_config_hypervisor *hypervisor;
    struct hf_hv *hv;
    const char *name;        /* of the machine */
    struct hf_vm_copy found; /* in place: what is there now */
    struct hf_strv former;   /* its disks that the point's take the place of */
    struct restoring_kept *kept;
    size_t n_kept;
    char *dir,
        *part; /* DIR/NAME, and what it is called until all is there; instant: of the sockets, and NULL */
    struct restoring_disk *disks;
    size_t n_disks;
    struct hf_hv_machine_plan plan;
    struct hf_vmlock *lock;
    struct hf_journal *journal; /* a dry run: NULL */
    struct hf_guardian *guardian;
    bool has_not_booted;
    bool has_part; /* the folder is ours */
    /* instant */
    struct hf_serving **serving; /* of each disk */
    size_t n_serving;
};
void restoring_close(struct restoring *r);
HF_DEFINE_AUTO_VALUE(restoring, restoring_close)

/* Plans. -1: *out may be set to the findings so far. */
int restoring_begin(struct restoring *r, struct json_object **out, struct hf_err *err) HF_CHECKED;
/* Before the first effect: who undoes it within a second of our death. */
int restoring_guard(struct restoring *r, struct hf_err *err) HF_CHECKED;
/* What is open in the journal is undone, and it ends so. */
int restoring_undo(struct restoring *r, const char *outcome, struct hf_err *err) HF_CHECKED;
/* The same where something went wrong: what cannot be undone is named, and left to recover. Returns -1. */
int restoring_give_up(struct restoring *r, struct hf_err *err);

/* vm_plan.c: everything before the first byte of a disk; changes nothing but what a dead run left, and a dry run not even that. */
int restoring_plan(struct restoring *r, struct hf_err *err) HF_CHECKED;
/* vm_former.c: before the lock, whose key it says, which machine is replaced; its disks only when no dead run's are among them. */
int restoring_find_former(struct restoring *r, struct hf_err *err) HF_CHECKED;
int restoring_list_former(struct restoring *r, struct hf_err *err) HF_CHECKED;
void restoring_free_kept(struct restoring *r);
/* vm_part.c: makes the folder for the disks, or takes up the one that is there. CONFLICT: that is not ours. */
int restoring_make_part(const struct restoring *r, struct hf_err *err) HF_CHECKED;
/* All disks are whole: what else is ours in it goes. */
int restoring_tidy_part(const struct restoring *r, struct hf_err *err) HF_CHECKED;
/* vm_pushed.c: which options make sense of this point; the plan; the copy. */
int restoring_check_pushed(const struct restoring *r, struct hf_err *err) HF_CHECKED;
int restoring_plan_pushed(struct restoring *r, struct hf_err *err) HF_CHECKED;
int restoring_make_pushed(struct restoring *r, struct hf_err *err) HF_CHECKED;
/* vm_ovf.c: what can be said before a disk is fetched, as findings in the plan; the envelope and its manifest beside the disks in the
 * part, which has no record then any more. */
int restoring_plan_ovf(struct restoring *r, struct hf_err *err) HF_CHECKED;
int restoring_write_ovf(struct restoring *r, struct hf_err *err) HF_CHECKED;
/* DIR/NAME/…; NULL: no memory. To be freed. */
char *restoring_ovf_path(const struct restoring *r, const char *dir, const char *suffix);
/* vm_doc.c */
int restoring_document(const struct restoring *r, struct json_object **out, struct hf_err *err)
    HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * run/pushed.h - backups that hypervisors write themselves and keep: whether that is the way of a VM, and those that points name.
 *
 * A point's manifest says where its backup lies (point/manifest.h, pushed); what has become of it only its hypervisor knows, which is the
 * section of the configuration that the manifest names. It is asked when somebody wants to know, never inside a hold.
 */
#ifndef HF_RUN_PUSHED_H
#define HF_RUN_PUSHED_H

#include "point/manifest.h"
#include "run/env.h"

/* Does the hypervisor write this VM's disks itself? Else they are read. */
bool hf_pushed_is_way(const struct hf_vm_copy *vm);
/* UNSUPPORTED: neither. hypervisor: its section. */
int hf_pushed_check_way(const struct hf_hv *hv, const struct hf_vm_copy *vm, const char *hypervisor,
                        struct hf_err *err) HF_CHECKED;

/* Hypervisors, each opened when it is first asked; one that could not be opened says so again. */
struct hf_keepers {
    const struct hf_env *env;
    struct hf_keeper *items;
    size_t n;
};
void hf_keepers_free(struct hf_keepers *k); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_keepers, hf_keepers_free)

/* Borrowed. CONFIG: the configuration has no such section. */
struct hf_hv *hf_keepers_open(struct hf_keepers *k, const char *hypervisor, struct hf_err *err)
    HF_CHECKED;

/* The backup of a point. */
struct hf_kept {
    char *hypervisor, *vm_id, *ref;
    char run[HF_POINT_MARK_MAX];
    uint64_t stored_bytes; /* as it was told when the point was taken */
};
void hf_kept_free(struct hf_kept *b); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_kept, hf_kept_free)
/* 1, and *out; 0: the point's disks do not lie so. */
int hf_kept_of(const struct hf_manifest *m, struct hf_kept *out, struct hf_err *err) HF_CHECKED;

/* What is wrong with what lies under its name, as far as can be seen; "": nothing. False: it is another's. */
bool hf_kept_judge(const struct hf_kept *b, const struct hf_pushed_copy *is,
                   char damage[HF_ERR_MESSAGE_MAX]);

struct hf_kept_look {
    struct hf_pushed_copy is;        /* ref NULL: it is not there, or nobody knows */
    bool is_its;                     /* there is one, and it is the point's */
    char damage[HF_ERR_MESSAGE_MAX]; /* what is wrong with it; "": nothing that could be seen */
    struct hf_err unknown;           /* why nobody knows; class NONE: it was looked at */
};
void hf_kept_look_free(struct hf_kept_look *l); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_kept_look, hf_kept_look_free)
/* Is it there, of its size, the point's, and good as far as its place has verified it? Nothing of it is read. -1: cancelled, or no
 * memory. */
int hf_keepers_look(struct hf_keepers *k, const struct hf_kept *b, struct hf_kept_look *out,
                    struct hf_err *err) HF_CHECKED;
/* When no manifest names it any more. Gone already: success. CONFLICT: it is not the point's. */
int hf_keepers_delete(struct hf_keepers *k, const struct hf_kept *b, struct hf_err *err) HF_CHECKED;

/* ---- what the hypervisor copies by itself ---------------------------------------------------- */

/* One question after what copies on whether it is waited for or not. TIMEOUT: it answers, and is not done. UNREACHABLE, BUSY: nobody
 * knows. Others end the waiting. */
struct hf_pushed_copying {
    const struct hf_env *env;
    struct hf_hv *hv;
    const char *area; /* of what is logged */
    int (*ask)(void *ctx, const struct hf_hv_call *call, struct hf_err *err);
    void *ctx;
};
/* For as long as it takes: hours are no error, an hour without an answer is, and so are seven days. CANCELLED: it goes on. A late call is
 * let come home, so that the next one can be made. */
int hf_pushed_wait(const struct hf_pushed_copying *c, const char *run_id, struct hf_err *err)
    HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * storage.h - the cluster's storages, whether one is off the nodes, and the backups on it.
 *
 * A backup is ours by its notes, which begin with our mark; which run's, the mark says. Sizes of a Proxmox Backup Server are
 * logical. Asking for a storage's state makes the server probe it, and others too: never inside a hold.
 */
#ifndef HF_PROXMOX_STORAGE_H
#define HF_PROXMOX_STORAGE_H

#include "pve.h"

#define PVE_STORAGE_MAX 101
#define PVE_VOLID_MAX 384

enum pve_off { PVE_OFF_NO, PVE_OFF_UNKNOWN, PVE_OFF_YES };

struct pve_storage {
    char id[PVE_STORAGE_MAX], type[32];
    bool holds_backups, is_active;
    int64_t avail_bytes, total_bytes; /* total 0: not known */
    int64_t protected_max;            /* of one VM; -1: as many as one likes */
    enum pve_off off;                 /* the node */
    char why[256];                    /* of off */
    char server[256];                 /* that it is on, or "" */
};

/* CONFIG: it cannot be the name of a storage. NULL is fine. */
int pve_storage_check_key(const char *key, const char *id, struct hf_err *err) HF_CHECKED;
/* What the configuration says of it, without probing it: all but what stands on it, and whether it is active. NOT_FOUND: it
 * is not configured, or hidden from us. */
int pve_storage_describe(struct hf_instance *in, const struct hf_call *call, const char *id,
                         struct pve_storage *out, struct hf_err *err) HF_CHECKED;
/* The nodes on which it is to be looked at: one of a shared storage, else each. UNREACHABLE: there is none, or *out_hidden: some are
 * away. */
int pve_storage_nodes(struct hf_instance *in, const struct hf_call *call, const char *id,
                      struct hf_strv *out, bool *out_hidden, struct hf_err *err) HF_CHECKED;
/* As in->node sees it. NOT_FOUND: it is not there, not for backups, not enabled, or hidden from us. */
int pve_storage_load(struct hf_instance *in, const struct hf_call *call, const char *id,
                     struct pve_storage *out, struct hf_err *err) HF_CHECKED;

struct pve_archive {
    char volid[PVE_VOLID_MAX];
    bool is_ours, is_protected;
    int64_t size_bytes, taken_at_s;
    char run[80];      /* whose it is, when it is ours */
    char verified[16]; /* "ok", "failed"; "": nobody has verified it */
    char notes[512];   /* one line */
};
/* A callback that returns non-zero ends it with -1. */
typedef int (*pve_archive_cb)(void *ctx, const struct pve_archive *a);
/* All backups of the VM that the storage holds. */
int pve_archives_each(struct hf_instance *in, const struct hf_call *call, const char *node,
                      const char *storage, const char *vm_id, pve_archive_cb each, void *ctx,
                      struct hf_err *err) HF_CHECKED;
/* *out_found false: it is not there. */
int pve_archive_find(struct hf_instance *in, const struct hf_call *call, const char *node,
                     const char *vm_id, const char *volid, struct pve_archive *out, bool *out_found,
                     struct hf_err *err) HF_CHECKED;
/* Unprotected, then deleted, and gone when it returns. It must be ours. */
int pve_archive_delete(struct hf_instance *in, const struct hf_call *call, const char *node,
                       const char *vm_id, const char *volid, struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * run/usage.h - what a VM's snapshots take up, and which limits of [vm] that exceeds.
 *
 * hf_usage_take asks the hypervisor: two calls, both within the deadline of call. The rest is arithmetic. One rule decides for
 * `snapshot create`, `check` and `status`: an excess that refuses is one with which create takes no snapshot. A backup
 * that is read from a snapshot keeps to min-free alone.
 */
#ifndef HF_RUN_USAGE_H
#define HF_RUN_USAGE_H

#include "run/env.h"

struct hf_usage {
    uint32_t n_ours, n_foreign; /* snapshots */
    int64_t oldest_us;          /* of ours, wall; 0: none, or unknown */
    uint64_t overlay_bytes;     /* of ours */
    uint64_t disk_bytes;        /* captured disks as the guest sees them */
    uint32_t chain;             /* layers of the deepest captured disk */
    char *
        store; /* where overlays come to lie: the one with the least room above min-free; NULL: unknown */
    uint64_t store_total_bytes, store_free_bytes;
    struct hf_strv datastores; /* where the disks lie (run/datastores.h) */
    char *unknown_store; /* a place whose free space the hypervisor does not tell, or NULL */
};
void hf_usage_free(struct hf_usage *u);
HF_DEFINE_AUTO_VALUE(hf_usage, hf_usage_free)

int hf_usage_take(struct hf_hv *hv, const struct hf_hv_call *call, const struct hf_config_vm *vm,
                  const char *vm_id, struct hf_usage *out, struct hf_err *err) HF_CHECKED;
/* Its two halves, for tests: disks and snapshots as the hypervisor told them. */
int hf_usage_add_disks(struct hf_usage *u, const struct hf_config_vm *vm,
                       const struct hf_disk_list *disks, struct hf_err *err) HF_CHECKED;
void hf_usage_add_snapshots(struct hf_usage *u, const struct hf_snapshot_list *list);

struct hf_excess {     /* valid during the callback */
    const char *limit; /* the key: "min-free" */
    bool refuses;      /* no further snapshot is taken */
    enum hf_err_class cls;
    const char *message, *hint;
};
typedef int (*hf_excess_cb)(void *ctx, const struct hf_excess *e, struct hf_err *err);

/* Every limit that is exceeded, those that refuse first. */
int hf_usage_judge(const struct hf_usage *u, const struct hf_config_vm *vm, int64_t now_us,
                   hf_excess_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;
/* -1: a limit refuses. NOSPACE: min-free; UNSUPPORTED: a policy forbids it. */
int hf_usage_refuse(const struct hf_usage *u, const struct hf_config_vm *vm, struct hf_err *err)
    HF_CHECKED;

/* Is a backup of this VM read from a snapshot, whose overlays grow until it is deleted? */
bool hf_usage_has_backup(const struct hf_vm_copy *vm);
/* -1, NOSPACE: min-free refuses that snapshot. How many there are is no matter: it goes again. */
int hf_usage_refuse_backup(const struct hf_usage *u, const struct hf_config_vm *vm,
                           struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * machine.h - a new VM from a backup that the server keeps (vzdump): planned, restored under a number of its own, taken away again.
 *
 * Source    hf_machine_request.pushed only. A definition and disks: UNSUPPORTED, for nothing of this API takes a disk from elsewhere.
 * Never     force=1 (another VM in its place), start=1, skiplock, purge=1 (jobs may name the number of a lost VM), destroy-unreferenced-disks (a volume may be of a VM that had the
 *           number before). A number with volumes of whomever on the nodes' storages is not taken, for the server would adopt them.
 * Mark      the first line of the VM's notes: "holdfast machine run=RUN purpose=WORD links=up|down", set by the request that makes
 *           it. The notes of before stand below, and are all that there is once it is settled, under "restored by holdfast run=RUN".
 * Number    /cluster/nextid, which reserves nothing: taken meanwhile, create is a CONFLICT and may be planned again. An isolated
 *           one has one of its own making above 900000000, so that drills at the same time do not meet.
 * Foreign   the configuration in the backup is text from who knows whom. What names the node is told, left out, or refused; what only
 *           root may set (args, devices that are passed through) cannot be taken out by a token: refused, `args` unless ARGUMENTS.
 *           It never starts with the node (onboot=0), and can be deleted (protection=0): both are told when they were otherwise.
 * KEEP_MAC, KEEP_UUID, NO_NETWORK, memory_max_bytes: kept to. Links are down from the first moment, not from a later change on.
 * ISOLATED  what can be promised here: links down (the interfaces are there, on their bridges), no device, folder, memory or script of
 *           the node, no CD, no start with the node, and it ends when the guest restarts. NOT promised: that it has no display (one
 *           needs rights on it), that it ends when the guest crashes; what it writes goes to its own disks, which destroy deletes.
 * Refused   TRANSIENT (a VM of Proxmox VE stays when it stops), REPLACE (that is force=1, which deletes the VM's disks before the
 *           backup is read), HF_MACHINE_PAUSED.
 * Create    the copy is waited for. TIMEOUT, UNREACHABLE: it goes on, and create may be called again: the task is found again.
 * Death     in the midst of a copy: the undo finds the task by the number, and stops it where the number is of one run only or this
 *           instance began it; else it waits for it, for another run of ours may restore to that number. Stopped, the task removes what it had
 *           allocated, and leaves an empty VM without a mark, which is deleted when it has nothing in it. Killed with its node it
 *           leaves `lock: create` and volumes: named in `left`, for removing a lock is root's.
 */
#ifndef HF_PROXMOX_MACHINE_H
#define HF_PROXMOX_MACHINE_H

#include "storage.h"
#include "vm.h"

#define PVE_OWN_FIRST 900000000u /* numbers from here on are of one run only */
#define PVE_MACHINE_MARK "holdfast machine "
#define PVE_RESTORED_MARK "restored by holdfast run="
#define PVE_NOTES_MAX 8192 /* that the server takes */
#define PVE_RUN_MAX 65

/* ---- machine_token.c ----------------------------------------------------------------------------- */

struct pve_machine {
    char vm_id[PVE_ID_MAX], node[PVE_NODE_MAX], run[PVE_RUN_MAX], purpose[32];
    bool has_links_down;
    struct pve_task
        before; /* the newest restore of ours to this number when it was planned; "" in upid: none */
};
/* To be freed. */
char *pve_machine_write(const struct pve_machine *m, struct hf_err *err) HF_CHECKED;
/* CORRUPT: no token of a machine. */
int pve_machine_read(const char *token, struct pve_machine *out, struct hf_err *err) HF_CHECKED;

enum pve_marked { PVE_UNMARKED, PVE_MARKED, PVE_SETTLED_MARK };
/* Fills run, purpose and links of out when it is marked, the run when it is settled. notes may be NULL. */
enum pve_marked pve_mark_read(const char *notes, struct pve_machine *out);
/* The notes with the mark, and those of before below it. To be freed; NULL: no memory. *out_cut: not all of them fit. */
char *pve_mark_add(const struct pve_machine *m, const char *notes, bool *out_cut);
/* The notes of a settled one. */
char *pve_mark_settle(const struct pve_machine *m, const char *notes);

/* ---- machine_config.c: the configuration in a backup ----------------------------------------------- */

struct pve_backup_config {
    struct json_object *keys; /* KEY: VALUE, in their order */
    struct json_object
        *disks; /* those with data in the backup: TARGET: the storage that it was on, or "" */
    struct hf_buf notes;
};
void pve_backup_config_free(struct pve_backup_config *c);
HF_DEFINE_AUTO_VALUE(pve_backup_config, pve_backup_config_free)

/* CORRUPT: it is none. */
int pve_backup_config_parse(const char *text, struct pve_backup_config *out, struct hf_err *err)
    HF_CHECKED;

/* ---- machine_judge.c: what of it the new VM gets ---------------------------------------------------- */

struct pve_planning {
    struct hf_instance *in;
    const struct hf_call *call;
    const struct hf_machine_request *req;
    hf_machine_finding_cb emit;
    void *ctx;
    struct hf_err *err;
    struct pve_machine m;
    struct pve_backup_config config;
    struct json_object *storages; /* of the node, with their state */
    struct hf_buf post, put;      /* parameters of the making, and of what is taken away then */
    struct hf_strv dropped;       /* keys that are taken away */
    struct hf_strv rights;        /* that all this needs on the new number */
    char backup_storage[PVE_STORAGE_MAX];
    struct pve_archive archive;
    bool has_old; /* the VM that was backed up is there */
    bool is_refused;
};
/* Emits the findings. -1: emit ended it. */
int pve_machine_judge(struct pve_planning *p) HF_CHECKED;
int pve_machine_tell(struct pve_planning *p, enum hf_machine_finding_kind kind, const char *about,
                     const char *fmt, ...) HF_PRINTF(4, 5) HF_CHECKED;
/* One that is off or cannot be used: HF_MACHINE_* of the request. */
bool pve_machine_wants_links_down(const struct pve_planning *p);
/* "virtio=MAC,bridge=vmbr0": does it say link_down=1? */
bool pve_net_is_down(const char *value);
bool pve_is_net(const char *key);
/* Anew, with or without its address; is_down: with link_down=1. Appended. */
void pve_net_print(const char *value, bool keeps_mac, bool is_down, struct hf_buf *out);
/* That the new VM has. */
uint64_t pve_machine_memory(const struct pve_planning *p);

/* ---- machine_room.c: where its disks come to lie ------------------------------------------------------ */

int pve_machine_load_storages(struct pve_planning *p) HF_CHECKED;
/* Every storage that it needs: there, for images, active, with room. */
int pve_machine_check_room(struct pve_planning *p) HF_CHECKED;
/* *out: that number has volumes on a storage of the node. */
int pve_machine_has_volumes(struct pve_planning *p, const char *vm_id, bool *out) HF_CHECKED;
struct json_object *pve_machine_storage(const struct pve_planning *p, const char *id);

/* ---- machine_plan.c, machine_make.c, machine.c ------------------------------------------------------- */

int proxmox_machine_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_machine_request *req, hf_machine_finding_cb emit,
                         void *ctx, struct hf_machine_plan *out, struct hf_err *err);
int proxmox_machine_create(struct hf_instance *in, const struct hf_call *call,
                           const char *definition, const char *undo_token, struct hf_err *err);
int proxmox_machine_start(struct hf_instance *in, const struct hf_call *call,
                          const char *undo_token, struct hf_err *err);
int proxmox_machine_settle(struct hf_instance *in, const struct hf_call *call,
                           const char *undo_token, struct hf_err *err);
int proxmox_machine_destroy(struct hf_instance *in, const struct hf_call *call,
                            const char *undo_token, struct hf_err *err);
int proxmox_machine_list(struct hf_instance *in, const struct hf_call *call, hf_machine_cb emit,
                         void *ctx, struct hf_err *err);

/* machine_make.c. The newest restore of ours to that number since the plan; "" in upid: none. */
int pve_machine_find_task(struct hf_instance *in, const struct hf_call *call,
                          const struct pve_machine *m, struct pve_task *out, struct hf_err *err)
    HF_CHECKED;
/* Each interface without a link; nothing to do where they are. */
int pve_machine_cut_links(struct hf_instance *in, const struct hf_call *call,
                          const struct pve_machine *m, const struct pve_vm *vm, struct hf_err *err)
    HF_CHECKED;

#endif

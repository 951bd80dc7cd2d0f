/* SPDX-License-Identifier: Apache-2.0
 *
 * rollback.h - back to the state of one of our snapshots, with the present state as the way back from there.
 *
 * libvirt 9 cannot revert to an external snapshot, so the disks are switched by hand:
 *
 *     base <- S <- T (active)        S the snapshot's overlay, T one of a younger snapshot of ours
 *     base <- N     (active)         after the rollback to S
 *
 * The state at the snapshot is the layer below its overlay, which nobody writes to. N is a new, empty overlay over it,
 * named STEM.RUN.S: it is S's overlay from then on, and ends in its name as the first one did.
 *
 *   plan     everything that can be checked; the token says what the other steps do, and is all they need
 *   switch   N made and durable; the VM destroyed (what the guest has in memory belongs to a state that is given up);
 *            the definition changed, all disks in one step: that is the switch; started
 *   settle   S's metadata names N, the metadata of younger snapshots goes, then their files
 *   undo     the definition changed back, the VM started again if it ran, N removed
 *
 * Killed anywhere the definition names all of the old disks or all of the new ones, and both exist until settle.
 */
#ifndef HF_LIBVIRT_ROLLBACK_H
#define HF_LIBVIRT_ROLLBACK_H

#include "domain_edit.h"
#include "domain_xml.h"
#include "lv.h"
#include "snapshot_xml.h"

struct lv_rollback_disk {
    char *target;
    char *from; /* the active layer that is left */
    char *to;   /* the overlay to come */
    struct lv_layer base;
    uint64_t size_bytes;
    struct hf_strv gone; /* layers that are given up, active one first */
};

struct lv_rollback {
    char *uuid, *name, *run;
    bool was_active, was_running;
    struct hf_strv younger; /* snapshots that are gone with it */
    struct lv_rollback_disk *disks;
    size_t n;
};
void lv_rollback_free(struct lv_rollback *rb);
HF_DEFINE_AUTO_VALUE(lv_rollback, lv_rollback_free)

/* rollback_token.c. CORRUPT: no token, or one that names files which a rollback would not make or remove. */
char *lv_rollback_write(const struct lv_rollback *rb, struct hf_err *err) HF_CHECKED;
int lv_rollback_read(const char *token, const char *vm_id, struct lv_rollback *out,
                     struct hf_err *err) HF_CHECKED;
/* Which of our snapshots (the target, the younger ones) made this overlay, by its name; NULL: none. */
const char *lv_rollback_maker(const struct lv_rollback *rb, const char *path);

/* rollback_plan.c: the layers that are given up and what is below them, of each disk that the snapshot has. disk->layers
 * are complete. CONFLICT: a layer that we did not make, a disk that is gone or stands elsewhere. */
int lv_rollback_map(struct hf_instance *in, const struct lv_vm *vm, const struct lv_snap *snap,
                    struct lv_rollback *rb, struct hf_err *err) HF_CHECKED;
/* Names of all that descend from `name`; CONFLICT when one is not ours. */
int lv_rollback_younger(const struct lv_snaps *snaps, const char *name, struct hf_strv *out,
                        struct hf_err *err) HF_CHECKED;

int libvirt_rollback_plan(struct hf_instance *in, const struct hf_call *call,
                          const struct hf_rollback_request *req, hf_text_cb younger,
                          hf_text_cb warn, void *ctx, struct hf_rollback_plan *out,
                          struct hf_err *err);
int libvirt_rollback_switch(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *undo_token, struct hf_err *err);
int libvirt_rollback_settle(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *undo_token, hf_text_cb kept, void *ctx, struct hf_err *err);
int libvirt_rollback_undo(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char *undo_token, struct hf_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoints.h - what incremental backups know of the disks. None of it survives that the disks change behind its back.
 */
#ifndef HF_LIBVIRT_CHECKPOINTS_H
#define HF_LIBVIRT_CHECKPOINTS_H

#include "lv.h"
#include "warn.h"

/* *out_ours: how many are holdfast's, by their description. CONFLICT, naming it: one of somebody else. */
int lv_checkpoints_check(virDomainPtr dom, size_t *out_ours, struct hf_err *err) HF_CHECKED;
/* Warns of those of somebody else, before a snapshot. */
int lv_checkpoints_warn(virDomainPtr dom, const struct lv_warner *w, struct hf_err *err) HF_CHECKED;
/* Deletes ours, but the one called keep (NULL: all); each that is gone is told to `dropped` (NULL: nobody). Goes on past
 * one that cannot be deleted, which is named in left. */
int lv_checkpoints_drop(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                        const char *keep, hf_text_cb dropped, void *ctx, struct hf_err *err)
    HF_CHECKED;

/* One of them, by its name. */
int lv_checkpoint_exists(virDomainPtr dom, const char *name, bool *out, struct hf_err *err)
    HF_CHECKED;
/* The disks it has a whole bitmap of, while the VM runs. No such checkpoint, or a bitmap is damaged: none. *out_lost (NULL: not
 * asked for): how many disks should have one, and do not. */
int lv_checkpoint_disks(virDomainPtr dom, const char *name, struct hf_strv *out, size_t *out_lost,
                        struct hf_err *err) HF_CHECKED;
/* No other one was made since. No such checkpoint: false. */
int lv_checkpoint_is_newest(virDomainPtr dom, const char *name, bool *out, struct hf_err *err)
    HF_CHECKED;
/* Ours only. Not there: success. What older ones know is not touched: each has bitmaps of its own, which QEMU keeps up to
 * date. Of a VM that is off the bitmaps go first, from all layers, then the metadata: repeated, it is finished. */
int lv_checkpoint_delete(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                         const char *name, struct hf_err *err) HF_CHECKED;

/* The slots. */
int libvirt_checkpoint_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            hf_text_cb emit, void *ctx, struct hf_err *err);
int libvirt_checkpoint_drop(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *keep, hf_text_cb dropped, void *ctx, struct hf_err *err);

/* checkpoints.c, for checkpoint_drop.c: all of a domain's, and whether one is ours by its description. */
struct lv_checkpoints {
    virDomainCheckpointPtr *items;
    int n;
};
void lv_checkpoints_free(struct lv_checkpoints *l); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(lv_checkpoints, lv_checkpoints_free)
/* The older ones first. */
int lv_checkpoints_list(virDomainPtr dom, struct lv_checkpoints *out, struct hf_err *err)
    HF_CHECKED;
/* *out_words (NULL: not asked for): the description, or NULL. */
int lv_checkpoint_judge(virDomainCheckpointPtr checkpoint, bool *out_ours, char **out_words,
                        struct hf_err *err) HF_CHECKED;

static inline void lv_auto_checkpoint_(virDomainCheckpointPtr *c)
{
    if (*c)
        virDomainCheckpointFree(*c);
}
#define LV_AUTOCHECKPOINT __attribute__((cleanup(lv_auto_checkpoint_)))
/* *out NULL: there is none. */
int lv_checkpoint_find(virDomainPtr dom, const char *name, virDomainCheckpointPtr *out,
                       struct hf_err *err) HF_CHECKED;

#endif

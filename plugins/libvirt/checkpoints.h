/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoints.h - what incremental backups know of the disks. None of it survives that the disks change behind its back.
 */
#ifndef HF_LIBVIRT_CHECKPOINTS_H
#define HF_LIBVIRT_CHECKPOINTS_H

#include "rollback.h"
#include "warn.h"

/* *out_ours: how many are holdfast's, by their description. CONFLICT, naming it: one of somebody else. */
int lv_checkpoints_check(virDomainPtr dom, size_t *out_ours, struct hf_err *err) HF_CHECKED;
/* Warns of those of somebody else, before a snapshot. */
int lv_checkpoints_warn(virDomainPtr dom, const struct lv_warner *w, struct hf_err *err) HF_CHECKED;
/* Drops ours, of a domain that is off: their metadata, then their bitmaps in the layers that stay. */
int lv_checkpoints_drop(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                        const struct lv_rollback *rb, struct hf_err *err) HF_CHECKED;

/* One of them, by its name. */
int lv_checkpoint_exists(virDomainPtr dom, const char *name, bool *out, struct hf_err *err)
    HF_CHECKED;
/* The disks it has a whole bitmap of, while the VM runs. No such checkpoint, or a bitmap is damaged: none. */
int lv_checkpoint_disks(virDomainPtr dom, const char *name, struct hf_strv *out, struct hf_err *err)
    HF_CHECKED;
/* No other one was made since. No such checkpoint: false. */
int lv_checkpoint_is_newest(virDomainPtr dom, const char *name, bool *out, struct hf_err *err)
    HF_CHECKED;
/* Ours only. Not there: success. is_off: the metadata alone, and the bitmaps are the caller's to remove; UNSUPPORTED
 * when the VM has others. */
int lv_checkpoint_delete(virDomainPtr dom, const char *name, bool is_off, bool *was_there,
                         struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoint_words.h - what a checkpoint of ours says of itself, and whether a disk is still the one that it was made of.
 *
 *     holdfast run=RUN
 *     vda⇥131077:/images/web.qcow2.hf-1⇥131074:/images/web.qcow2
 *
 * Its files are told, with their inodes, because a bitmap is found by its name, in whatever file is the disk's today: disks that changed
 * places, one that was put upon another base, or a file in the place of another, would give changes of something else. Words are foreign text.
 */
#ifndef HF_LIBVIRT_CHECKPOINT_WORDS_H
#define HF_LIBVIRT_CHECKPOINT_WORDS_H

#include "domain_xml.h"
#include "export.h"

#define LV_CHECKPOINT_MARK "holdfast run="

/* To be freed; NULL: no memory. */
char *lv_checkpoint_words(const struct lv_vm *vm, const struct lv_export *e) HF_CHECKED;
/* The files of a disk, the active one first, as they stand there; added to out. */
int lv_checkpoint_files(const struct lv_disk *d, struct hf_strv *out, struct hf_err *err)
    HF_CHECKED;
/* Why these files of the disk are not what the words tell of it; NULL: they are, but for overlays that came, and layers that were
 * merged down. Pure. */
const char *lv_checkpoint_doubt(const char *words, const char *target, const struct hf_strv *files);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoint_words.h - what a checkpoint of ours says of itself, and whether a disk is still the one that it was made of.
 *
 *     holdfast run=RUN
 *     vda⇥/images/web.qcow2.hf-1⇥/images/web.qcow2
 *
 * Its files are told because a bitmap is found by its name, in whatever file is the disk's today: disks that changed places, or one
 * that was put upon another base, would give changes of something else. Pure; words are foreign text.
 */
#ifndef HF_LIBVIRT_CHECKPOINT_WORDS_H
#define HF_LIBVIRT_CHECKPOINT_WORDS_H

#include "domain_xml.h"
#include "export.h"

#define LV_CHECKPOINT_MARK "holdfast run="

/* To be freed; NULL: no memory. */
char *lv_checkpoint_words(const struct lv_vm *vm, const struct lv_export *e) HF_CHECKED;
/* Why the files of disk d, the active one first, are not what the words tell of it; NULL: they are, but for overlays that came, and
 * layers that were merged down. */
const char *lv_checkpoint_doubt(const char *words, const struct lv_disk *d);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * chain.h - overlay files: their names, and which of them belong to a snapshot.
 */
#ifndef HF_LIBVIRT_CHAIN_H
#define HF_LIBVIRT_CHAIN_H

#include "domain_xml.h"
#include "lv.h"
#include "snapshot_xml.h"

/* DIR/STEM.NAME: STEM is the base's file name without the ".hf-…" of an earlier overlay, so that
 * names do not grow with the chain. With overlay-dir: OVERLAY-DIR/UUID-TARGET.NAME. */
char *lv_overlay_path(const struct hf_instance *in, const struct lv_vm *vm, const char *target,
                      const char *base, const char *name, struct hf_err *err) HF_CHECKED;
/* Ends in ".NAME": the test before a file is removed. */
bool lv_overlay_is_of(const char *path, const char *name);
/* Removes the file, durably. Gone already: fine. Not a regular file, or not ".NAME": CONFLICT. */
int lv_overlay_unlink(const char *path, const char *name, struct hf_err *err) HF_CHECKED;

struct lv_overlay {
    char *target, *path;
};
struct lv_overlays {
    struct lv_overlay *items;
    size_t n;
};
void lv_overlays_free(struct lv_overlays *l);
HF_DEFINE_AUTO_VALUE(lv_overlays, lv_overlays_free)

/* No duplicates; -1: no memory. */
int lv_overlays_add(struct lv_overlays *l, const char *target, const char *path) HF_CHECKED;
/* Those the snapshot's metadata names. */
int lv_overlays_of_snap(struct lv_overlays *l, const struct lv_snap *snap, const char *name,
                        struct hf_err *err) HF_CHECKED;
/* Layers of the chains that end in ".NAME". */
int lv_overlays_of_chains(struct lv_overlays *l, const struct lv_vm *vm, const char *name,
                          struct hf_err *err) HF_CHECKED;
/* Files that a capture of this name would have made over the present layers, and that exist. */
int lv_overlays_of_files(struct lv_overlays *l, const struct hf_instance *in,
                         const struct lv_vm *vm, const char *name, struct hf_err *err) HF_CHECKED;

#endif

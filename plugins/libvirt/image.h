/* SPDX-License-Identifier: Apache-2.0
 *
 * image.h - image files through qemu-img. Always with force-share: a running QEMU holds their
 * locks.
 */
#ifndef HF_LIBVIRT_IMAGE_H
#define HF_LIBVIRT_IMAGE_H

#include "domain_xml.h"
#include "lv.h"

struct lv_chain_info {
    uint32_t depth;
    bool has_snapshots;  /* internal ones, in any layer */
    bool takes_bitmaps;  /* the top layer: qcow2 of version 3 */
    uint64_t size_bytes; /* of the top layer, as the guest sees it */
};

/* The chain from this layer down, as the files themselves tell it. */
int lv_image_chain(struct hf_instance *in, const struct hf_call *call, const struct lv_layer *top,
                   struct lv_chain_info *out, struct hf_err *err) HF_CHECKED;
/* Does the chain from `top` down hold the file `path`, by what the files' headers tell? */
int lv_image_stands_on(struct hf_instance *in, const struct hf_call *call,
                       const struct lv_layer *top, const char *path, bool *out, struct hf_err *err)
    HF_CHECKED;
/* Of this layer alone: does it hold internal snapshots? A commit would lose them without a word. */
int lv_image_has_snapshots(struct hf_instance *in, const struct hf_call *call,
                           const struct lv_layer *layer, bool *out, struct hf_err *err) HF_CHECKED;

/* Replaces the layers below d's active one by what the files' headers tell: of a domain that is off libvirt knows no more
 * than that one. */
int lv_image_fill(struct hf_instance *in, const struct hf_call *call, struct lv_disk *d,
                  struct hf_err *err) HF_CHECKED;
/* As the guest sees it. */
int lv_image_size(struct hf_instance *in, const struct hf_call *call, const struct lv_layer *layer,
                  uint64_t *out_bytes, struct hf_err *err) HF_CHECKED;

/* A persistent dirty bitmap, by name. Dropping it needs the image to be open nowhere. */
int lv_image_has_bitmap(struct hf_instance *in, const struct hf_call *call,
                        const struct lv_layer *layer, const char *name, bool *out,
                        struct hf_err *err) HF_CHECKED;
/* The same, and it was stored in order: a QEMU that died leaves one that is "in use" for ever. */
int lv_image_has_whole_bitmap(struct hf_instance *in, const struct hf_call *call,
                              const struct lv_layer *layer, const char *name, bool *out,
                              struct hf_err *err) HF_CHECKED;
int lv_image_drop_bitmap(struct hf_instance *in, const struct hf_call *call,
                         const struct lv_layer *layer, const char *name, struct hf_err *err)
    HF_CHECKED;
/* The same; not there: fine. */
int lv_image_forget_bitmap(struct hf_instance *in, const struct hf_call *call,
                           const struct lv_layer *layer, const char *name, struct hf_err *err)
    HF_CHECKED;

/* A new, empty qcow2 layer over base, owner and mode like it, durable when this returns. CONFLICT:
 * the path exists. Nothing is left behind when it fails. */
int lv_image_create(struct hf_instance *in, const struct hf_call *call, const char *path,
                    const struct lv_layer *base, uint64_t size_bytes, struct hf_err *err)
    HF_CHECKED;

/* A new, empty qcow2 file that stands on nothing, owner and mode like `like`. Otherwise as above, but not durable. */
int lv_image_create_scratch(struct hf_instance *in, const struct hf_call *call, const char *path,
                            const char *like, uint64_t size_bytes, struct hf_err *err) HF_CHECKED;

#endif

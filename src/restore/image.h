/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/image.h - `holdfast restore image`: one disk of a point into a file or a device of this host.
 *
 * The point is found by name (run/point_open.h), on the first store that has it and can be read; the disk by its target. What happens
 * then, and is left by a crash or an error, stands in restore/disk.h.
 * Errors: those of both; CONFIG: the point has several disks, or none by that name: the message lists them.
 */
#ifndef HF_RESTORE_IMAGE_H
#define HF_RESTORE_IMAGE_H

#include "net/json.h"
#include "restore/disk.h"
#include "run/point_open.h"

struct hf_restore_image {
    const char *point;
    const char *store; /* NULL: any that has it */
    const char *disk;  /* NULL: the only one */
    const char *file;
    enum hf_disk_format format;
    bool overwrite;
};

/* {"point","vm","disk","store","file","format","bytes","written","fetched","duration_ms","resumed"}, to be put. */
int hf_restore_image(const struct hf_env *env, const struct hf_restore_image *req,
                     struct json_object **out, struct hf_err *err) HF_CHECKED;

/* UNSUPPORTED: the point's disks lie in a backup of its hypervisor. */
int hf_restore_check_images(const struct hf_manifest *m, struct hf_err *err) HF_CHECKED;
/* The image called so in the manifest; NULL, CONFIG and UNSUPPORTED: as above. */
const struct hf_point_artifact *hf_restore_find_disk(const struct hf_manifest *m, const char *disk,
                                                     struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * point/layout.h - names of a point's objects on a store, made and taken apart.
 *
 *     points/VM/POINT/manifest.json[.age]
 *     points/VM/POINT/dump/NAME[.age]      files/NAME[.age]      vm/NAME[.age]
 *
 * POINT is the id of the run that took it (base/id.h): unique, and sorts by time. VM is the VM's label; bytes that a name on a store
 * cannot have ('=' too, and a '.' at the beginning) stand as "=XX", two upper-case hex digits. There is one way to write each label, so what is
 * written otherwise is no VM. ".age": the store is encrypted.
 */
#ifndef HF_POINT_LAYOUT_H
#define HF_POINT_LAYOUT_H

#include "base/id.h"
#include "store/store.h"

#include <stdbool.h>

#define HF_POINTS_PREFIX "points/"
#define HF_POINT_VM_MAX                                                                            \
    (HF_STORE_PART_MAX + 1) /* of a label, and of its part of a name; with the NUL */
#define HF_POINT_NAME_MAX (HF_STORE_NAME_MAX + 1)

enum hf_point_kind {
    HF_POINT_IMAGE,
    HF_POINT_DUMP,
    HF_POINT_FILES,
    HF_POINT_DEFINITION,
    HF_POINT_PUSHED /* in place of images: all disks in a backup that the hypervisor keeps */
};
#define HF_POINT_KINDS 5
/* "image", "dump", "files", "vm", "pushed" */
const char *hf_point_kind_name(enum hf_point_kind kind);
int hf_point_kind_parse(const char *text, enum hf_point_kind *out); /* -1: none */

struct hf_point_name {
    char vm[HF_POINT_VM_MAX]; /* the label */
    char id[HF_ID_MAX];
};

/* CONFIG: an empty label, or too long a one. */
int hf_point_vm_encode(const char *label, char out[HF_POINT_VM_MAX], struct hf_err *err) HF_CHECKED;
bool hf_point_vm_decode(const char *part, char out_label[HF_POINT_VM_MAX]);

int hf_point_name_set(struct hf_point_name *n, const char *vm, const char *id, struct hf_err *err)
    HF_CHECKED;
/* Newest first, then by VM: for qsort. */
int hf_point_name_compare(const void *a, const void *b);

/* "points/VM/" and "points/VM/POINT/", as prefixes to list. */
int hf_point_vm_prefix(const char *vm, char out[HF_POINT_NAME_MAX], struct hf_err *err) HF_CHECKED;
int hf_point_prefix(const struct hf_point_name *n, char out[HF_POINT_NAME_MAX], struct hf_err *err)
    HF_CHECKED;
int hf_point_manifest_name(const struct hf_point_name *n, bool is_encrypted,
                           char out[HF_POINT_NAME_MAX], struct hf_err *err) HF_CHECKED;

/* Has it objects in the point's folder? */
bool hf_point_kind_has_objects(enum hf_point_kind kind);

/* An object's name within its point, "dump/shop.orders.00000.sql.zst.age"; of a kind that has them. CONFIG: `name` cannot be one. */
int hf_point_object_name(enum hf_point_kind kind, const char *name, bool is_encrypted,
                         char out[HF_POINT_NAME_MAX], struct hf_err *err) HF_CHECKED;
/* Can this be such a name? Then it stays inside the point. */
bool hf_point_object_is_valid(enum hf_point_kind kind, const char *object, bool is_encrypted);
/* Its whole name on the store. */
int hf_point_object_at(const struct hf_point_name *n, const char *object,
                       char out[HF_POINT_NAME_MAX], struct hf_err *err) HF_CHECKED;

/* Groups as shallow listings of "points/" and "points/VM/" give them; false: none of ours. */
bool hf_point_vm_of_group(const char *group, char out_label[HF_POINT_VM_MAX]);
bool hf_point_of_group(const char *group, struct hf_point_name *out);

#endif

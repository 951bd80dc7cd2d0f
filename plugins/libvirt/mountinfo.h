/* SPDX-License-Identifier: Apache-2.0
 *
 * mountinfo.h - a guest's /proc/self/mountinfo (proc(5)), read without trust. Pure functions.
 */
#ifndef HF_LIBVIRT_MOUNTINFO_H
#define HF_LIBVIRT_MOUNTINFO_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct lv_mount {
    char *mountpoint, *type, *source; /* escapes undone */
    bool has_device;                  /* a block device lies below; false: NFS, tmpfs, proc … */
    bool is_hidden;                   /* no path leads there: another mount lies over it */
    unsigned long id, parent;         /* the kernel's */
};

struct lv_mount_list {
    struct lv_mount *items;
    size_t n;
};
void lv_mount_list_free(struct lv_mount_list *l);
HF_DEFINE_AUTO_VALUE(lv_mount_list, lv_mount_list_free)

/* CORRUPT: a line that cannot be understood, a last one without end, more than LV_MOUNTS_MAX, none
 * at all. */
int lv_mountinfo_parse(const char *text, size_t len, struct lv_mount_list *out, struct hf_err *err)
    HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * base/mountinfo.h - a guest's /proc/self/mountinfo (proc(5)), read without trust. Pure functions.
 *
 * Here because plugins and the program both read it. The text is hostile: its lines are bounded by
 * HF_MOUNTINFO_MAX, its names by HF_MOUNTINFO_NAME_MAX, and nothing it says is followed. Names may
 * hold any byte but NUL: make them printable before a terminal gets them.
 */
#ifndef HF_BASE_MOUNTINFO_H
#define HF_BASE_MOUNTINFO_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define HF_MOUNTINFO_MAX 4096      /* mounts */
#define HF_MOUNTINFO_NAME_MAX 4096 /* bytes of each text of one */

struct hf_mountinfo_entry {
    char *mountpoint, *type, *source; /* escapes undone */
    char *options;                    /* the file system's own: "rw,addr=10.0.0.9"; none or too long: "" */
    unsigned major, minor;            /* the same for all mounts of one file system */
    bool has_device;                  /* a block device lies below; false: NFS, tmpfs, proc … */
    bool is_hidden;                   /* no path leads there: another mount lies over it */
    unsigned long id, parent;         /* the kernel's */
};

struct hf_mountinfo {
    struct hf_mountinfo_entry *items;
    size_t n;
};
void hf_mountinfo_free(struct hf_mountinfo *l);
HF_DEFINE_AUTO_VALUE(hf_mountinfo, hf_mountinfo_free)

/* out is empty before, and to be freed also after a failure. CORRUPT: a line that cannot be
 * understood, a last one without end, a NUL, more or longer ones than the bounds, none at all. */
int hf_mountinfo_parse(const char *text, size_t len, struct hf_mountinfo *out, struct hf_err *err)
    HF_CHECKED;

/* The mount that an absolute path without links, "." and ".." lies on, whether it exists or not.
 * NULL: none. */
const struct hf_mountinfo_entry *hf_mountinfo_find(const struct hf_mountinfo *l, const char *path);

/* Strictly: /var/lib lies below /var, /var and /var2 do not. */
bool hf_mountinfo_is_below(const char *path, const char *dir);

#endif

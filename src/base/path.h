/* SPDX-License-Identifier: Apache-2.0
 *
 * base/path.h - files: bounded reads, durable writes, private directories.
 */
#ifndef HF_BASE_PATH_H
#define HF_BASE_PATH_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

/* dir + "/" + name, to be freed; NULL: no memory. */
char *hf_path_join(const char *dir, const char *name);

/* Creates the directory and its parents (those with mode 0755, the last with `mode`). Exists: fine,
 * mode untouched. */
int hf_path_mkdirs(const char *dir, mode_t mode, struct hf_err *err) HF_CHECKED;

/* The whole file, at most max_bytes (more: HF_E_CORRUPT), NUL-terminated, to be freed. */
char *hf_path_read(const char *path, size_t max_bytes, size_t *out_len, struct hf_err *err)
    HF_CHECKED;

/* Atomic and durable: temporary file beside it, fsync, rename, fsync of the directory. */
int hf_path_write(const char *path, const void *data, size_t len, mode_t mode, struct hf_err *err)
    HF_CHECKED;

/* fsync of a directory, so that an entry made or removed in it survives power loss. */
int hf_path_sync_dir(const char *dir, struct hf_err *err) HF_CHECKED;
/* The same of the directory that path lies in. */
int hf_path_sync_parent(const char *path, struct hf_err *err) HF_CHECKED;

/* Gives a folder a name that nobody has; -1 with errno, EEXIST if somebody does. Where the file system cannot see to that itself (NFS, FUSE)
 * an empty folder of that name may be replaced. Not synced. */
int hf_path_name_folder(const char *from, const char *to) HF_CHECKED;

/* Secrets: a regular file (or a link to one) owned by us or root, with no permission for group or
 * others. Else, or when it cannot be opened, HF_E_CONFIG; the hint is the command that mends it. */
int hf_path_check_private(const char *path, struct hf_err *err) HF_CHECKED;
/* The same, and the descriptor of the very file that was checked, open for reading. -1: failed. */
int hf_path_open_private(const char *path, struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * store/path/path.h - file:///DIR: a directory as a store, on a network mount or a disk of its own.
 *
 * An object is a file, mode 0600. It is written under a hidden name beside its place, synced, renamed, and the directories
 * above it are synced, so an object that a put acknowledged survives power loss, and a crash leaves only a hidden file or an
 * empty directory (swept later). Links inside the directory are never followed. Reading back goes past the page cache:
 * O_DIRECT, else dropped pages.
 *
 * Errors: UNREACHABLE with a hint: the directory was removed, or its mount answers no more (EIO, ESTALE and the like); never
 * NOT_FOUND, which means the object. CONFLICT: a link lies in the way. UNSUPPORTED: the file system cannot refuse to replace.
 * A mount that goes away while the store is open is not filled behind its back: all names begin at the directory that was
 * opened. Calls take as long as the mount lets them (NFS: soft, timeo); cancel is not looked at.
 */
#ifndef HF_STORE_PATH_PATH_H
#define HF_STORE_PATH_PATH_H

#include "store/store.h"

/* NOT_FOUND: the directory is not there; it is not made, for a missing mount would be filled instead. */
struct hf_store *hf_store_path_open(const struct hf_store_opts *opts, struct hf_err *err)
    HF_CHECKED;

#endif

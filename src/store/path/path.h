/* SPDX-License-Identifier: Apache-2.0
 *
 * store/path/path.h - file:///DIR: a directory as a store, on a network mount or a disk of its own.
 *
 * An object is a file. It is written under a hidden name beside its place, synced, renamed, and its directory synced, so an
 * object that a put acknowledged survives power loss, and a crash leaves only a hidden file (swept later). Links inside the directory are
 * never followed. Reading back goes past the page cache (O_DIRECT, else dropped pages).
 */
#ifndef HF_STORE_PATH_PATH_H
#define HF_STORE_PATH_PATH_H

#include "store/store.h"

/* NOT_FOUND: the directory is not there (a mount that is missing must not be filled behind its back). */
struct hf_store *hf_store_path_open(const struct hf_store_opts *opts, struct hf_err *err)
    HF_CHECKED;

#endif

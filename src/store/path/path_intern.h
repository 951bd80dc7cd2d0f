/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_STORE_PATH_INTERN_H
#define HF_STORE_PATH_INTERN_H

#include "store/path/path.h"

#include <dirent.h>

struct hf_path_store {
    struct hf_store store;
    int root; /* the directory */
};

#define HF_PATH_TMP_END ".tmp"

/* The directory that NAME lies in, open; *out_last: the last part of name. create: make what is missing, and let all on the way be
 * durable. NOT_FOUND: one is missing. No link is followed on the way. */
int hf_path_store_walk(struct hf_path_store *s, const char *name, bool create,
                       const char **out_last, struct hf_err *err) HF_CHECKED;
/* A directory below one (or "."), not through a link. -1 with errno. */
int hf_path_store_open_dir(int at, const char *part);
/* What readdir reads from, with a place of its own in the listing. NULL: see err. */
DIR *hf_path_store_open_listing(int fd, struct hf_err *err) HF_CHECKED;
void hf_path_store_auto_dir(DIR **d);
#define HF_PATH_AUTODIR __attribute__((cleanup(hf_path_store_auto_dir)))
/* hf_fail_sys, with the class and hint of path.h. Returns -1. */
int hf_path_store_fail(struct hf_err *err, int sys_errno, const char *what);
/* What was done in a directory survives power loss. */
int hf_path_store_sync_dir(int fd, struct hf_err *err) HF_CHECKED;
/* A new hidden file beside `last`; *out_name is to be freed. */
int hf_path_store_make_tmp(int dir, const char *last, char **out_name, struct hf_err *err)
    HF_CHECKED;

/* The slots of struct hf_store_ops that stand in other files. */
struct hf_io_sink *hf_path_store_put(struct hf_store *s, const char *name,
                                     const struct hf_store_put *how, struct hf_store_receipt *out,
                                     struct hf_err *err) HF_CHECKED;
int hf_path_store_get(struct hf_store *s, const char *name, uint64_t at, void *buf, size_t len,
                      bool fresh, struct hf_err *err) HF_CHECKED;
int hf_path_store_head(struct hf_store *s, const char *name, struct hf_store_object *out,
                       struct hf_err *err) HF_CHECKED;
int hf_path_store_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit,
                       void *ctx, struct hf_err *err) HF_CHECKED;
int hf_path_store_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
    HF_CHECKED;

#endif

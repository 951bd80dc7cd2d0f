/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_STORE_PATH_INTERN_H
#define HF_STORE_PATH_INTERN_H

#include "store/path/path.h"

struct hf_path_store {
    struct hf_store store;
    const struct hf_clock *clock;
    int root; /* the directory */
};

#define HF_PATH_TMP_END ".tmp"

/* The directory that NAME lies in, open; *out_last: the last part of name. create: make what is missing, durably. -1 with
 * NOT_FOUND. No link is followed on the way. */
int hf_path_store_walk(struct hf_path_store *s, const char *name, bool create,
                       const char **out_last, struct hf_err *err) HF_CHECKED;

/* The slots of struct hf_store_ops that stand in other files. */
struct hf_io_sink *hf_path_store_put(struct hf_store *s, const char *name,
                                     const struct hf_store_put *how, bool *out_confirmed,
                                     struct hf_err *err) HF_CHECKED;
int hf_path_store_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit,
                       void *ctx, struct hf_err *err) HF_CHECKED;
int hf_path_store_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
    HF_CHECKED;

#endif

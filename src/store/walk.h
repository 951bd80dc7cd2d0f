/* SPDX-License-Identifier: Apache-2.0
 *
 * store/walk.h - a tree of directories on a server as the listing that store.h promises: sorted, of valid names alone.
 *
 * What the server lists is foreign text: what is no name of an object is not there, what comes twice comes once. Entries of one
 * directory are bounded, and so is the depth. A link where an object could be ends a listing: what lies behind it would be taken
 * for gone, and a prune would remove what it needs. In the store's own directory, where no object of a backup lies, it is not there.
 */
#ifndef HF_STORE_WALK_H
#define HF_STORE_WALK_H

#include "store/store.h"

#define HF_STORE_DIR_MAX ((size_t)1 << 20) /* entries of one directory */
#define HF_STORE_TMP_END ".tmp"

struct hf_store_entry {
    char *name; /* within its directory; one that is a directory itself ends with '/' */
    uint64_t bytes;
    int64_t changed_s; /* 0: unknown */
    bool is_link;
};

struct hf_store_entries {
    struct hf_store_entry *items;
    size_t n, cap;
};
void hf_store_entries_free(struct hf_store_entries *e);
HF_DEFINE_AUTO_VALUE(hf_store_entries, hf_store_entries_free)

/* Copies the name; one with a '/' in it is left out. CORRUPT: too many. */
int hf_store_entries_add(struct hf_store_entries *e, const char *name, bool is_dir, uint64_t bytes,
                         int64_t changed_s, struct hf_err *err) HF_CHECKED;

/* The same of a symbolic link. */
int hf_store_entries_add_link(struct hf_store_entries *e, const char *name, struct hf_err *err)
    HF_CHECKED;

/* CONFLICT, with what to do. Returns -1. */
int hf_store_fail_link(const char *name, struct hf_err *err);

/* One directory, whole: prefix is "" or ends with '/'. NOT_FOUND: it is not there. */
typedef int (*hf_store_read_dir)(struct hf_store *s, const char *prefix,
                                 struct hf_store_entries *out, struct hf_err *err);

/* The slot `list` of a driver. */
int hf_store_walk(struct hf_store *s, hf_store_read_dir read_dir, const struct hf_store_list *what,
                  hf_store_emit emit, void *ctx, struct hf_err *err) HF_CHECKED;

/* A hidden file beside `name` that nobody else has: "a/.b.0123456789abcdef.tmp". To be freed; NULL: see err. */
char *hf_store_tmp_name(const char *name, struct hf_err *err);

struct hf_store_sweeper {
    hf_store_read_dir read_dir;
    int (*remove_tmp)(struct hf_store *s, const char *name, struct hf_err *err);
    /* Of one that is empty: refused, which is no error, when it is not. NULL: directories stay. */
    int (*remove_dir)(struct hf_store *s, const char *name, bool *out_is_gone, struct hf_err *err);
};

/* The slot `sweep` of a driver: hidden files of hf_store_tmp_name that were changed before before_s, and directories. */
int hf_store_sweep_tree(struct hf_store *s, const struct hf_store_sweeper *how, int64_t before_s,
                        uint64_t *out_n, struct hf_err *err) HF_CHECKED;

#endif

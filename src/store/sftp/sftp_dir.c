/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "store/sftp/sftp_intern.h"
#include "store/walk.h"

#include <string.h>
#include <sys/stat.h>

#define READS 4                     /* requests for entries that are under way at once */
#define FOR_ALL (UINT64_C(1) << 28) /* bytes of entries that one directory gets time for */

/* ---- one directory ---------------------------------------------------------------------- */

struct reading {
    const char *prefix;
    struct hf_store_entries *out;
    /* of one try */
    struct hf_sftp_handle handle;
    uint32_t ids[READS];
    uint64_t n_told;
    unsigned n_dots;
    bool is_done;
};

static int fail_endless(struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "a listing that never ends");
}

static int add_entry(void *ctx, const char *name, const struct hf_sftp_attrs *a, struct hf_err *err)
{
    struct reading *r = ctx;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return ++r->n_dots <= 2 ? 0 : fail_endless(err);
    if (!a->has_mode || !a->has_bytes || !(a->mode & S_IFMT))
        return hf_fail(err, HF_E_UNSUPPORTED, "the server lists names without what they are");
    if (S_ISLNK(a->mode))
        return hf_store_entries_add_link(r->out, name, err);
    if (!S_ISREG(a->mode) && !S_ISDIR(a->mode))
        return 0;
    return hf_store_entries_add(r->out, name, S_ISDIR(a->mode), a->bytes,
                                a->has_time ? a->changed_s : 0, err);
}

static int ask_entries(struct hf_sftp_conn *c, struct reading *r, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    for (int i = 0; i < READS; i++) {
        size_t at;
        r->ids[i] = hf_sftp_request(c, &b, HF_SFTP_READDIR, &at);
        hf_sftp_add_string(&b, r->handle.bytes, r->handle.len);
        hf_sftp_end(&b, at);
    }
    return hf_sftp_send(c, &b, READS, err);
}

static int take_entries(void *ctx, unsigned i, const struct hf_sftp_answer *a, struct hf_err *err)
{
    struct reading *r = ctx;
    (void)i;
    if (a->type == HF_SFTP_STATUS && a->status == HF_SFTP_EOF) {
        r->is_done = true;
        return 0;
    }
    if (a->type != HF_SFTP_NAME)
        return hf_sftp_fail(a, "cannot list a directory", err);
    r->n_told += a->n;
    if (a->n == 0 || r->n_told > 2 * HF_STORE_DIR_MAX)
        return fail_endless(err);
    return hf_sftp_names_parse(a, add_entry, r, err);
}

/* Each of them is answered, at the end by so many ends. */
static int next_entries(struct hf_sftp_conn *c, struct reading *r, struct hf_err *err)
{
    return ask_entries(c, r, err) < 0 ? -1
                                      : hf_sftp_await_all(c, r->ids, READS, take_entries, r, err);
}

static int read_dir(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    struct reading *r = ctx;
    struct hf_sftp_answer a;
    hf_store_entries_free(r->out);
    r->n_told = r->n_dots = 0;
    r->is_done = false;
    if (hf_sftp_ask_path(s, c, HF_SFTP_OPENDIR, r->prefix, NULL, &a, err) < 0)
        return -1;
    if (a.type == HF_SFTP_STATUS)
        return hf_sftp_fail_name(s, c, &a, "cannot open a directory", err);
    if (hf_sftp_keep_handle(&a, &r->handle, err) < 0)
        return -1;
    int rc = 0;
    while (rc == 0 && !r->is_done)
        rc = next_entries(c, r, err);
    hf_sftp_close_handle(c, &r->handle);
    return rc;
}

static int read_entries(struct hf_store *store, const char *prefix, struct hf_store_entries *out,
                        struct hf_err *err)
{
    struct reading r = {.prefix = prefix, .out = out};
    return hf_sftp_do((struct hf_sftp *)store, FOR_ALL, read_dir, &r, err);
}

/* A listing goes through no link, nor does it begin behind one: what that leads to may not be mounted today. */
static int refuse_links(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    const char *prefix = ctx;
    char dir[HF_STORE_NAME_MAX + 1];
    for (const char *slash = strchr(prefix, '/'); slash; slash = strchr(slash + 1, '/')) {
        struct hf_sftp_answer a;
        memcpy(dir, prefix, (size_t)(slash - prefix));
        dir[slash - prefix] = '\0';
        if (hf_sftp_ask_path(s, c, HF_SFTP_LSTAT, dir, NULL, &a, err) < 0)
            return -1;
        if (a.type == HF_SFTP_ATTRS && a.attrs.has_mode && S_ISLNK(a.attrs.mode))
            return hf_store_fail_link(dir, err);
    }
    return 0;
}

int hf_sftp_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit,
                 void *ctx, struct hf_err *err)
{
    if (what->prefix[0] &&
        hf_sftp_do((struct hf_sftp *)s, 0, refuse_links, (void *)what->prefix, err) < 0)
        return hf_wrap(err, "%s: %s", s->url, what->prefix);
    return hf_store_walk(s, read_entries, what, emit, ctx, err);
}

/* ---- removing --------------------------------------------------------------------------- */

/* The directories that may have become empty: a listing would show them, and another writer makes them again. Nobody waits: one
 * that is not empty refuses. */
static void prune_dirs(struct hf_sftp *s, struct hf_sftp_conn *c, const char *name)
{
    char dir[HF_STORE_NAME_MAX + HF_SFTP_NAME_MAX + 1];
    struct hf_err ignored = HF_ERR_INIT;
    struct hf_sftp_answer a;
    snprintf(dir, sizeof dir, "%s", name);
    for (char *slash = strrchr(dir, '/'); slash; slash = strrchr(dir, '/')) {
        *slash = '\0';
        if (hf_sftp_ask_path(s, c, HF_SFTP_RMDIR, dir, NULL, &a, &ignored) < 0 ||
            a.type != HF_SFTP_STATUS || a.status != HF_SFTP_OK)
            return;
    }
}

static int remove_file(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    const char *name = ctx;
    struct hf_sftp_answer a;
    if (hf_sftp_ask_path(s, c, HF_SFTP_REMOVE, name, NULL, &a, err) < 0)
        return -1;
    if (a.type == HF_SFTP_STATUS && a.status == HF_SFTP_OK)
        return 0;
    struct hf_err odd = HF_ERR_INIT;
    hf_sftp_fail_name(s, c, &a, "cannot remove it", &odd);
    if (odd.cls == HF_E_NOT_FOUND)
        return 0;
    hf_err_copy(err, &odd);
    return -1;
}

static int remove_object(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    if (remove_file(s, c, ctx, err) < 0)
        return -1;
    prune_dirs(s, c, ctx);
    return 0;
}

int hf_sftp_remove(struct hf_store *store, const char *name, struct hf_err *err)
{
    if (HF_POINT_ERR("store.sftp.before_remove", err) < 0)
        return -1;
    return hf_sftp_do((struct hf_sftp *)store, 0, remove_object, (void *)name, err);
}

/* ---- sweeping --------------------------------------------------------------------------- */

static int remove_tmp(struct hf_store *store, const char *name, struct hf_err *err)
{
    return hf_sftp_do((struct hf_sftp *)store, 0, remove_file, (void *)name, err);
}

struct removing {
    const char *name;
    bool is_gone;
};

/* Somebody may have put something into it: then it refuses, whatever it says. */
static int remove_empty(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    struct removing *r = ctx;
    struct hf_sftp_answer a;
    if (hf_sftp_ask_path(s, c, HF_SFTP_RMDIR, r->name, NULL, &a, err) < 0)
        return -1;
    r->is_gone = a.type == HF_SFTP_STATUS && a.status == HF_SFTP_OK;
    return a.type == HF_SFTP_STATUS && a.status != HF_SFTP_DENIED
               ? 0
               : hf_sftp_fail(&a, "cannot remove an empty directory", err);
}

static int remove_dir(struct hf_store *store, const char *name, bool *out_is_gone,
                      struct hf_err *err)
{
    struct removing r = {.name = name};
    int rc = hf_sftp_do((struct hf_sftp *)store, 0, remove_empty, &r, err);
    *out_is_gone = r.is_gone;
    return rc;
}

int hf_sftp_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
{
    static const struct hf_store_sweeper sweeper = {read_entries, remove_tmp, remove_dir};
    return hf_store_sweep_tree(s, &sweeper, before_s, out_n, err);
}

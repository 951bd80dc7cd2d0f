/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/strv.h"
#include "store/path/path_intern.h"
#include "store/walk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRIES_MAX ((size_t)1 << 20) /* of one directory */

/* Directories get their '/' before sorting: so the walk is in the byte order of whole names. */
static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What lies behind a link would be taken for removed. In the store's own directory no object of a backup lies. */
static int judge_link(const char *prefix, const char *name, struct hf_err *err)
{
    return prefix[0] ? hf_store_fail_link(name, err) : 0;
}

static int add_entry(int fd, const char *prefix, const char *name, struct hf_strv *out,
                     struct hf_err *err)
{
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0
                               : hf_path_store_fail(err, errno, "cannot examine what lies in it");
    if (S_ISLNK(st.st_mode))
        return judge_link(prefix, name, err);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return 0;
    if (out->n == ENTRIES_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a directory with more than %zu entries", ENTRIES_MAX);
    char *entry = S_ISDIR(st.st_mode) ? hf_asprintf("%s/", name) : strdup(name);
    return hf_strv_take(out, entry) < 0 ? hf_fail_nomem(err) : 0;
}

/* What is no name of an object, as our hidden files, is not listed. */
static int read_dir(int fd, const char *prefix, struct hf_strv *out, struct hf_err *err)
{
    HF_PATH_AUTODIR DIR *d = hf_path_store_open_listing(fd, err);
    if (!d)
        return -1;
    errno = 0;
    for (struct dirent *e = readdir(d); e; errno = 0, e = readdir(d))
        if (hf_store_name_is_valid(e->d_name) && add_entry(fd, prefix, e->d_name, out, err) < 0)
            return -1;
    if (errno)
        return hf_path_store_fail(err, errno, "cannot list a directory");
    if (out->n > 1)
        qsort(out->items, out->n, sizeof *out->items, by_name);
    return 0;
}

struct walk {
    struct hf_store *store;
    const struct hf_store_list *what;
    hf_store_emit emit;
    void *ctx;
};

static int fail_at(const struct walk *w, const char *name, int sys_errno, struct hf_err *err)
{
    hf_path_store_fail(err, sys_errno, "cannot examine it");
    return hf_wrap(err, "%s: %s", w->store->url, name);
}

static int walk_dir(const struct walk *w, int fd, const char *prefix, struct hf_err *err);

/* What somebody else put deeper than an object can lie is none. */
static bool is_too_deep(const char *name)
{
    size_t slashes = 0;
    for (const char *p = name; *p; p++)
        slashes += *p == '/';
    return slashes >= HF_STORE_PARTS_MAX || strlen(name) > HF_STORE_NAME_MAX;
}

static int emit_one(const struct walk *w, int fd, const char *entry, const char *name,
                    struct hf_err *err)
{
    struct hf_store_object o = {.name = name};
    struct stat st;
    if (name[strlen(name) - 1] != '/') {
        if (fstatat(fd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return errno == ENOENT ? 0 : fail_at(w, name, errno, err);
        o.bytes = (uint64_t)st.st_size;
        o.changed_s = st.st_mtim.tv_sec;
    }
    return w->emit(w->ctx, &o, err);
}

static int visit(const struct walk *w, int fd, const char *entry, const char *name,
                 struct hf_err *err)
{
    bool is_dir = entry[strlen(entry) - 1] == '/';
    const char *after = w->what->after;
    /* Below a directory that sorts before `after` there may be more only when `after` lies in it. */
    if (after && strcmp(name, after) <= 0 &&
        !(is_dir && !w->what->shallow && strncmp(after, name, strlen(name)) == 0))
        return 0;
    if (!is_dir || w->what->shallow)
        return emit_one(w, fd, entry, name, err);
    /* Without its '/': with it a link would be followed. */
    HF_AUTOFREE char *dir = strndup(entry, strlen(entry) - 1);
    if (!dir)
        return hf_fail_nomem(err);
    HF_AUTOFD int below = hf_path_store_open_dir(fd, dir);
    if (below < 0)
        return errno == ENOENT ? 0 : fail_at(w, name, errno, err);
    return walk_dir(w, below, name, err);
}

static int walk_dir(const struct walk *w, int fd, const char *prefix, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv entries = HF_STRV_INIT;
    if (read_dir(fd, prefix, &entries, err) < 0)
        return hf_wrap(err, "%s: %s", w->store->url, prefix);
    for (size_t i = 0; i < entries.n; i++) {
        HF_AUTOFREE char *name = hf_asprintf("%s%s", prefix, entries.items[i]);
        if (!name)
            return hf_fail_nomem(err);
        int rc = is_too_deep(name) ? 0 : visit(w, fd, entries.items[i], name, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int hf_path_store_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit,
                       void *ctx, struct hf_err *err)
{
    const char *last = NULL;
    struct hf_err walk_err = HF_ERR_INIT;
    struct walk w = {s, what, emit, ctx};
    HF_AUTOFD int fd =
        hf_path_store_walk((struct hf_path_store *)s, what->prefix, false, &last, &walk_err);
    if (fd < 0 && walk_err.cls == HF_E_NOT_FOUND)
        return 0;
    if (fd < 0) {
        hf_err_copy(err, &walk_err);
        return hf_wrap(err, "%s: %s", s->url, what->prefix);
    }
    return walk_dir(&w, fd, what->prefix, err);
}

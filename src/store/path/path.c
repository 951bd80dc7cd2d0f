/* SPDX-License-Identifier: Apache-2.0 */
#include "store/path/path.h"

#include "base/point.h"
#include "store/path/path_intern.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static struct hf_path_store *of(struct hf_store *s)
{
    return (struct hf_path_store *)s;
}

/* Directories that became empty go too, for a listing would show them; another writer makes them again. */
static void prune_dirs(struct hf_path_store *s, const char *name)
{
    char dir[HF_STORE_NAME_MAX + 1];
    memcpy(dir, name, strlen(name) + 1);
    for (char *slash = strrchr(dir, '/'); slash; slash = strrchr(dir, '/')) {
        struct hf_err ignored = HF_ERR_INIT;
        const char *last = NULL;
        *slash = '\0';
        HF_AUTOFD int above = hf_path_store_walk(s, dir, false, &last, &ignored);
        if (above < 0 || unlinkat(above, last, AT_REMOVEDIR) < 0)
            return;
    }
}

static int path_remove(struct hf_store *store, const char *name, struct hf_err *err)
{
    struct hf_path_store *s = of(store);
    struct hf_err walk = HF_ERR_INIT;
    const char *last = NULL;
    HF_AUTOFD int dir = hf_path_store_walk(s, name, false, &last, &walk);
    if (dir < 0 && walk.cls == HF_E_NOT_FOUND)
        return 0;
    if (dir < 0) {
        hf_err_copy(err, &walk);
        return -1;
    }
    if (HF_POINT_ERR("store.path.before_remove", err) < 0)
        return -1;
    if (unlinkat(dir, last, 0) < 0 && errno != ENOENT)
        return hf_path_store_fail(err, errno, "cannot remove it");
    if (hf_path_store_sync_dir(dir, err) < 0)
        return -1;
    prune_dirs(s, name);
    return 0;
}

/* The clock of the file system: over NFS that is the server's. */
static int path_now(struct hf_store *store, int64_t *out_s, struct hf_err *err)
{
    struct hf_path_store *s = of(store);
    struct stat st;
    HF_AUTOFREE char *tmp = NULL;
    HF_AUTOFD int fd = hf_path_store_make_tmp(s->root, "now", &tmp, err);
    if (fd < 0)
        return -1;
    int rc = futimens(fd, NULL) == 0 && fstat(fd, &st) == 0
                 ? 0
                 : hf_path_store_fail(err, errno, "cannot ask for its time");
    unlinkat(s->root, tmp, 0);
    if (rc == 0)
        *out_s = st.st_mtim.tv_sec;
    return rc;
}

static int path_space(struct hf_store *store, uint64_t *out_free, struct hf_err *err)
{
    struct statvfs v;
    if (fstatvfs(of(store)->root, &v) < 0)
        return hf_path_store_fail(err, errno, "cannot ask for its free space");
    *out_free = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

static void path_close(struct hf_store *store)
{
    struct hf_path_store *s = of(store);
    if (s->root >= 0)
        close(s->root);
    free(s);
}

static const struct hf_store_ops path_ops = {
    .put = hf_path_store_put,
    .get = hf_path_store_get,
    .head = hf_path_store_head,
    .list = hf_path_store_list,
    .remove = path_remove,
    .now = path_now,
    .space = path_space,
    .sweep = hf_path_store_sweep,
    .close = path_close,
};

static int open_root(struct hf_path_store *s, const char *dir, struct hf_err *err)
{
    if (dir[0] != '/')
        return hf_fail(err, HF_E_CONFIG, "file:// wants an absolute directory: file:///srv/backup");
    s->root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->root >= 0)
        return 0;
    hf_path_store_fail(err, errno, "cannot open the directory");
    return hf_hint(err, "Create it, and look whether its file system is mounted.");
}

struct hf_store *hf_store_path_open(const struct hf_store_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_store) struct hf_store *store = NULL;
    struct hf_path_store *s = calloc(1, sizeof *s);
    if (!s) {
        hf_fail_nomem(err);
        return NULL;
    }
    s->root = -1;
    store = &s->store;
    store->ops = &path_ops;
    store->features = HF_STORE_EXCLUSIVE | HF_STORE_FREE_SPACE | HF_STORE_LOCAL;
    store->url = strdup(opts->url);
    if (!store->url) {
        hf_fail_nomem(err);
        return NULL;
    }
    return open_root(s, opts->url + strlen("file://"), err) == 0 ? HF_STEAL(store) : NULL;
}

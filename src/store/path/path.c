/* SPDX-License-Identifier: Apache-2.0 */
#include "store/path/path.h"

#include "base/point.h"
#include "store/path/path_intern.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define DIRECT_ALIGN ((size_t)4096)
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static struct hf_path_store *of(struct hf_store *s)
{
    return (struct hf_path_store *)s;
}

/* ---- ways to a name --------------------------------------------------------------------- */

static int make_dir(int at, const char *part, struct hf_err *err)
{
    if (mkdirat(at, part, 0755) < 0 && errno != EEXIST)
        return hf_fail_sys(err, errno, "cannot create directory '%s'", part);
    if (fsync(at) < 0)
        return hf_fail_sys(err, errno, "cannot sync the directory above '%s'", part);
    return 0;
}

/* Closes `at`. */
static int step(int at, const char *part, bool create, struct hf_err *err)
{
    HF_AUTOFD int here = at;
    int next = openat(here, part, DIR_FLAGS);
    if (next < 0 && errno == ENOENT && create) {
        if (make_dir(here, part, err) < 0)
            return -1;
        next = openat(here, part, DIR_FLAGS);
    }
    if (next < 0 && (errno == ELOOP || errno == ENOTDIR))
        hf_fail(err, HF_E_CONFLICT, "'%s' is no directory: links are not followed", part);
    else if (next < 0)
        hf_fail_sys(err, errno, "cannot open directory '%s'", part);
    return next;
}

int hf_path_store_walk(struct hf_path_store *s, const char *name, bool create,
                       const char **out_last, struct hf_err *err)
{
    char part[HF_STORE_PART_MAX + 1];
    int at = openat(s->root, ".", DIR_FLAGS);
    if (at < 0)
        return hf_fail_sys(err, errno, "cannot open the store's directory");
    for (const char *slash = strchr(name, '/'); slash && at >= 0; slash = strchr(name, '/')) {
        memcpy(part, name, (size_t)(slash - name));
        part[slash - name] = '\0';
        at = step(at, part, create, err);
        name = slash + 1;
    }
    *out_last = name;
    return at;
}

static int open_object(struct hf_path_store *s, const char *name, int flags, struct hf_err *err)
{
    const char *last = NULL;
    struct stat st;
    HF_AUTOFD int dir = hf_path_store_walk(s, name, false, &last, err);
    if (dir < 0)
        return -1;
    HF_AUTOFD int fd =
        openat(dir, last, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    if (fd < 0 || fstat(fd, &st) < 0) {
        hf_fail_sys(err, errno, "cannot open it");
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        hf_fail(err, HF_E_CORRUPT, "not a regular file");
        return -1;
    }
    return HF_STEAL_FD(fd);
}

/* ---- reading ---------------------------------------------------------------------------- */

static int read_exactly(int fd, uint64_t at, char *buf, size_t len, struct hf_err *err)
{
    while (len > 0) {
        ssize_t n = pread(fd, buf, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_fail_sys(err, errno, "cannot read it");
        if (n == 0)
            return hf_fail(err, HF_E_CORRUPT, "it ends at byte %llu: truncated",
                           (unsigned long long)at);
        buf += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Past the page cache: whole blocks into aligned memory. 1: this file system has no O_DIRECT. */
static int read_direct(struct hf_path_store *s, const char *name, uint64_t at, char *buf,
                       size_t len, struct hf_err *err)
{
    HF_AUTOFD int fd = open_object(s, name, O_DIRECT, err);
    if (fd < 0)
        return err->sys_errno == EINVAL || err->sys_errno == EOPNOTSUPP ? 1 : -1;
    size_t skip = (size_t)(at % DIRECT_ALIGN);
    size_t whole = (skip + len + DIRECT_ALIGN - 1) / DIRECT_ALIGN * DIRECT_ALIGN, have = 0;
    HF_AUTOFREE char *blocks = aligned_alloc(DIRECT_ALIGN, whole);
    if (!blocks)
        return hf_fail_nomem(err);
    while (have < skip + len) {
        ssize_t n = pread(fd, blocks + have, whole - have, (off_t)(at - skip + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EINVAL)
            return 1;
        if (n < 0)
            return hf_fail_sys(err, errno, "cannot read it");
        have += (size_t)n;
        if (n == 0 || have % DIRECT_ALIGN) /* the end; an odd offset would be refused */
            break;
    }
    if (have < skip + len)
        return hf_fail(err, HF_E_CORRUPT, "it ends at byte %llu: truncated",
                       (unsigned long long)(at - skip + have));
    memcpy(buf, blocks + skip, len);
    return 0;
}

static int path_get(struct hf_store *store, const char *name, uint64_t at, void *buf, size_t len,
                    bool fresh, struct hf_err *err)
{
    struct hf_path_store *s = of(store);
    if (fresh) {
        struct hf_err odd = HF_ERR_INIT;
        int rc = read_direct(s, name, at, buf, len, &odd);
        if (rc < 0)
            hf_err_copy(err, &odd);
        if (rc <= 0)
            return rc;
    }
    HF_AUTOFD int fd = open_object(s, name, 0, err);
    if (fd < 0)
        return -1;
    if (fresh)
        (void)posix_fadvise(fd, (off_t)at, (off_t)len, POSIX_FADV_DONTNEED);
    return read_exactly(fd, at, buf, len, err);
}

static int path_head(struct hf_store *store, const char *name, struct hf_store_object *out,
                     struct hf_err *err)
{
    struct stat st;
    HF_AUTOFD int fd = open_object(of(store), name, 0, err);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        return hf_fail_sys(err, errno, "cannot examine it");
    out->bytes = (uint64_t)st.st_size;
    out->changed_s = st.st_mtim.tv_sec;
    return 0;
}

/* ---- the rest --------------------------------------------------------------------------- */

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
        return hf_fail_sys(err, errno, "cannot remove it");
    if (fsync(dir) < 0)
        return hf_fail_sys(err, errno, "cannot sync its directory");
    prune_dirs(s, name);
    return 0;
}

/* The clock of the file system: over NFS that is the server's. */
static int path_now(struct hf_store *store, int64_t *out_s, struct hf_err *err)
{
    char name[] = ".now-XXXXXX" HF_PATH_TMP_END;
    struct stat st;
    struct hf_path_store *s = of(store);
    int64_t salt = hf_clock_mono_us(s->clock);
    snprintf(name, sizeof name, ".now-%06llx" HF_PATH_TMP_END,
             (unsigned long long)(salt ^ getpid()) & 0xffffff);
    HF_AUTOFD int fd = openat(s->root, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return hf_fail_sys(err, errno, "cannot ask for its time");
    int rc = write(fd, "?", 1) == 1 && fstat(fd, &st) == 0
                 ? 0
                 : hf_fail_sys(err, errno, "cannot ask for its time");
    unlinkat(s->root, name, 0);
    if (rc == 0)
        *out_s = st.st_mtim.tv_sec;
    return rc;
}

static int path_space(struct hf_store *store, uint64_t *out_free, struct hf_err *err)
{
    struct statvfs v;
    if (fstatvfs(of(store)->root, &v) < 0)
        return hf_fail_sys(err, errno, "cannot ask for its free space");
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
    .get = path_get,
    .head = path_head,
    .list = hf_path_store_list,
    .remove = path_remove,
    .now = path_now,
    .space = path_space,
    .sweep = hf_path_store_sweep,
    .close = path_close,
};

struct hf_store *hf_store_path_open(const struct hf_store_opts *opts, struct hf_err *err)
{
    const char *dir = opts->url + strlen("file://");
    HF_AUTO(hf_store) struct hf_store *store = NULL;
    struct hf_path_store *s = calloc(1, sizeof *s);
    if (!s) {
        hf_fail_nomem(err);
        return NULL;
    }
    store = &s->store;
    store->ops = &path_ops;
    store->features = HF_STORE_EXCLUSIVE | HF_STORE_FREE_SPACE | HF_STORE_LOCAL;
    s->clock = opts->clock;
    s->root = -1;
    if (dir[0] != '/') {
        hf_fail(err, HF_E_CONFIG, "file:// wants an absolute directory: file:///srv/backup");
        return NULL;
    }
    store->url = strdup(opts->url);
    s->root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!store->url || s->root < 0) {
        hf_fail_sys(err, store->url ? errno : ENOMEM, "cannot open directory '%s'", dir);
        hf_hint(err, "Create it, and look whether its file system is mounted.");
        return NULL;
    }
    return HF_STEAL(store);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "store/path/path_intern.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TRIES                                                                                      \
    100 /* bounded, should something be odd; each is lost to one who just removed a directory */

struct path_sink {
    struct hf_io_sink sink;
    int dir, fd;
    bool replace;
    char *tmp; /* NULL: renamed, or never there */
    char last[HF_STORE_PART_MAX + 1];
};

static int path_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct path_sink *f = (struct path_sink *)s;
    for (const char *p = data; len > 0;) {
        ssize_t n = write(f->fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_path_store_fail(err, errno, "cannot write it");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The link was made and its answer lost: an NFS client asks again then, and hears that it is there already. */
static bool is_linked(const struct path_sink *f)
{
    struct stat st;
    return fstatat(f->dir, f->tmp, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2;
}

/* File systems without RENAME_NOREPLACE (NFS, FUSE) get a link, which fails alike when the name is there. */
static int rename_new(struct path_sink *f)
{
    if (renameat2(f->dir, f->tmp, f->dir, f->last, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(f->dir, f->tmp, f->dir, f->last, 0) < 0 && !(errno == EEXIST && is_linked(f)))
        return -1;
    return unlinkat(f->dir, f->tmp, 0);
}

static int give_name(struct path_sink *f, struct hf_err *err)
{
    if ((f->replace ? renameat(f->dir, f->tmp, f->dir, f->last) : rename_new(f)) == 0)
        return 0;
    int why = errno;
    /* SFTP has one word for all failures: sshfs says EPERM when somebody else was faster. */
    bool is_refused = !f->replace && (why == EPERM || why == EOPNOTSUPP || why == ENOSYS);
    if (why == EEXIST || (is_refused && faccessat(f->dir, f->last, F_OK, AT_SYMLINK_NOFOLLOW) == 0))
        return hf_fail(err, HF_E_CONFLICT, "it exists already");
    if (is_refused) {
        hf_fail(err, HF_E_UNSUPPORTED, "its file system cannot refuse to replace: no hard links");
        return hf_hint(err, "Use another kind of file system for this store.");
    }
    return hf_path_store_fail(err, why, "cannot rename it into place");
}

static int path_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct path_sink *f = (struct path_sink *)s;
    if (fsync(f->fd) < 0)
        return hf_path_store_fail(err, errno, "cannot sync it");
    int fd = HF_STEAL_FD(f->fd);
    if (close(fd) < 0) /* network file systems report a full disk here */
        return hf_path_store_fail(err, errno, "cannot write it");
    if (HF_POINT_ERR("store.path.before_rename", err) < 0 || give_name(f, err) < 0)
        return -1;
    free(HF_STEAL(f->tmp));
    HF_POINT("store.path.after_rename");
    return hf_path_store_sync_dir(f->dir, err);
}

static void path_close(struct hf_io_sink *s)
{
    struct path_sink *f = (struct path_sink *)s;
    if (f->fd >= 0)
        close(f->fd);
    if (f->tmp)
        unlinkat(f->dir, f->tmp, 0);
    if (f->dir >= 0)
        close(f->dir);
    free(f->tmp);
    free(f);
}

static const struct hf_io_sink_ops path_sink_ops = {path_write, path_finish, path_close};

/* NOT_FOUND: the directory vanished between our walk and our open. */
static int try_tmp(struct path_sink *f, struct hf_path_store *s, const char *name,
                   struct hf_err *err)
{
    const char *last = NULL;
    if (f->dir >= 0)
        close(HF_STEAL_FD(f->dir));
    f->dir = hf_path_store_walk(s, name, true, &last, err);
    if (f->dir < 0)
        return -1;
    f->fd = hf_path_store_make_tmp(f->dir, last, &f->tmp, err);
    if (f->fd < 0)
        return -1;
    snprintf(f->last, sizeof f->last, "%s", last);
    return 0;
}

/* Somebody who removed the last object of a directory may have pruned it under our hands: then once more. */
static int open_tmp(struct path_sink *f, struct hf_path_store *s, const char *name,
                    struct hf_err *err)
{
    struct hf_err odd = HF_ERR_INIT;
    for (int i = 0; i < TRIES; i++) {
        if (try_tmp(f, s, name, &odd) == 0)
            return 0;
        if (odd.cls != HF_E_NOT_FOUND)
            break;
    }
    hf_err_copy(err, &odd);
    return -1;
}

struct hf_io_sink *hf_path_store_put(struct hf_store *s, const char *name,
                                     const struct hf_store_put *how, struct hf_store_receipt *out,
                                     struct hf_err *err)
{
    (void)out; /* a file system tells nothing about the bytes: not confirmed */
    struct path_sink *f = calloc(1, sizeof *f);
    if (!f) {
        hf_fail_nomem(err);
        return NULL;
    }
    f->sink.ops = &path_sink_ops;
    f->dir = f->fd = -1;
    f->replace = how->replace;
    if (open_tmp(f, (struct hf_path_store *)s, name, err) < 0) {
        path_close(&f->sink);
        return NULL;
    }
    return &f->sink;
}

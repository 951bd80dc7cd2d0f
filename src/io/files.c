/* SPDX-License-Identifier: Apache-2.0 */
#include "io/files.h"

#include "base/path.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int hf_io_files_look(struct hf_io_files *f, const char *name, enum hf_io_seen *out,
                     uint64_t *out_bytes, struct hf_err *err)
{
    *out_bytes = 0;
    return f->ops->look(f, name, out, out_bytes, err);
}

int hf_io_files_list(struct hf_io_files *f, hf_io_files_emit emit, void *ctx, struct hf_err *err)
{
    return f->ops->list(f, emit, ctx, err);
}

struct hf_io_source *hf_io_files_open(struct hf_io_files *f, const char *name, bool whole,
                                      struct hf_err *err)
{
    return f->ops->open(f, name, whole, err);
}

struct hf_io_read *hf_io_files_read(struct hf_io_files *f, const char *name, bool whole,
                                    bool with_digest, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_path_join(f->label, name);
    if (!path) {
        hf_fail_nomem(err);
        return NULL;
    }
    struct hf_io_source *source = hf_io_files_open(f, name, whole, err);
    return source ? hf_io_read_new(source, path, with_digest, err) : NULL;
}

/* ---- a directory ------------------------------------------------------------------------ */

struct dir_files {
    struct hf_io_files files;
    int fd;
};

static int dir_look(struct hf_io_files *f, const char *name, enum hf_io_seen *out,
                    uint64_t *out_bytes, struct hf_err *err)
{
    struct stat st;
    *out = HF_IO_SEEN_NONE;
    if (fstatat(((struct dir_files *)f)->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || errno == ENAMETOOLONG /* nothing can have such a name */
                   ? 0
                   : hf_fail_sys(err, errno, "'%s/%s'", f->label, name);
    *out = S_ISREG(st.st_mode) ? HF_IO_SEEN_FILE : HF_IO_SEEN_OTHER;
    *out_bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return 0;
}

static int dir_list(struct hf_io_files *f, hf_io_files_emit emit, void *ctx, struct hf_err *err)
{
    int fd = openat(((struct dir_files *)f)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    int rc = d ? 0 : hf_fail_sys(err, errno, "reading %s", f->label);
    struct dirent *e = NULL;
    while (rc == 0 && (errno = 0, e = readdir(d)))
        if (e->d_name[0] != '.')
            rc = emit(ctx, e->d_name, err);
    if (rc == 0 && errno)
        rc = hf_fail_sys(err, errno, "reading %s", f->label);
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    return rc;
}

static struct hf_io_source *dir_open(struct hf_io_files *f, const char *name, bool whole,
                                     struct hf_err *err)
{
    (void)whole; /* a directory knows nothing of what should be in it */
    HF_AUTOFREE char *path = hf_path_join(f->label, name);
    if (path)
        return hf_io_source_at(((struct dir_files *)f)->fd, name, path, err);
    hf_fail_nomem(err);
    return NULL;
}

static void dir_close(struct hf_io_files *f)
{
    struct dir_files *d = (struct dir_files *)f;
    if (d->fd >= 0)
        close(d->fd);
    free(f->label);
    free(d);
}

static const struct hf_io_files_ops dir_ops = {dir_look, dir_list, dir_open, dir_close};

struct hf_io_files *hf_io_files_dir(const char *path, struct hf_err *err)
{
    HF_AUTO(hf_io_files) struct hf_io_files *f = NULL;
    struct dir_files *d = calloc(1, sizeof *d);
    if (!d) {
        hf_fail_nomem(err);
        return NULL;
    }
    d->fd = -1;
    f = &d->files;
    f->ops = &dir_ops;
    if (!(f->label = strdup(path))) {
        hf_fail_nomem(err);
        return NULL;
    }
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0) {
        hf_fail_sys(err, errno, "cannot open directory '%s'", path);
        return NULL;
    }
    return HF_STEAL(f);
}

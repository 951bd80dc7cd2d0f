/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/point.h"
#include "io/sink.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct file {
    struct hf_io_sink sink;
    int fd, dir_fd;
    char *dir, *name, *part;
    uint64_t *stored;
};

static struct file *file_of(struct hf_io_sink *s)
{
    return (struct file *)s;
}

static int file_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct file *f = file_of(s);
    for (const char *p = data; len > 0;) {
        ssize_t n = write(f->fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_fail_sys(err, errno, "cannot write '%s/%s'", f->dir, f->name);
        p += n;
        len -= (size_t)n;
        if (f->stored)
            *f->stored += (uint64_t)n;
    }
    return 0;
}

static int file_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct file *f = file_of(s);
    int fd = HF_STEAL_FD(f->fd);
    /* Network file systems report a full disk here. */
    if (close(fd) < 0)
        return hf_fail_sys(err, errno, "cannot write '%s/%s'", f->dir, f->name);
    if (HF_POINT_ERR("io.before_rename", err) < 0)
        return -1;
    if (renameat(f->dir_fd, f->part, f->dir_fd, f->name) < 0)
        return hf_fail_sys(err, errno, "cannot rename '%s/%s'", f->dir, f->part);
    free(HF_STEAL(f->part));
    return 0;
}

static void file_close(struct hf_io_sink *s)
{
    struct file *f = file_of(s);
    if (f->fd >= 0)
        close(f->fd);
    if (f->part)
        unlinkat(f->dir_fd, f->part, 0);
    free(f->dir);
    free(f->name);
    free(f->part);
    free(f);
}

static const struct hf_io_sink_ops file_ops = {file_write, file_finish, file_close};

static int open_part(struct file *f, struct hf_err *err)
{
    struct stat st;
    if (fstatat(f->dir_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return hf_fail(err, HF_E_CONFLICT, "'%s/%s' exists already", f->dir, f->name);
    f->fd = openat(f->dir_fd, f->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (f->fd < 0) {
        int saved = errno;
        /* Somebody else's: not ours to remove. */
        free(HF_STEAL(f->part));
        return hf_fail_sys(err, saved, "cannot create '%s/%s.part'", f->dir, f->name);
    }
    return 0;
}

struct hf_io_sink *hf_io_file_new(int dir_fd, const char *dir, const char *name,
                                  uint64_t *out_stored, struct hf_err *err)
{
    struct file *f = calloc(1, sizeof *f);
    if (!f) {
        hf_fail_nomem(err);
        return NULL;
    }
    f->sink.ops = &file_ops;
    f->fd = -1;
    f->dir_fd = dir_fd;
    f->stored = out_stored;
    if (out_stored)
        *out_stored = 0;
    HF_AUTOFREE char *part = hf_asprintf("%s.part", name);
    f->dir = strdup(dir);
    f->name = strdup(name);
    if (!f->dir || !f->name || !part) {
        hf_fail_nomem(err);
        file_close(&f->sink);
        return NULL;
    }
    f->part = HF_STEAL(part);
    if (open_part(f, err) < 0) {
        file_close(&f->sink);
        return NULL;
    }
    return &f->sink;
}

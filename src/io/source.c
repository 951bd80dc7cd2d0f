/* SPDX-License-Identifier: Apache-2.0 */
#include "io/source.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int hf_io_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len, struct hf_err *err)
{
    if (at > s->size || len > s->size - at)
        return hf_fail(err, HF_E_CORRUPT, "bytes %llu to %llu wanted of only %llu",
                       (unsigned long long)at, (unsigned long long)at + len,
                       (unsigned long long)s->size);
    return len ? s->ops->read_at(s, at, buf, len, err) : 0;
}

/* ---- a file ----------------------------------------------------------------------------- */

struct file_source {
    struct hf_io_source source;
    int fd;
    char *path;
};

static int file_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len,
                        struct hf_err *err)
{
    struct file_source *f = (struct file_source *)s;
    for (char *p = buf; len > 0;) {
        ssize_t n = pread(f->fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_fail_sys(err, errno, "reading %s", f->path);
        if (n == 0)
            return hf_fail(err, HF_E_CORRUPT, "%s became shorter while it was read", f->path);
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static void file_close(struct hf_io_source *s)
{
    struct file_source *f = (struct file_source *)s;
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f);
}

static const struct hf_io_source_ops file_ops = {file_read_at, file_close};

static struct hf_io_source *open_file(int dir_fd, const char *name, int flags, const char *path,
                                      struct hf_err *err)
{
    HF_AUTO(hf_io_source) struct hf_io_source *s = NULL;
    struct file_source *f = calloc(1, sizeof *f);
    if (!f || !(f->path = strdup(path))) {
        free(f);
        hf_fail_nomem(err);
        return NULL;
    }
    s = &f->source;
    s->ops = &file_ops;
    f->fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    struct stat st;
    if (f->fd < 0 || fstat(f->fd, &st) != 0) {
        hf_fail_sys(err, errno, "opening %s", path);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        hf_fail(err, HF_E_CORRUPT, "%s is not a regular file", path);
        return NULL;
    }
    s->size = (uint64_t)st.st_size;
    return HF_STEAL(s);
}

struct hf_io_source *hf_io_source_file(const char *path, struct hf_err *err)
{
    return open_file(AT_FDCWD, path, 0, path, err);
}

struct hf_io_source *hf_io_source_at(int dir_fd, const char *name, const char *path,
                                     struct hf_err *err)
{
    return open_file(dir_fd, name, O_NOFOLLOW, path, err);
}

/* ---- memory ----------------------------------------------------------------------------- */

struct memory_source {
    struct hf_io_source source;
    const char *data;
};

static int memory_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len,
                          struct hf_err *err)
{
    (void)err;
    memcpy(buf, ((struct memory_source *)s)->data + at, len);
    return 0;
}

static void memory_close(struct hf_io_source *s)
{
    free(s);
}

static const struct hf_io_source_ops memory_ops = {memory_read_at, memory_close};

struct hf_io_source *hf_io_source_memory(const void *data, size_t len, struct hf_err *err)
{
    struct memory_source *m = calloc(1, sizeof *m);
    if (!m) {
        hf_fail_nomem(err);
        return NULL;
    }
    m->source.ops = &memory_ops;
    m->source.size = len;
    m->data = data;
    return &m->source;
}

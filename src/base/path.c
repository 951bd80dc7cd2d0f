/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

char *hf_path_join(const char *dir, const char *name)
{
    size_t len = strlen(dir);
    bool joined = len == 0 || dir[len - 1] == '/';
    return hf_asprintf("%s%s%s", dir, joined ? "" : "/", name);
}

static int make_dir(const char *dir, mode_t mode, struct hf_err *err)
{
    if (mkdir(dir, mode) == 0)
        return 0;
    /* Not only EEXIST: a parent on a read-only or automounted file system answers otherwise. */
    int saved = errno;
    struct stat st;
    if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    return hf_fail_sys(err, saved == EEXIST ? ENOTDIR : saved, "cannot create directory '%s'", dir);
}

int hf_path_mkdirs(const char *dir, mode_t mode, struct hf_err *err)
{
    HF_AUTOFREE char *path = strdup(dir);
    if (!path)
        return hf_fail_nomem(err);
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (slash > path && make_dir(path, 0755, err) < 0)
            return -1;
        *slash = '/';
    }
    return make_dir(path, mode, err);
}

/* Reads to the end of the file; more than max_bytes is an error. */
static int read_all(int fd, size_t max_bytes, struct hf_buf *out, struct hf_err *err)
{
    char chunk[16384];
    while (true) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_fail_sys(err, errno, "read failed");
        if (n == 0)
            return 0;
        if ((size_t)n > max_bytes - out->len)
            return hf_fail(err, HF_E_CORRUPT, "larger than %zu bytes", max_bytes);
        hf_buf_add(out, chunk, (size_t)n);
        if (!hf_buf_ok(out))
            return hf_fail_nomem(err);
    }
}

char *hf_path_read(const char *path, size_t max_bytes, size_t *out_len, struct hf_err *err)
{
    HF_AUTOFD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        hf_fail_sys(err, errno, "cannot open '%s'", path);
        return NULL;
    }
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    if (read_all(fd, max_bytes, &b, err) < 0) {
        hf_wrap(err, "'%s'", path);
        return NULL;
    }
    size_t len = b.len;
    char *text = hf_buf_steal(&b);
    if (!text)
        hf_fail_nomem(err);
    else if (out_len)
        *out_len = len;
    return text;
}

/* A file that disappears with the scope unless it was renamed to its final name. */
struct temp_file {
    char *path;
    int fd;
};

static void temp_file_drop(struct temp_file *t)
{
    if (t->fd >= 0)
        close(t->fd);
    if (t->path)
        unlink(t->path);
    free(t->path);
}
HF_DEFINE_AUTO_VALUE(temp_file, temp_file_drop)

static int temp_file_open(struct temp_file *t, const char *path, struct hf_err *err)
{
    HF_AUTOFREE char *name = hf_asprintf("%s.XXXXXX", path);
    if (!name)
        return hf_fail_nomem(err);
    t->fd = mkostemp(name, O_CLOEXEC); /* O_EXCL, 0600 */
    if (t->fd < 0)
        return hf_fail_sys(err, errno, "cannot create a file beside '%s'", path);
    t->path = HF_STEAL(name);
    return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The directory part of path as open() takes it: "." when there is none, "/" for the root. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int hf_path_write(const char *path, const void *data, size_t len, mode_t mode, struct hf_err *err)
{
    HF_AUTO(temp_file) struct temp_file t = {.fd = -1};
    if (temp_file_open(&t, path, err) < 0)
        return -1;
    /* The mode before the data: at no instant is a secret wider open than asked for. */
    if (fchmod(t.fd, mode) < 0 || write_all(t.fd, data, len) < 0 || fsync(t.fd) < 0)
        return hf_fail_sys(err, errno, "cannot write '%s'", path);
    if (rename(t.path, path) < 0)
        return hf_fail_sys(err, errno, "cannot replace '%s'", path);
    free(HF_STEAL(t.path)); /* it has its final name: nothing to remove */
    return hf_path_sync_parent(path, err);
}

int hf_path_sync_parent(const char *path, struct hf_err *err)
{
    HF_AUTOFREE char *parent = parent_of(path);
    return parent ? hf_path_sync_dir(parent, err) : hf_fail_nomem(err);
}

int hf_path_sync_dir(const char *dir, struct hf_err *err)
{
    HF_AUTOFD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return hf_fail_sys(err, errno, "cannot open directory '%s'", dir);
    if (fsync(fd) < 0)
        return hf_fail_sys(err, errno, "cannot sync directory '%s'", dir);
    return 0;
}

int hf_path_name_folder(const char *from, const char *to)
{
    struct stat st;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (lstat(to, &st) == 0) {
        errno = EEXIST;
        return -1;
    }
    return errno == ENOENT ? rename(from, to) : -1;
}

static int check_private_fd(int fd, const char *path, struct hf_err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return hf_fail_sys(err, errno, "cannot examine '%s'", path);
    if (!S_ISREG(st.st_mode))
        return hf_fail(err, HF_E_CONFIG, "'%s' is not a regular file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        hf_fail(err, HF_E_CONFIG, "'%s' belongs to user %u: it may change or read the secret", path,
                (unsigned)st.st_uid);
        return hf_hint(err, "Run: chown root '%s' && chmod 600 '%s'", path, path);
    }
    if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        hf_fail(err, HF_E_CONFIG, "'%s' is open to others (mode %04o)", path,
                (unsigned)st.st_mode & 07777);
        return hf_hint(err, "Run: chmod 600 '%s'", path);
    }
    return 0;
}

int hf_path_open_private(const char *path, struct hf_err *err)
{
    /* O_NONBLOCK: a FIFO in its place must not hang us before fstat can tell. */
    HF_AUTOFD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        hf_fail_sys(err, errno, "cannot open '%s'", path);
        err->cls = HF_E_CONFIG;
        return -1;
    }
    if (check_private_fd(fd, path, err) < 0)
        return -1;
    return HF_STEAL_FD(fd);
}

int hf_path_check_private(const char *path, struct hf_err *err)
{
    HF_AUTOFD int fd = hf_path_open_private(path, err);
    return fd < 0 ? -1 : 0;
}

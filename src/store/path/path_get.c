/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading objects, and reading them back: then what counts is what the disk or the server has, not this host's memory.
 */
#include "store/path/path_intern.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECT_ALIGN ((size_t)4096)

static int open_object(struct hf_store *store, const char *name, int flags, struct stat *st,
                       struct hf_err *err)
{
    const char *last = NULL;
    HF_AUTOFD int dir = hf_path_store_walk((struct hf_path_store *)store, name, false, &last, err);
    if (dir < 0)
        return -1;
    HF_AUTOFD int fd =
        openat(dir, last, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    if (fd < 0 || fstat(fd, st) < 0)
        return hf_path_store_fail(err, errno, "cannot open it");
    if (!S_ISREG(st->st_mode))
        return hf_fail(err, HF_E_CORRUPT, "not a regular file");
    return HF_STEAL_FD(fd);
}

static int truncated(uint64_t at, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "it ends at byte %llu: truncated", (unsigned long long)at);
}

static int read_exactly(int fd, uint64_t at, char *buf, size_t len, struct hf_err *err)
{
    while (len > 0) {
        ssize_t n = pread(fd, buf, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_path_store_fail(err, errno, "cannot read it");
        if (n == 0)
            return truncated(at, err);
        buf += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* At least `want` of `whole` bytes from an aligned place, or up to the end; *have: how many. 1: no O_DIRECT here. */
static int read_blocks(int fd, uint64_t at, char *blocks, size_t whole, size_t want, size_t *have,
                       struct hf_err *err)
{
    for (size_t done = 0;; done = *have / DIRECT_ALIGN * DIRECT_ALIGN) {
        ssize_t n = pread(fd, blocks + done, whole - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EINVAL ? 1 : hf_path_store_fail(err, errno, "cannot read it");
        *have = done + (size_t)n;
        /* An odd offset would be refused, so a read that stopped in mid-block is tried from that block's begin. */
        if (*have >= want || *have / DIRECT_ALIGN * DIRECT_ALIGN <= done)
            return 0;
    }
}

/* 1: this file system has no O_DIRECT. */
static int read_direct(struct hf_store *s, const char *name, uint64_t at, char *buf, size_t len,
                       struct hf_err *err)
{
    struct stat st;
    HF_AUTOFD int fd = open_object(s, name, O_DIRECT, &st, err);
    if (fd < 0)
        return err->sys_errno == EINVAL || err->sys_errno == EOPNOTSUPP ? 1 : -1;
    size_t skip = (size_t)(at % DIRECT_ALIGN), have = 0;
    size_t whole = (skip + len + DIRECT_ALIGN - 1) / DIRECT_ALIGN * DIRECT_ALIGN;
    HF_AUTOFREE char *blocks = aligned_alloc(DIRECT_ALIGN, whole);
    if (!blocks)
        return hf_fail_nomem(err);
    int rc = read_blocks(fd, at - skip, blocks, whole, skip + len, &have, err);
    if (rc != 0)
        return rc;
    if (have < skip + len)
        return truncated(at - skip + have, err);
    memcpy(buf, blocks + skip, len);
    return 0;
}

/* Clean pages only are dropped; an object was synced before it had its name. */
int hf_path_store_get(struct hf_store *s, const char *name, uint64_t at, void *buf, size_t len,
                      bool fresh, struct hf_err *err)
{
    struct stat st;
    struct hf_err odd = HF_ERR_INIT;
    int rc = fresh ? read_direct(s, name, at, buf, len, &odd) : 1;
    if (rc < 0)
        hf_err_copy(err, &odd);
    if (rc <= 0)
        return rc;
    HF_AUTOFD int fd = open_object(s, name, 0, &st, err);
    if (fd < 0)
        return -1;
    if (fresh)
        (void)posix_fadvise(fd, (off_t)(at / DIRECT_ALIGN * DIRECT_ALIGN), 0, POSIX_FADV_DONTNEED);
    return read_exactly(fd, at, buf, len, err);
}

int hf_path_store_head(struct hf_store *s, const char *name, struct hf_store_object *out,
                       struct hf_err *err)
{
    struct stat st;
    HF_AUTOFD int fd = open_object(s, name, 0, &st, err);
    if (fd < 0)
        return -1;
    out->bytes = (uint64_t)st.st_size;
    out->changed_s = st.st_mtim.tv_sec;
    return 0;
}

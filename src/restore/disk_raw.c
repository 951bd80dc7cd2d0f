/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/disk_target.h"

#include <stdlib.h>
#include <unistd.h>

struct raw {
    struct hf_disk_target target;
    int fd;
};

static int raw_put(struct hf_disk_target *t, unsigned worker, uint64_t at, const void *data,
                   size_t len, struct hf_err *err)
{
    const char *p = data;
    (void)worker;
    while (len > 0) {
        ssize_t n = pwrite(((struct raw *)t)->fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_fail_sys(err, errno, "write at %llu", (unsigned long long)at);
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int raw_sync(struct hf_disk_target *t, struct hf_err *err)
{
    return fdatasync(((struct raw *)t)->fd) < 0 ? hf_fail_sys(err, errno, "sync") : 0;
}

static int raw_finish(struct hf_disk_target *t, struct hf_err *err)
{
    return fsync(((struct raw *)t)->fd) < 0 ? hf_fail_sys(err, errno, "sync") : 0;
}

static void raw_close(struct hf_disk_target *t)
{
    free(t);
}

struct hf_disk_target *hf_disk_raw(int fd, struct hf_err *err)
{
    static const struct hf_disk_target_ops ops = {raw_put, raw_sync, raw_finish, raw_close};
    struct raw *r = calloc(1, sizeof *r);
    if (!r) {
        hf_fail_nomem(err);
        return NULL;
    }
    r->target.ops = &ops;
    r->fd = fd;
    return &r->target;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * SFTP has no request for this, but OpenSSH's server opens a directory like a file that is read, and syncs whatever was opened. Servers that do
 * not are not asked again. All requests of a kind go at once: two round trips, however deep the object lies.
 */
#include "store/sftp/sftp_intern.h"

#include <string.h>

#define DIRS_MAX (HF_STORE_PARTS_MAX + 1u)

struct syncing {
    struct hf_sftp *s;
    struct hf_sftp_handle handles[DIRS_MAX]; /* len 0: it was not opened */
    unsigned n, n_synced, n_failed;
};

/* One that is gone had nothing of ours, and one that may not be read is none of ours. */
static int take_handle(void *ctx, unsigned i, const struct hf_sftp_answer *a, struct hf_err *err)
{
    struct syncing *y = ctx;
    return a->type == HF_SFTP_HANDLE ? hf_sftp_keep_handle(a, &y->handles[i], err) : 0;
}

static int open_all(struct syncing *y, struct hf_sftp_conn *c, const char *name, struct hf_err *err)
{
    char dir[HF_STORE_NAME_MAX + 1];
    uint32_t ids[DIRS_MAX];
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    size_t len = 0;
    for (const char *slash = name; slash && y->n < DIRS_MAX; slash = strchr(name + len + 1, '/')) {
        len = (size_t)(slash - name);
        memcpy(dir, name, len);
        dir[len] = '\0';
        if (hf_sftp_add_open(y->s, c, &b, dir, HF_SFTP_FOR_READ, &ids[y->n++], err) < 0)
            return -1;
    }
    return hf_sftp_send(c, &b, y->n, err) < 0
               ? -1
               : hf_sftp_await_all(c, ids, y->n, take_handle, y, err);
}

static int take_sync(void *ctx, unsigned i, const struct hf_sftp_answer *a, struct hf_err *err)
{
    struct syncing *y = ctx;
    (void)i;
    if (a->type != HF_SFTP_STATUS)
        return hf_sftp_fail(a, "cannot sync its directory", err);
    y->n_synced += a->status == HF_SFTP_OK;
    y->n_failed += a->status == HF_SFTP_FAILURE;
    return 0;
}

/* FAILURE is also what one gets who cannot do it at all: of a server that can it is its disk. Others mean that this directory
 * cannot be synced, as on a CIFS mount. */
static int judge(struct syncing *y, struct hf_err *err)
{
    static const struct hf_sftp_answer failure = {.type = HF_SFTP_STATUS,
                                                  .status = HF_SFTP_FAILURE};
    int known = 0;
    atomic_compare_exchange_strong(&y->s->syncs_dirs, &known, y->n_synced > 0 ? 1 : -1);
    return y->n_failed > 0 && (known > 0 || y->n_synced > 0)
               ? hf_sftp_fail(&failure, "cannot sync its directory", err)
               : 0;
}

static int sync_all(struct syncing *y, struct hf_sftp_conn *c, struct hf_err *err)
{
    uint32_t ids[DIRS_MAX];
    unsigned n = 0;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    for (unsigned i = 0; i < y->n; i++)
        if (y->handles[i].len > 0)
            ids[n++] = hf_sftp_add_handle(c, &b, HF_SFTP_EXTENDED, &y->handles[i]);
    return hf_sftp_send(c, &b, n, err) < 0 || hf_sftp_await_all(c, ids, n, take_sync, y, err) < 0
               ? -1
               : judge(y, err);
}

int hf_sftp_sync_dirs(struct hf_sftp *s, struct hf_sftp_conn *c, const char *name,
                      struct hf_err *err)
{
    struct syncing y = {.s = s};
    if (!c->has.fsync || atomic_load(&s->syncs_dirs) < 0)
        return 0;
    int rc = open_all(&y, c, name, err) < 0 ? -1 : sync_all(&y, c, err);
    for (unsigned i = 0; i < y.n; i++)
        hf_sftp_close_handle(c, &y.handles[i]);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Only QEMU writes qcow2: its own program does it, told over NBD. One connection per worker, so that requests are in flight without
 * the workers waiting for each other; one more for what is not a worker's.
 */
#include "base/buf.h"
#include "base/child.h"
#include "base/point.h"
#include "base/proc.h"
#include "image/rebuild.h"
#include "restore/disk_target.h"

#include <fcntl.h>
#include <libnbd.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#define IMG_MS 60000
#define CHECK_MS (10 * 60 * 1000) /* of a large image that was left open */
#define CHECK_CORRUPT 2           /* exit status */
#define CHECK_LEAKS 3             /* some are left: they cost room, and nothing else */
#define START_MS 10000
#define ANSWER_MS 60000
#define SYNC_MS (10 * 60 * 1000) /* gigabytes may be on their way to a slow disk */
#define END_MS (10 * 60 * 1000)
#define PIECE_BYTES ((size_t)512 << 10)
#define CONNECTIONS_MAX (HF_IMAGE_REBUILD_WORKERS_MAX + 1)

struct connection {
    struct nbd_handle *h; /* NULL: none, or given up */
    unsigned waiting;     /* for so many answers */
    int error;            /* errno of the first that was one */
};

struct qcow2 {
    struct hf_disk_target target;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel;
    char *dir, *socket;
    struct hf_child *server;
    unsigned n;
    struct connection connections[CONNECTIONS_MAX];
};

/* ---- qemu-img --------------------------------------------------------------------------- */

int hf_disk_qcow2_create(const struct hf_disk_qcow2_opts *o, struct hf_err *err)
{
    char size[32];
    snprintf(size, sizeof size, "%llu", (unsigned long long)o->disk_bytes);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", o->path, size, NULL};
    const struct hf_proc_request req = {.argv = argv, .timeout_ms = IMG_MS};
    HF_AUTO(hf_proc_result) struct hf_proc_result res = {0};
    return hf_proc_check(&req, &res, err);
}

static bool begins_as_qcow2(const char *path)
{
    char magic[4] = "";
    HF_AUTOFD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, magic, sizeof magic, 0);
    return n < 0 || (n == sizeof magic && memcmp(magic, "QFI\xfb", sizeof magic) == 0);
}

/* Only what has been looked at and found broken is. That it could not be looked at says nothing of it. */
int hf_disk_qcow2_check(const struct hf_disk_qcow2_opts *o, struct hf_err *err)
{
    const char *const argv[] = {"qemu-img", "check", "-q",    "-f", "qcow2",
                                "-r",       "leaks", o->path, NULL};
    const struct hf_proc_request req = {.argv = argv, .timeout_ms = CHECK_MS, .cancel = o->cancel};
    HF_AUTO(hf_proc_result) struct hf_proc_result res = {0};
    if (!begins_as_qcow2(o->path))
        return hf_fail(err, HF_E_CORRUPT, "'%s' is no qcow2 image", o->path);
    int rc = hf_proc_check(&req, &res, err);
    if (rc < 0 && res.exit_code == CHECK_LEAKS) {
        hf_err_clear(err);
        return 0;
    }
    if (rc < 0 && res.exit_code == CHECK_CORRUPT)
        err->cls = HF_E_CORRUPT;
    return rc;
}

/* ---- a connection ----------------------------------------------------------------------- */

/* Answers may still be on their way, and what they are for is the caller's again. */
static void give_up(struct connection *c)
{
    if (c->h)
        nbd_close(HF_STEAL(c->h));
}

static int take_answer(void *user_data, int *error)
{
    struct connection *c = user_data;
    c->waiting--;
    if (*error && !c->error)
        c->error = *error;
    return 1; /* the command is retired */
}

static int lost(struct qcow2 *q, struct hf_err *err)
{
    if (hf_child_wait(q->server, 100))
        return hf_child_fail(q->server, err);
    const char *why = nbd_get_error();
    return hf_fail(err, HF_E_UNREACHABLE, "qemu-nbd: %s", why ? why : "the connection broke");
}

/* Takes it a step further. 1: it broke. */
static int step(const struct qcow2 *q, struct nbd_handle *h, const struct hf_cancel *cancel,
                int64_t until_ms, struct hf_err *err)
{
    unsigned direction = nbd_aio_get_direction(h);
    struct pollfd p[2] = {{.fd = nbd_aio_get_fd(h)},
                          {.fd = hf_cancel_fd(cancel), .events = POLLIN}};
    int left_ms = hf_clock_left_ms(q->clock, until_ms), rc = 0;
    if (hf_cancel_check(cancel, err) < 0)
        return -1;
    if (left_ms == 0)
        return hf_fail(err, HF_E_TIMEOUT, "qemu-nbd does not answer");
    p[0].events = (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                          (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
    if (poll(p, 2, left_ms) < 0)
        return errno == EINTR ? 0 : hf_fail_sys(err, errno, "wait for qemu-nbd");
    if (p[0].revents & (POLLIN | POLLHUP | POLLERR) && direction & LIBNBD_AIO_DIRECTION_READ)
        rc = nbd_aio_notify_read(h);
    else if (p[0].revents && direction & LIBNBD_AIO_DIRECTION_WRITE)
        rc = nbd_aio_notify_write(h);
    return rc < 0 || nbd_aio_is_dead(h) || nbd_aio_is_closed(h);
}

/* Until all answers are there. */
static int settle(struct qcow2 *q, struct connection *c, const struct hf_cancel *cancel,
                  int64_t within_ms, const char *what, struct hf_err *err)
{
    int64_t until_ms = hf_clock_mono_ms(q->clock) + within_ms;
    while (c->waiting && !c->error) {
        int rc = step(q, c->h, cancel, until_ms, err);
        if (rc) {
            if (rc > 0)
                lost(q, err);
            give_up(c);
            return -1;
        }
    }
    if (!c->error)
        return 0;
    give_up(c);
    return hf_fail_sys(err, c->error, "qemu-nbd: %s", what);
}

static int check_open(const struct connection *c, struct hf_err *err)
{
    return c->h ? 0 : hf_fail(err, HF_E_UNREACHABLE, "the connection was given up after an error");
}

/* ---- operations ------------------------------------------------------------------------- */

static int qcow2_put(struct hf_disk_target *t, unsigned worker, uint64_t at, const void *data,
                     size_t len, struct hf_err *err)
{
    struct qcow2 *q = (struct qcow2 *)t;
    struct connection *c = &q->connections[worker];
    char what[64];
    snprintf(what, sizeof what, "write at %llu", (unsigned long long)at);
    if (check_open(c, err) < 0)
        return -1;
    for (const char *p = data; len > 0;) {
        size_t n = len < PIECE_BYTES ? len : PIECE_BYTES;
        nbd_completion_callback done = {.callback = take_answer, .user_data = c};
        c->waiting++;
        if (nbd_aio_pwrite(c->h, p, n, at, done, 0) < 0) {
            lost(q, err);
            give_up(c);
            return -1;
        }
        p += n;
        at += n;
        len -= n;
    }
    return settle(q, c, q->cancel, ANSWER_MS, what, err);
}

/* Of one connection, for all: behind them is one image. Also what was written before somebody wanted us to stop. */
static int qcow2_sync(struct hf_disk_target *t, struct hf_err *err)
{
    struct qcow2 *q = (struct qcow2 *)t;
    struct connection *c = &q->connections[q->n - 1];
    nbd_completion_callback done = {.callback = take_answer, .user_data = c};
    if (check_open(c, err) < 0)
        return -1;
    c->waiting++;
    if (nbd_aio_flush(c->h, done, 0) < 0) {
        lost(q, err);
        give_up(c);
        return -1;
    }
    return settle(q, c, NULL, SYNC_MS, "sync", err);
}

/* Without clients it closes the image and ends by itself. */
static int qcow2_finish(struct hf_disk_target *t, struct hf_err *err)
{
    struct qcow2 *q = (struct qcow2 *)t;
    if (qcow2_sync(t, err) < 0)
        return -1;
    for (unsigned i = 0; i < q->n; i++)
        give_up(&q->connections[i]);
    return hf_child_finish(q->server, END_MS, err);
}

static void remove_socket(struct qcow2 *q)
{
    if (q->socket)
        unlink(q->socket);
    if (q->dir)
        rmdir(q->dir);
    free(HF_STEAL(q->socket));
    free(HF_STEAL(q->dir));
}

static void qcow2_close(struct hf_disk_target *t)
{
    struct qcow2 *q = (struct qcow2 *)t;
    for (unsigned i = 0; i < q->n; i++)
        give_up(&q->connections[i]);
    hf_child_free(q->server);
    remove_socket(q);
    free(q);
}

/* ---- begin ------------------------------------------------------------------------------ */

static int make_socket(struct qcow2 *q, struct hf_err *err)
{
    const char *tmp = getenv("TMPDIR");
    HF_AUTOFREE char *dir = hf_asprintf("%s/holdfast-nbd-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!dir)
        return hf_fail_nomem(err);
    if (!mkdtemp(dir)) /* 0700 */
        return hf_fail_sys(err, errno, "cannot make a folder for a socket");
    q->dir = HF_STEAL(dir);
    q->socket = hf_asprintf("%s/nbd", q->dir);
    return q->socket ? 0 : hf_fail_nomem(err);
}

static int start_server(struct qcow2 *q, const char *path, struct hf_err *err)
{
    HF_AUTOFREE char *socket = hf_asprintf("--socket=%s", q->socket);
    if (!socket)
        return hf_fail_nomem(err);
    /* Not --persistent: it ends with its last client. */
    const char *const argv[] = {"qemu-nbd",          socket, "--shared=16", "--format=qcow2",
                                "--cache=writeback", path,   NULL};
    q->server = hf_child_start(argv, err);
    return q->server ? 0 : -1;
}

/* 1: nobody listens there, yet. */
static int try_connect(const struct qcow2 *q, struct nbd_handle *h, int64_t until_ms,
                       struct hf_err *err)
{
    int rc = nbd_aio_connect_unix(h, q->socket) < 0;
    while (rc == 0 && !nbd_aio_is_ready(h))
        rc = nbd_aio_is_dead(h) || nbd_aio_is_closed(h) ? 1 : step(q, h, q->cancel, until_ms, err);
    return rc;
}

/* It listens a little after it was started. */
static int connect_one(struct qcow2 *q, struct connection *c, int64_t until_ms, struct hf_err *err)
{
    for (;;) {
        c->h = nbd_create();
        if (!c->h)
            return hf_fail_nomem(err);
        int rc = try_connect(q, c->h, until_ms, err);
        if (rc == 0)
            return 0;
        give_up(c);
        if (rc < 0)
            return -1;
        if (hf_child_wait(q->server, 10))
            return hf_child_fail(q->server, err);
        if (hf_cancel_check(q->cancel, err) < 0)
            return -1;
        if (hf_clock_is_past(q->clock, until_ms))
            return hf_fail(err, HF_E_TIMEOUT, "qemu-nbd does not listen");
    }
}

static int connect_all(struct qcow2 *q, uint64_t disk_bytes, struct hf_err *err)
{
    int64_t until_ms = hf_clock_mono_ms(q->clock) + START_MS;
    for (unsigned i = 0; i < q->n; i++)
        if (connect_one(q, &q->connections[i], until_ms, err) < 0)
            return -1;
    int64_t size = nbd_get_size(q->connections[0].h);
    if (size < 0 || (uint64_t)size < disk_bytes || (uint64_t)size - disk_bytes >= 512)
        return hf_fail(err, HF_E_CORRUPT, "the qcow2 image has %lld bytes instead of %llu",
                       (long long)size, (unsigned long long)disk_bytes);
    remove_socket(q); /* nobody else is to come, and nothing is left should we be killed */
    return 0;
}

struct hf_disk_target *hf_disk_qcow2(const struct hf_disk_qcow2_opts *o, struct hf_err *err)
{
    static const struct hf_disk_target_ops ops = {qcow2_put, qcow2_sync, qcow2_finish, qcow2_close};
    struct qcow2 *q = calloc(1, sizeof *q);
    if (!q) {
        hf_fail_nomem(err);
        return NULL;
    }
    q->target.ops = &ops;
    q->clock = o->clock;
    q->cancel = o->cancel;
    q->n = o->workers + 1;
    HF_AUTO(hf_disk_target) struct hf_disk_target *t = &q->target;
    if (make_socket(q, err) < 0 || start_server(q, o->path, err) < 0 ||
        HF_POINT_ERR("restore.image.after_qemu_nbd", err) < 0 ||
        connect_all(q, o->disk_bytes, err) < 0)
        return NULL;
    return HF_STEAL(t);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "image/nbd_intern.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 60000
#define REQUESTS_MAX 64
#define REQUEST_MAX ((size_t)32 << 20)

void hf_nbd_close(struct hf_nbd *n)
{
    if (!n)
        return;
    if (n->h)
        nbd_close(n->h);
    free(n->allocation_ctx);
    free(n->dirty_ctx);
    free(n);
}

uint64_t hf_nbd_size(const struct hf_nbd *n)
{
    return n->size;
}

bool hf_nbd_knows_changes(const struct hf_nbd *n)
{
    return n->dirty_ctx != NULL;
}

/* libnbd puts "nbd_function: " in front. */
static const char *reason(void)
{
    const char *text = nbd_get_error();
    const char *colon = text ? strstr(text, ": ") : NULL;
    return colon ? colon + 2 : text ? text : "no reason given";
}

int nbd_fail(struct hf_err *err, const char *what, uint64_t offset)
{
    return hf_fail(err, HF_E_UNREACHABLE, "%s at offset %llu: %s", what, (unsigned long long)offset,
                   reason());
}

void nbd_give_up(struct hf_nbd *n)
{
    nbd_close(HF_STEAL(n->h));
}

int nbd_check_open(const struct hf_nbd *n, struct hf_err *err)
{
    return n->h ? 0 : hf_fail(err, HF_E_UNREACHABLE, "the connection was given up after an error");
}

static int notify(struct hf_nbd *n, const struct pollfd *p)
{
    unsigned direction = nbd_aio_get_direction(n->h);
    if (p->revents & (POLLIN | POLLHUP | POLLERR) && direction & LIBNBD_AIO_DIRECTION_READ)
        return nbd_aio_notify_read(n->h);
    if (p->revents & (POLLOUT | POLLHUP | POLLERR) && direction & LIBNBD_AIO_DIRECTION_WRITE)
        return nbd_aio_notify_write(n->h);
    return 0;
}

int nbd_wait(struct hf_nbd *n, int64_t deadline_ms, struct hf_err *err)
{
    unsigned direction = nbd_aio_get_direction(n->h);
    struct pollfd p[2] = {{.fd = nbd_aio_get_fd(n->h)},
                          {.fd = hf_cancel_fd(n->cancel), .events = POLLIN}};
    int64_t left = deadline_ms - hf_clock_mono_ms(n->clock);
    if (hf_cancel_check(n->cancel, err) != 0)
        return -1;
    if (nbd_aio_is_dead(n->h) || nbd_aio_is_closed(n->h))
        return hf_fail(err, HF_E_UNREACHABLE, "the NBD server is gone");
    if (direction & LIBNBD_AIO_DIRECTION_READ)
        p[0].events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        p[0].events |= POLLOUT;
    int rc = poll(p, 2, left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
    if (rc < 0 && errno != EINTR)
        return hf_fail_sys(err, errno, "wait for the NBD server");
    if (hf_cancel_check(n->cancel, err) != 0)
        return -1;
    if (rc > 0 && notify(n, &p[0]) != 0)
        return hf_fail(err, HF_E_UNREACHABLE, "connection to the NBD server: %s", reason());
    return 0;
}

static int add_context(struct hf_nbd *n, const char *context, char **keep, struct hf_err *err)
{
    if (!context)
        return 0;
    *keep = strdup(context);
    if (!*keep)
        return hf_fail_nomem(err);
    if (nbd_add_meta_context(n->h, context) != 0)
        return hf_fail(err, HF_E_CONFIG, "NBD context '%s': %s", context, reason());
    return 0;
}

static int wait_for_connection(struct hf_nbd *n, struct hf_err *err)
{
    int64_t deadline = hf_clock_mono_ms(n->clock) + n->timeout_ms;
    while (!nbd_aio_is_ready(n->h)) {
        if (nbd_aio_is_dead(n->h) || nbd_aio_is_closed(n->h))
            return hf_fail(err, HF_E_UNREACHABLE, "connect: %s", reason());
        if (hf_clock_mono_ms(n->clock) >= deadline)
            return hf_fail(err, HF_E_TIMEOUT, "connect: no answer");
        if (nbd_wait(n, deadline, err) != 0)
            return -1;
    }
    return 0;
}

/* The URI is a plugin's: it leads to a socket of this host, and starts no program. */
static int connect_to(struct hf_nbd *n, const char *uri, struct hf_err *err)
{
    if (nbd_set_uri_allow_transports(n->h, LIBNBD_ALLOW_TRANSPORT_UNIX) != 0 ||
        nbd_set_uri_allow_tls(n->h, LIBNBD_TLS_DISABLE) != 0 ||
        nbd_aio_connect_uri(n->h, uri) != 0) {
        int cls = nbd_get_errno() == ENOENT || nbd_get_errno() == ECONNREFUSED ? HF_E_UNREACHABLE
                                                                               : HF_E_CONFIG;
        return hf_fail(err, cls, "%s", reason());
    }
    return wait_for_connection(n, err);
}

static int take_facts(struct hf_nbd *n, struct hf_err *err)
{
    int64_t size = nbd_get_size(n->h);
    int64_t most = nbd_get_block_size(n->h, LIBNBD_SIZE_MAXIMUM);
    if (size < 0)
        return hf_fail(err, HF_E_CORRUPT, "the NBD server tells no size: %s", reason());
    n->size = (uint64_t)size;
    if (most > 0 && (uint64_t)most < n->request_bytes)
        n->request_bytes = (size_t)most;
    if (n->allocation_ctx && nbd_can_meta_context(n->h, n->allocation_ctx) != 1)
        free(HF_STEAL(n->allocation_ctx));
    if (n->dirty_ctx && nbd_can_meta_context(n->h, n->dirty_ctx) != 1)
        return hf_fail(err, HF_E_NOT_FOUND, "the NBD server does not know the context '%s'",
                       n->dirty_ctx);
    return 0;
}

static int check_opts(const struct hf_nbd_opts *o, struct hf_err *err)
{
    if (o->requests > REQUESTS_MAX || o->request_bytes > REQUEST_MAX)
        return hf_fail(err, HF_E_CONFIG, "%u requests of %zu bytes are too many", o->requests,
                       o->request_bytes);
    return 0;
}

struct hf_nbd *hf_nbd_open(const struct hf_nbd_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_nbd) struct hf_nbd *n = calloc(1, sizeof *n);
    if (!n) {
        hf_fail_nomem(err);
        return NULL;
    }
    n->clock = opts->clock ? opts->clock : hf_clock_system();
    n->cancel = opts->cancel;
    n->requests = opts->requests ? opts->requests : HF_NBD_REQUESTS;
    n->request_bytes = opts->request_bytes ? opts->request_bytes : HF_NBD_REQUEST_BYTES;
    n->timeout_ms = opts->timeout_ms ? opts->timeout_ms : TIMEOUT_MS;
    n->h = nbd_create();
    if (!n->h) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (check_opts(opts, err) != 0 ||
        add_context(n, opts->allocation_ctx, &n->allocation_ctx, err) != 0 ||
        add_context(n, opts->dirty_ctx, &n->dirty_ctx, err) != 0 ||
        connect_to(n, opts->uri, err) != 0 || take_facts(n, err) != 0) {
        hf_wrap(err, "'%s'", opts->uri);
        return NULL;
    }
    return HF_STEAL(n);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ssh_intern.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_MS 10000
#define LOOK_MS 250 /* at the least so often: has somebody cancelled by a parent or a deadline */
#define FREE_ATTEMPTS 1000

int hf_ssh_library_init(struct hf_err *err)
{
    return libssh2_init(0) ? hf_fail(err, HF_E_INTERNAL, "libssh2 does not start") : 0;
}

void hf_ssh_library_end(void)
{
    libssh2_exit();
}

/* ---- bytes: what libssh2 calls ---------------------------------------------------------- */

size_t hf_ssh_pending(const struct hf_ssh_conn *c)
{
    return c->pending.len - c->pending_at;
}

/* What was sent goes, so that the buffer does not grow under one who always has something to send. */
static void drop_sent(struct hf_ssh_conn *c)
{
    if (c->pending_at < c->pending.len / 2)
        return;
    c->pending.len -= c->pending_at;
    if (c->pending.len > 0)
        memmove(c->pending.data, c->pending.data + c->pending_at, c->pending.len);
    c->pending_at = 0;
}

void hf_ssh_flush(struct hf_ssh_conn *c)
{
    while (hf_ssh_pending(c) > 0) {
        ssize_t n = send(c->fd, c->pending.data + c->pending_at, hf_ssh_pending(c), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 &&
            errno != EAGAIN) { /* nobody will ever take it: whoever waits for room must not */
            c->is_lost = true;
            c->pending_at = c->pending.len;
        }
        if (n < 0)
            break;
        c->pending_at += (size_t)n;
    }
    if (hf_buf_ok(&c->pending))
        drop_sent(c);
}

/* The ssh-agent's socket comes here, too: libssh2 asks it in between, and would wait for ever. */
static ssize_t agent_io(struct hf_ssh_conn *c, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    do
        n = poll(&p, 1, hf_clock_left_ms(c->clock, c->agent_until_ms));
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : n < 0 ? -errno : -ETIMEDOUT;
}

/* How many of them went by themselves, without a copy: none while others wait. */
static size_t send_now(struct hf_ssh_conn *c, const void *bytes, size_t len)
{
    hf_ssh_flush(c);
    ssize_t n = hf_ssh_pending(c) == 0 ? send(c->fd, bytes, len, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        c->is_lost = true;
    return n > 0 ? (size_t)n : 0;
}

static LIBSSH2_SEND_FUNC(take_bytes)
{
    struct hf_ssh_conn *c = *abstract;
    (void)flags;
    if (socket != c->fd) {
        ssize_t rc = agent_io(c, socket, POLLOUT);
        ssize_t n = rc < 0 ? rc : send(socket, buffer, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        return n < 0 && rc == 0 ? -errno : n;
    }
    size_t sent = send_now(c, buffer, length);
    if (c->is_lost)
        return -ECONNRESET;
    if (sent == length)
        return (ssize_t)length;
    hf_buf_add(&c->pending, (const char *)buffer + sent, length - sent);
    return hf_buf_ok(&c->pending) ? (ssize_t)length : -ENOMEM;
}

static LIBSSH2_RECV_FUNC(give_bytes)
{
    struct hf_ssh_conn *c = *abstract;
    (void)flags;
    ssize_t rc = socket == c->fd ? 0 : agent_io(c, socket, POLLIN);
    if (rc < 0)
        return rc;
    ssize_t n = recv(socket, buffer, length, MSG_DONTWAIT);
    int e = n < 0 ? errno : 0;
    if (socket == c->fd && (n == 0 || (e && e != EAGAIN && e != EINTR)))
        c->is_lost = true;
    if (n < 0)
        return e == EINTR ? -EAGAIN : -e;
    /* libssh2 1.10 asks an agent that has hung up again and again. */
    if (n == 0 && socket != c->fd)
        return -ECONNRESET;
    c->n_received += socket == c->fd ? (uint64_t)n : 0;
    return n;
}

bool hf_ssh_wait(struct hf_ssh_conn *c, int64_t until_ms)
{
    struct pollfd p[] = {{.fd = c->fd, .events = POLLIN},
                         {.fd = hf_cancel_fd(c->cancel), .events = POLLIN}};
    int left_ms = hf_clock_left_ms(c->clock, until_ms);
    if (left_ms == 0 || hf_cancel_is_set(c->cancel))
        return false;
    if (c->cancel && left_ms > LOOK_MS)
        left_ms = LOOK_MS;
    hf_ssh_flush(c);
    if (hf_ssh_pending(c) > 0)
        p[0].events |= POLLOUT;
    (void)poll(p, 2, left_ms); /* EINTR, a cancel and the end of the time: seen in the next call */
    return true;
}

/* ---- errors ----------------------------------------------------------------------------- */

static enum hf_err_class class_of(int rc)
{
    switch (rc) {
    case LIBSSH2_ERROR_SOCKET_NONE:
    case LIBSSH2_ERROR_BANNER_RECV:
    case LIBSSH2_ERROR_BANNER_SEND:
    case LIBSSH2_ERROR_SOCKET_SEND:
    case LIBSSH2_ERROR_SOCKET_RECV:
    case LIBSSH2_ERROR_SOCKET_DISCONNECT:
    case LIBSSH2_ERROR_SOCKET_TIMEOUT:
    case LIBSSH2_ERROR_TIMEOUT:
    case LIBSSH2_ERROR_BAD_SOCKET:
        return HF_E_UNREACHABLE;
    case LIBSSH2_ERROR_KEX_FAILURE:
    case LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE:
    case LIBSSH2_ERROR_METHOD_NONE:
    case LIBSSH2_ERROR_METHOD_NOT_SUPPORTED:
        return HF_E_UNSUPPORTED;
    case LIBSSH2_ERROR_ALLOC:
        return HF_E_INTERNAL;
    default:
        return HF_E_PLUGIN;
    }
}

int hf_ssh_fail(struct hf_ssh_conn *c, int rc, const char *what, struct hf_err *err)
{
    char *said = NULL;
    libssh2_session_last_error(c->session, &said, NULL, 0);
    /* What libssh2 was doing when the connection was lost it calls a failed key exchange. */
    if (class_of(rc) == HF_E_UNREACHABLE || c->is_lost)
        return hf_fail(err, HF_E_UNREACHABLE, "ssh %s: %s: connection lost", c->name, what);
    return hf_fail(err, class_of(rc), "ssh %s: %s: %s", c->name, what,
                   said && *said ? said : "failed");
}

int hf_ssh_fail_time(struct hf_ssh_conn *c, const char *what, struct hf_err *err)
{
    if (hf_cancel_check(c->cancel, err) < 0)
        return -1;
    return hf_fail(err, HF_E_TIMEOUT, "ssh %s: %s: not done in time", c->name, what);
}

/* ---- opening and closing ---------------------------------------------------------------- */

/* Else a host that has several keys may show one that is not in the file. None of them usable: any is asked for, and the
 * key is refused when it is shown. What libssh2 does not know is left out here: 1.10 overwrites its own list when it has to
 * (memcpy onto itself). */
static void choose_algorithms(struct hf_ssh_conn *c, const struct hf_known_host *known,
                              struct hf_buf *out)
{
    const char **supported = NULL;
    int n = libssh2_session_supported_algs(c->session, LIBSSH2_METHOD_HOSTKEY, &supported);
    if (n <= 0)
        return;
    hf_known_host_algorithms(known, supported, n, out);
    libssh2_free(c->session, supported);
    if (out->len > 0)
        (void)libssh2_session_method_pref(c->session, LIBSSH2_METHOD_HOSTKEY, hf_buf_str(out));
}

static int shake_hands(struct hf_ssh_conn *c, const struct hf_known_host *known, int64_t until_ms,
                       struct hf_err *err)
{
    int rc;
    HF_AUTO(hf_buf) struct hf_buf algorithms = HF_BUF_INIT;
    choose_algorithms(c, known, &algorithms);
    while ((rc = libssh2_session_handshake(c->session, c->fd)) == LIBSSH2_ERROR_EAGAIN)
        if (!hf_ssh_wait(c, until_ms))
            return hf_ssh_fail_time(c, "key exchange", err);
    if (rc == 0)
        return 0;
    hf_ssh_fail(c, rc, "key exchange", err);
    if (err->cls == HF_E_UNSUPPORTED && algorithms.len > 0)
        hf_hint(err,
                "Only key types that '%s' has for this host were asked for: %s. Add its ed25519 "
                "key there "
                "(RSA host keys need libssh2 1.11).",
                known->file, hf_buf_str(&algorithms));
    return -1;
}

static struct hf_ssh_conn *conn_new(const struct hf_ssh_target *t, const struct hf_clock *clock,
                                    struct hf_err *err)
{
    struct hf_ssh_conn *c = calloc(1, sizeof *c);
    if (!c || !(c->session = libssh2_session_init_ex(NULL, NULL, NULL, c))) {
        free(c);
        hf_fail_nomem(err);
        return NULL;
    }
    c->clock = clock;
    c->cancel = t->cancel;
    c->fd = -1;
    snprintf(c->name, sizeof c->name, strchr(t->host, ':') ? "%s@[%s]:%u" : "%s@%s:%u", t->user,
             t->host, t->port);
    libssh2_session_set_blocking(c->session, 0);
    libssh2_session_callback_set(c->session, LIBSSH2_CALLBACK_SEND, (void *)take_bytes);
    libssh2_session_callback_set(c->session, LIBSSH2_CALLBACK_RECV, (void *)give_bytes);
    return c;
}

struct hf_ssh_conn *hf_ssh_connect(const struct hf_ssh_target *t, const struct hf_clock *clock,
                                   struct hf_log *log, int64_t deadline_ms, struct hf_err *err)
{
    int64_t begin_ms = hf_clock_mono_ms(clock);
    int64_t until_ms = begin_ms + (t->connect_timeout_ms ? t->connect_timeout_ms : CONNECT_MS);
    until_ms = until_ms < deadline_ms ? until_ms : deadline_ms;
    HF_AUTO(hf_known_host) struct hf_known_host known = {0};
    if (hf_known_host_read(t, &known, err) < 0)
        return NULL;
    HF_AUTO(hf_ssh_conn) struct hf_ssh_conn *c = conn_new(t, clock, err);
    if (!c)
        return NULL;
    if ((c->fd = hf_ssh_dial(t, clock, until_ms, err)) < 0) {
        hf_wrap(err, "ssh %s", c->name);
        return NULL;
    }
    if (shake_hands(c, &known, until_ms, err) < 0 || hf_ssh_check_host(c, &known, err) < 0 ||
        hf_ssh_log_in(c, t, until_ms, err) < 0)
        return NULL;
    hf_log(log, HF_LOG_DETAIL, "ssh", "logged in to %s in %lld ms", c->name,
           (long long)(hf_clock_mono_ms(clock) - begin_ms));
    return HF_STEAL(c);
}

LIBSSH2_CHANNEL *hf_ssh_open_channel(struct hf_ssh_conn *c, int64_t until_ms, struct hf_err *err)
{
    LIBSSH2_CHANNEL *channel;
    while (!(channel = libssh2_channel_open_session(c->session))) {
        int rc = libssh2_session_last_errno(c->session);
        if (rc != LIBSSH2_ERROR_EAGAIN) {
            hf_ssh_fail(c, rc, "opening a channel", err);
            return NULL;
        }
        if (!hf_ssh_wait(c, until_ms)) {
            hf_ssh_fail_time(c, "opening a channel", err);
            return NULL;
        }
    }
    return channel;
}

void hf_ssh_conn_close(struct hf_ssh_conn *c)
{
    if (!c)
        return;
    if (c->fd >= 0) {
        (void)libssh2_session_disconnect(c->session, "done");
        hf_ssh_flush(c);
        /* From here on libssh2 finds the connection closed, and waits for no channel to end. */
        shutdown(c->fd, SHUT_RDWR);
    }
    for (int i = 0; i < FREE_ATTEMPTS; i++)
        if (libssh2_session_free(c->session) != LIBSSH2_ERROR_EAGAIN)
            break;
    hf_buf_free(&c->pending);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}

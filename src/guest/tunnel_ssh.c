/* SPDX-License-Identifier: Apache-2.0
 *
 * The tunnel's way through ssh: each stream is a channel, "direct-tcpip" or "direct-streamlocal@openssh.com".
 *
 * One channel more is open all the time and runs nothing: libssh2 reads from its connection only on behalf of a channel, and
 * without a client nobody else would answer sshd's keepalives, or notice that it has gone.
 */
#include "guest/ssh_intern.h"
#include "guest/tunnel.h"
#include "guest/tunnel_backend.h"

#include <arpa/inet.h>
#include <string.h>

#define WINDOW_BYTES ((unsigned)2 << 20)
#define PACKET_BYTES 32768
/* Clients, and streams whose end the guest has not confirmed yet. */
#define STREAMS_MAX 64

struct stream {
    LIBSSH2_CHANNEL *channel; /* NULL: not open yet */
    bool is_closed;           /* by the tunnel: wound up here when the guest confirms it */
    struct hf_err why;        /* it could not be opened */
};

struct way {
    struct hf_ssh_conn *conn;
    LIBSSH2_CHANNEL *idle;
    char *name; /* "127.0.0.1:3306", as the guest sees it */
    const char *type;
    struct hf_buf message; /* of type: where to */
    struct stream *streams[STREAMS_MAX];
    struct stream *opening; /* the one that libssh2 is asked for: it takes one at a time */
    uint64_t n_seen;
};

/* ---- opening ---------------------------------------------------------------------------- */

static int way_open(void *self, void **out_stream, struct hf_err *err)
{
    struct way *w = self;
    size_t i = 0;
    while (i < STREAMS_MAX && w->streams[i])
        i++;
    if (i == STREAMS_MAX)
        return hf_fail(err, HF_E_BUSY, "ssh %s: the guest does not close its connections",
                       w->conn->name);
    struct stream *s = calloc(1, sizeof *s);
    if (!s)
        return hf_fail_nomem(err);
    s->why = (struct hf_err)HF_ERR_INIT;
    *out_stream = w->streams[i] = s;
    return 0;
}

static void note_refusal(struct way *w, struct stream *s, int rc)
{
    hf_ssh_fail(w->conn, rc, w->name, &s->why);
    if (s->why.cls == HF_E_PLUGIN)
        s->why.cls = HF_E_UNREACHABLE;
    if (strstr(s->why.message, "prohibited"))
        hf_hint(
            &s->why,
            "sshd in the guest has to allow it: AllowTcpForwarding, AllowStreamLocalForwarding, "
            "PermitOpen.");
}

static bool is_waiting(const struct stream *s)
{
    return s && !s->channel && !s->is_closed && s->why.cls == HF_E_NONE;
}

/* Asks for the next stream that waits, or goes on with the one asked for, even if nobody wants it any more. */
static void open_next(struct way *w)
{
    for (size_t i = 0; i < STREAMS_MAX && !w->opening; i++)
        if (is_waiting(w->streams[i]))
            w->opening = w->streams[i];
    if (!w->opening)
        return;
    LIBSSH2_CHANNEL *channel =
        libssh2_channel_open_ex(w->conn->session, w->type, (unsigned)strlen(w->type), WINDOW_BYTES,
                                PACKET_BYTES, w->message.data, (unsigned)w->message.len);
    int rc = channel ? 0 : libssh2_session_last_errno(w->conn->session);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return;
    if (rc)
        note_refusal(w, w->opening, rc);
    w->opening->channel = channel;
    w->opening = NULL;
}

/* ---- streams ---------------------------------------------------------------------------- */

static ssize_t way_read(void *self, void *stream, void *buf, size_t size, struct hf_err *err)
{
    struct way *w = self;
    struct stream *s = stream;
    if (s->why.cls != HF_E_NONE) {
        hf_err_copy(err, &s->why);
        return -1;
    }
    if (!s->channel)
        return HF_TUNNEL_AGAIN;
    /* A little at a time: libssh2 widens the window by what is asked for. */
    ssize_t n = libssh2_channel_read(s->channel, buf, size < PACKET_BYTES ? size : PACKET_BYTES);
    if (n == LIBSSH2_ERROR_EAGAIN)
        return HF_TUNNEL_AGAIN;
    return n < 0 ? hf_ssh_fail(w->conn, (int)n, w->name, err) : n;
}

static ssize_t way_write(void *self, void *stream, const void *buf, size_t len, struct hf_err *err)
{
    struct way *w = self;
    struct stream *s = stream;
    if (!s->channel || hf_ssh_pending(w->conn) >= HF_SSH_PENDING_MAX)
        return HF_TUNNEL_AGAIN;
    ssize_t n = libssh2_channel_write(s->channel, buf, len);
    if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
        return HF_TUNNEL_AGAIN;
    return n < 0 ? hf_ssh_fail(w->conn, (int)n, w->name, err) : n;
}

static int way_finish(void *self, void *stream, struct hf_err *err)
{
    struct way *w = self;
    struct stream *s = stream;
    int rc = s->channel ? libssh2_channel_send_eof(s->channel) : 0;
    return rc ? hf_ssh_fail(w->conn, rc, w->name, err) : 0;
}

static void way_close(void *self, void *stream)
{
    (void)self;
    ((struct stream *)stream)->is_closed = true;
}

/* Frees what was closed as soon as the guest has confirmed it. */
static void wind_up(struct way *w)
{
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        struct stream *s = w->streams[i];
        if (!s || !s->is_closed || s == w->opening)
            continue;
        if (s->channel && libssh2_channel_free(s->channel) == LIBSSH2_ERROR_EAGAIN)
            continue;
        free(s);
        w->streams[i] = NULL;
    }
}

/* ---- the session ------------------------------------------------------------------------ */

static int way_work(void *self, struct hf_err *err)
{
    struct way *w = self;
    char dropped[512];
    hf_ssh_flush(w->conn);
    open_next(w);
    wind_up(w);
    ssize_t n = libssh2_channel_read(w->idle, dropped, sizeof dropped);
    if (n == LIBSSH2_ERROR_EAGAIN || n > 0)
        return 0;
    return hf_ssh_fail(w->conn, n < 0 ? (int)n : LIBSSH2_ERROR_SOCKET_DISCONNECT, "tunnel", err);
}

/* What came in this turn may belong to a stream that was asked before: then there is another turn. */
static int way_wait(void *self, struct pollfd *at)
{
    struct way *w = self;
    bool is_settled = w->n_seen == w->conn->n_received;
    w->n_seen = w->conn->n_received;
    at->fd = w->conn->fd;
    at->events = (short)(POLLIN | (hf_ssh_pending(w->conn) > 0 ? POLLOUT : 0));
    return is_settled ? -1 : 0;
}

static void way_free(void *self)
{
    struct way *w = self;
    if (!w)
        return;
    hf_ssh_conn_close(w->conn); /* and with it its channels */
    for (size_t i = 0; i < STREAMS_MAX; i++)
        free(w->streams[i]);
    hf_buf_free(&w->message);
    free(w->name);
    free(w);
}

static inline void way_drop(struct way *w)
{
    way_free(w);
}
HF_DEFINE_AUTO(way, way_drop)

static const struct hf_tunnel_backend ssh_backend = {.name = "ssh",
                                                     .open = way_open,
                                                     .read = way_read,
                                                     .write = way_write,
                                                     .finish = way_finish,
                                                     .close = way_close,
                                                     .work = way_work,
                                                     .wait = way_wait,
                                                     .free = way_free};

/* ---- where to --------------------------------------------------------------------------- */

static void add_number(struct hf_buf *b, uint32_t n)
{
    uint32_t wire = htonl(n);
    hf_buf_add(b, &wire, sizeof wire);
}

static void add_string(struct hf_buf *b, const char *s)
{
    add_number(b, (uint32_t)strlen(s));
    hf_buf_str_add(b, s);
}

static int aim(struct way *w, const struct hf_db_endpoint *to, struct hf_err *err)
{
    if (to->host) {
        w->type = "direct-tcpip";
        w->name = hf_asprintf(strchr(to->host, ':') ? "[%s]:%u" : "%s:%u", to->host, to->port);
        add_string(&w->message, to->host);
        add_number(&w->message, to->port);
        add_string(&w->message, "127.0.0.1"); /* where it comes from: for sshd's log */
        add_number(&w->message, 0);
    } else {
        w->type = "direct-streamlocal@openssh.com";
        w->name = strdup(to->socket);
        add_string(&w->message, to->socket);
        add_string(&w->message, "");
        add_number(&w->message, 0);
    }
    return w->name && hf_buf_ok(&w->message) ? 0 : hf_fail_nomem(err);
}

struct hf_tunnel *hf_tunnel_ssh(const struct hf_ssh_target *target, const struct hf_db_endpoint *to,
                                const char *socket_path, const struct hf_clock *clock,
                                struct hf_log *log, int64_t deadline_ms, struct hf_err *err)
{
    HF_AUTO(way) struct way *w = calloc(1, sizeof *w);
    if (!w) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (aim(w, to, err) < 0 || !(w->conn = hf_ssh_connect(target, clock, log, deadline_ms, err)) ||
        !(w->idle = hf_ssh_open_channel(w->conn, deadline_ms, err)))
        return NULL;
    return hf_tunnel_open(socket_path, &ssh_backend, HF_STEAL(w), log, err);
}

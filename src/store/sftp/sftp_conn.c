/* SPDX-License-Identifier: Apache-2.0
 *
 * A channel with an SFTP server at its other end. Its packets are our own business, not libssh2's: so requests are in flight as many
 * as we like, one connection is bounded by our clock, and what libssh2 1.10 does not know (posix-rename, limits) is there.
 */
#include "base/buf.h"
#include "store/sftp/sftp_intern.h"

#include <endian.h>
#include <string.h>

#define IN_BYTES (2 * HF_SFTP_PACKET_MAX)
/* libssh2 cuts what it sends into pieces of this size: requests fill them. */
#define PIECE ((size_t)32700)
#define PIECES_MAX 4
#define WRITE_HEAD (4 + 1 + 4 + 4 + HF_SFTP_HANDLE_MAX + 8 + 4)
#define READ_USUAL ((size_t)32 << 10) /* what each server gives at once */
#define READ_MOST ((size_t)128 << 10)

static int broken(struct hf_sftp_conn *c, struct hf_err *err)
{
    c->is_broken = true;
    err->retryable = err->cls == HF_E_UNREACHABLE || err->cls == HF_E_TIMEOUT ||
                     (err->cls == HF_E_CORRUPT && err->retryable);
    return -1;
}

/* A bit that flipped on the way shows as a packet that cannot be deciphered. */
static int lost(struct hf_sftp_conn *c, int rc, struct hf_err *err)
{
    hf_ssh_fail(c->ssh, rc, "sftp", err);
    if (err->cls == HF_E_PLUGIN)
        err->cls = HF_E_UNREACHABLE;
    return broken(c, err);
}

/* … or, before there is a cipher, as a host that speaks otherwise than we do. */
static void not_connected(struct hf_sftp_conn *c, struct hf_err *err)
{
    bool is_odd = err->cls == HF_E_UNSUPPORTED || err->cls == HF_E_PLUGIN;
    (void)broken(c, err);
    err->retryable |= is_odd;
}

/* ---- waiting ---------------------------------------------------------------------------- */

static void note_progress(struct hf_sftp_conn *c)
{
    size_t pending = hf_ssh_pending(c->ssh);
    if (c->ssh->n_received != c->seen_received || pending < c->seen_pending)
        c->quiet_ms = hf_clock_mono_ms(c->ssh->clock);
    c->seen_received = c->ssh->n_received;
    c->seen_pending = pending;
}

void hf_sftp_begin_work(struct hf_sftp_conn *c, int64_t until_ms)
{
    c->until_ms = until_ms;
    c->quiet_ms = hf_clock_mono_ms(c->ssh->clock);
    c->seen_received = c->ssh->n_received;
    c->seen_pending = hf_ssh_pending(c->ssh);
}

int hf_sftp_wait(struct hf_sftp_conn *c, struct hf_err *err)
{
    note_progress(c);
    int64_t stalled_ms = c->quiet_ms + c->stall_ms;
    if (hf_ssh_wait(c->ssh, stalled_ms < c->until_ms ? stalled_ms : c->until_ms))
        return 0;
    hf_ssh_fail_time(c->ssh, "sftp", err);
    return err->cls == HF_E_CANCELLED ? -1 : broken(c, err); /* it can still clean up */
}

/* ---- out -------------------------------------------------------------------------------- */

uint32_t hf_sftp_request(struct hf_sftp_conn *c, struct hf_buf *b, enum hf_sftp_type type,
                         size_t *at)
{
    uint32_t id = c->next_id++;
    hf_sftp_begin(b, type, id, at);
    return id;
}

/* Half a request lies there: nothing can follow it. */
static int torn(struct hf_sftp_conn *c)
{
    c->is_broken = true;
    return -1;
}

int hf_sftp_send(struct hf_sftp_conn *c, const struct hf_buf *b, unsigned n, struct hf_err *err)
{
    if (!hf_buf_ok(b)) {
        c->is_broken = true;
        return hf_fail_nomem(err);
    }
    c->n_waiting += n;
    for (size_t at = 0; at < b->len;) {
        ssize_t sent = 0;
        if (hf_ssh_pending(c->ssh) < HF_SSH_PENDING_MAX)
            sent = libssh2_channel_write(c->channel, b->data + at, b->len - at);
        if (sent < 0 && sent != LIBSSH2_ERROR_EAGAIN)
            return lost(c, (int)sent, err);
        if (sent > 0)
            at += (size_t)sent;
        else if (hf_sftp_wait(c, err) < 0)
            return torn(c);
    }
    return 0;
}

/* ---- in --------------------------------------------------------------------------------- */

/* 1: something came; 0: not now. */
static int fill(struct hf_sftp_conn *c, struct hf_err *err)
{
    if (c->in_at == c->in_len || c->in_len > IN_BYTES / 2) {
        c->in_len -= c->in_at;
        memmove(c->in, c->in + c->in_at, c->in_len);
        c->in_at = 0;
    }
    ssize_t n = libssh2_channel_read(c->channel, (char *)c->in + c->in_len, IN_BYTES - c->in_len);
    if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
        return lost(c, (int)n, err);
    if (n == 0 && libssh2_channel_eof(c->channel)) {
        hf_fail(err, HF_E_UNREACHABLE, "ssh %s: the sftp server has hung up", c->ssh->name);
        return broken(c, err);
    }
    c->in_len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int fail_length(struct hf_sftp_conn *c, size_t len, struct hf_err *err)
{
    hf_fail(err, HF_E_CORRUPT, "ssh %s: a packet of %zu bytes: this is no SFTP server",
            c->ssh->name, len);
    hf_hint(err, "Look whether the account's shell prints something at login.");
    return broken(c, err);
}

/* 1: a whole packet, without its length. */
static int next_packet(struct hf_sftp_conn *c, const unsigned char **out, size_t *out_len,
                       struct hf_err *err)
{
    for (;;) {
        uint32_t wire;
        size_t have = c->in_len - c->in_at, len = 0;
        if (have >= sizeof wire) {
            memcpy(&wire, c->in + c->in_at, sizeof wire);
            len = be32toh(wire);
            if (len == 0 || len > HF_SFTP_PACKET_MAX)
                return fail_length(c, len, err);
        }
        if (len > 0 && have >= sizeof wire + len) {
            *out = c->in + c->in_at + sizeof wire;
            *out_len = len;
            c->in_at += sizeof wire + len;
            return 1;
        }
        int rc = fill(c, err);
        if (rc <= 0)
            return rc;
    }
}

int hf_sftp_receive(struct hf_sftp_conn *c, struct hf_sftp_answer *out, struct hf_err *err)
{
    const unsigned char *packet = NULL;
    size_t len = 0;
    int rc = next_packet(c, &packet, &len, err);
    if (rc <= 0)
        return rc;
    if (hf_sftp_answer_parse(packet, len, out, err) < 0)
        return broken(c, err);
    if (c->n_waiting == 0) {
        hf_fail(err, HF_E_CORRUPT, "ssh %s: an answer that nobody asked for", c->ssh->name);
        return broken(c, err);
    }
    c->n_waiting--;
    return 1;
}

int hf_sftp_await(struct hf_sftp_conn *c, uint32_t id, struct hf_sftp_answer *out,
                  struct hf_err *err)
{
    for (;;) {
        int rc = hf_sftp_receive(c, out, err);
        if (rc < 0)
            return -1;
        if (rc == 1 && out->id == id)
            return 0;
        if (rc == 0 && hf_sftp_wait(c, err) < 0)
            return -1;
    }
}

/* Which of them this answers, or n. */
static unsigned index_of(const uint32_t *ids, unsigned n, uint32_t id)
{
    unsigned i = 0;
    while (i < n && ids[i] != id)
        i++;
    return i;
}

int hf_sftp_await_all(struct hf_sftp_conn *c, const uint32_t *ids, unsigned n, hf_sftp_take_fn take,
                      void *ctx, struct hf_err *err)
{
    for (unsigned left = n; left > 0;) {
        struct hf_sftp_answer a;
        int rc = hf_sftp_receive(c, &a, err);
        if (rc < 0 || (rc == 0 && hf_sftp_wait(c, err) < 0))
            return -1;
        unsigned i = rc == 1 ? index_of(ids, n, a.id) : n;
        if (i == n)
            continue;
        left--;
        if ((rc = take(ctx, i, &a, err)) != 0)
            return rc;
    }
    return 0;
}

/* ---- beginning and end ------------------------------------------------------------------ */

static int start_subsystem(struct hf_sftp_conn *c, int64_t until_ms, struct hf_err *err)
{
    int rc;
    c->channel = hf_ssh_open_channel(c->ssh, until_ms, err);
    if (!c->channel)
        return broken(c, err);
    while ((rc = libssh2_channel_subsystem(c->channel, "sftp")) == LIBSSH2_ERROR_EAGAIN)
        if (hf_sftp_wait(c, err) < 0)
            return -1;
    if (rc == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED) {
        hf_fail(err, HF_E_UNSUPPORTED, "ssh %s: the server offers no sftp", c->ssh->name);
        return hf_hint(err, "sshd_config needs a line `Subsystem sftp internal-sftp`.");
    }
    return rc ? lost(c, rc, err) : 0;
}

static int greet(struct hf_sftp_conn *c, struct hf_err *err)
{
    size_t at, len = 0;
    const unsigned char *packet = NULL;
    int rc = 0;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_sftp_begin(&b, HF_SFTP_INIT, 3, &at);
    hf_sftp_end(&b, at);
    if (hf_sftp_send(c, &b, 0, err) < 0)
        return -1;
    while ((rc = next_packet(c, &packet, &len, err)) == 0)
        if (hf_sftp_wait(c, err) < 0)
            return -1;
    if (rc < 0)
        return -1;
    return hf_sftp_version_parse(packet, len, &c->has, err) < 0 ? broken(c, err) : 0;
}

static size_t at_most(uint64_t n, size_t most)
{
    return n < most ? (size_t)n : most;
}

/* What it says of itself is held to what every server takes at the least. */
static int ask_limits(struct hf_sftp_conn *c, struct hf_err *err)
{
    uint64_t n[3] = {0};
    size_t at, pieces = 1;
    struct hf_sftp_answer a;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    c->read_bytes = READ_USUAL;
    if (c->has.limits) {
        uint32_t id = hf_sftp_request(c, &b, HF_SFTP_EXTENDED, &at);
        hf_sftp_add_string(&b, "limits@openssh.com", strlen("limits@openssh.com"));
        hf_sftp_end(&b, at);
        if (hf_sftp_send(c, &b, 1, err) < 0 || hf_sftp_await(c, id, &a, err) < 0)
            return -1;
        if (a.type == HF_SFTP_EXTENDED_REPLY && hf_sftp_numbers_parse(&a, n, 3, err) < 0)
            return broken(c, err);
    }
    if (n[1] > READ_USUAL)
        c->read_bytes = at_most(n[1], READ_MOST);
    if (n[0] > PIECE && n[2] > PIECE)
        pieces = at_most((n[0] < n[2] ? n[0] : n[2]) / PIECE, PIECES_MAX);
    c->write_bytes = pieces * PIECE - WRITE_HEAD;
    return 0;
}

static int start(struct hf_sftp_conn *c, int64_t until_ms, struct hf_err *err)
{
    hf_sftp_begin_work(c, until_ms);
    if (start_subsystem(c, until_ms, err) < 0 || greet(c, err) < 0)
        return -1;
    return ask_limits(c, err);
}

struct hf_sftp_conn *hf_sftp_connect(struct hf_sftp *s, int64_t until_ms, struct hf_err *err)
{
    HF_AUTO(hf_sftp_conn) struct hf_sftp_conn *c = calloc(1, sizeof *c);
    if (c)
        c->in = malloc(IN_BYTES);
    if (!c || !c->in) {
        hf_fail_nomem(err);
        return NULL;
    }
    c->stall_ms = s->stall_ms;
    c->ssh = hf_ssh_connect(&s->target, s->clock, NULL, until_ms, err);
    if (!c->ssh) {
        not_connected(c, err);
        return NULL;
    }
    return start(c, until_ms, err) < 0 ? NULL : HF_STEAL(c);
}

/* The channel goes with the session. */
void hf_sftp_conn_close(struct hf_sftp_conn *c)
{
    if (!c)
        return;
    hf_ssh_conn_close(c->ssh);
    free(c->in);
    free(c);
}

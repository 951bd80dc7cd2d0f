/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/tunnel_io.h"

#include "guest/tunnel_backend.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From one look for an answer to the next: a fraction of the time it has taken already, within these; and never less than
 * half of what a call takes, so that others find the agent free, and where all is slow nobody asks too early. */
#define PAUSE_FRACTION 8
#define PAUSE_MIN_MS 2
#define PAUSE_ANSWER_MS 20
#define PAUSE_IDLE_MS 250
#define RETRY_MS 100
#define BEATS_PER_LIFE 4
#define PATIENCE_MS 8000 /* with an agent that is gone: somebody's lock waits behind the tunnel */
/* A piece of ours tells what we have seen, but may wait for a database that first wants to get rid of its own: it is told
 * again, apart. */
#define TELL_MS 1000
#define MARK_MAX (HF_BRIDGE_TOKEN_MAX + 24)
#define PATH_MAX_BYTES (HF_BRIDGE_NAME_MAX + 32)
#define WHOLE (-1)

static int64_t now_ms(const struct hf_io *io)
{
    return hf_clock_mono_ms(io->clock);
}

static int64_t within(int64_t ms, int64_t least, int64_t most)
{
    return ms < least ? least : ms > most ? most : ms;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- calls ------------------------------------------------------------------------------ */

/* How a call ended: 0, AGAIN when it is worth another try, -1. */
static ssize_t judge(struct hf_io *io, int64_t begin_ms, int rc, const struct hf_err *one,
                     struct hf_err *err)
{
    int64_t now = now_ms(io);
    io->call_ms = now - begin_ms;
    if (hf_patience_judge(&io->patience, rc == 0 ? NULL : one, begin_ms, now))
        return rc == 0 ? 0 : HF_TUNNEL_AGAIN;
    if (one->cls == HF_E_NOT_FOUND)
        return hf_fail(err, HF_E_UNREACHABLE, "the bridge '%s' in the guest is gone", io->name);
    hf_err_copy(err, one);
    return hf_wrap(err, "bridge '%s'", io->name);
}

static void path_of(const struct hf_io *io, const char *file, int64_t number, char *out)
{
    if (number == WHOLE)
        snprintf(out, PATH_MAX_BYTES, "/run/%s/%s", io->name, file);
    else
        snprintf(out, PATH_MAX_BYTES, "/run/%s/%s.%d", io->name, file,
                 (int)(number % HF_BRIDGE_SLOTS));
}

static ssize_t fetch(struct hf_io *io, const char *file, int64_t number, size_t max,
                     struct hf_buf *out, struct hf_err *err)
{
    struct hf_err one = HF_ERR_INIT;
    char path[PATH_MAX_BYTES];
    int64_t begin_ms = now_ms(io);
    path_of(io, file, number, path);
    int rc = hf_guest_read(io->g, path, max, begin_ms + HF_TUNNEL_CALL_MS, out, &one);
    return judge(io, begin_ms, rc, &one, err);
}

static ssize_t put(struct hf_io *io, const char *file, int64_t number, const struct hf_buf *data,
                   struct hf_err *err)
{
    struct hf_err one = HF_ERR_INIT;
    char path[PATH_MAX_BYTES];
    int64_t begin_ms = now_ms(io);
    path_of(io, file, number, path);
    if (!hf_buf_ok(data))
        return hf_fail_nomem(err);
    int rc = hf_guest_write(io->g, path, data->data, data->len, begin_ms + HF_TUNNEL_CALL_MS, &one);
    return judge(io, begin_ms, rc, &one, err);
}

/* What we have of the database's, and that we are there. */
static ssize_t tell(struct hf_io *io, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_buf_printf(&text, "%" PRIu64 " %" PRIu64 "\n", io->n_seen, ++io->n_beats);
    ssize_t rc = put(io, "seen", WHOLE, &text, err);
    io->beat_ms = now_ms(io) + (rc == 0 ? io->lifetime_ms / BEATS_PER_LIFE : RETRY_MS);
    if (rc == 0)
        io->n_told = io->n_seen;
    return rc;
}

/* ---- from the database ------------------------------------------------------------------ */

static ssize_t hand_out(struct hf_io *io, void *buf, size_t size)
{
    size_t n = io->piece.len - io->piece_at;
    n = n < size ? n : size;
    memcpy(buf, io->piece.data + io->piece_at, n);
    io->piece_at += n;
    return (ssize_t)n;
}

/* Without its mark a piece is not complete. */
static bool is_complete(const struct hf_io *io, struct hf_buf *piece)
{
    char mark[MARK_MAX];
    size_t len = (size_t)snprintf(mark, sizeof mark, "%s %" PRIu64 "\n", io->token, io->n_seen);
    if (piece->len < len || memcmp(piece->data + piece->len - len, mark, len) != 0)
        return false;
    piece->len -= len;
    return true;
}

static void pause_reading(struct hf_io *io)
{
    int64_t now = now_ms(io), least = within(io->call_ms / 2, PAUSE_MIN_MS, PAUSE_ANSWER_MS);
    io->read_ms = now + within((now - io->active_ms) / PAUSE_FRACTION, least,
                               io->is_awaited ? PAUSE_ANSWER_MS : PAUSE_IDLE_MS);
}

/* After a full one there is more. After a short answer it is the client's turn: it should not find us asking. */
static void take_piece(struct hf_io *io)
{
    bool is_short = io->piece.len < HF_BRIDGE_PIECE;
    io->active_ms = now_ms(io);
    if (is_short && io->is_awaited)
        io->read_ms = io->active_ms + PAUSE_ANSWER_MS;
    else if (is_short)
        pause_reading(io);
    io->n_seen++;
    io->is_awaited = false;
    io->is_ended = io->piece.len == 0;
}

ssize_t hf_io_read(struct hf_io *io, void *buf, size_t size, struct hf_err *err)
{
    if (io->piece_at < io->piece.len)
        return hand_out(io, buf, size);
    if (io->is_ended)
        return 0;
    io->wants_read = true;
    if (now_ms(io) < io->read_ms)
        return HF_TUNNEL_AGAIN;
    io->piece_at = io->piece.len = 0;
    /* Half of what it may be ahead: it shall not have to wait. */
    ssize_t rc = io->n_seen - io->n_told >= HF_BRIDGE_AHEAD / 2 ? tell(io, err) : 0;
    if (rc == 0)
        rc = fetch(io, "out", (int64_t)io->n_seen, HF_BRIDGE_PIECE + MARK_MAX, &io->piece, err);
    if (rc != 0) {
        io->piece.len = 0;
        io->read_ms = now_ms(io) + RETRY_MS;
        return rc;
    }
    if (is_complete(io, &io->piece)) {
        take_piece(io);
        return io->is_ended ? 0 : hand_out(io, buf, size);
    }
    io->piece.len = 0;
    pause_reading(io);
    return HF_TUNNEL_AGAIN;
}

/* ---- to the database -------------------------------------------------------------------- */

/* A name is written again only when what it held was taken. */
static ssize_t find_room(struct hf_io *io, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (io->n_sent - io->n_taken < HF_BRIDGE_SLOTS)
        return 0;
    ssize_t rc = fetch(io, "taken", WHOLE, MARK_MAX, &text, err);
    if (rc != 0)
        return rc;
    uint64_t n = strtoull(hf_buf_str(&text), NULL, 10);
    if (n > io->n_taken && n <= io->n_sent)
        io->n_taken = n;
    return io->n_sent - io->n_taken < HF_BRIDGE_SLOTS ? 0 : HF_TUNNEL_AGAIN;
}

static ssize_t send_line(struct hf_io *io, struct hf_err *err)
{
    ssize_t rc = put(io, "in", (int64_t)io->n_sent, &io->line, err);
    if (rc != 0)
        return rc;
    io->n_sent++;
    io->line.len = 0;
    io->is_awaited = true;
    io->active_ms = now_ms(io);
    pause_reading(io);
    io->n_told = io->n_seen;
    io->beat_ms = sooner(io->active_ms + TELL_MS, io->active_ms + io->lifetime_ms / BEATS_PER_LIFE);
    return (ssize_t)io->line_bytes;
}

ssize_t hf_io_write(struct hf_io *io, const void *buf, size_t len, struct hf_err *err)
{
    io->wants_write = true;
    if (now_ms(io) < io->write_ms)
        return HF_TUNNEL_AGAIN;
    ssize_t rc = find_room(io, err);
    if (rc == 0 && io->line.len == 0)
        io->line_bytes = hf_bridge_line(&io->line, io->n_sent, io->n_seen, buf, len);
    if (rc == 0)
        rc = send_line(io, err);
    if (rc == HF_TUNNEL_AGAIN)
        io->write_ms = now_ms(io) + (io->patience.is_failing ? RETRY_MS : PAUSE_ANSWER_MS);
    return rc;
}

/* ---- turns ------------------------------------------------------------------------------ */

void hf_io_begin(struct hf_io *io, int64_t lifetime_ms)
{
    io->lifetime_ms = lifetime_ms;
    io->patience = (struct hf_patience){.gone_ms = PATIENCE_MS, .frozen_ms = lifetime_ms};
    io->active_ms = io->read_ms = io->write_ms = now_ms(io);
    io->beat_ms = io->active_ms + sooner(TELL_MS, lifetime_ms / BEATS_PER_LIFE);
    io->is_awaited = true; /* its greeting */
}

void hf_io_free(struct hf_io *io)
{
    hf_buf_free(&io->line);
    hf_buf_free(&io->piece);
}

/* A bridge that is gone shows when it is read. */
void hf_io_turn(struct hf_io *io)
{
    struct hf_err err = HF_ERR_INIT;
    io->wants_read = io->wants_write = false;
    if (now_ms(io) >= io->beat_ms)
        (void)tell(io, &err);
}

int64_t hf_io_next_ms(const struct hf_io *io)
{
    int64_t next = io->beat_ms;
    if (io->wants_read)
        next = sooner(next, io->read_ms);
    return io->wants_write ? sooner(next, io->write_ms) : next;
}

bool hf_io_end(struct hf_io *io)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf last = HF_BUF_INIT;
    if (io->patience.is_failing || io->line.len || find_room(io, &err) != 0)
        return false;
    (void)hf_bridge_line(&last, io->n_sent, io->n_seen, NULL, 0);
    return put(io, "in", (int64_t)io->n_sent, &last, &err) == 0;
}

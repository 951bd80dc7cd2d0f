/* SPDX-License-Identifier: Apache-2.0
 *
 * Unlike a command (ssh_exec.c), a stream is over when the channel is: nothing but the program itself holds its output. The
 * shell is replaced by it (exec), so the status is sshd's; without one from sshd a stream has failed.
 */
#include "guest/stream_ssh.h"

#include "base/buf.h"
#include "base/point.h"
#include "guest/ssh_intern.h"

#include <string.h>

#define CONNECT_MS 15000
#define LOOK_MS 250
#define END_MS 10000
#define SAID_BYTES 16384

struct by_ssh {
    struct hf_stream stream;
    struct hf_ssh_conn *c;
    LIBSSH2_CHANNEL *channel;
    struct hf_stream_opts opts;
    char *what;
    int64_t heard_ms;
    int status; /* -1: not yet */
};

static void close_it(struct hf_stream *stream)
{
    struct by_ssh *s = (struct by_ssh *)stream;
    hf_ssh_conn_close(s->c); /* its channels with it */
    free(s->what);
    free(s);
}

static int start(struct by_ssh *s, const char *command, int64_t deadline_ms, struct hf_err *err)
{
    int rc;
    s->channel = hf_ssh_open_channel(s->c, deadline_ms, err);
    if (!s->channel)
        return -1;
    HF_POINT("stream.before_start");
    while ((rc = libssh2_channel_exec(s->channel, command)) == LIBSSH2_ERROR_EAGAIN)
        if (!hf_ssh_wait(s->c, deadline_ms))
            return hf_ssh_fail_time(s->c, s->what, err);
    if (rc)
        return hf_ssh_fail(s->c, rc, s->what, err);
    HF_POINT("stream.after_start");
    (void)libssh2_channel_send_eof(s->channel);
    return 0;
}

static int take_said(struct by_ssh *s, struct hf_err *err)
{
    char said[SAID_BYTES];
    ssize_t n;
    while ((n = libssh2_channel_read_stderr(s->channel, said, sizeof said)) > 0) {
        s->heard_ms = hf_clock_mono_ms(s->opts.clock);
        s->opts.said(s->opts.ctx, said, (size_t)n);
    }
    return n < 0 && n != LIBSSH2_ERROR_EAGAIN ? hf_ssh_fail(s->c, (int)n, s->what, err) : 0;
}

static int wait_more(struct by_ssh *s, struct hf_err *err)
{
    int64_t now = hf_clock_mono_ms(s->opts.clock);
    if (hf_cancel_check(s->opts.cancel, err) < 0)
        return -1;
    if (now - s->heard_ms > HF_STREAM_IDLE_MS)
        return hf_ssh_fail_time(s->c, s->what, err);
    (void)hf_ssh_wait(s->c, now + LOOK_MS);
    return 0;
}

/* sshd sends the status before it closes the channel. */
static ssize_t end(struct by_ssh *s, struct hf_err *err)
{
    char *signal = NULL;
    int rc;
    if (s->status >= 0)
        return 0;
    int64_t until_ms = hf_clock_mono_ms(s->opts.clock) + END_MS;
    while ((rc = libssh2_channel_wait_closed(s->channel)) == LIBSSH2_ERROR_EAGAIN)
        if (!hf_ssh_wait(s->c, until_ms))
            return hf_ssh_fail_time(s->c, s->what, err);
    if (rc || take_said(s, err) < 0)
        return rc ? hf_ssh_fail(s->c, rc, s->what, err) : -1;
    s->opts.said(s->opts.ctx, NULL, 0);
    (void)libssh2_channel_get_exit_signal(s->channel, &signal, NULL, NULL, NULL, NULL, NULL);
    s->status = libssh2_channel_get_exit_status(s->channel);
    if (!signal)
        return 0;
    hf_fail(err, HF_E_PLUGIN, "ssh %s: '%s' was ended by SIG%.20s", s->c->name, s->what, signal);
    libssh2_free(s->c->session, signal);
    return -1;
}

static ssize_t read_some(struct hf_stream *stream, void *buf, size_t size, struct hf_err *err)
{
    struct by_ssh *s = (struct by_ssh *)stream;
    for (;;) {
        size_t got = 0;
        ssize_t n = 0;
        /* libssh2 gives a packet at a time. */
        while (got < size &&
               (n = libssh2_channel_read(s->channel, (char *)buf + got, size - got)) > 0)
            got += (size_t)n;
        if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
            return hf_ssh_fail(s->c, (int)n, s->what, err);
        if (take_said(s, err) < 0)
            return -1;
        if (got > 0) {
            s->heard_ms = hf_clock_mono_ms(s->opts.clock);
            return hf_cancel_check(s->opts.cancel, err) < 0 ? -1 : (ssize_t)got;
        }
        if (libssh2_channel_eof(s->channel))
            return end(s, err);
        if (wait_more(s, err) < 0)
            return -1;
    }
}

static int status_of(const struct hf_stream *stream)
{
    return ((const struct by_ssh *)stream)->status;
}

static const struct hf_stream_ops ssh_ops = {read_some, status_of, close_it};

struct hf_stream *hf_stream_ssh(const struct hf_ssh_target *target,
                                const struct hf_stream_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf command = HF_BUF_INIT;
    int64_t deadline_ms = hf_clock_mono_ms(opts->clock) + CONNECT_MS;
    struct by_ssh *s = calloc(1, sizeof *s);
    HF_AUTO(hf_stream) struct hf_stream *stream = (struct hf_stream *)s;
    if (s)
        s->stream.ops = &ssh_ops;
    if (!s || !(s->what = strdup(opts->argv[0]))) {
        hf_fail_nomem(err);
        return NULL;
    }
    s->opts = *opts;
    s->status = -1;
    hf_buf_str_add(&command, "exec ");
    if (hf_ssh_quote(opts->argv, &command, err) < 0 ||
        !(s->c = hf_ssh_connect(target, opts->clock, opts->log, deadline_ms, err)) ||
        start(s, hf_buf_str(&command), deadline_ms, err) < 0)
        return NULL;
    s->heard_ms = hf_clock_mono_ms(opts->clock);
    return HF_STEAL(stream);
}

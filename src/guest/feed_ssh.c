/* SPDX-License-Identifier: Apache-2.0
 *
 * The login shell is replaced by the program (exec), so the status is sshd's, which sends it before it closes the channel.
 */
#include "guest/feed_ssh.h"

#include "base/buf.h"
#include "base/point.h"
#include "guest/ssh_intern.h"

#include <string.h>

#define CONNECT_MS 15000
#define LOOK_MS 250
#define CHUNK 16384
#define SAID_LINE 200

struct hf_feed {
    struct hf_ssh_conn *c;
    LIBSSH2_CHANNEL *channel;
    struct hf_feed_opts opts;
    char *what;
    struct hf_buf said;
    int64_t moved_ms; /* when something went or came */
};

void hf_feed_close(struct hf_feed *f)
{
    if (!f)
        return;
    hf_ssh_conn_close(f->c); /* its channel with it */
    hf_buf_free(&f->said);
    free(f->what);
    free(f);
}

static int start(struct hf_feed *f, const char *command, int64_t deadline_ms, struct hf_err *err)
{
    f->channel = hf_ssh_open_channel(f->c, deadline_ms, err);
    if (!f->channel || HF_POINT_ERR("feed.before_start", err) < 0 ||
        hf_ssh_channel_exec(f->c, f->channel, command, f->what, deadline_ms, err) < 0)
        return -1;
    return HF_POINT_ERR("feed.after_start", err);
}

struct hf_feed *hf_feed_ssh(const struct hf_ssh_target *target, const struct hf_feed_opts *opts,
                            struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf command = HF_BUF_INIT;
    int64_t deadline_ms = hf_clock_mono_ms(opts->clock) + CONNECT_MS;
    HF_AUTO(hf_feed) struct hf_feed *f = calloc(1, sizeof *f);
    if (!f || !(f->what = strdup(opts->argv[0]))) {
        hf_fail_nomem(err);
        return NULL;
    }
    f->opts = *opts;
    hf_buf_str_add(&command, "exec ");
    if (hf_ssh_quote(opts->argv, &command, err) < 0 ||
        !(f->c = hf_ssh_connect(target, opts->clock, opts->log, deadline_ms, err)) ||
        start(f, hf_buf_str(&command), deadline_ms, err) < 0)
        return NULL;
    f->moved_ms = hf_clock_mono_ms(opts->clock);
    return HF_STEAL(f);
}

/* ---- what it says ----------------------------------------------------------------------- */

static void keep_said(struct hf_feed *f, const char *data, size_t len)
{
    size_t room = HF_FEED_SAID_MAX - f->said.len;
    hf_buf_add(&f->said, data, len < room ? len : room);
    if (f->opts.said)
        f->opts.said(f->opts.ctx, data, len);
}

/* 1: there may be more, which libssh2 has already, and no wait would notice. One piece at the most of each stream: a program
 * that never stops talking is fed all the same. */
static int hear(struct hf_feed *f, struct hf_err *err)
{
    static const int streams[] = {0, SSH_EXTENDED_DATA_STDERR};
    char chunk[CHUNK];
    int has_heard = 0;
    for (size_t i = 0; i < HF_ARRAY_SIZE(streams); i++) {
        ssize_t n = libssh2_channel_read_ex(f->channel, streams[i], chunk, sizeof chunk);
        if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
            return hf_ssh_fail(f->c, (int)n, f->what, err);
        if (n <= 0)
            continue;
        has_heard = 1;
        f->moved_ms = hf_clock_mono_ms(f->opts.clock);
        if (streams[i])
            keep_said(f, chunk, (size_t)n);
    }
    return has_heard;
}

/* Not at all when something was heard. */
static int wait_more(struct hf_feed *f, int has_heard, struct hf_err *err)
{
    int64_t now = hf_clock_mono_ms(f->opts.clock);
    if (hf_cancel_check(f->opts.cancel, err) < 0)
        return -1;
    if (has_heard)
        return 0;
    if (now - f->moved_ms > (f->opts.idle_ms ? f->opts.idle_ms : HF_FEED_IDLE_MS))
        return hf_ssh_fail_time(f->c, f->what, err);
    (void)hf_ssh_wait(f->c, now + LOOK_MS);
    return 0;
}

/* ---- the end ---------------------------------------------------------------------------- */

/* All that it said is read: sshd closes the channel only then. */
static int wait_closed(struct hf_feed *f, struct hf_err *err)
{
    for (;;) {
        int has_heard = hear(f, err);
        if (has_heard < 0)
            return -1;
        if (libssh2_channel_eof(f->channel)) {
            int rc = libssh2_channel_wait_closed(f->channel);
            if (rc == 0)
                return 0;
            if (rc != LIBSSH2_ERROR_EAGAIN)
                return hf_ssh_fail(f->c, rc, f->what, err);
        }
        if (wait_more(f, has_heard, err) < 0)
            return -1;
    }
}

static int judge(struct hf_feed *f, bool is_early, struct hf_err *err)
{
    char *signal = NULL, said[SAID_LINE];
    hf_guest_first_line(&f->said, said, sizeof said);
    const char *colon = said[0] ? ": " : "", *early = is_early ? ", before its input did" : "";
    (void)libssh2_channel_get_exit_signal(f->channel, &signal, NULL, NULL, NULL, NULL, NULL);
    if (signal) {
        hf_fail(err, HF_E_PLUGIN, "ssh %s: '%s' was ended by SIG%.20s%s%s", f->c->name, f->what,
                signal, colon, said);
        libssh2_free(f->c->session, signal);
        return -1;
    }
    int status = libssh2_channel_get_exit_status(f->channel);
    if (status == 0 && !is_early)
        return 0;
    return hf_fail(err, HF_E_PLUGIN, "ssh %s: '%s' ended with status %d%s%s%s", f->c->name, f->what,
                   status, early, colon, said);
}

static int end(struct hf_feed *f, bool is_early, struct hf_err *err)
{
    if (wait_closed(f, err) < 0)
        return -1;
    if (f->opts.said)
        f->opts.said(f->opts.ctx, NULL, 0);
    return judge(f, is_early, err);
}

int hf_feed_write(struct hf_feed *f, const void *data, size_t len, struct hf_err *err)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = 0;
        int has_heard = hear(f, err);
        if (has_heard < 0)
            return -1;
        if (libssh2_channel_eof(f->channel))
            return end(f, true, err);
        if (hf_ssh_pending(f->c) < HF_SSH_PENDING_MAX)
            n = libssh2_channel_write(f->channel, p, len);
        if (n < 0 && n != LIBSSH2_ERROR_EAGAIN && n != LIBSSH2_ERROR_CHANNEL_CLOSED)
            return hf_ssh_fail(f->c, (int)n, f->what, err);
        if (n <= 0 && wait_more(f, has_heard, err) < 0)
            return -1;
        if (n > 0) {
            f->moved_ms = hf_clock_mono_ms(f->opts.clock);
            p += n;
            len -= (size_t)n;
        }
    }
    return hf_cancel_check(f->opts.cancel, err);
}

int hf_feed_finish(struct hf_feed *f, struct hf_err *err)
{
    int rc = 0;
    if (HF_POINT_ERR("feed.before_end", err) < 0 || hear(f, err) < 0)
        return -1;
    /* One that knows the end when it reads it may be gone by now. */
    while (!libssh2_channel_eof(f->channel) &&
           (rc = libssh2_channel_send_eof(f->channel)) == LIBSSH2_ERROR_EAGAIN)
        if (wait_more(f, 0, err) < 0)
            return -1;
    if (rc)
        return hf_ssh_fail(f->c, rc, f->what, err);
    return end(f, false, err) < 0 ? -1 : HF_POINT_ERR("feed.after_end", err);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * One command. The login shell runs it and then says on stderr "RS hf-NONCE STATUS": libssh2 cannot tell status 0 from
 * no status yet, and sshd ends the streams only when nobody holds them any more. A shell that says nothing did not run
 * the command: nologin, a forced command.
 */
#include "base/utf8.h"
#include "guest/ssh_intern.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#define COMMAND_MAX ((size_t)32 << 10)
#define CHUNK 16384
/* After the program's end: its last output may still be on its way from sshd's pipes. */
#define LINGER_MS 250
#define MARK_MAX 32
#define SAID_MAX 160

int hf_ssh_quote(const char *const *argv, struct hf_buf *out, struct hf_err *err)
{
    for (size_t i = 0; argv[i]; i++) {
        hf_buf_str_add(out, i ? " '" : "'");
        for (const char *p = argv[i]; *p; p++) {
            if (hf_is_control(*p))
                return hf_fail(err, HF_E_CONFIG, "'%s': argument %zu has a control character",
                               argv[0], i);
            if (*p == '\'')
                hf_buf_str_add(out, "'\\''");
            else
                hf_buf_add(out, p, 1);
        }
        hf_buf_str_add(out, "'");
        if (out->len > COMMAND_MAX)
            return hf_fail(err, HF_E_CONFIG, "'%s': the command line is longer than %zu bytes",
                           argv[0], COMMAND_MAX);
    }
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

/* ---- the report at the end of stderr ---------------------------------------------------- */

struct run {
    struct hf_ssh_conn *c;
    LIBSSH2_CHANNEL *channel;
    const struct hf_guest_cmd *cmd;
    struct hf_hv_exec_result *out;
    size_t max_output, sent;
    bool sent_end;
    char mark[MARK_MAX]; /* RS "hf-0123456789abcdef " */
    size_t matched;      /* bytes of mark that were seen last */
    int status;          /* digits behind it; -1: none yet */
    bool has_ended;
    int64_t quiet_since_ms;
};

static void keep(struct run *r, struct hf_buf *to, const char *data, size_t len)
{
    size_t room = r->max_output - to->len, take = len < room ? len : room;
    hf_buf_add(to, data, take);
    r->out->truncated = r->out->truncated || take < len;
}

/* RS stands at the mark's beginning only, so a mismatch can only begin anew with the byte at hand. */
static void look_for_mark(struct run *r, char byte)
{
    if (byte == r->mark[r->matched]) {
        r->matched++;
        return;
    }
    keep(r, &r->out->err, r->mark, r->matched);
    r->matched = byte == r->mark[0];
    if (!r->matched)
        keep(r, &r->out->err, &byte, 1);
}

static void take_stderr(struct run *r, const char *data, size_t len)
{
    size_t mark_len = strlen(r->mark);
    for (size_t i = 0; i < len && !r->has_ended; i++) {
        if (r->matched < mark_len)
            look_for_mark(r, data[i]);
        else if (data[i] >= '0' && data[i] <= '9' && r->status <= 255)
            r->status = (r->status < 0 ? 0 : r->status * 10) + (data[i] - '0');
        else
            r->has_ended = true;
    }
}

/* ---- streams ---------------------------------------------------------------------------- */

static int send_input(struct run *r, struct hf_err *err)
{
    const char *input = r->cmd->input;
    while (r->sent < r->cmd->input_len && hf_ssh_pending(r->c) < HF_SSH_PENDING_MAX) {
        ssize_t n = libssh2_channel_write(r->channel, input + r->sent, r->cmd->input_len - r->sent);
        if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
            return 0;
        if (n < 0)
            return hf_ssh_fail(r->c, (int)n, r->cmd->argv[0], err);
        r->sent += (size_t)n;
    }
    if (r->sent < r->cmd->input_len || r->sent_end)
        return 0;
    r->sent_end = true;
    int rc = libssh2_channel_send_eof(r->channel);
    return rc ? hf_ssh_fail(r->c, rc, r->cmd->argv[0], err) : 0;
}

/* Everything that has come; what does not fit is dropped, so that the program can go on. */
static int receive(struct run *r, int stream, struct hf_err *err)
{
    char chunk[CHUNK];
    ssize_t n;
    while ((n = libssh2_channel_read_ex(r->channel, stream, chunk, sizeof chunk)) > 0) {
        r->quiet_since_ms = hf_clock_mono_ms(r->c->clock);
        if (stream)
            take_stderr(r, chunk, (size_t)n);
        else
            keep(r, &r->out->out, chunk, (size_t)n);
        /* A program that never stops talking must not keep us from looking at the time. */
        if (hf_clock_is_past(r->c->clock, r->cmd->deadline_ms))
            return 0;
    }
    return n < 0 && n != LIBSSH2_ERROR_EAGAIN ? hf_ssh_fail(r->c, (int)n, r->cmd->argv[0], err) : 0;
}

static int converse(struct run *r, struct hf_err *err)
{
    for (;;) {
        if (send_input(r, err) < 0 || receive(r, 0, err) < 0 ||
            receive(r, SSH_EXTENDED_DATA_STDERR, err) < 0)
            return -1;
        if (libssh2_channel_eof(r->channel))
            return 0;
        int64_t until_ms = r->cmd->deadline_ms;
        if (r->has_ended && r->quiet_since_ms + LINGER_MS < until_ms)
            until_ms = r->quiet_since_ms + LINGER_MS;
        if (hf_ssh_wait(r->c, until_ms))
            continue;
        return r->has_ended ? 0 : hf_ssh_fail_time(r->c, r->cmd->argv[0], err);
    }
}

/* ---- beginning and end ------------------------------------------------------------------ */

static int make_command(struct run *r, struct hf_buf *out, struct hf_err *err)
{
    uint64_t nonce = 0;
    if (getrandom(&nonce, sizeof nonce, 0) != sizeof nonce)
        return hf_fail_sys(err, errno, "random number");
    snprintf(r->mark, sizeof r->mark, "\036hf-%016" PRIx64 " ", nonce);
    if (hf_ssh_quote(r->cmd->argv, out, err) < 0)
        return -1;
    hf_buf_printf(out, "; printf '\\036%%s %%d\\n' '%.*s' \"$?\" >&2", (int)strlen(r->mark) - 2,
                  r->mark + 1);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int hf_ssh_channel_exec(struct hf_ssh_conn *c, LIBSSH2_CHANNEL *channel, const char *command,
                        const char *what, int64_t until_ms, struct hf_err *err)
{
    int rc;
    while ((rc = libssh2_channel_exec(channel, command)) == LIBSSH2_ERROR_EAGAIN)
        if (!hf_ssh_wait(c, until_ms))
            return hf_ssh_fail_time(c, what, err);
    return rc ? hf_ssh_fail(c, rc, what, err) : 0;
}

static int start(struct run *r, const char *command, bool *out_sent, struct hf_err *err)
{
    r->channel = hf_ssh_open_channel(r->c, r->cmd->deadline_ms, err);
    if (!r->channel)
        return -1;
    *out_sent = true;
    return hf_ssh_channel_exec(r->c, r->channel, command, r->cmd->argv[0], r->cmd->deadline_ms,
                               err);
}

/* First line of what it said, without what a terminal would obey. */
static int fail_no_report(struct run *r, struct hf_err *err)
{
    char said[SAID_MAX];
    const struct hf_buf *from = r->out->err.len ? &r->out->err : &r->out->out;
    hf_guest_first_line(from, said, sizeof said);
    hf_fail(err, HF_E_PLUGIN, "ssh %s: the login shell did not run '%s'%s%s", r->c->name,
            r->cmd->argv[0], said[0] ? ": " : "", said);
    return hf_hint(
        err,
        "The user needs a POSIX shell, and no forced command in authorized_keys or sshd_config.");
}

static int report(struct run *r, struct hf_err *err)
{
    if (!hf_buf_ok(&r->out->out) || !hf_buf_ok(&r->out->err))
        return hf_fail_nomem(err);
    if (!r->has_ended || r->status < 0 || r->status > 255)
        return fail_no_report(r, err);
    r->out->exit_code = r->status;
    if (r->status > 128 && r->status <= 128 + 64) {
        r->out->exit_code = -1;
        r->out->term_signal = r->status - 128;
    }
    return 0;
}

/* The channel's end is awaited as long as a linger; a guest that does not confirm it costs the session, not the result. */
static void end_channel(struct run *r)
{
    int64_t until_ms = hf_clock_mono_ms(r->c->clock) + LINGER_MS;
    while (libssh2_channel_free(r->channel) == LIBSSH2_ERROR_EAGAIN)
        if (!hf_ssh_wait(r->c, until_ms))
            return;
}

int hf_ssh_exec(struct hf_ssh_conn *c, const struct hf_guest_cmd *cmd, size_t max_output,
                struct hf_hv_exec_result *out, bool *out_sent, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf command = HF_BUF_INIT;
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result result = {0};
    struct run r = {.c = c, .cmd = cmd, .out = &result, .max_output = max_output, .status = -1};
    *out_sent = false;
    if (make_command(&r, &command, err) < 0)
        return -1;
    if (start(&r, hf_buf_str(&command), out_sent, err) < 0 || converse(&r, err) < 0) {
        if (*out_sent)
            hf_left(err, "'%s' may still run in the guest", cmd->argv[0]);
        return -1;
    }
    int rc = report(&r, err);
    end_channel(&r);
    if (rc < 0)
        return -1;
    *out = result;
    result = (struct hf_hv_exec_result){0};
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/stream_agent.h"

#include "base/point.h"
#include "base/strv.h"
#include "base/unit_name.h"
#include "guest/patience.h"
#include "guest/tunnel_bridge.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "holdfast-stream-"
/* A call, less than a failing one is tried again for; and what starts and ends a unit. */
#define CALL_MS 5000
#define START_MS 20000
#define STOP_MS 10000
/* How long a unit's directory may not be there yet. */
#define GRACE_MS 10000
/* Between two looks for a piece that is not there: a part of the time that nothing came, within these. */
#define PAUSE_PART 4
#define PAUSE_MIN_MS 2
#define PAUSE_MAX_MS 100
#define RETRY_MS 100
/* Looking for what was said, and telling that we are there. */
#define LOOK_MS 500
#define BEAT_MS 1000
#define END_MAX 128

/* $1 directory, $2 milliseconds of silence, then the program.
 * Two processes cut, each what comes through a pipe of its own; a third watches. fd 4 is a pipe that nobody writes to: waiting
 * for it is a sleep without a program. Where there is no room for a piece (a full /run) all ends at once: a stream that is lost
 * is better than one with a hole. When the first process ends systemd ends the others. */
static const char script[] =
    "umask 077; main=$BASHPID limit=$2; cd \"$1\" && shift 2 && exec 4<> <(:) && mkfifo out said "
    "|| exit\n"
    "nap() { read -r -t \"$1\" -u 4 _; }\n"
    "see() { k=; [ -s seen ] && read -r a b _ <seen && if [ $1 = out ]; then k=$a; else k=$b; fi; "
    "}\n"
    "cut() {\n"
    "  n=0 gone=0 bytes=0 size=$2\n"
    "  while [ $size -eq $2 ]; do\n"
    "    while see $1; [ $((n - gone)) -ge 4 ] || [ $gone -lt \"${k:-0}\" ]; do\n"
    "      if [ $gone -lt \"${k:-0}\" ]; then rm -f $1.$gone; gone=$((gone + "
    "1))\n"
    "      else nap 0.01; fi\n"
    "    done\n"
    "    dd bs=$2 count=1 iflag=fullblock status=none of=$1.part && size=$(stat -c %s $1.part) &&\n"
    "      mv $1.part $1.$n || exit 1\n"
    "    n=$((n + 1)) bytes=$((bytes + size))\n"
    "  done\n"
    "  echo $bytes >$1.sum\n"
    "}\n"
    "up() { IFS='. ' read -r s c _ </proc/uptime; now=$((s * 1000 + 10#$c * 10)); }\n"
    "watch() {\n"
    "  up; at=$now was=\n"
    "  while [ $((now - at)) -lt \"$limit\" ]; do\n"
    "    nap 0.3; is=; [ -s seen ] && read -r is <seen\n"
    "    up; [ \"$is\" = \"$was\" ] || was=$is at=$now\n"
    "  done\n"
    "  kill $main\n"
    "}\n"
    "watch & w=$!\n"
    "cut out 1048576 <out & o=$!\n"
    "cut said 65536 <said & e=$!\n"
    "\"$@\" >out 2>said </dev/null 4<&-; status=$?\n"
    "wait $o && wait $e && echo $status $(<out.sum) $(<said.sum) >end.part && mv end.part end && "
    "wait $w";
_Static_assert(HF_STREAM_AHEAD == 4 && HF_STREAM_PIECE == 1048576 && HF_STREAM_SAID_PIECE == 65536,
               "the script has these numbers");

/* One of the two rows of pieces. */
struct row {
    const char *name;
    size_t piece;
    uint64_t n, bytes;
    bool is_ended;
};

struct by_agent {
    struct hf_stream stream;
    struct hf_guest *g;
    struct hf_stream_opts opts;
    char name[HF_BRIDGE_NAME_MAX];
    int64_t life_ms;
    struct row out, said;
    struct hf_buf piece; /* the last of out, with what was not read of it yet */
    size_t piece_at;
    uint64_t n_told, n_beats;
    int64_t begin_ms, heard_ms, beat_ms, look_ms;
    struct hf_patience patience;
    int status; /* -1: not yet */
};

static int64_t now_ms(const struct by_agent *s)
{
    return hf_clock_mono_ms(s->opts.clock);
}

/* ---- calls ------------------------------------------------------------------------------ */

/* 1: done; 0: to be tried again; -1. What is not there is not there yet, until the directory is gone, which telling shows. */
static int judge(struct by_agent *s, int64_t begin_ms, int rc, const struct hf_err *one,
                 struct hf_err *err)
{
    bool is_absent = rc < 0 && one->cls == HF_E_NOT_FOUND;
    if (hf_patience_judge(&s->patience, rc == 0 || is_absent ? NULL : one, begin_ms, now_ms(s)))
        return rc == 0;
    hf_err_copy(err, one);
    return hf_wrap(err, "'%s' in the guest", s->name);
}

static int fetch(struct by_agent *s, const char *file, size_t max, struct hf_buf *out,
                 struct hf_err *err)
{
    struct hf_err one = HF_ERR_INIT;
    char path[HF_BRIDGE_NAME_MAX + 48];
    int64_t begin_ms = now_ms(s);
    snprintf(path, sizeof path, "/run/%s/%s", s->name, file);
    int rc = hf_guest_read(s->g, path, max, begin_ms + CALL_MS, out, &one);
    return judge(s, begin_ms, rc, &one, err);
}

static int fail_gone(struct by_agent *s, struct hf_err *err)
{
    hf_fail(err, HF_E_UNREACHABLE, "'%s' in the guest is gone before its end", s->name);
    return hf_hint(err, "It needs systemd, bash and dd there, and %d MiB of room in /run.",
                   HF_STREAM_AHEAD + 2);
}

/* What we have, and that we are there. */
static int tell(struct by_agent *s, struct hf_err *err)
{
    struct hf_err one = HF_ERR_INIT;
    char path[HF_BRIDGE_NAME_MAX + 16], text[96];
    int64_t begin_ms = now_ms(s);
    snprintf(path, sizeof path, "/run/%s/seen", s->name);
    int len = snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s->out.n,
                       s->said.n, ++s->n_beats);
    int rc = hf_guest_write(s->g, path, text, (size_t)len, begin_ms + CALL_MS, &one);
    int64_t now = now_ms(s);
    if (rc < 0 && one.cls == HF_E_NOT_FOUND && (s->out.n || now - s->begin_ms > GRACE_MS))
        return fail_gone(s, err);
    s->beat_ms = now + (rc == 0 ? BEAT_MS : RETRY_MS);
    if (rc == 0)
        s->n_told = s->out.n;
    return judge(s, begin_ms, rc, &one, err) < 0 ? -1 : 0;
}

/* ---- pieces ----------------------------------------------------------------------------- */

/* 1: the next piece; 0: it is not there. */
static int next_piece(struct by_agent *s, struct row *row, struct hf_buf *out, struct hf_err *err)
{
    char file[48];
    snprintf(file, sizeof file, "%s.%" PRIu64, row->name, row->n);
    hf_buf_clear(out);
    int rc = fetch(s, file, row->piece, out, err);
    if (rc <= 0) {
        hf_buf_clear(out);
        return rc;
    }
    if (!hf_buf_ok(out))
        return hf_fail_nomem(err);
    s->heard_ms = now_ms(s);
    row->n++;
    row->bytes += out->len;
    row->is_ended = out->len < row->piece;
    return 1;
}

/* Whatever was said and is there. */
static int take_said(struct by_agent *s, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    int rc = 1;
    while (!s->said.is_ended && (rc = next_piece(s, &s->said, &text, err)) == 1) {
        if (text.len)
            s->opts.said(s->opts.ctx, text.data, text.len);
        if (tell(s, err) < 0)
            return -1;
    }
    s->look_ms = now_ms(s) + LOOK_MS;
    return rc < 0 ? -1 : 0;
}

/* Waits for what is not there yet, as long as it took until now. */
static int wait_more(struct by_agent *s, struct hf_err *err)
{
    int64_t now = now_ms(s), pause_ms = (now - s->heard_ms) / PAUSE_PART;
    struct pollfd p = {.fd = hf_cancel_fd(s->opts.cancel), .events = POLLIN};
    if (hf_cancel_check(s->opts.cancel, err) < 0)
        return -1;
    if (now - s->heard_ms > HF_STREAM_IDLE_MS)
        return hf_fail(err, HF_E_TIMEOUT, "'%s' in the guest: not done in time", s->name);
    if ((now >= s->look_ms && take_said(s, err) < 0) || (now >= s->beat_ms && tell(s, err) < 0))
        return -1;
    pause_ms = s->patience.is_failing    ? RETRY_MS
               : pause_ms < PAUSE_MIN_MS ? PAUSE_MIN_MS
               : pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS
                                         : pause_ms;
    (void)poll(&p, 1, (int)pause_ms);
    return 0;
}

/* ---- the end ---------------------------------------------------------------------------- */

static int read_end(struct by_agent *s, const struct hf_buf *text, struct hf_err *err)
{
    uint64_t out = 0, said = 0;
    int status = -1, len = 0;
    if (sscanf(hf_buf_str(text), "%3d %20" SCNu64 " %20" SCNu64 "\n%n", &status, &out, &said,
               &len) != 3 ||
        status < 0 || status > 255 || (size_t)len != text->len || text->data[len - 1] != '\n')
        return hf_fail(err, HF_E_CORRUPT, "'%s' in the guest does not say how it ended", s->name);
    if (out != s->out.bytes || said != s->said.bytes)
        return hf_fail(err, HF_E_CORRUPT,
                       "'%s' in the guest: %" PRIu64 " bytes came of %" PRIu64 ", and %" PRIu64
                       " of %" PRIu64 " that were said",
                       s->name, s->out.bytes, out, s->said.bytes, said);
    s->status = status;
    return 0;
}

static int take_end(struct by_agent *s, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    int rc = 0;
    if (s->status >= 0)
        return 0;
    while (!s->said.is_ended) {
        s->look_ms = 0; /* the last of it is waited for */
        if (wait_more(s, err) < 0)
            return -1;
    }
    while ((rc = fetch(s, "end", END_MAX, &text, err)) == 0)
        if (wait_more(s, err) < 0)
            return -1;
    if (rc < 0 || read_end(s, &text, err) < 0)
        return -1;
    s->opts.said(s->opts.ctx, NULL, 0);
    return 0;
}

/* ---- the stream ------------------------------------------------------------------------- */

static ssize_t hand_out(struct by_agent *s, void *buf, size_t size)
{
    size_t n = s->piece.len - s->piece_at;
    n = n < size ? n : size;
    memcpy(buf, s->piece.data + s->piece_at, n);
    s->piece_at += n;
    return (ssize_t)n;
}

static ssize_t read_some(struct hf_stream *stream, void *buf, size_t size, struct hf_err *err)
{
    struct by_agent *s = (struct by_agent *)stream;
    int rc = 0;
    while (s->piece_at == s->piece.len) {
        if (s->out.is_ended)
            return take_end(s, err);
        s->piece_at = 0;
        /* Half of what it may be ahead: it shall not have to wait. */
        if ((s->out.n - s->n_told >= HF_STREAM_AHEAD / 2 && tell(s, err) < 0) ||
            (rc = next_piece(s, &s->out, &s->piece, err)) < 0 ||
            (rc == 0 && wait_more(s, err) < 0) ||
            (now_ms(s) >= s->look_ms && take_said(s, err) < 0))
            return -1;
    }
    return hf_cancel_check(s->opts.cancel, err) < 0 ? -1 : hand_out(s, buf, size);
}

static int status_of(const struct hf_stream *stream)
{
    return ((const struct by_agent *)stream)->status;
}

/* Where the guest does not answer it ends by itself. */
static void close_it(struct hf_stream *stream)
{
    struct by_agent *s = (struct by_agent *)stream;
    struct hf_err err = HF_ERR_INIT;
    char pattern[HF_BRIDGE_NAME_MAX + 2];
    /* A pattern, since there may be none. */
    snprintf(pattern, sizeof pattern, "%s*", s->name);
    if (hf_bridge_end(s->g, pattern, now_ms(s) + STOP_MS, &err) < 0)
        hf_log_err(s->opts.log, HF_LOG_DETAIL, "stream", &err);
    hf_buf_free(&s->piece);
    free(s);
}

static const struct hf_stream_ops agent_ops = {read_some, status_of, close_it};

/* ---- the unit --------------------------------------------------------------------------- */

/* systemd takes "$NAME" and "${NAME}" for variables, and "$$" for a dollar. */
static int add_plain(struct hf_strv *out, const char *arg)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    for (; *arg; arg++)
        hf_buf_str_add(&text, *arg == '$' ? "$$" : (char[]){*arg, '\0'});
    return hf_strv_take(out, hf_buf_steal(&text));
}

static int add_unit(struct by_agent *s, struct hf_strv *out)
{
    static const char *const fixed[] = {
        "systemd-run", "--quiet", "--collect", "--description=holdfast: files are read",
        /* Whatever bash says: the journal may be frozen. */
        "--property=StandardOutput=null", "--property=StandardError=null",
        "--property=TimeoutStopSec=1", "--property=RuntimeDirectoryMode=0700"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(fixed); i++)
        if (hf_strv_add(out, fixed[i]) < 0)
            return -1;
    return hf_strv_take(out, hf_asprintf("--unit=%s", s->name)) < 0 ||
                   hf_strv_take(out, hf_asprintf("--property=RuntimeDirectory=%s", s->name)) < 0
               ? -1
               : 0;
}

static int add_program(struct by_agent *s, struct hf_strv *out)
{
    if (hf_strv_add(out, "bash") < 0 || hf_strv_add(out, "-c") < 0 || add_plain(out, script) < 0 ||
        hf_strv_add(out, "holdfast-stream") < 0 ||
        hf_strv_take(out, hf_asprintf("/run/%s", s->name)) < 0 ||
        hf_strv_take(out, hf_asprintf("%" PRId64, s->life_ms)) < 0)
        return -1;
    for (size_t i = 0; s->opts.argv[i]; i++)
        if (add_plain(out, s->opts.argv[i]) < 0)
            return -1;
    return 0;
}

static int start(struct by_agent *s, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv argv = HF_STRV_INIT;
    if (add_unit(s, &argv) < 0 || add_program(s, &argv) < 0)
        return hf_fail_nomem(err);
    struct hf_guest_cmd cmd = {.argv = (const char *const *)argv.items,
                               .deadline_ms = now_ms(s) + START_MS};
    HF_POINT("stream.before_unit_start");
    int rc = hf_guest_run(s->g, &cmd, NULL, err);
    HF_POINT("stream.after_unit_start");
    return rc < 0 ? hf_wrap(err, "start '%s'", s->opts.argv[0]) : 0;
}

struct hf_stream *hf_stream_agent(struct hf_guest *g, const char *run_id, int64_t life_ms,
                                  const struct hf_stream_opts *opts, struct hf_err *err)
{
    struct by_agent *s = NULL;
    if (!hf_unit_name_is_valid(run_id) ||
        strlen(run_id) >= HF_BRIDGE_NAME_MAX - sizeof PREFIX - sizeof ".service")
        hf_fail(err, HF_E_INTERNAL, "'%s' is not the name of a run", run_id);
    else if (!(s = calloc(1, sizeof *s)))
        hf_fail_nomem(err);
    if (!s)
        return NULL;
    *s = (struct by_agent){.stream = {&agent_ops},
                           .g = g,
                           .opts = *opts,
                           .life_ms = life_ms,
                           /* An agent that comes back while the program lives has cost nothing. */
                           .patience = {.gone_ms = life_ms, .frozen_ms = life_ms},
                           .out = {.name = "out", .piece = HF_STREAM_PIECE},
                           .said = {.name = "said", .piece = HF_STREAM_SAID_PIECE},
                           .status = -1};
    snprintf(s->name, sizeof s->name, PREFIX "%s", run_id);
    s->begin_ms = s->heard_ms = now_ms(s);
    s->beat_ms = s->begin_ms + BEAT_MS;
    s->look_ms = s->begin_ms + LOOK_MS;
    /* A start that failed may have worked all the same. */
    HF_AUTO(hf_stream) struct hf_stream *stream = &s->stream;
    return start(s, err) < 0 ? NULL : HF_STEAL(stream);
}

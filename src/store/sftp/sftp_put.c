/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing: a window of bytes that the server has not acknowledged is kept, so that a connection that is lost costs those alone: the
 * next one opens the hidden file again and goes on where the acknowledgements ended.
 */
#include "base/point.h"
#include "io/aside.h"
#include "net/retry.h"
#include "store/sftp/sftp_intern.h"
#include "store/walk.h"

#include <inttypes.h>
#include <string.h>

#define DIR_TRIES 8 /* each is lost to one who just removed a directory */
#define CAP (2 * HF_SFTP_WINDOW)
/* What is longer is enciphered and sent in a thread of its own, beside the digest that is taken of it. */
#define ASIDE_BYTES ((uint64_t)2 << 20)

struct flight {
    uint32_t id;
    size_t len;
    bool is_done;
};

struct put {
    struct hf_io_sink sink;
    struct hf_sftp *s;
    struct hf_sftp_conn *c; /* NULL: none yet, or given back */
    struct hf_sftp_handle handle;
    bool replace, is_made; /* is_made: the hidden file may be there */
    char *buf;
    size_t cap, at, sent, len; /* buf[at..sent] is under way, buf[sent..len] to be sent */
    uint64_t base;             /* where buf[at] lies in the file: so much the server has */
    struct flight flights[HF_SFTP_REQUESTS_MAX]; /* in the order of the file */
    unsigned first, n_flights;
    struct hf_retry retry; /* begins with the first failure: clock */
    unsigned nonsense;
    uint64_t failed_at; /* base at the last failure: behind it patience begins anew */
    struct hf_buf out;  /* what is being sent */
    char *tmp;
    char name[HF_STORE_NAME_MAX + 1];
};

static int64_t patience_end(const struct put *p)
{
    return hf_clock_mono_ms(p->s->clock) + atomic_load(&p->s->store.patience_ms);
}

/* ---- the hidden file -------------------------------------------------------------------- */

/* Its directory is not there, and is not to be made. */
static int fail_dir(struct put *p, const struct hf_sftp_answer *a, struct hf_err *err)
{
    static const char what[] = "cannot create a directory for it";
    struct hf_sftp_answer failure = {.type = HF_SFTP_STATUS, .status = HF_SFTP_FAILURE};
    struct hf_err why = HF_ERR_INIT;
    hf_sftp_fail_name(p->s, p->c, a, what, &why);
    if (why.cls == HF_E_NOT_FOUND)
        return hf_sftp_fail_room(p->s, p->c, &failure, what, err);
    hf_err_copy(err, &why);
    return -1;
}

/* Its name is nobody else's, so a second try may find what the first has made. Somebody who removed the last object of a directory
 * may have pruned it under our hands. */
static int make(struct put *p, struct hf_err *err)
{
    struct hf_sftp_answer a;
    p->is_made = true;
    for (int i = 0;; i++) {
        if (hf_sftp_ask_open(p->s, p->c, p->tmp, HF_SFTP_FOR_WRITE | HF_SFTP_CREATE, &a, err) < 0)
            return -1;
        bool is_missing = a.type == HF_SFTP_STATUS && a.status == HF_SFTP_NO_SUCH_FILE;
        if (is_missing && i == DIR_TRIES)
            return fail_dir(p, &a, err);
        if (is_missing && hf_sftp_make_dirs(p->s, p->c, p->tmp, err) < 0)
            return -1;
        if (is_missing)
            continue;
        return a.type == HF_SFTP_STATUS ? hf_sftp_fail_room(p->s, p->c, &a, "cannot create it", err)
                                        : hf_sftp_keep_handle(&a, &p->handle, err);
    }
}

/* A server that was rebooted may have lost what it had acknowledged. */
static int open_again(struct put *p, struct hf_err *err)
{
    struct hf_sftp_answer a;
    if (hf_sftp_ask_open(p->s, p->c, p->tmp, HF_SFTP_FOR_WRITE, &a, err) < 0)
        return -1;
    if (a.type == HF_SFTP_STATUS)
        return hf_sftp_fail_name(p->s, p->c, &a, "what was written is not there any more", err);
    if (hf_sftp_keep_handle(&a, &p->handle, err) < 0 ||
        hf_sftp_ask_handle(p->c, HF_SFTP_FSTAT, &p->handle, &a, err) < 0)
        return -1;
    if (a.type != HF_SFTP_ATTRS || !a.attrs.has_bytes)
        return hf_sftp_fail(&a, "cannot examine it", err);
    return a.attrs.bytes >= p->base
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "the server has lost bytes that it had acknowledged");
}

static void drop_connection(struct put *p)
{
    if (p->c)
        hf_sftp_close_handle(p->c, &p->handle);
    hf_sftp_give(p->s, HF_STEAL(p->c));
    p->handle.len = 0;
    p->n_flights = 0;
    p->sent = p->at;
}

static int connect_to(struct put *p, int64_t until_ms, struct hf_err *err)
{
    if (p->c)
        return 0;
    p->c = hf_sftp_take(p->s, until_ms, err);
    if (!p->c)
        return -1;
    hf_sftp_begin_work(p->c, until_ms);
    if (p->base == 0 ? make(p, err) == 0 : open_again(p, err) == 0)
        return 0;
    drop_connection(p);
    return -1;
}

/* ---- the window ------------------------------------------------------------------------- */

static int send_one(struct put *p, size_t n, struct hf_err *err)
{
    size_t at;
    struct flight *f = &p->flights[(p->first + p->n_flights) % HF_SFTP_REQUESTS_MAX];
    hf_buf_clear(&p->out);
    *f = (struct flight){.id = hf_sftp_request(p->c, &p->out, HF_SFTP_WRITE, &at), .len = n};
    hf_sftp_add_string(&p->out, p->handle.bytes, p->handle.len);
    hf_sftp_add_u64(&p->out, p->base + (p->sent - p->at));
    hf_sftp_add_string(&p->out, p->buf + p->sent, n);
    hf_sftp_end(&p->out, at);
    p->n_flights++;
    p->sent += n;
    return hf_sftp_send(p->c, &p->out, 1, err);
}

/* is_end: also what fills no request. */
static int send_more(struct put *p, bool is_end, struct hf_err *err)
{
    while (p->sent < p->len && p->n_flights < HF_SFTP_REQUESTS_MAX &&
           p->sent - p->at < HF_SFTP_WINDOW && hf_ssh_pending(p->c->ssh) < HF_SSH_PENDING_MAX) {
        size_t left = p->len - p->sent, n = left < p->c->write_bytes ? left : p->c->write_bytes;
        if (n < p->c->write_bytes && !is_end)
            break;
        if (send_one(p, n, err) < 0)
            return -1;
    }
    return 0;
}

static struct flight *flight_of(struct put *p, uint32_t id)
{
    for (unsigned i = 0; i < p->n_flights; i++) {
        struct flight *f = &p->flights[(p->first + i) % HF_SFTP_REQUESTS_MAX];
        if (f->id == id)
            return f;
    }
    return NULL;
}

static int take_ack(struct put *p, const struct hf_sftp_answer *a, struct hf_err *err)
{
    struct flight *f = flight_of(p, a->id);
    if (!f) /* of what was closed before */
        return 0;
    if (a->type != HF_SFTP_STATUS || a->status != HF_SFTP_OK)
        return hf_sftp_fail_room(p->s, p->c, a, "cannot write it", err);
    f->is_done = true;
    while (p->n_flights > 0 && p->flights[p->first].is_done) {
        p->at += p->flights[p->first].len;
        p->base += p->flights[p->first].len;
        p->first = (p->first + 1) % HF_SFTP_REQUESTS_MAX;
        p->n_flights--;
    }
    return 0;
}

static int take_acks(struct put *p, struct hf_err *err)
{
    struct hf_sftp_answer a;
    uint64_t before = p->base;
    int rc;
    while ((rc = hf_sftp_receive(p->c, &a, err)) == 1)
        if (take_ack(p, &a, err) < 0)
            return -1;
    if (p->base > before)
        hf_sftp_begin_work(p->c, patience_end(p));
    return rc;
}

enum wanted { NOTHING, ROOM, ALL };

static bool has(const struct put *p, enum wanted what)
{
    return what == NOTHING ||
           (what == ROOM ? p->at >= p->cap / 2 || p->at == p->len : p->at == p->len);
}

static int drive(struct put *p, enum wanted what, struct hf_err *err)
{
    for (;;) {
        if (send_more(p, what == ALL, err) < 0 || take_acks(p, err) < 0)
            return -1;
        if (has(p, what))
            return 0;
        if (hf_sftp_wait(p->c, err) < 0)
            return -1;
    }
}

/* ---- trouble ---------------------------------------------------------------------------- */

/* After a failure: is it worth another connection? Patience begins anew whenever the server has acknowledged something. */
static int bear(struct put *p, const struct hf_err *one, struct hf_err *err)
{
    if (!hf_sftp_is_worth_it(one, &p->nonsense))
        return hf_retry_give_up(&p->retry, one, err);
    if (!p->retry.clock || p->base > p->failed_at)
        p->retry = (struct hf_retry){
            .clock = p->s->clock, .cancel = p->s->cancel, .deadline_ms = patience_end(p)};
    p->failed_at = p->base;
    drop_connection(p);
    return hf_retry_wait(&p->retry, 0) ? 0 : hf_retry_give_up(&p->retry, one, err);
}

typedef int (*step_fn)(struct put *p, enum wanted what, struct hf_err *err);

/* On this connection, or the next. */
static int persist(struct put *p, step_fn fn, enum wanted what, struct hf_err *err)
{
    for (;;) {
        struct hf_err one = HF_ERR_INIT;
        int64_t until_ms = p->c || !p->retry.clock ? patience_end(p) : p->retry.deadline_ms;
        if (p->c)
            hf_sftp_begin_work(p->c, until_ms);
        if (connect_to(p, until_ms, &one) == 0 && fn(p, what, &one) == 0)
            return 0;
        if (bear(p, &one, err) < 0)
            return -1;
    }
}

/* ---- the sink --------------------------------------------------------------------------- */

static void make_room(struct put *p)
{
    memmove(p->buf, p->buf + p->at, p->len - p->at);
    p->sent -= p->at;
    p->len -= p->at;
    p->at = 0;
}

static int put_write(struct hf_io_sink *sink, const void *data, size_t len, struct hf_err *err)
{
    struct put *p = (struct put *)sink;
    for (const char *from = data; len > 0;) {
        if (p->len == p->cap) {
            if (persist(p, drive, ROOM, err) < 0)
                return -1;
            make_room(p);
        }
        size_t n = p->cap - p->len < len ? p->cap - p->len : len;
        memcpy(p->buf + p->len, from, n);
        p->len += n;
        from += n;
        len -= n;
        if (persist(p, drive, NOTHING, err) < 0)
            return -1;
    }
    return 0;
}

/* Its data does not outlive the next one. */
static int keep_answer(void *ctx, unsigned i, const struct hf_sftp_answer *a, struct hf_err *err)
{
    (void)err;
    ((struct hf_sftp_answer *)ctx)[i] =
        (struct hf_sftp_answer){.type = a->type, .status = a->status};
    return 0;
}

static bool is_ok(const struct hf_sftp_answer *a, bool may_lack)
{
    return a->type == HF_SFTP_STATUS &&
           (a->status == HF_SFTP_OK || (may_lack && a->status == HF_SFTP_UNSUPPORTED));
}

/* Written, durable and closed, in one go. A second try after a lost answer syncs again: an error that nobody has seen is told to the
 * next one. */
static int settle(struct put *p, enum wanted what, struct hf_err *err)
{
    uint32_t ids[2];
    struct hf_sftp_answer answers[2];
    unsigned n = 0;
    if (drive(p, what, err) < 0)
        return -1;
    hf_buf_clear(&p->out);
    if (p->c->has.fsync)
        ids[n++] = hf_sftp_add_handle(p->c, &p->out, HF_SFTP_EXTENDED, &p->handle);
    ids[n++] = hf_sftp_add_handle(p->c, &p->out, HF_SFTP_CLOSE, &p->handle);
    if (hf_sftp_send(p->c, &p->out, n, err) < 0)
        return -1;
    p->handle.len = 0;
    if (hf_sftp_await_all(p->c, ids, n, keep_answer, answers, err) < 0)
        return -1;
    if (n == 2 && !is_ok(&answers[0], true))
        return hf_sftp_fail_room(p->s, p->c, &answers[0], "cannot sync it", err);
    return is_ok(&answers[n - 1], false)
               ? 0
               : hf_sftp_fail_room(p->s, p->c, &answers[n - 1], "cannot write it", err);
}

static int put_finish(struct hf_io_sink *sink, struct hf_err *err)
{
    struct put *p = (struct put *)sink;
    if (persist(p, settle, ALL, err) < 0)
        return -1;
    drop_connection(p);
    const struct hf_sftp_renaming r = {p->tmp, p->name, p->base, p->replace};
    if (HF_POINT_ERR("store.sftp.before_rename", err) < 0 || hf_sftp_rename(p->s, &r, err) < 0)
        return -1;
    p->is_made = false;
    HF_POINT("store.sftp.after_rename");
    return 0;
}

/* Cancelled or not, in a time that nobody minds; where there is no connection a sweep does it. */
static void remove_it(struct put *p)
{
    struct hf_sftp_answer a;
    struct hf_err ignored = HF_ERR_INIT;
    int64_t until_ms = hf_clock_mono_ms(p->s->clock) + HF_SFTP_LAST_MS;
    if (!p->c)
        p->c = hf_sftp_take(p->s, until_ms, &ignored);
    if (!p->c || p->c->is_broken)
        return;
    p->c->ssh->cancel = NULL;
    hf_sftp_begin_work(p->c, until_ms);
    hf_sftp_close_handle(p->c, &p->handle);
    p->handle.len = 0;
    (void)!hf_sftp_ask_path(p->s, p->c, HF_SFTP_REMOVE, p->tmp, NULL, &a, &ignored);
    p->c->ssh->cancel = p->s->cancel;
}

static void put_close(struct hf_io_sink *sink)
{
    struct put *p = (struct put *)sink;
    if (p->is_made && !(p->c == NULL && p->retry.tries > 0))
        remove_it(p);
    drop_connection(p);
    hf_buf_free(&p->out);
    free(p->tmp);
    free(p->buf);
    free(p);
}

static const struct hf_io_sink_ops put_ops = {put_write, put_finish, put_close};

struct hf_io_sink *hf_sftp_put(struct hf_store *store, const char *name,
                               const struct hf_store_put *how, struct hf_store_receipt *out,
                               struct hf_err *err)
{
    (void)out; /* a server tells nothing about the bytes: not confirmed */
    struct put *p = calloc(1, sizeof *p);
    if (!p) {
        hf_fail_nomem(err);
        return NULL;
    }
    p->sink.ops = &put_ops;
    p->s = (struct hf_sftp *)store;
    p->retry.cancel = p->s->cancel;
    p->replace = how->replace;
    p->cap = how->bytes < CAP ? (size_t)how->bytes + 1 : CAP;
    p->buf = malloc(p->cap);
    p->tmp = hf_store_tmp_name(name, err);
    snprintf(p->name, sizeof p->name, "%s", name);
    if (p->buf && p->tmp)
        return how->bytes > ASIDE_BYTES ? hf_io_aside_new(&p->sink, err) : &p->sink;
    put_close(&p->sink);
    hf_fail_nomem(err);
    return NULL;
}

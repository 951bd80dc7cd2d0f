/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading: as many requests under way as fit into the window, each answer straight into its place.
 */
#include "store/sftp/sftp_intern.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define SLOTS 64u

struct slot {
    uint32_t id;
    size_t at, len; /* in the caller's memory; len 0: free */
};

struct getting {
    const char *name;
    uint64_t at;
    char *buf;
    size_t len;
    /* of one try */
    struct hf_sftp_handle handle;
    struct slot slots[SLOTS];
    unsigned n_busy;
    size_t asked, end; /* end: where the object turned out to end, from `at` on */
    struct hf_err err; /* the first failure; what is under way is waited for all the same */
};

static int ask_for(struct hf_sftp_conn *c, const struct getting *g, struct slot *t,
                   struct hf_err *err)
{
    size_t at;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    t->id = hf_sftp_request(c, &b, HF_SFTP_READ, &at);
    hf_sftp_add_string(&b, g->handle.bytes, g->handle.len);
    hf_sftp_add_u64(&b, g->at + t->at);
    hf_sftp_add_u32(&b, (uint32_t)t->len);
    hf_sftp_end(&b, at);
    return hf_sftp_send(c, &b, 1, err);
}

static int ask_more(struct hf_sftp_conn *c, struct getting *g, struct hf_err *err)
{
    size_t most = HF_SFTP_WINDOW / c->read_bytes;
    for (unsigned i = 0; i < SLOTS && i < most && g->asked < g->len; i++) {
        struct slot *t = &g->slots[i];
        if (t->len > 0)
            continue;
        t->at = g->asked;
        t->len = g->len - g->asked < c->read_bytes ? g->len - g->asked : c->read_bytes;
        g->asked += t->len;
        g->n_busy++;
        if (ask_for(c, g, t, err) < 0)
            return -1;
    }
    return 0;
}

/* Nothing more is asked for. */
static void stop(struct getting *g)
{
    g->asked = g->len;
}

static void free_slot(struct getting *g, struct slot *t)
{
    t->len = 0;
    g->n_busy--;
}

/* Fewer bytes than were asked for are no end yet: the rest is asked for again. */
static int take_data(struct hf_sftp_conn *c, struct getting *g, struct slot *t,
                     const struct hf_sftp_answer *a, struct hf_err *err)
{
    if (a->len == 0 || a->len > t->len) {
        hf_fail(err, HF_E_CORRUPT, "the server gives %zu bytes of %zu", a->len, t->len);
        err->retryable = c->is_broken = true;
        return -1;
    }
    memcpy(g->buf + t->at, a->data, a->len);
    t->at += a->len;
    t->len -= a->len;
    if (t->len > 0)
        return ask_for(c, g, t, err);
    g->n_busy--;
    return 0;
}

static int take_answer(struct hf_sftp_conn *c, struct getting *g, const struct hf_sftp_answer *a,
                       struct hf_err *err)
{
    struct slot *t = NULL;
    for (unsigned i = 0; i < SLOTS && !t; i++)
        if (g->slots[i].len > 0 && g->slots[i].id == a->id)
            t = &g->slots[i];
    if (!t) /* of what was closed before */
        return 0;
    if (a->type == HF_SFTP_DATA)
        return take_data(c, g, t, a, err);
    stop(g);
    if (a->type == HF_SFTP_STATUS && a->status == HF_SFTP_EOF)
        g->end = t->at < g->end ? t->at : g->end;
    else if (g->err.cls == HF_E_NONE)
        hf_sftp_fail(a, "cannot read it", &g->err);
    free_slot(g, t);
    return 0;
}

static int read_all(struct hf_sftp_conn *c, struct getting *g, struct hf_err *err)
{
    struct hf_sftp_answer a;
    while (g->asked < g->len || g->n_busy > 0) {
        if (ask_more(c, g, err) < 0)
            return -1;
        int rc = hf_sftp_receive(c, &a, err);
        if (rc < 0 || (rc == 0 && hf_sftp_wait(c, err) < 0) ||
            (rc == 1 && take_answer(c, g, &a, err) < 0))
            return -1;
    }
    if (g->err.cls != HF_E_NONE) {
        hf_err_copy(err, &g->err);
        return -1;
    }
    return g->end == g->len ? 0
                            : hf_fail(err, HF_E_CORRUPT, "it ends at byte %" PRIu64 ": truncated",
                                      g->at + g->end);
}

/* The slots of a try that failed are of no meaning in the next one. */
static void begin(struct getting *g)
{
    memset(g->slots, 0, sizeof g->slots);
    g->n_busy = 0;
    g->asked = 0;
    g->end = g->len;
    hf_err_clear(&g->err);
}

/* Behind the end nothing is read: where that is, only the server can say. */
static int end_of(struct hf_sftp_conn *c, struct getting *g, struct hf_err *err)
{
    struct hf_sftp_answer a;
    if (g->end != 0 || err->cls != HF_E_CORRUPT || c->is_broken)
        return -1;
    if (hf_sftp_ask_handle(c, HF_SFTP_FSTAT, &g->handle, &a, err) < 0)
        return -1;
    if (a.type != HF_SFTP_ATTRS || !a.attrs.has_bytes || a.attrs.bytes > g->at)
        return hf_fail(err, HF_E_CORRUPT, "it cannot be read: truncated");
    return hf_fail(err, HF_E_CORRUPT, "it ends at byte %" PRIu64 ": truncated", a.attrs.bytes);
}

static int get(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    struct getting *g = ctx;
    struct hf_sftp_answer a;
    begin(g);
    if (hf_sftp_ask_open(s, c, g->name, HF_SFTP_FOR_READ, &a, err) < 0)
        return -1;
    if (a.type == HF_SFTP_STATUS)
        return hf_sftp_fail_name(s, c, &a, "cannot open it", err);
    if (hf_sftp_keep_handle(&a, &g->handle, err) < 0)
        return -1;
    int rc = read_all(c, g, err);
    if (rc < 0)
        (void)end_of(c, g, err);
    hf_sftp_close_handle(c, &g->handle);
    return rc;
}

int hf_sftp_get(struct hf_store *store, const char *name, uint64_t at, void *buf, size_t len,
                bool fresh, struct hf_err *err)
{
    (void)fresh; /* nothing is kept here; what the server keeps, it gives */
    struct getting g = {.name = name, .at = at, .buf = buf, .len = len};
    return hf_sftp_do((struct hf_sftp *)store, len, get, &g, err);
}

/* ---- head ------------------------------------------------------------------------------- */

struct heading {
    const char *name;
    struct hf_store_object *out;
};

static int head(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    const struct heading *h = ctx;
    struct hf_sftp_answer a;
    if (hf_sftp_ask_path(s, c, HF_SFTP_LSTAT, h->name, NULL, &a, err) < 0)
        return -1;
    if (a.type != HF_SFTP_ATTRS)
        return hf_sftp_fail_name(s, c, &a, "cannot examine it", err);
    if (!a.attrs.has_bytes || (a.attrs.has_mode && !S_ISREG(a.attrs.mode)))
        return hf_fail(err, HF_E_CORRUPT, "not a regular file");
    h->out->bytes = a.attrs.bytes;
    h->out->changed_s = a.attrs.has_time ? a.attrs.changed_s : 0;
    return 0;
}

int hf_sftp_head(struct hf_store *store, const char *name, struct hf_store_object *out,
                 struct hf_err *err)
{
    struct heading h = {name, out};
    return hf_sftp_do((struct hf_sftp *)store, 0, head, &h, err);
}

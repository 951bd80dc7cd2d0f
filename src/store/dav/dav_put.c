/* SPDX-License-Identifier: Apache-2.0
 *
 * What fits into two parts, and is announced, or into one, is kept until it has arrived: it can be sent again. All else goes as it comes.
 */
#include "base/point.h"
#include "store/dav/dav_intern.h"
#include "store/walk.h"

#include <string.h>

#define PUT_TYPE "Content-Type: application/octet-stream"
#define LENGTH_TRIES 3
#define REMOVE_MS 2000
#define PAUSE_MS 100
/* A server that misses the folder answers, and hangs up on a body that it has not read: a proxy before it may see that alone, and say that
 * the server is in trouble. So its folder comes first, but for what is small enough to have arrived by then. */
#define SMALL ((size_t)64 << 10)

struct put {
    struct hf_io_sink sink;
    struct hf_dav *s;
    struct hf_store_put how;
    struct hf_http_upload *upload; /* NULL: it is kept so far */
    bool is_made;                  /* the hidden file may be there */
    char *buf;
    size_t len, cap;
    uint64_t written;
    char *tmp, *url; /* url: of tmp */
    char name[HF_STORE_NAME_MAX + 1];
};

/* ---- the hidden file -------------------------------------------------------------------- */

/* 404 or 409: its folder is missing. That is no failure yet. */
static int wants_dirs(void *ctx, const struct hf_http_answer *a, struct hf_err *err)
{
    (void)err;
    *(bool *)ctx = a->status == 404 || a->status == 409;
    return *(bool *)ctx;
}

static int send_whole(struct put *p, struct hf_err *err)
{
    bool is_missing = false;
    if (p->len > SMALL && hf_dav_make_dirs(p->s, p->tmp, err) < 0)
        return -1;
    for (int i = 0;; i++) {
        HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
        struct hf_dav_request r = {.method = "PUT",
                                   .name = p->tmp,
                                   .headers = {PUT_TYPE},
                                   .body = p->buf,
                                   .body_len = p->len,
                                   .otherwise = i == 0 ? wants_dirs : NULL,
                                   .ctx = &is_missing};
        is_missing = false;
        p->is_made = true;
        if (hf_dav_call(p->s, &r, &a, err) < 0)
            return err->cls == HF_E_NOT_FOUND ? hf_dav_fail_root(p->s, err) : -1;
        if (!is_missing)
            return 0;
        if (hf_dav_make_dirs(p->s, p->tmp, err) < 0)
            return -1;
    }
}

/* Some keep what they got of a body that was cut short. */
static int check_length(struct put *p, struct hf_err *err)
{
    struct hf_store_object o = {0};
    if (hf_dav_head(&p->s->store, p->tmp, &o, err) < 0)
        return -1;
    return o.bytes == p->written
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "it has %llu bytes there instead of %llu",
                         (unsigned long long)o.bytes, (unsigned long long)p->written);
}

static int put_whole(struct put *p, struct hf_err *err)
{
    for (int i = 1;; i++) {
        struct hf_err odd = HF_ERR_INIT;
        if (send_whole(p, err) < 0)
            return -1;
        if (check_length(p, &odd) == 0)
            return 0;
        bool is_worth_it = odd.cls == HF_E_CORRUPT || odd.cls == HF_E_NOT_FOUND;
        if (is_worth_it && i < LENGTH_TRIES)
            continue;
        hf_err_copy(err, &odd);
        return -1;
    }
}

/* ---- as it comes ------------------------------------------------------------------------ */

static int end_stream(struct put *p, struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    /* Servers that put a file together, or look for viruses in it, take their time. */
    if (hf_http_upload_finish(p->upload, atomic_load(&p->s->store.patience_ms), &a, err) < 0)
        return -1;
    if (hf_dav_is_done("PUT", a.status))
        return 0;
    hf_dav_fail(p->s, &a, err);
    return err->cls == HF_E_NOT_FOUND ? hf_dav_fail_root(p->s, err) : -1;
}

static int stream(struct put *p, const void *data, size_t len, struct hf_err *err)
{
    int rc = hf_http_upload_write(p->upload, data, len, err);
    if (rc <= 0)
        return rc;
    if (end_stream(p, err) < 0)
        return -1;
    return hf_fail(err, HF_E_CORRUPT, "the server has answered before it had all of it");
}

/* Its folders first: it cannot be sent again. */
static int begin_stream(struct put *p, struct hf_err *err)
{
    const char *const headers[] = {PUT_TYPE, NULL};
    struct hf_dav *s = p->s;
    const struct hf_http_request r = {.url = p->url,
                                      .headers = headers,
                                      .user = s->user,
                                      .secret = s->secret,
                                      .timeout_ms = s->stall_ms,
                                      .cancel = s->cancel};
    uint64_t bytes = p->how.bytes == HF_STORE_UNKNOWN ? HF_HTTP_UNKNOWN : p->how.bytes;
    if (hf_dav_make_dirs(s, p->tmp, err) < 0)
        return -1;
    p->is_made = true;
    p->upload = hf_http_upload_begin(s->http, &r, bytes, s->clock, err);
    return p->upload ? stream(p, p->buf, p->len, err) : -1;
}

static int put_stream(struct put *p, struct hf_err *err)
{
    if (end_stream(p, err) < 0)
        return -1;
    return check_length(p, err);
}

/* ---- its name --------------------------------------------------------------------------- */

/* 1: moved already: the hidden file is gone, and the object has our length. 0: not yet. NOT_FOUND: neither is there. */
static int was_moved(void *ctx, struct hf_err *err)
{
    struct put *p = ctx;
    struct hf_store_object o = {0};
    struct hf_err odd = HF_ERR_INIT;
    if (hf_dav_head(&p->s->store, p->tmp, &o, &odd) == 0)
        return 0;
    if (odd.cls == HF_E_NOT_FOUND && hf_dav_head(&p->s->store, p->name, &o, &odd) == 0)
        return o.bytes == p->written ? 1 : hf_fail(err, HF_E_NOT_FOUND, "what was put is gone");
    hf_err_copy(err, &odd);
    return -1;
}

/* Another try of the same may have been the one, and its answer was lost. */
static int may_be_moved(void *ctx, const struct hf_http_answer *a, struct hf_err *err)
{
    return a->status / 100 == 4 ? was_moved(ctx, err) : 0;
}

/* With Overwrite: T some servers (all of Go's) remove the object before they look for what is to be moved: a second one would remove
 * what the first has moved. So nothing is sent again unseen. */
static int move(struct put *p, struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    HF_AUTOFREE char *to = hf_dav_url(p->s, p->name, err);
    HF_AUTOFREE char *destination = to ? hf_asprintf("Destination: %s", to) : NULL;
    if (!to)
        return -1;
    if (!destination)
        return hf_fail_nomem(err);
    struct hf_dav_request r = {
        .method = "MOVE",
        .name = p->tmp,
        .headers = {destination, p->how.replace ? "Overwrite: T" : "Overwrite: F"},
        .is_single = p->how.replace,
        .otherwise = may_be_moved,
        .again = was_moved,
        .ctx = p};
    if (hf_dav_call(p->s, &r, &a, err) == 0)
        return 0;
    return err->cls == HF_E_CONFLICT ? -1 : hf_wrap(err, "cannot move it into place");
}

/* What a proxy repeated, or somebody swept, is gone: as long as its bytes are here it is put again. */
static int put_and_move(struct put *p, struct hf_err *err)
{
    for (int i = 1;; i++) {
        struct hf_err odd = HF_ERR_INIT;
        if ((p->upload ? put_stream(p, err) : put_whole(p, err)) < 0 ||
            HF_POINT_ERR("store.dav.before_move", err) < 0)
            return -1;
        if (move(p, &odd) == 0)
            return 0;
        if (odd.cls == HF_E_NOT_FOUND && !p->upload && i < LENGTH_TRIES)
            continue;
        hf_err_copy(err, &odd);
        return -1;
    }
}

/* ---- the sink --------------------------------------------------------------------------- */

/* A full buffer goes only when more comes: what fits is one request. */
static int put_write(struct hf_io_sink *sink, const void *data, size_t len, struct hf_err *err)
{
    struct put *p = (struct put *)sink;
    p->written += len;
    if (!p->upload && len > p->cap - p->len && begin_stream(p, err) < 0)
        return -1;
    if (p->upload)
        return stream(p, data, len, err);
    memcpy(p->buf + p->len, data, len);
    p->len += len;
    return 0;
}

static int put_finish(struct hf_io_sink *sink, struct hf_err *err)
{
    struct put *p = (struct put *)sink;
    if (HF_POINT_ERR("store.dav.before_put", err) < 0 || put_and_move(p, err) < 0)
        return -1;
    p->is_made = false;
    HF_POINT("store.dav.after_move");
    return 0;
}

/* Else a sweep does it. A server that has not noticed yet that the body was cut short refuses, or makes the file once more: it is
 * removed until it was missing twice. */
static void remove_it(struct put *p, bool was_cut)
{
    int64_t until_ms = hf_clock_mono_ms(p->s->clock) + REMOVE_MS;
    for (int missing = 0; missing < 2 && !hf_clock_is_past(p->s->clock, until_ms);) {
        struct hf_err ignored = HF_ERR_INIT;
        bool was_there = true;
        (void)!hf_dav_delete(p->s, p->tmp, true, &was_there, &ignored);
        if (!was_cut)
            return;
        missing = was_there ? 0 : missing + 1;
        hf_clock_sleep_ms(p->s->clock, PAUSE_MS);
    }
}

static void put_close(struct hf_io_sink *sink)
{
    struct put *p = (struct put *)sink;
    bool was_cut = p->upload != NULL;
    hf_http_upload_free(p->upload);
    if (p->is_made)
        remove_it(p, was_cut);
    free(p->buf);
    free(p->tmp);
    free(p->url);
    free(p);
}

static const struct hf_io_sink_ops put_ops = {put_write, put_finish, put_close};

static size_t buffer_bytes(const struct hf_dav *s, uint64_t bytes)
{
    size_t part = s->part_bytes;
    return bytes > 2 * (uint64_t)part ? part : bytes ? (size_t)bytes : 1;
}

struct hf_io_sink *hf_dav_put(struct hf_store *store, const char *name,
                              const struct hf_store_put *how, struct hf_store_receipt *out,
                              struct hf_err *err)
{
    (void)out; /* an ETag tells nothing about the bytes: not confirmed */
    struct put *p = calloc(1, sizeof *p);
    if (!p) {
        hf_fail_nomem(err);
        return NULL;
    }
    p->sink.ops = &put_ops;
    p->s = (struct hf_dav *)store;
    p->how = *how;
    p->cap = buffer_bytes(p->s, how->bytes);
    snprintf(p->name, sizeof p->name, "%s", name);
    p->buf = malloc(p->cap);
    p->tmp = hf_store_tmp_name(name, err);
    p->url = p->tmp ? hf_dav_url(p->s, p->tmp, err) : NULL;
    if (p->buf && p->url)
        return &p->sink;
    put_close(&p->sink);
    hf_fail_nomem(err);
    return NULL;
}

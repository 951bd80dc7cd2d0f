/* SPDX-License-Identifier: Apache-2.0
 *
 * An upload in parts: slots, each with a buffer and while it works a thread, are used in turn. A part's error is met when its slot is
 * wanted again, or at the end. The writer alone touches the upload; a thread has its slot until it is joined.
 */
#include "base/hex.h"
#include "base/point.h"
#include "base/thread.h"
#include "store/s3/s3_intern.h"
#include "store/s3/s3_xml.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#define SLOTS_MAX 4
#define SLOTS_BYTES                                                                                \
    ((size_t)96 << 20) /* together, where the parts are not larger than half of it */
#define FAR_MS (INT64_C(365) * 24 * 3600 * 1000)

struct slot {
    struct hf_s3_upload *up;
    pthread_t thread;
    bool is_busy; /* not joined yet */
    char *buf;
    size_t len;
    unsigned number;
    struct hf_s3_part done; /* bytes: 0: see err */
    struct hf_err err;
};

struct hf_s3_upload {
    struct hf_s3 *s;
    bool resume, is_done;
    struct hf_cancel *cancel; /* the store's, or we have given up */
    struct hf_s3_part *old;   /* of the upload taken over; or NULL */
    struct hf_s3_part *parts; /* HF_S3_PARTS_MAX */
    unsigned n_parts;
    size_t part_bytes, n_slots, next;
    struct slot slots[SLOTS_MAX];
    char id[HF_S3_ID_MAX], name[HF_STORE_NAME_MAX + 1];
};

/* ---- one part --------------------------------------------------------------------------- */

static bool is_there(const struct slot *t, const char *md5_hex)
{
    const struct hf_s3_part *old = t->up->old ? &t->up->old[t->number - 1] : NULL;
    return old && old->bytes == t->len && strcasecmp(old->etag, md5_hex) == 0;
}

static int judge_part(void *ctx, const struct hf_http_answer *a, struct hf_err *err)
{
    if (hf_s3_etag(a, ctx) == 0)
        return 0;
    hf_fail(err, HF_E_CORRUPT, "the store takes a part and gives no ETag");
    err->retryable = true;
    return -1;
}

static int send_part(struct slot *t, struct hf_err *err)
{
    char md5_hex[HF_S3_MD5_HEX], number[16];
    struct hf_s3_upload *u = t->up;
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    const struct hf_s3_param params[] = {{"partNumber", number}, {"uploadId", u->id}};
    struct hf_s3_request r = {.method = "PUT",
                              .name = u->name,
                              .params = params,
                              .n_params = HF_ARRAY_SIZE(params),
                              .body = t->buf,
                              .body_len = t->len,
                              .cancel = u->cancel,
                              .judge = judge_part,
                              .ctx = t->done.etag};
    if (hf_s3_md5(t->buf, t->len, t->done.md5, err) < 0)
        return -1;
    hf_hex(t->done.md5, HF_S3_MD5_BYTES, md5_hex);
    snprintf(number, sizeof number, "%u", t->number);
    if (is_there(t, md5_hex))
        memcpy(t->done.etag, md5_hex, sizeof md5_hex);
    else if (HF_POINT_ERR("store.s3.before_part", err) < 0 || hf_s3_call(u->s, &r, &a, err) < 0)
        return hf_wrap(err, "part %u", t->number);
    t->done.bytes = t->len;
    return 0;
}

static void *work(void *arg)
{
    struct slot *t = arg;
    if (send_part(t, &t->err) < 0)
        t->done.bytes = 0;
    return NULL;
}

static int start_thread(struct slot *t, struct hf_err *err)
{
    int e = hf_thread_start(&t->thread, work, t);
    t->is_busy = e == 0;
    return e ? hf_fail_sys(err, e, "cannot start a thread") : 0;
}

/* Keeps what the slot's part has become. */
static int join(struct slot *t, struct hf_err *err)
{
    if (!t->is_busy)
        return 0;
    pthread_join(t->thread, NULL);
    t->is_busy = false;
    if (t->done.bytes == 0) {
        hf_err_copy(err, &t->err);
        return -1;
    }
    t->up->parts[t->number - 1] = t->done;
    return 0;
}

int hf_s3_upload_part(struct hf_s3_upload *u, char **buf, size_t len, struct hf_err *err)
{
    struct slot *t = &u->slots[u->next];
    if (u->n_parts == HF_S3_PARTS_MAX) {
        hf_fail(err, HF_E_UNSUPPORTED, "it is longer than the 10,000 parts that S3 takes");
        return hf_hint(err, "Make the parts larger, or announce the length.");
    }
    if (join(t, err) < 0)
        return -1;
    if (!t->buf && !(t->buf = malloc(u->part_bytes)))
        return hf_fail_nomem(err);
    char *full = *buf;
    *buf = t->buf;
    t->buf = full;
    t->len = len;
    t->number = ++u->n_parts;
    memset(&t->done, 0, sizeof t->done);
    u->next = (u->next + 1) % u->n_slots;
    return start_thread(t, err);
}

/* ---- beginning -------------------------------------------------------------------------- */

static int judge_begin(void *ctx, const struct hf_http_answer *a, struct hf_err *err)
{
    char *id = ctx;
    if (hf_s3_xml_text(hf_buf_str(&a->body), a->body.len, "InitiateMultipartUploadResult",
                       "UploadId", id, HF_S3_ID_MAX, err) < 0)
        return -1;
    return id[0] && strlen(id) < HF_S3_ID_MAX - 1
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "the store begins an upload without a name");
}

/* A retry may leave an empty upload behind, which a sweep removes. */
static int begin(struct hf_s3_upload *u, struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    const struct hf_s3_param params[] = {{"uploads", ""}};
    struct hf_s3_request r = {.method = "POST",
                              .name = u->name,
                              .params = params,
                              .n_params = 1,
                              .judge = judge_begin,
                              .ctx = u->id};
    if (u->resume && hf_s3_resume(u->s, u->name, u->id, &u->old, err) < 0)
        return -1;
    if (u->id[0])
        return 0;
    if (HF_POINT_ERR("store.s3.before_upload", err) < 0 || hf_s3_call(u->s, &r, &a, err) < 0)
        return -1;
    HF_POINT("store.s3.after_upload");
    return 0;
}

struct hf_s3_upload *hf_s3_upload_new(struct hf_s3 *s, const char *name, size_t part_bytes,
                                      bool resume, struct hf_err *err)
{
    HF_AUTO(hf_s3_upload) struct hf_s3_upload *u = calloc(1, sizeof *u);
    if (!u || !(u->parts = calloc(HF_S3_PARTS_MAX, sizeof *u->parts))) {
        hf_fail_nomem(err);
        return NULL;
    }
    u->s = s;
    u->resume = resume;
    u->part_bytes = part_bytes;
    u->n_slots = SLOTS_BYTES / part_bytes;
    u->n_slots = u->n_slots < 2 ? 2 : u->n_slots > SLOTS_MAX ? SLOTS_MAX : u->n_slots;
    memcpy(u->name, name, strlen(name) + 1);
    for (size_t i = 0; i < u->n_slots; i++) {
        u->slots[i].up = u;
        u->slots[i].err = (struct hf_err)HF_ERR_INIT;
    }
    u->cancel = hf_cancel_until(s->cancel, s->clock, hf_clock_mono_ms(s->clock) + FAR_MS, err);
    return u->cancel && begin(u, err) == 0 ? HF_STEAL(u) : NULL;
}

/* ---- the end ---------------------------------------------------------------------------- */

/* What the whole object's ETag is, where it is made of MD5s. */
static int expect(const struct hf_s3_upload *u, char out[HF_S3_ETAG_MAX], struct hf_err *err)
{
    unsigned char sum[HF_S3_MD5_BYTES];
    HF_AUTO(hf_buf) struct hf_buf sums = HF_BUF_INIT;
    for (unsigned i = 0; i < u->n_parts; i++)
        hf_buf_add(&sums, u->parts[i].md5, HF_S3_MD5_BYTES);
    if (!hf_buf_ok(&sums))
        return hf_fail_nomem(err);
    if (hf_s3_md5(hf_buf_str(&sums), sums.len, sum, err) < 0)
        return -1;
    hf_hex(sum, sizeof sum, out);
    snprintf(out + HF_S3_MD5_HEX - 1, HF_S3_ETAG_MAX - HF_S3_MD5_HEX + 1, "-%u", u->n_parts);
    return 0;
}

static bool are_parts_confirmed(const struct hf_s3_upload *u)
{
    char hex[HF_S3_MD5_HEX];
    for (unsigned i = 0; i < u->n_parts; i++) {
        hf_hex(u->parts[i].md5, HF_S3_MD5_BYTES, hex);
        if (strcasecmp(hex, u->parts[i].etag) != 0)
            return false;
    }
    return true;
}

struct completion {
    struct hf_s3 *s;
    char etag[HF_S3_ETAG_MAX];
};

/* The status is sent before the work is done, so it may be 200 and <Error> all the same. */
static int judge_complete(void *ctx, const struct hf_http_answer *a, struct hf_err *err)
{
    struct completion *c = ctx;
    char text[HF_S3_ETAG_MAX + 16];
    const char *xml = hf_buf_str(&a->body);
    if (hf_s3_xml_is(xml, a->body.len, "Error"))
        return hf_s3_fail(c->s, a, err);
    if (hf_s3_xml_text(xml, a->body.len, "CompleteMultipartUploadResult", "ETag", text, sizeof text,
                       err) < 0)
        return -1;
    if (hf_s3_etag_copy(text, c->etag) < 0)
        c->etag[0] = '\0';
    return 0;
}

/* An answer was lost, and the upload is gone because it is complete: then the object is there. */
static int look_for_it(const struct hf_s3_upload *u, const char *want, struct completion *c)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    struct hf_s3_request r = {.method = "HEAD", .name = u->name};
    return hf_s3_call(u->s, &r, &a, &ignored) == 0 && hf_s3_etag(&a, c->etag) == 0 &&
                   strcasecmp(c->etag, want) == 0
               ? 0
               : -1;
}

static int complete(struct hf_s3_upload *u, const char *want, struct completion *c,
                    struct hf_err *err)
{
    struct hf_err odd = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf xml = HF_BUF_INIT;
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    const struct hf_s3_param params[] = {{"uploadId", u->id}};
    hf_buf_str_add(&xml,
                   "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (unsigned i = 0; i < u->n_parts; i++)
        hf_buf_printf(&xml, "<Part><PartNumber>%u</PartNumber><ETag>\"%s\"</ETag></Part>", i + 1,
                      u->parts[i].etag);
    hf_buf_str_add(&xml, "</CompleteMultipartUpload>");
    if (!hf_buf_ok(&xml))
        return hf_fail_nomem(err);
    struct hf_s3_request r = {.method = "POST",
                              .name = u->name,
                              .params = params,
                              .n_params = 1,
                              .body = xml.data,
                              .body_len = xml.len,
                              .judge = judge_complete,
                              .ctx = c};
    if (HF_POINT_ERR("store.s3.before_complete", err) < 0)
        return -1;
    if (hf_s3_call(u->s, &r, &a, &odd) == 0 ||
        (odd.cls == HF_E_NOT_FOUND && look_for_it(u, want, c) == 0))
        return 0;
    hf_err_copy(err, &odd);
    return -1;
}

int hf_s3_upload_finish(struct hf_s3_upload *u, bool *out_confirmed, struct hf_err *err)
{
    char want[HF_S3_ETAG_MAX];
    struct completion c = {.s = u->s};
    for (size_t i = 0; i < u->n_slots; i++)
        if (join(&u->slots[i], err) < 0)
            return -1;
    if (expect(u, want, err) < 0 || complete(u, want, &c, err) < 0)
        return -1;
    HF_POINT("store.s3.after_complete");
    u->is_done = true;
    *out_confirmed = strcasecmp(c.etag, want) == 0 && are_parts_confirmed(u);
    return 0;
}

void hf_s3_upload_free(struct hf_s3_upload *u)
{
    struct hf_err ignored = HF_ERR_INIT;
    if (!u)
        return;
    if (u->cancel)
        hf_cancel_set(u->cancel); /* what is under way is of no use any more */
    for (size_t i = 0; i < u->n_slots; i++) {
        (void)join(&u->slots[i], &ignored);
        free(u->slots[i].buf);
    }
    if (u->id[0] && !u->is_done && !u->resume)
        (void)!hf_s3_abort(u->s, u->name, u->id, true, &ignored); /* else a sweep does it */
    hf_cancel_free(u->cancel);
    free(u->old);
    free(u->parts);
    free(u);
}

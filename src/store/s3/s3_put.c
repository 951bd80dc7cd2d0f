/* SPDX-License-Identifier: Apache-2.0
 *
 * What fits into two parts, and is announced, goes as one request; all else in parts. One buffer is filled here, the others are on
 * their way (s3_upload.c).
 */
#include "base/base64.h"
#include "base/hex.h"
#include "base/point.h"
#include "store/s3/s3_intern.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct put {
    struct hf_io_sink sink;
    struct hf_s3 *s;
    struct hf_store_put how;
    struct hf_store_receipt *out;
    struct hf_s3_upload *upload; /* NULL: still one request */
    char *buf;
    size_t len, cap;
    uint64_t written;
    char name[HF_STORE_NAME_MAX + 1];
};

/* ---- in one request --------------------------------------------------------------------- */

int hf_s3_etag_copy(const char *text, char out[HF_S3_ETAG_MAX])
{
    size_t len = strlen(text), n = 0;
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= HF_S3_ETAG_MAX)
        return -1;
    for (; n < len; n++) {
        if (!isalnum((unsigned char)text[n]) && !strchr("-._+/=", text[n]))
            return -1;
        out[n] = text[n];
    }
    out[n] = '\0';
    return 0;
}

int hf_s3_etag(const struct hf_http_answer *a, char out[HF_S3_ETAG_MAX])
{
    char text[HF_S3_ETAG_MAX + 16];
    return hf_http_header(a, "ETag", text, sizeof text) ? hf_s3_etag_copy(text, out) : -1;
}

/* Where the ETag is no MD5 (encryption with keys of its own), the store's checksum may do: but only one that it gives later, for some
 * take any header and keep nothing. No answer: not confirmed, that is all. */
static bool has_checksum(struct hf_s3 *s, const char *name, const char *want)
{
    struct hf_err ignored = HF_ERR_INIT;
    char text[80];
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    struct hf_s3_request r = {
        .method = "HEAD", .name = name, .headers = {"x-amz-checksum-mode: ENABLED"}};
    return hf_s3_call(s, &r, &a, &ignored) == 0 &&
           hf_http_header(&a, "x-amz-checksum-sha256", text, sizeof text) &&
           strcmp(text, want) == 0;
}

static int put_whole(struct put *p, struct hf_err *err)
{
    const char *hex = p->out->digest.sha256; /* of what is in the buffer: all of it */
    unsigned char sha[HF_S3_SHA256_BYTES], md5[HF_S3_MD5_BYTES];
    char md5_hex[HF_S3_MD5_HEX], checksum[128], etag[HF_S3_ETAG_MAX] = "";
    HF_AUTO(hf_buf) struct hf_buf base64 = HF_BUF_INIT;
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    if (hf_unhex(hex, sha, sizeof sha) < 0)
        return hf_fail(err, HF_E_INTERNAL, "it has no digest");
    if (hf_s3_md5(p->buf, p->len, md5, err) < 0)
        return -1;
    hf_hex(md5, sizeof md5, md5_hex);
    hf_base64_encode(&base64, sha, sizeof sha);
    if (!hf_buf_ok(&base64))
        return hf_fail_nomem(err);
    snprintf(checksum, sizeof checksum, "x-amz-checksum-sha256: %s", hf_buf_str(&base64));
    struct hf_s3_request r = {.method = "PUT",
                              .name = p->name,
                              .headers = {checksum},
                              .body = p->buf,
                              .body_len = p->len,
                              .sha256 = hex};
    if (HF_POINT_ERR("store.s3.before_put", err) < 0 || hf_s3_call(p->s, &r, &a, err) < 0)
        return -1;
    HF_POINT("store.s3.after_put");
    p->out->confirmed = (hf_s3_etag(&a, etag) == 0 && strcasecmp(etag, md5_hex) == 0) ||
                        has_checksum(p->s, p->name, hf_buf_str(&base64));
    return 0;
}

/* ---- the sink --------------------------------------------------------------------------- */

static int pass_part(struct put *p, struct hf_err *err)
{
    if (!p->upload)
        p->upload = hf_s3_upload_new(p->s, p->name, p->cap, p->how.resume, err);
    if (!p->upload || hf_s3_upload_part(p->upload, &p->buf, p->len, err) < 0)
        return -1;
    p->len = 0;
    return 0;
}

/* A full buffer goes only when more comes: what fits is one request. */
static int put_write(struct hf_io_sink *sink, const void *data, size_t len, struct hf_err *err)
{
    struct put *p = (struct put *)sink;
    if (p->how.bytes != HF_STORE_UNKNOWN && len > p->how.bytes - p->written)
        return hf_fail(err, HF_E_CORRUPT, "more bytes are written than were announced");
    p->written += len;
    for (const char *from = data; len > 0;) {
        if (p->len == p->cap && pass_part(p, err) < 0)
            return -1;
        size_t n = p->cap - p->len < len ? p->cap - p->len : len;
        memcpy(p->buf + p->len, from, n);
        p->len += n;
        from += n;
        len -= n;
    }
    return 0;
}

static int put_finish(struct hf_io_sink *sink, struct hf_err *err)
{
    struct put *p = (struct put *)sink;
    if (!p->upload)
        return put_whole(p, err);
    if (pass_part(p, err) < 0)
        return -1;
    return hf_s3_upload_finish(p->upload, &p->out->confirmed, err);
}

static void put_close(struct hf_io_sink *sink)
{
    struct put *p = (struct put *)sink;
    hf_s3_upload_free(p->upload);
    free(p->buf);
    free(p);
}

static const struct hf_io_sink_ops put_ops = {put_write, put_finish, put_close};

/* The same bytes get the same parts in the next put, or they could not be taken over. */
static size_t buffer_bytes(const struct hf_s3 *s, uint64_t bytes)
{
    size_t part = s->part_bytes;
    if (bytes == HF_STORE_UNKNOWN)
        return part;
    if (bytes <= 2 * (uint64_t)part)
        return bytes ? (size_t)bytes : 1;
    uint64_t least = (bytes + HF_S3_PARTS_MAX - 1) / HF_S3_PARTS_MAX;
    return least > part ? (size_t)least : part;
}

struct hf_io_sink *hf_s3_put(struct hf_store *store, const char *name,
                             const struct hf_store_put *how, struct hf_store_receipt *out,
                             struct hf_err *err)
{
    struct put *p = calloc(1, sizeof *p);
    if (p) {
        p->sink.ops = &put_ops;
        p->s = (struct hf_s3 *)store;
        p->how = *how;
        p->out = out;
        p->cap = buffer_bytes(p->s, how->bytes);
        p->buf = malloc(p->cap);
        memcpy(p->name, name, strlen(name) + 1);
    }
    if (!p || !p->buf) {
        free(p);
        hf_fail_nomem(err);
        return NULL;
    }
    return &p->sink;
}

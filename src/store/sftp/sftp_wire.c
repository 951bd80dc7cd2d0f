/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sftp/sftp_wire.h"

#include <endian.h>
#include <string.h>

#define HAS_BYTES 0x1u
#define HAS_OWNER 0x2u
#define HAS_MODE 0x4u
#define HAS_TIMES 0x8u
#define HAS_EXTENDED 0x80000000u
#define PAIRS_MAX 64u

/* ---- written ---------------------------------------------------------------------------- */

void hf_sftp_add_u32(struct hf_buf *b, uint32_t n)
{
    uint32_t wire = htobe32(n);
    hf_buf_add(b, &wire, sizeof wire);
}

void hf_sftp_add_u64(struct hf_buf *b, uint64_t n)
{
    uint64_t wire = htobe64(n);
    hf_buf_add(b, &wire, sizeof wire);
}

void hf_sftp_add_string(struct hf_buf *b, const void *data, size_t len)
{
    hf_sftp_add_u32(b, (uint32_t)len);
    hf_buf_add(b, data, len);
}

void hf_sftp_add_mode(struct hf_buf *b, uint32_t mode)
{
    hf_sftp_add_u32(b, HAS_MODE);
    hf_sftp_add_u32(b, mode);
}

void hf_sftp_begin(struct hf_buf *b, enum hf_sftp_type type, uint32_t id, size_t *at)
{
    char byte = (char)type;
    *at = b->len;
    hf_sftp_add_u32(b, 0);
    hf_buf_add(b, &byte, 1);
    hf_sftp_add_u32(b, id); /* of INIT: the version */
}

void hf_sftp_end(struct hf_buf *b, size_t at)
{
    if (!hf_buf_ok(b))
        return;
    uint32_t len = htobe32((uint32_t)(b->len - at - sizeof len));
    memcpy(b->data + at, &len, sizeof len);
}

/* ---- read ------------------------------------------------------------------------------- */

struct reader {
    const unsigned char *p;
    size_t left;
    bool is_short; /* more was wanted than is there: all that is read from then on is 0 */
};

static const unsigned char *take(struct reader *r, size_t len)
{
    static const unsigned char none[8];
    if (r->is_short || len > r->left) {
        r->is_short = true;
        r->left = 0;
        return none;
    }
    const unsigned char *at = r->p;
    r->p += len;
    r->left -= len;
    return at;
}

static uint32_t take_u32(struct reader *r)
{
    uint32_t n;
    memcpy(&n, take(r, sizeof n), sizeof n);
    return be32toh(n);
}

static uint64_t take_u64(struct reader *r)
{
    uint64_t n;
    memcpy(&n, take(r, sizeof n), sizeof n);
    return be64toh(n);
}

static const unsigned char *take_string(struct reader *r, size_t *len)
{
    *len = take_u32(r);
    const unsigned char *at = take(r, *len);
    if (r->is_short)
        *len = 0;
    return at;
}

static int nonsense(const char *what, struct hf_err *err)
{
    hf_fail(err, HF_E_CORRUPT, "this is no answer of an SFTP server: %s", what);
    err->retryable = true;
    return -1;
}

static void take_attrs(struct reader *r, struct hf_sftp_attrs *out)
{
    uint32_t flags = take_u32(r), pairs = 0;
    size_t ignored;
    *out = (struct hf_sftp_attrs){.has_bytes = flags & HAS_BYTES,
                                  .has_mode = flags & HAS_MODE,
                                  .has_time = flags & HAS_TIMES};
    if (flags & HAS_BYTES)
        out->bytes = take_u64(r);
    if (flags & HAS_OWNER)
        (void)take(r, 8);
    if (flags & HAS_MODE)
        out->mode = take_u32(r);
    if (flags & HAS_TIMES) {
        (void)take_u32(r);
        out->changed_s = take_u32(r);
    }
    if (flags & HAS_EXTENDED)
        pairs = take_u32(r);
    if (pairs > PAIRS_MAX)
        r->is_short = true;
    for (uint32_t i = 0; i < pairs && !r->is_short; i++) {
        (void)take_string(r, &ignored);
        (void)take_string(r, &ignored);
    }
    if (out->bytes > INT64_MAX)
        r->is_short = true;
}

int hf_sftp_answer_parse(const unsigned char *packet, size_t len, struct hf_sftp_answer *out,
                         struct hf_err *err)
{
    struct reader r = {.p = packet, .left = len};
    *out = (struct hf_sftp_answer){.type = (enum hf_sftp_type) * take(&r, 1), .id = take_u32(&r)};
    switch (out->type) {
    case HF_SFTP_STATUS:
        out->status = take_u32(&r);
        if (r.left > 0) /* the oldest servers say no more */
            out->data = take_string(&r, &out->len);
        break;
    case HF_SFTP_HANDLE:
    case HF_SFTP_DATA:
        out->data = take_string(&r, &out->len);
        break;
    case HF_SFTP_NAME:
        out->n = take_u32(&r);
        out->data = r.p;
        out->len = r.left;
        break;
    case HF_SFTP_ATTRS:
        take_attrs(&r, &out->attrs);
        break;
    case HF_SFTP_EXTENDED_REPLY:
        out->data = r.p;
        out->len = r.left;
        break;
    default:
        return nonsense("of a kind that nobody knows", err);
    }
    if (r.is_short)
        return nonsense("it ends too early", err);
    if (out->type == HF_SFTP_HANDLE && (out->len == 0 || out->len > HF_SFTP_HANDLE_MAX))
        return nonsense("a handle of a strange length", err);
    return 0;
}

static bool is_called(const unsigned char *name, size_t len, const char *want)
{
    return len == strlen(want) && memcmp(name, want, len) == 0;
}

int hf_sftp_version_parse(const unsigned char *packet, size_t len, struct hf_sftp_extensions *out,
                          struct hf_err *err)
{
    struct reader r = {.p = packet, .left = len};
    *out = (struct hf_sftp_extensions){0};
    if (*take(&r, 1) != HF_SFTP_VERSION)
        return nonsense("the first one is no greeting", err);
    uint32_t version = take_u32(&r);
    if (r.is_short)
        return nonsense("it ends too early", err);
    if (version != 3)
        return hf_fail(err, HF_E_UNSUPPORTED, "the server speaks version %u of SFTP, not 3",
                       (unsigned)version);
    while (r.left > 0) {
        size_t name_len, ignored;
        const unsigned char *name = take_string(&r, &name_len);
        (void)take_string(&r, &ignored);
        if (r.is_short)
            return nonsense("it ends too early", err);
        out->fsync |= is_called(name, name_len, "fsync@openssh.com");
        out->posix_rename |= is_called(name, name_len, "posix-rename@openssh.com");
        out->statvfs |= is_called(name, name_len, "statvfs@openssh.com");
        out->limits |= is_called(name, name_len, "limits@openssh.com");
    }
    return 0;
}

int hf_sftp_names_parse(const struct hf_sftp_answer *a, hf_sftp_emit emit, void *ctx,
                        struct hf_err *err)
{
    struct reader r = {.p = a->data, .left = a->len};
    for (uint32_t i = 0; i < a->n; i++) {
        char text[HF_SFTP_NAME_MAX + 1];
        struct hf_sftp_attrs attrs;
        size_t len, ignored;
        const unsigned char *name = take_string(&r, &len);
        (void)take_string(&r, &ignored); /* as `ls -l` shows it */
        take_attrs(&r, &attrs);
        if (r.is_short)
            return nonsense("a listing that ends too early", err);
        if (len == 0 || len > HF_SFTP_NAME_MAX || memchr(name, '\0', len) || memchr(name, '/', len))
            continue;
        memcpy(text, name, len);
        text[len] = '\0';
        int rc = emit(ctx, text, &attrs, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int hf_sftp_numbers_parse(const struct hf_sftp_answer *a, uint64_t *out, size_t n,
                          struct hf_err *err)
{
    struct reader r = {.p = a->data, .left = a->len};
    for (size_t i = 0; i < n; i++)
        out[i] = take_u64(&r);
    return r.is_short ? nonsense("it ends too early", err) : 0;
}

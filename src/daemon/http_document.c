/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/http_document.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LEVEL 4               /* of what is repetitive; higher ones take longer and save little */
#define WINDOW_BITS (15 + 16) /* with gzip's header */
#define MEMORY_LEVEL 8
#define PIECE ((size_t)32 << 10)

struct hf_document {
    atomic_uint shares;
    size_t len, gzip_len;
    unsigned char *gzip;
};

/* ---- made -------------------------------------------------------------------------------- */

/* It is written where nothing has to be moved, and what is left over is given back. */
static int compress_into(struct hf_document *d, z_stream *z, const char *text)
{
    const uLong most = deflateBound(z, d->len);
    d->gzip = malloc(most);
    if (!d->gzip)
        return -1;
    z->next_in = (unsigned char *)(uintptr_t)text;
    z->avail_in = (uInt)d->len;
    z->next_out = d->gzip;
    z->avail_out = (uInt)most;
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        return -1;
    d->gzip_len = z->total_out;
    unsigned char *less = realloc(d->gzip, d->gzip_len);
    d->gzip = less ? less : d->gzip;
    return 0;
}

struct hf_document *hf_document_new(const char *text, size_t len, struct hf_err *err)
{
    z_stream z = {0};
    HF_AUTO(hf_document) struct hf_document *d = calloc(1, sizeof *d);
    if (len > UINT32_MAX / 2) {
        hf_fail(err, HF_E_UNSUPPORTED, "a document of %zu bytes", len);
        return NULL;
    }
    if (d) {
        atomic_init(&d->shares, 1);
        d->len = len;
    }
    if (!d || deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
                  Z_OK) {
        hf_fail_nomem(err);
        return NULL;
    }
    const int rc = compress_into(d, &z, text);
    deflateEnd(&z);
    if (rc == 0)
        return HF_STEAL(d);
    hf_fail_nomem(err);
    return NULL;
}

void hf_document_release(struct hf_document *d)
{
    if (!d || atomic_fetch_sub(&d->shares, 1) > 1)
        return;
    free(d->gzip);
    free(d);
}

/* ---- read -------------------------------------------------------------------------------- */

struct reading {
    struct hf_document *document; /* a share of it */
    z_stream z;
};

static void reading_free(void *ctx)
{
    struct reading *r = ctx;
    inflateEnd(&r->z);
    hf_document_release(r->document);
    free(r);
}

static struct reading *reading_new(struct hf_document *d)
{
    struct reading *r = calloc(1, sizeof *r);
    if (!r || inflateInit2(&r->z, WINDOW_BITS) != Z_OK) {
        free(r);
        return NULL;
    }
    atomic_fetch_add(&d->shares, 1);
    r->document = d;
    r->z.next_in = d->gzip;
    r->z.avail_in = (uInt)d->gzip_len;
    return r;
}

/* At most max bytes of what comes next; 0: it is no document. */
static size_t read_next(struct reading *r, char *into, size_t max)
{
    r->z.next_out = (unsigned char *)into;
    r->z.avail_out = (uInt)max;
    const int rc = inflate(&r->z, Z_NO_FLUSH);
    return rc == Z_OK || rc == Z_STREAM_END ? max - r->z.avail_out : 0;
}

int hf_document_text(const struct hf_document *d, struct hf_buf *out, struct hf_err *err)
{
    char piece[4096];
    struct reading *r = reading_new((struct hf_document *)(uintptr_t)d);
    if (!r)
        return hf_fail_nomem(err);
    for (size_t n; (n = read_next(r, piece, sizeof piece)) > 0;)
        hf_buf_add(out, piece, n);
    reading_free(r);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

/* ---- answers ----------------------------------------------------------------------------- */

static ssize_t give_piece(void *ctx, uint64_t at, char *into, size_t max)
{
    const size_t n = read_next(ctx, into, max);
    (void)at; /* one behind the other */
    return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void release(void *ctx)
{
    hf_document_release(ctx);
}

static struct MHD_Response *as_text(struct hf_document *d)
{
    struct reading *r = reading_new(d);
    struct MHD_Response *a =
        r ? MHD_create_response_from_callback(d->len, PIECE, give_piece, r, reading_free) : NULL;
    if (r && !a)
        reading_free(r);
    return a;
}

static struct MHD_Response *as_kept(struct hf_document *d)
{
    struct MHD_Response *a =
        MHD_create_response_from_buffer_with_free_callback_cls(d->gzip_len, d->gzip, release, d);
    if (!a)
        return NULL;
    atomic_fetch_add(&d->shares, 1);
    if (MHD_add_response_header(a, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip") == MHD_YES)
        return a;
    MHD_destroy_response(a);
    return NULL;
}

struct MHD_Response *hf_document_answer(struct hf_document *d, bool as_gzip)
{
    return as_gzip ? as_kept(d) : as_text(d);
}

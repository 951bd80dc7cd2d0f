/* SPDX-License-Identifier: Apache-2.0 */
#include "io/read.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define IN_BYTES ((size_t)128 << 10)
#define WINDOW_LOG_MAX 27 /* 128 MiB: a hostile frame may ask for more */

struct hf_io_read {
    struct hf_io_source *source;
    uint64_t next; /* of it: what was not read yet */
    char *path;    /* for messages */
    int (*some)(struct hf_io_read *r, void *buf, size_t len, size_t *out_n, struct hf_err *err);
    unsigned char in[IN_BYTES];
    size_t at, have; /* of in */
    uint64_t stored, content;
    struct hf_sha256 *digest; /* NULL: none is wanted */
    ZSTD_DCtx *zstd;
    z_stream gz;
    bool has_gz;
    bool in_frame; /* a gzip member or zstd frame is open */
};

void hf_io_read_close(struct hf_io_read *r)
{
    if (!r)
        return;
    hf_io_source_close(r->source);
    if (r->has_gz)
        inflateEnd(&r->gz);
    ZSTD_freeDCtx(r->zstd);
    hf_sha256_free(r->digest);
    free(r->path);
    free(r);
}

static int fail_torn(const struct hf_io_read *r, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "%s ends in the middle: it is truncated", r->path);
}

static int fail_packed(const struct hf_io_read *r, const char *why, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "%s at stored byte %llu: %s", r->path,
                   (unsigned long long)r->stored, why ? why : "damaged");
}

/* More of the file behind what is unread of `in`. */
static int fill(struct hf_io_read *r, struct hf_err *err)
{
    if (r->at == r->have)
        r->at = r->have = 0;
    size_t room = IN_BYTES - r->have;
    size_t n = r->source->size - r->next < room ? (size_t)(r->source->size - r->next) : room;
    if (hf_io_read_at(r->source, r->next, r->in + r->have, n, err) < 0)
        return -1;
    r->next += n;
    r->have += n;
    return 0;
}

static void take(struct hf_io_read *r, size_t n)
{
    r->at += n;
    r->stored += n;
}

static int some_plain(struct hf_io_read *r, void *buf, size_t len, size_t *out_n,
                      struct hf_err *err)
{
    if (r->at == r->have && fill(r, err))
        return -1;
    size_t n = r->have - r->at < len ? r->have - r->at : len;
    memcpy(buf, r->in + r->at, n);
    take(r, n);
    *out_n = n;
    return 0;
}

static int some_zstd(struct hf_io_read *r, void *buf, size_t len, size_t *out_n, struct hf_err *err)
{
    ZSTD_outBuffer out = {buf, len, 0};
    while (out.pos == 0) {
        if (r->at == r->have && fill(r, err))
            return -1;
        if (r->at == r->have && !r->in_frame)
            break;
        ZSTD_inBuffer in = {r->in + r->at, r->have - r->at, 0};
        size_t left = ZSTD_decompressStream(r->zstd, &out, &in);
        if (ZSTD_isError(left))
            return fail_packed(r, ZSTD_getErrorName(left), err);
        if (in.size == 0 && out.pos == 0)
            return fail_torn(r, err);
        take(r, in.pos);
        r->in_frame = left != 0;
    }
    *out_n = out.pos;
    return 0;
}

/* One step of inflate; members may follow each other. */
static int inflate_step(struct hf_io_read *r, struct hf_err *err)
{
    r->gz.next_in = r->in + r->at;
    r->gz.avail_in = (uInt)(r->have - r->at);
    if (!r->in_frame && inflateReset(&r->gz) != Z_OK)
        return fail_packed(r, r->gz.msg, err);
    r->in_frame = true;
    int rc = inflate(&r->gz, Z_NO_FLUSH);
    take(r, r->have - r->at - r->gz.avail_in);
    if (rc == Z_STREAM_END)
        r->in_frame = false;
    else if (rc != Z_OK)
        return fail_packed(r, r->gz.msg, err);
    return 0;
}

static int some_gzip(struct hf_io_read *r, void *buf, size_t len, size_t *out_n, struct hf_err *err)
{
    r->gz.next_out = buf;
    r->gz.avail_out = (uInt)len;
    while (r->gz.avail_out == len) {
        if (r->at == r->have && fill(r, err))
            return -1;
        if (r->at == r->have && !r->in_frame)
            break;
        if (r->at == r->have)
            return fail_torn(r, err);
        if (inflate_step(r, err))
            return -1;
    }
    *out_n = len - r->gz.avail_out;
    return 0;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n > m && strcmp(s + n - m, end) == 0;
}

/* Its kind from the first bytes. */
static int find_kind(struct hf_io_read *r, struct hf_err *err)
{
    static const unsigned char zstd[] = {0x28, 0xb5, 0x2f, 0xfd}, gzip[] = {0x1f, 0x8b};
    if (fill(r, err))
        return -1;
    if (r->have >= sizeof zstd && memcmp(r->in, zstd, sizeof zstd) == 0) {
        r->some = some_zstd;
        r->zstd = ZSTD_createDCtx();
        if (!r->zstd ||
            ZSTD_isError(ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
            return hf_fail_nomem(err);
    } else if (r->have >= sizeof gzip && memcmp(r->in, gzip, sizeof gzip) == 0) {
        r->some = some_gzip;
        r->has_gz = inflateInit2(&r->gz, 16 + MAX_WBITS) == Z_OK;
        if (!r->has_gz)
            return hf_fail_nomem(err);
    } else if (ends_with(r->path, ".zst") || ends_with(r->path, ".gz")) {
        return hf_fail(err, HF_E_CORRUPT, "%s is not what its name says: no compressed data",
                       r->path);
    }
    return 0;
}

struct hf_io_read *hf_io_read_new(struct hf_io_source *source, const char *path, bool with_digest,
                                  struct hf_err *err)
{
    HF_AUTO(hf_io_source) struct hf_io_source *guard = source;
    HF_AUTO(hf_io_read) struct hf_io_read *r = calloc(1, sizeof *r);
    if (!r || !(r->path = strdup(path))) {
        hf_fail_nomem(err);
        return NULL;
    }
    r->source = HF_STEAL(guard);
    r->some = some_plain;
    if (find_kind(r, err) || (with_digest && !(r->digest = hf_sha256_new(err))))
        return NULL;
    return HF_STEAL(r);
}

int hf_io_read_some(struct hf_io_read *r, void *buf, size_t len, size_t *out_n, struct hf_err *err)
{
    if (r->some(r, buf, len, out_n, err))
        return -1;
    r->content += *out_n;
    return r->digest ? hf_sha256_add(r->digest, buf, *out_n, err) : 0;
}

uint64_t hf_io_read_stored(const struct hf_io_read *r)
{
    return r->stored;
}

uint64_t hf_io_read_content(const struct hf_io_read *r)
{
    return r->content;
}

int hf_io_read_sha256(struct hf_io_read *r, char out[HF_SHA256_HEX], struct hf_err *err)
{
    if (!r->digest)
        return hf_fail(err, HF_E_INTERNAL, "no SHA-256 was asked for");
    return hf_sha256_end(r->digest, out, err);
}

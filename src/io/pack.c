/* SPDX-License-Identifier: Apache-2.0 */
#include "io/pack.h"

#include "io/frames.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define ZSTD_LEVEL 1
#define GZIP_LEVEL 6
#define OUT_BYTES ((size_t)128 << 10)

struct hf_io_packer {
    enum hf_io_packing how;
    ZSTD_CCtx *zstd;
    z_stream gzip;
    int has_gzip;
    unsigned char *out;
};

struct pack {
    struct hf_io_sink sink, *next;
    struct hf_io_packer *packer;
    size_t in_frame;            /* of content, in the frame that is open */
    uint64_t stored;            /* of it, so far */
    struct hf_io_frames frames; /* those that are ended; zstd in frames only */
};

static const struct {
    const char *name, *suffix;
} packings[] = {
    [HF_IO_ZSTD] = {"zstd", ".zst"},
    [HF_IO_GZIP] = {"gzip", ".gz"},
    [HF_IO_PLAIN] = {"none", ""},
};

const char *hf_io_packing_suffix(enum hf_io_packing how)
{
    return packings[how].suffix;
}

const char *hf_io_packing_name(enum hf_io_packing how)
{
    return packings[how].name;
}

int hf_io_packing_parse(const char *name, enum hf_io_packing *out, struct hf_err *err)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(packings); i++)
        if (!strcmp(packings[i].name, name)) {
            *out = (enum hf_io_packing)i;
            return 0;
        }
    return hf_fail(err, HF_E_CONFIG, "no compression is called '%s': zstd, gzip or none", name);
}

/* ---- zstd ------------------------------------------------------------------------------- */

static int zstd_step(struct pack *p, ZSTD_inBuffer *in, ZSTD_EndDirective end, size_t *left,
                     struct hf_err *err)
{
    ZSTD_outBuffer out = {p->packer->out, OUT_BYTES, 0};
    *left = ZSTD_compressStream2(p->packer->zstd, &out, in, end);
    if (ZSTD_isError(*left))
        return hf_fail(err, HF_E_INTERNAL, "zstd: %s", ZSTD_getErrorName(*left));
    p->stored += out.pos;
    return out.pos ? hf_io_write(p->next, out.dst, out.pos, err) : 0;
}

static int zstd_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    ZSTD_inBuffer in = {data, len, 0};
    size_t left = 0;
    while (in.pos < in.size)
        if (zstd_step((struct pack *)s, &in, ZSTD_e_continue, &left, err) < 0)
            return -1;
    return 0;
}

static int end_frame(struct pack *p, struct hf_err *err)
{
    ZSTD_inBuffer in = {NULL, 0, 0};
    size_t left = 1;
    while (left > 0)
        if (zstd_step(p, &in, ZSTD_e_end, &left, err) < 0)
            return -1;
    return 0;
}

static int zstd_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct pack *p = (struct pack *)s;
    return end_frame(p, err) < 0 ? -1 : hf_io_finish(p->next, err);
}

/* ---- zstd in frames --------------------------------------------------------------------- */

static int next_frame(struct pack *p, struct hf_err *err)
{
    if (end_frame(p, err) < 0 || hf_io_frames_add(&p->frames, p->stored, p->in_frame, err) < 0)
        return -1;
    p->stored = p->in_frame = 0;
    return 0;
}

static int frames_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct pack *p = (struct pack *)s;
    for (const char *at = data; len > 0;) {
        size_t room = HF_IO_FRAME - p->in_frame, n = len < room ? len : room;
        if (zstd_write(s, at, n, err) < 0)
            return -1;
        p->in_frame += n;
        at += n;
        len -= n;
        if (p->in_frame == HF_IO_FRAME && next_frame(p, err) < 0)
            return -1;
    }
    return 0;
}

static int frames_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct pack *p = (struct pack *)s;
    HF_AUTO(hf_buf) struct hf_buf table = HF_BUF_INIT;
    if (((p->in_frame > 0 || p->frames.n == 0) && next_frame(p, err) < 0) ||
        hf_io_frames_print(&p->frames, &table, err) < 0 ||
        (table.len && hf_io_write(p->next, table.data, table.len, err) < 0))
        return -1;
    return hf_io_finish(p->next, err);
}

/* ---- gzip ------------------------------------------------------------------------------- */

static int gzip_step(struct pack *p, int flush, int *rc, struct hf_err *err)
{
    z_stream *z = &p->packer->gzip;
    z->next_out = p->packer->out;
    z->avail_out = OUT_BYTES;
    *rc = deflate(z, flush);
    if (*rc == Z_STREAM_ERROR)
        return hf_fail(err, HF_E_INTERNAL, "zlib: %s", z->msg ? z->msg : "bad state");
    size_t n = OUT_BYTES - z->avail_out;
    return n ? hf_io_write(p->next, p->packer->out, n, err) : 0;
}

static int gzip_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct pack *p = (struct pack *)s;
    const unsigned char *at = data;
    int rc = Z_OK;
    while (len > 0) {
        uInt piece = len > (size_t)1 << 30 ? 1U << 30 : (uInt)len; /* zlib counts with 32 bits */
        p->packer->gzip.next_in = (unsigned char *)at;
        p->packer->gzip.avail_in = piece;
        while (p->packer->gzip.avail_in > 0)
            if (gzip_step(p, Z_NO_FLUSH, &rc, err) < 0)
                return -1;
        at += piece;
        len -= piece;
    }
    return 0;
}

static int gzip_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct pack *p = (struct pack *)s;
    p->packer->gzip.avail_in = 0;
    for (int rc = Z_OK; rc != Z_STREAM_END;)
        if (gzip_step(p, Z_FINISH, &rc, err) < 0)
            return -1;
    return hf_io_finish(p->next, err);
}

/* ---- what they share -------------------------------------------------------------------- */

static void pack_close(struct hf_io_sink *s)
{
    struct pack *p = (struct pack *)s;
    hf_io_close(p->next);
    hf_io_frames_free(&p->frames);
    free(p);
}

static const struct hf_io_sink_ops zstd_ops = {zstd_write, zstd_finish, pack_close};
static const struct hf_io_sink_ops frames_ops = {frames_write, frames_finish, pack_close};
static const struct hf_io_sink_ops gzip_ops = {gzip_write, gzip_finish, pack_close};

static int make_zstd(struct hf_io_packer *p, int level, struct hf_err *err)
{
    p->zstd = ZSTD_createCCtx();
    if (!p->zstd)
        return hf_fail_nomem(err);
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level ? level : ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1);
    return 0;
}

/* 15 + 16: window, and a gzip header instead of zlib's. */
static int make_gzip(struct hf_io_packer *p, int level, struct hf_err *err)
{
    if (deflateInit2(&p->gzip, level ? level : GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return hf_fail_nomem(err);
    p->has_gzip = 1;
    return 0;
}

struct hf_io_packer *hf_io_packer_new(enum hf_io_packing how, int level, struct hf_err *err)
{
    HF_AUTO(hf_io_packer) struct hf_io_packer *p = calloc(1, sizeof *p);
    if (!p || !(p->out = malloc(OUT_BYTES))) {
        hf_fail_nomem(err);
        return NULL;
    }
    p->how = how;
    if ((how == HF_IO_ZSTD && make_zstd(p, level, err) < 0) ||
        (how == HF_IO_GZIP && make_gzip(p, level, err) < 0))
        return NULL;
    return HF_STEAL(p);
}

void hf_io_packer_free(struct hf_io_packer *p)
{
    if (!p)
        return;
    ZSTD_freeCCtx(p->zstd);
    if (p->has_gzip)
        deflateEnd(&p->gzip);
    free(p->out);
    free(p);
}

static struct hf_io_sink *pack_new(struct hf_io_packer *p, const struct hf_io_sink_ops *zstd,
                                   struct hf_io_sink *next, struct hf_err *err)
{
    if (p->how == HF_IO_PLAIN)
        return next;
    struct pack *s = calloc(1, sizeof *s);
    if (!s) {
        hf_io_close(next);
        hf_fail_nomem(err);
        return NULL;
    }
    s->sink.ops = p->how == HF_IO_ZSTD ? zstd : &gzip_ops;
    s->next = next;
    s->packer = p;
    /* Whatever an abandoned file left inside. */
    if (p->zstd)
        ZSTD_CCtx_reset(p->zstd, ZSTD_reset_session_only);
    if (p->has_gzip)
        deflateReset(&p->gzip);
    return &s->sink;
}

struct hf_io_sink *hf_io_pack_new(struct hf_io_packer *p, struct hf_io_sink *next,
                                  struct hf_err *err)
{
    return pack_new(p, &zstd_ops, next, err);
}

struct hf_io_sink *hf_io_pack_frames_new(struct hf_io_packer *p, struct hf_io_sink *next,
                                         struct hf_err *err)
{
    return pack_new(p, &frames_ops, next, err);
}

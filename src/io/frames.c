/* SPDX-License-Identifier: Apache-2.0 */
#include "io/frames.h"

#include "base/buf.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define SKIPPED 0x184D2A5EU
#define TABLE 0x8F92EAB1U
#define HEAD 8
#define FOOT 9
#define HAS_CHECKSUMS 0x80
#define RESERVED 0x7c
#define NO_FRAME SIZE_MAX

/* ---- writing ---------------------------------------------------------------------------- */

int hf_io_frames_add(struct hf_io_frames *f, uint64_t stored, uint64_t content, struct hf_err *err)
{
    unsigned char entry[8];
    if (f->n++ >= HF_IO_FRAMES_MAX)
        return 0;
    hf_put_le32(entry, (uint32_t)stored);
    hf_put_le32(entry + 4, (uint32_t)content);
    hf_buf_add(&f->entries, entry, sizeof entry);
    return hf_buf_ok(&f->entries) ? 0 : hf_fail_nomem(err);
}

int hf_io_frames_print(const struct hf_io_frames *f, struct hf_buf *out, struct hf_err *err)
{
    unsigned char head[HEAD], foot[FOOT] = {0};
    if (f->n > HF_IO_FRAMES_MAX)
        return 0;
    hf_put_le32(head, SKIPPED);
    hf_put_le32(head + 4, (uint32_t)(f->entries.len + FOOT));
    hf_put_le32(foot, (uint32_t)f->n);
    hf_put_le32(foot + 5, TABLE);
    hf_buf_add(out, head, sizeof head);
    if (f->n)
        hf_buf_add(out, f->entries.data, f->entries.len);
    hf_buf_add(out, foot, sizeof foot);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

void hf_io_frames_free(struct hf_io_frames *f)
{
    hf_buf_free(&f->entries);
}

/* ---- the table -------------------------------------------------------------------------- */

struct place {
    uint64_t stored, content; /* where a frame begins in either */
};

struct framed {
    struct hf_io_source source, *stored;
    char *path;
    struct place *places; /* n + 1: the last is the end */
    size_t n, entry;      /* entry: bytes of one in the table */
    size_t at;            /* the frame in `out`, or NO_FRAME */
    ZSTD_DCtx *zstd;
    unsigned char *in, *out;
    size_t in_size, out_size;
};

static void framed_close(struct hf_io_source *s)
{
    struct framed *f = (struct framed *)s;
    hf_io_source_close(f->stored);
    ZSTD_freeDCtx(f->zstd);
    free(f->places);
    free(f->path);
    free(f->in);
    free(f->out);
    free(f);
}

static int fail_table(const struct framed *f, const char *why, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "%s: its table of frames %s", f->path, why);
}

/* 1: there is one, of f->n entries of f->entry bytes. Bytes that only look like its last ones, which whoever makes a content may
 * bring about, are none. */
static int find_table(struct framed *f, struct hf_err *err)
{
    unsigned char head[HEAD], foot[FOOT];
    uint64_t size = f->stored->size;
    if (size < HEAD + FOOT)
        return 0;
    if (hf_io_read_at(f->stored, size - FOOT, foot, FOOT, err) < 0)
        return -1;
    uint64_t n = hf_le32(foot);
    if (hf_le32(foot + 5) != TABLE || (foot[4] & RESERVED))
        return 0;
    f->n = (size_t)n;
    f->entry = foot[4] & HAS_CHECKSUMS ? 12 : 8;
    if (n > (size - HEAD - FOOT) / f->entry)
        return 0;
    if (hf_io_read_at(f->stored, size - FOOT - n * f->entry - HEAD, head, HEAD, err) < 0)
        return -1;
    if (hf_le32(head) != SKIPPED || hf_le32(head + 4) != n * f->entry + FOOT)
        return 0;
    return n <= HF_IO_FRAMES_MAX;
}

/* 1: all of them can be read; 0: one is too large for us. */
static int add_up(struct framed *f, const unsigned char *table, struct hf_err *err)
{
    struct place sum = {0};
    bool is_large = false;
    for (size_t i = 0; i < f->n; i++) {
        uint32_t stored = hf_le32(table + i * f->entry),
                 content = hf_le32(table + i * f->entry + 4);
        f->places[i] = sum;
        sum.stored += stored;
        sum.content += content;
        is_large |= content > HF_IO_FRAME_MAX || stored > ZSTD_COMPRESSBOUND(HF_IO_FRAME_MAX);
        if (stored == 0)
            return fail_table(f, "has one of no bytes", err);
    }
    f->places[f->n] = sum;
    f->source.size = sum.content;
    return sum.stored != f->stored->size - HEAD - f->n * f->entry - FOOT
               ? fail_table(f, "is not that of what lies there", err)
               : !is_large;
}

static int read_table(struct framed *f, struct hf_err *err)
{
    size_t len = f->n * f->entry;
    HF_AUTOFREE unsigned char *table = malloc(len + 1);
    f->places = malloc((f->n + 1) * sizeof *f->places);
    f->zstd = ZSTD_createDCtx();
    if (!table || !f->places || !f->zstd)
        return hf_fail_nomem(err);
    return hf_io_read_at(f->stored, f->stored->size - FOOT - len, table, len, err) < 0
               ? -1
               : add_up(f, table, err);
}

/* ---- content ---------------------------------------------------------------------------- */

/* The last frame that begins at `at` or before it: one of no content is never it. */
static size_t find_frame(const struct framed *f, uint64_t at)
{
    size_t low = 0, high = f->n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (f->places[middle].content <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int load(struct framed *f, size_t no, struct hf_err *err)
{
    const struct place *p = &f->places[no];
    size_t stored = (size_t)(p[1].stored - p->stored),
           content = (size_t)(p[1].content - p->content);
    if (f->at == no)
        return 0;
    f->at = NO_FRAME;
    if (hf_room(&f->in, &f->in_size, stored, err) < 0 ||
        hf_room(&f->out, &f->out_size, content, err) < 0 ||
        hf_io_read_at(f->stored, p->stored, f->in, stored, err) < 0)
        return -1;
    size_t got = ZSTD_decompressDCtx(f->zstd, f->out, content, f->in, stored);
    if (ZSTD_isError(got) || got != content)
        return hf_fail(err, HF_E_CORRUPT, "%s: frame %zu of %zu, at stored byte %llu: %s", f->path,
                       no + 1, f->n, (unsigned long long)p->stored,
                       ZSTD_isError(got) ? ZSTD_getErrorName(got) : "not what its table says");
    f->at = no;
    return 0;
}

static int framed_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len,
                          struct hf_err *err)
{
    struct framed *f = (struct framed *)s;
    for (char *p = buf; len > 0;) {
        size_t no = find_frame(f, at);
        if (load(f, no, err) < 0)
            return -1;
        size_t from = (size_t)(at - f->places[no].content);
        size_t left = (size_t)(f->places[no + 1].content - at), n = left < len ? left : len;
        memcpy(p, f->out + from, n);
        p += n;
        at += n;
        len -= n;
    }
    return 0;
}

int hf_io_frames_open(struct hf_io_source *stored, const char *path, struct hf_io_source **out,
                      struct hf_err *err)
{
    static const struct hf_io_source_ops ops = {framed_read_at, framed_close};
    struct framed *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f) {
        hf_io_source_close(stored);
        return hf_fail_nomem(err);
    }
    HF_AUTO(hf_io_source) struct hf_io_source *guard = &f->source;
    f->source.ops = &ops;
    f->stored = stored;
    f->at = NO_FRAME;
    if (!(f->path = strdup(path)))
        return hf_fail_nomem(err);
    int rc = find_table(f, err);
    if (rc == 1 && (rc = read_table(f, err)) == 1)
        *out = HF_STEAL(guard);
    return rc;
}

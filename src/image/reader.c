/* SPDX-License-Identifier: Apache-2.0 */
#include "image/reader_intern.h"

#include <stdlib.h>

#define CACHED 16
#define NO_CHUNK UINT64_MAX
#define THREADS 4u
#define AHEAD_BYTES ((size_t)32 << 20)
#define STEADY_BYTES ((uint64_t)4 << 20) /* read on for so long: it goes on */

struct cached {
    uint64_t n, used;
    unsigned char *data;
};

struct hf_image_reader {
    struct hf_io_source source;
    struct hf_image *im;
    struct hf_image_tree *tree;
    struct hf_image_fetch *fetch;
    struct hf_image_ahead *ahead;
    uint64_t end, steady; /* where the last read ended; how far it was read without a leap */
    uint64_t clock;
    struct cached cache[CACHED];
};

/* ---- at any place ----------------------------------------------------------------------- */

static int load_chunk(struct hf_image_reader *r, uint64_t n, struct cached *c, struct hf_err *err)
{
    c->n = NO_CHUNK;
    if (!c->data)
        c->data = malloc(hf_image_tree_shape(r->tree)->chunk_bytes);
    if (!c->data)
        return hf_fail_nomem(err);
    if (hf_image_read_chunks(r->tree, r->fetch, n, 1, c->data, err) < 0)
        return -1;
    c->n = n;
    return 0;
}

static struct cached *get_chunk(struct hf_image_reader *r, uint64_t n, struct hf_err *err)
{
    struct cached *old = &r->cache[0];
    for (size_t i = 0; i < CACHED; i++) {
        if (r->cache[i].n == n)
            return &r->cache[i];
        if (r->cache[i].used < old->used)
            old = &r->cache[i];
    }
    return load_chunk(r, n, old, err) < 0 ? NULL : old;
}

/* At most to the end of the chunk. */
static int read_chunk(struct hf_image_reader *r, uint64_t at, void *buf, size_t len, size_t *out_n,
                      struct hf_err *err)
{
    uint32_t chunk_bytes = hf_image_tree_shape(r->tree)->chunk_bytes;
    size_t from = (size_t)(at % chunk_bytes);
    struct cached *c = get_chunk(r, at / chunk_bytes, err);
    if (!c)
        return -1;
    c->used = ++r->clock;
    *out_n = chunk_bytes - from < len ? chunk_bytes - from : len;
    memcpy(buf, c->data + from, *out_n);
    return 0;
}

/* A batch that failed is read chunk by chunk: what is whole in it comes, what is not is named. */
static int read_some(struct hf_image_reader *r, uint64_t at, void *buf, size_t len, size_t *out_n,
                     struct hf_err *err)
{
    struct hf_err batch = HF_ERR_INIT;
    if (r->steady >= STEADY_BYTES &&
        hf_image_ahead_read(r->ahead, at, buf, len, out_n, &batch) == 0)
        return 0;
    return read_chunk(r, at, buf, len, out_n, err);
}

/* Does a read here go on where the last one ended? Holes between them do not count: a restore leaps over them. */
static bool goes_on(struct hf_image_reader *r, uint64_t at)
{
    const struct hf_image_shape *shape = hf_image_tree_shape(r->tree);
    struct hf_err damaged = HF_ERR_INIT; /* who reads there will find it */
    uint64_t n = r->end / shape->chunk_bytes + (r->end % shape->chunk_bytes ? 1 : 0);
    while (n < at / shape->chunk_bytes) {
        bool is_hole = false;
        uint64_t count = 0;
        if (hf_image_tree_run(r->tree, n, &is_hole, &count, &damaged) < 0 || !is_hole)
            return false;
        n += count;
    }
    return at >= r->end;
}

static int reader_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len,
                          struct hf_err *err)
{
    struct hf_image_reader *r = (struct hf_image_reader *)s;
    if (!goes_on(r, at))
        r->steady = 0;
    for (char *p = buf; len > 0;) {
        size_t n = 0;
        if (read_some(r, at, p, len, &n, err) < 0)
            return -1;
        p += n;
        at += n;
        len -= n;
        r->steady += n;
        r->end = at;
    }
    return 0;
}

static void reader_close(struct hf_io_source *s)
{
    hf_image_read_close((struct hf_image_reader *)s);
}

static const struct hf_io_source_ops reader_ops = {reader_read_at, reader_close};

/* ---- open and close --------------------------------------------------------------------- */

static size_t batches(const struct hf_image_reader_opts *o)
{
    size_t n = (o->ahead_bytes ? o->ahead_bytes : AHEAD_BYTES) / HF_IMAGE_BATCH_BYTES;
    if (n < 2)
        return 2;
    return n < HF_IMAGE_AHEAD_MAX ? n : HF_IMAGE_AHEAD_MAX;
}

static int open_parts(struct hf_image_reader *r, const unsigned char *root,
                      const struct hf_image_reader_opts *o, struct hf_err *err)
{
    unsigned threads = o->threads ? o->threads : THREADS;
    r->tree = hf_image_tree_open(r->im, root, err);
    r->fetch = r->tree ? hf_image_fetch_new(r->im, err) : NULL;
    if (!r->fetch)
        return -1;
    struct hf_image_ahead_opts ahead = {
        .im = r->im,
        .tree = r->tree,
        .threads = threads < HF_IMAGE_READ_THREADS_MAX ? threads : HF_IMAGE_READ_THREADS_MAX,
        .batches = batches(o),
    };
    r->ahead = hf_image_ahead_new(&ahead, err);
    r->source.size = hf_image_tree_shape(r->tree)->disk_bytes;
    return r->ahead ? 0 : -1;
}

struct hf_image_reader *hf_image_read_open(struct hf_image *im,
                                           const unsigned char root[HF_IMAGE_ID],
                                           const struct hf_image_reader_opts *opts,
                                           struct hf_err *err)
{
    HF_AUTO(hf_image_reader) struct hf_image_reader *r = calloc(1, sizeof *r);
    if (!r) {
        hf_fail_nomem(err);
        return NULL;
    }
    r->source.ops = &reader_ops;
    r->im = im;
    for (size_t i = 0; i < CACHED; i++)
        r->cache[i].n = NO_CHUNK;
    return open_parts(r, root, opts, err) < 0 ? NULL : HF_STEAL(r);
}

void hf_image_read_close(struct hf_image_reader *r)
{
    if (!r)
        return;
    hf_image_ahead_free(r->ahead);
    hf_image_fetch_free(r->fetch);
    hf_image_tree_close(r->tree);
    for (size_t i = 0; i < CACHED; i++)
        free(r->cache[i].data);
    free(r);
}

struct hf_io_source *hf_image_reader_source(struct hf_image_reader *r)
{
    return &r->source;
}

struct hf_image_tree *hf_image_reader_tree(struct hf_image_reader *r)
{
    return r->tree;
}

int hf_image_reader_extent(struct hf_image_reader *r, uint64_t at, bool *out_is_hole,
                           uint64_t *out_len, struct hf_err *err)
{
    return hf_image_tree_extent(r->tree, at, out_is_hole, out_len, err);
}

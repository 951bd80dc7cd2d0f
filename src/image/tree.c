/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tree.h"

#include "base/hex.h"
#include "image/fetch.h"
#include "image/image_intern.h"

#include <pthread.h>
#include <stdlib.h>

#define CACHED 512 /* with chunks of 256 KiB all of a disk of 32 GiB */
#define NO_SEGMENT UINT64_MAX

struct cached {
    uint64_t n; /* NO_SEGMENT: empty */
    unsigned char ids[HF_IMAGE_SEGMENT_CHUNKS * HF_IMAGE_ID];
};

struct hf_image_tree {
    struct hf_image *im;
    struct hf_image_shape shape;
    unsigned char *segment_ids;
    pthread_mutex_t lock; /* of all below */
    struct hf_image_fetch *fetch;
    struct cached *cache[CACHED]; /* segment n has one place */
};

/* The content of a tree's record; to be freed. */
static unsigned char *get_record(struct hf_image_tree *t, const unsigned char *id, uint64_t disk_at,
                                 uint32_t max, size_t *out_len, struct hf_err *err)
{
    struct hf_image_want w = {.disk_at = disk_at};
    char hex[HF_IMAGE_ID_HEX];
    hf_hex(id, HF_IMAGE_ID, hex);
    if (!hf_image_chunks_find(t->im->chunks, HF_IMAGE_TREE, id, false, &w.place)) {
        hf_fail(err, HF_E_CORRUPT, "part %s of the tree is in no pack of the store", hex);
        return NULL;
    }
    if (w.place.entry.plain > max) {
        hf_fail(err, HF_E_CORRUPT, "part %s of the tree is too large", hex);
        return NULL;
    }
    HF_AUTOFREE unsigned char *text = malloc(w.place.entry.plain);
    if (!text) {
        hf_fail_nomem(err);
        return NULL;
    }
    w.out = text;
    *out_len = w.place.entry.plain;
    return hf_image_fetch(t->fetch, &w, 1, err) < 0 ? NULL : HF_STEAL(text);
}

static int open_root(struct hf_image_tree *t, const unsigned char *root, struct hf_err *err)
{
    size_t len = 0;
    t->fetch = hf_image_fetch_new(t->im, err);
    if (!t->fetch)
        return -1;
    HF_AUTOFREE unsigned char *text =
        get_record(t, root, UINT64_MAX, HF_IMAGE_RECORD_MAX, &len, err);
    if (!text)
        return -1;
    return hf_image_root_parse(text, len, &t->shape, &t->segment_ids, err);
}

struct hf_image_tree *hf_image_tree_open(struct hf_image *im, const unsigned char root[HF_IMAGE_ID],
                                         struct hf_err *err)
{
    char hex[HF_IMAGE_ID_HEX];
    HF_AUTO(hf_image_tree) struct hf_image_tree *t = calloc(1, sizeof *t);
    if (!t) {
        hf_fail_nomem(err);
        return NULL;
    }
    t->im = im;
    pthread_mutex_init(&t->lock, NULL);
    if (open_root(t, root, err) < 0) {
        hf_hex(root, HF_IMAGE_ID, hex);
        hf_wrap(err, "the disk's root %s", hex);
        return NULL;
    }
    return HF_STEAL(t);
}

void hf_image_tree_close(struct hf_image_tree *t)
{
    if (!t)
        return;
    hf_image_fetch_free(t->fetch);
    pthread_mutex_destroy(&t->lock);
    for (size_t i = 0; i < CACHED; i++)
        free(t->cache[i]);
    free(t->segment_ids);
    free(t);
}

const struct hf_image_shape *hf_image_tree_shape(const struct hf_image_tree *t)
{
    return &t->shape;
}

/* ---- segments --------------------------------------------------------------------------- */

const unsigned char *hf_image_tree_segment(const struct hf_image_tree *t, uint64_t n)
{
    return t->segment_ids + n * HF_IMAGE_ID;
}

static int load_segment(struct hf_image_tree *t, uint64_t n, struct cached *c, struct hf_err *err)
{
    size_t len = 0;
    uint64_t disk_at = n * HF_IMAGE_SEGMENT_CHUNKS * t->shape.chunk_bytes;
    c->n = NO_SEGMENT;
    HF_AUTOFREE unsigned char *text = get_record(t, hf_image_tree_segment(t, n), disk_at,
                                                 (uint32_t)HF_IMAGE_SEGMENT_MAX, &len, err);
    if (!text || hf_image_segment_parse(text, len, hf_image_segment_len(&t->shape, n), c->ids, err))
        return hf_wrap(err, "segment %llu of the disk", (unsigned long long)n);
    c->n = n;
    return 0;
}

/* Under the lock; valid until the next call. Not for one that is a hole. */
static const unsigned char *segment(struct hf_image_tree *t, uint64_t n, struct hf_err *err)
{
    struct cached **at = &t->cache[n % CACHED];
    if (*at && (*at)->n == n)
        return (*at)->ids;
    if (!*at)
        *at = malloc(sizeof **at);
    if (!*at) {
        hf_fail_nomem(err);
        return NULL;
    }
    return load_segment(t, n, *at, err) < 0 ? NULL : (*at)->ids;
}

int hf_image_tree_id(struct hf_image_tree *t, uint64_t n, unsigned char out[HF_IMAGE_ID],
                     struct hf_err *err)
{
    uint64_t s = n / HF_IMAGE_SEGMENT_CHUNKS;
    memset(out, 0, HF_IMAGE_ID);
    if (hf_image_is_hole(hf_image_tree_segment(t, s)))
        return 0;
    pthread_mutex_lock(&t->lock);
    const unsigned char *ids = segment(t, s, err);
    if (ids)
        memcpy(out, ids + n % HF_IMAGE_SEGMENT_CHUNKS * HF_IMAGE_ID, HF_IMAGE_ID);
    pthread_mutex_unlock(&t->lock);
    return ids ? 0 : -1;
}

int hf_image_tree_place(struct hf_image_tree *t, uint64_t n, bool *out_is_hole,
                        struct hf_image_place *out, struct hf_err *err)
{
    unsigned char id[HF_IMAGE_ID];
    if (hf_image_tree_id(t, n, id, err) < 0)
        return -1;
    *out_is_hole = hf_image_is_hole(id);
    if (*out_is_hole)
        return 0;
    unsigned long long disk_at = n * t->shape.chunk_bytes;
    if (!hf_image_chunks_find(t->im->chunks, HF_IMAGE_DATA, id, false, out))
        return hf_fail(err, HF_E_CORRUPT, "the disk at %llu: its chunk is in no pack of the store",
                       disk_at);
    if (out->entry.plain != hf_image_chunk_len(&t->shape, n))
        return hf_fail(err, HF_E_CORRUPT, "the disk at %llu: its chunk has another length",
                       disk_at);
    return 0;
}

/* How many of this segment's chunks from `from` on are holes, or not, as asked. */
static int count_alike(struct hf_image_tree *t, uint64_t s, uint32_t from, bool is_hole,
                       uint32_t *out, struct hf_err *err)
{
    uint32_t len = hf_image_segment_len(&t->shape, s), i = from;
    pthread_mutex_lock(&t->lock);
    const unsigned char *ids = segment(t, s, err);
    while (ids && i < len && hf_image_is_hole(ids + (size_t)i * HF_IMAGE_ID) == is_hole)
        i++;
    pthread_mutex_unlock(&t->lock);
    *out = i - from;
    return ids ? 0 : -1;
}

int hf_image_tree_run(struct hf_image_tree *t, uint64_t n, bool *out_is_hole, uint64_t *out_count,
                      struct hf_err *err)
{
    unsigned char id[HF_IMAGE_ID];
    uint64_t chunks = hf_image_chunks_n(&t->shape), at = n;
    if (hf_image_tree_id(t, n, id, err) < 0)
        return -1;
    *out_is_hole = hf_image_is_hole(id);
    while (at < chunks) {
        uint64_t s = at / HF_IMAGE_SEGMENT_CHUNKS;
        uint32_t from = (uint32_t)(at % HF_IMAGE_SEGMENT_CHUNKS), alike = 0;
        uint32_t rest = hf_image_segment_len(&t->shape, s) - from;
        if (!hf_image_is_hole(hf_image_tree_segment(t, s))) {
            if (count_alike(t, s, from, *out_is_hole, &alike, err) < 0)
                return -1;
        } else if (*out_is_hole) {
            alike = rest;
        }
        at += alike;
        if (alike < rest || !*out_is_hole)
            break;
    }
    *out_count = at - n;
    return 0;
}

int hf_image_tree_extent(struct hf_image_tree *t, uint64_t at, bool *out_is_hole, uint64_t *out_len,
                         struct hf_err *err)
{
    uint64_t count = 0, n = at / t->shape.chunk_bytes;
    if (at >= t->shape.disk_bytes)
        return hf_fail(err, HF_E_INTERNAL, "byte %llu lies behind the disk",
                       (unsigned long long)at);
    if (hf_image_tree_run(t, n, out_is_hole, &count, err) < 0)
        return -1;
    uint64_t end = (n + count) * t->shape.chunk_bytes;
    *out_len = (end < t->shape.disk_bytes ? end : t->shape.disk_bytes) - at;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "image/alive.h"

#include "image/bytes.h"
#include "image/chunks_intern.h"
#include "image/fetch.h"
#include "image/image_intern.h"
#include "image/tree.h"

#include <stdlib.h>

#define BATCH 128 /* segments that are fetched at once */

struct hf_image_alive {
    struct hf_image *im;
    const struct hf_image_run *base;    /* all records, by id */
    unsigned char *marks;               /* a bit per slot of it */
    pthread_mutex_t lock;               /* of all here */
    unsigned char (*seen)[HF_IMAGE_ID]; /* roots and segments; open addressing, a hole: empty */
    size_t seen_n, seen_cap;
    uint64_t missing;
};

struct hf_image_alive *hf_image_alive_new(struct hf_image *im, struct hf_err *err)
{
    struct hf_image_chunks *c = im->chunks;
    if (hf_image_chunks_save(c, err) < 0) /* so all of it is in one run */
        return NULL;
    HF_AUTO(hf_image_alive) struct hf_image_alive *a = calloc(1, sizeof *a);
    if (a) {
        pthread_mutex_init(&a->lock, NULL);
        a->im = im;
        a->base = &c->base;
        a->marks = calloc(c->base.n / 8 + 1, 1);
    }
    if (!a || !a->marks) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(a);
}

void hf_image_alive_free(struct hf_image_alive *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a->marks);
    free(a->seen);
    free(a);
}

uint64_t hf_image_alive_missing(const struct hf_image_alive *a)
{
    return a->missing;
}

/* ---- slots ------------------------------------------------------------------------------ */

/* A number beyond the packs comes from a damaged file. */
static bool is_of_kind(const struct hf_image_alive *a, const struct hf_image_slot *s,
                       enum hf_image_kind kind)
{
    const struct hf_image_chunks *c = a->im->chunks;
    return s->pack < c->packs_n && c->packs[s->pack].pack.kind == kind;
}

static bool is_same(const struct hf_image_slot *s, const unsigned char *id)
{
    return memcmp(s->id, id, HF_IMAGE_ID) == 0;
}

static bool is_marked(const struct hf_image_alive *a, size_t i)
{
    return a->marks[i / 8] & 1 << i % 8;
}

/* False: it is in no pack. */
static bool mark(struct hf_image_alive *a, enum hf_image_kind kind, const unsigned char *id)
{
    bool is_there = false;
    for (size_t i = hf_image_run_search(a->base, id); i < a->base->n; i++) {
        if (!is_same(&a->base->slots[i], id))
            break;
        if (!is_of_kind(a, &a->base->slots[i], kind))
            continue;
        a->marks[i / 8] |= (unsigned char)(1 << i % 8);
        is_there = true;
    }
    return is_there;
}

bool hf_image_alive_has(const struct hf_image_alive *a, enum hf_image_kind kind,
                        const unsigned char id[HF_IMAGE_ID])
{
    for (size_t i = hf_image_run_search(a->base, id); i < a->base->n; i++) {
        if (!is_same(&a->base->slots[i], id))
            break;
        if (is_of_kind(a, &a->base->slots[i], kind) && is_marked(a, i))
            return true;
    }
    return false;
}

/* ---- what was seen ---------------------------------------------------------------------- */

static size_t seen_place(const struct hf_image_alive *a, const unsigned char *id)
{
    size_t i = (size_t)hf_get_u64(id) & (a->seen_cap - 1);
    while (!hf_image_is_hole(a->seen[i]) && memcmp(a->seen[i], id, HF_IMAGE_ID) != 0)
        i = (i + 1) & (a->seen_cap - 1);
    return i;
}

static int grow_seen(struct hf_image_alive *a, struct hf_err *err)
{
    if (4 * (a->seen_n + 1) <= 3 * a->seen_cap)
        return 0;
    struct hf_image_alive more = {.seen_cap = a->seen_cap ? 2 * a->seen_cap : 1024};
    more.seen = calloc(more.seen_cap, HF_IMAGE_ID);
    if (!more.seen)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < a->seen_cap; i++)
        if (!hf_image_is_hole(a->seen[i]))
            memcpy(more.seen[seen_place(&more, a->seen[i])], a->seen[i], HF_IMAGE_ID);
    free(a->seen);
    a->seen = more.seen;
    a->seen_cap = more.seen_cap;
    return 0;
}

/* 1: for the first time, and it is alive now. */
static int see(struct hf_image_alive *a, const unsigned char *id, struct hf_err *err)
{
    pthread_mutex_lock(&a->lock);
    int rc = grow_seen(a, err);
    const size_t i = rc < 0 ? 0 : seen_place(a, id);
    if (rc == 0 && hf_image_is_hole(a->seen[i])) {
        memcpy(a->seen[i], id, HF_IMAGE_ID);
        a->seen_n++;
        (void)mark(a, HF_IMAGE_TREE, id); /* what is missing is told by who reads it */
        rc = 1;
    }
    pthread_mutex_unlock(&a->lock);
    return rc;
}

/* ---- a tree ----------------------------------------------------------------------------- */

struct batch {
    struct hf_image_alive *alive;
    struct hf_image_tree *tree;
    struct hf_image_fetch *fetch;
    struct hf_image_want wants[BATCH];
    uint64_t numbers[BATCH]; /* of the segments, by their places in texts */
    unsigned char *texts;    /* BATCH of them */
    size_t n;
};

static void batch_free(struct batch *b)
{
    hf_image_fetch_free(b->fetch);
    hf_image_tree_close(b->tree);
    free(b->texts);
}

static void mark_chunks(struct hf_image_alive *a, const unsigned char *ids, uint32_t n)
{
    pthread_mutex_lock(&a->lock);
    for (uint32_t i = 0; i < n; i++)
        if (!hf_image_is_hole(ids + (size_t)i * HF_IMAGE_ID) &&
            !mark(a, HF_IMAGE_DATA, ids + (size_t)i * HF_IMAGE_ID))
            a->missing++;
    pthread_mutex_unlock(&a->lock);
}

static int read_batch(struct batch *b, struct hf_err *err)
{
    unsigned char ids[HF_IMAGE_SEGMENT_CHUNKS * HF_IMAGE_ID];
    if (hf_image_fetch(b->fetch, b->wants, b->n, err) < 0)
        return -1;
    for (size_t i = 0; i < b->n; i++) { /* they are sorted otherwise now */
        const struct hf_image_want *w = &b->wants[i];
        const size_t place = (size_t)((unsigned char *)w->out - b->texts) / HF_IMAGE_SEGMENT_MAX;
        const uint64_t n = b->numbers[place];
        const uint32_t len = hf_image_segment_len(hf_image_tree_shape(b->tree), n);
        if (hf_image_segment_parse(w->out, w->place.entry.plain, len, ids, err) < 0)
            return hf_wrap(err, "segment %llu of the disk", (unsigned long long)n);
        mark_chunks(b->alive, ids, len);
    }
    b->n = 0;
    return 0;
}

static int add_segment(struct batch *b, uint64_t n, struct hf_err *err)
{
    const struct hf_image_shape *shape = hf_image_tree_shape(b->tree);
    const unsigned char *id = hf_image_tree_segment(b->tree, n);
    struct hf_image_want *w = &b->wants[b->n];
    *w = (struct hf_image_want){
        .out = b->texts + b->n * HF_IMAGE_SEGMENT_MAX,
        .disk_at = n * HF_IMAGE_SEGMENT_CHUNKS * shape->chunk_bytes,
    };
    if (!hf_image_chunks_find(b->alive->im->chunks, HF_IMAGE_TREE, id, false, &w->place) ||
        w->place.entry.plain > HF_IMAGE_SEGMENT_MAX)
        return hf_fail(err, HF_E_CORRUPT, "segment %llu of the disk is in no pack of the store",
                       (unsigned long long)n);
    b->numbers[b->n++] = n;
    return b->n == BATCH ? read_batch(b, err) : 0;
}

static int walk(struct batch *b, const unsigned char *root, struct hf_err *err)
{
    b->tree = hf_image_tree_open(b->alive->im, root, err);
    b->fetch = b->tree ? hf_image_fetch_new(b->alive->im, err) : NULL;
    if (!b->fetch)
        return -1;
    b->texts = malloc(BATCH * HF_IMAGE_SEGMENT_MAX);
    if (!b->texts)
        return hf_fail_nomem(err);
    for (uint64_t i = 0; i < hf_image_segments_n(hf_image_tree_shape(b->tree)); i++) {
        const unsigned char *id = hf_image_tree_segment(b->tree, i);
        const int is_new = hf_image_is_hole(id) ? 0 : see(b->alive, id, err);
        if (is_new < 0 || (is_new && add_segment(b, i, err) < 0))
            return -1;
    }
    return read_batch(b, err);
}

int hf_image_alive_tree(struct hf_image_alive *a, const unsigned char root[HF_IMAGE_ID],
                        struct hf_err *err)
{
    const int is_new = see(a, root, err);
    if (is_new <= 0)
        return is_new;
    HF_AUTOFREE struct batch *b = calloc(1, sizeof *b);
    if (!b)
        return hf_fail_nomem(err);
    b->alive = a;
    const int rc = walk(b, root, err);
    batch_free(b);
    return rc;
}

/* ---- where ------------------------------------------------------------------------------ */

static uint64_t worth_of(const struct hf_image_alive *a, hf_image_worth worth, size_t i)
{
    const uint32_t pack = a->base->slots[i].pack;
    return pack < a->im->chunks->packs_n ? worth[pack] : 0;
}

/* Slots [from, to) are of one id. */
static void sum_id(const struct hf_image_alive *a, hf_image_worth worth, size_t from, size_t to,
                   struct hf_image_alive_sum *out)
{
    size_t best = to;
    for (size_t i = from; i < to; i++) {
        const struct hf_image_slot *s = &a->base->slots[i];
        if (s->pack >= a->im->chunks->packs_n)
            continue;
        out[s->pack].all += HF_IMAGE_RECORD_HEAD + (uint64_t)s->stored;
        if (is_marked(a, i) && (best == to || worth_of(a, worth, i) > worth_of(a, worth, best)))
            best = i;
    }
    if (best < to)
        out[a->base->slots[best].pack].alive +=
            HF_IMAGE_RECORD_HEAD + (uint64_t)a->base->slots[best].stored;
}

void hf_image_alive_sum(const struct hf_image_alive *a, hf_image_worth worth,
                        struct hf_image_alive_sum *out)
{
    for (size_t from = 0, to; from < a->base->n; from = to) {
        for (to = from + 1; to < a->base->n; to++)
            if (!is_same(&a->base->slots[to], a->base->slots[from].id))
                break;
        sum_id(a, worth, from, to, out);
    }
}

uint32_t hf_image_alive_elsewhere(const struct hf_image_alive *a, enum hf_image_kind kind,
                                  const unsigned char id[HF_IMAGE_ID], hf_image_worth worth,
                                  uint32_t but)
{
    uint32_t best = HF_IMAGE_NO_PACK;
    for (size_t i = hf_image_run_search(a->base, id); i < a->base->n; i++) {
        const struct hf_image_slot *s = &a->base->slots[i];
        if (!is_same(s, id))
            break;
        if (s->pack == but || !is_of_kind(a, s, kind) || worth[s->pack] == 0)
            continue;
        if (best == HF_IMAGE_NO_PACK || worth[s->pack] > worth[best])
            best = s->pack;
    }
    return best;
}

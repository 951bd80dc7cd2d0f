/* SPDX-License-Identifier: Apache-2.0 */
#include "image/cache_intern.h"

#include <stdlib.h>

#define AHEAD_BYTES ((uint64_t)32 << 20)
#define THREADS 16u

/* ---- slots ------------------------------------------------------------------------------ */

static struct hf_image_slot **bucket_of(struct hf_image_cache *c, uint64_t n)
{
    return &c->buckets[n % c->buckets_n];
}

struct hf_image_slot *hf_image_slot_find(struct hf_image_cache *c, uint64_t n)
{
    struct hf_image_slot *s = *bucket_of(c, n);
    while (s && s->n != n)
        s = s->bucket;
    return s;
}

static void forget(struct hf_image_cache *c, struct hf_image_slot *s)
{
    struct hf_image_slot **at = bucket_of(c, s->n);
    while (*at != s)
        at = &(*at)->bucket;
    *at = s->bucket;
}

static void unlink_ready(struct hf_image_cache *c, struct hf_image_slot *s)
{
    *(s->older ? &s->older->newer : &c->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &c->newest) = s->older;
    s->older = s->newer = NULL;
}

static void link_ready(struct hf_image_cache *c, struct hf_image_slot *s, bool is_spent)
{
    struct hf_image_slot **end = is_spent ? &c->oldest : &c->newest, *beside = *end;
    s->older = is_spent ? NULL : beside;
    s->newer = is_spent ? beside : NULL;
    if (beside)
        *(is_spent ? &beside->older : &beside->newer) = s;
    else
        *(is_spent ? &c->newest : &c->oldest) = s;
    *end = s;
    pthread_cond_broadcast(&c->room);
}

static void give_back(struct hf_image_cache *c, struct hf_image_slot *s)
{
    free(s->failed);
    s->failed = NULL;
    s->state = HF_SLOT_FREE;
    s->older = c->free;
    c->free = s;
    pthread_cond_broadcast(&c->room);
}

static void count_ahead(struct hf_image_cache *c, struct hf_image_slot *s, bool is_ahead)
{
    c->ahead_n += (size_t)is_ahead - (size_t)s->is_ahead;
    s->is_ahead = is_ahead;
}

static struct hf_image_slot *find_room(struct hf_image_cache *c)
{
    struct hf_image_slot *s = c->free;
    if (s) {
        c->free = s->older;
        s->older = NULL;
    } else if ((s = c->oldest)) {
        unlink_ready(c, s);
        forget(c, s);
        count_ahead(c, s, false);
    }
    return s;
}

struct hf_image_slot *hf_image_slot_take(struct hf_image_cache *c, uint64_t n, struct hf_err *err)
{
    struct hf_image_slot *s = find_room(c);
    if (!s)
        return NULL;
    if (!s->data) {
        s->data = malloc(c->shape.chunk_bytes);
        c->taken_n += s->data != NULL;
    }
    if (!s->data) {
        give_back(c, s);
        hf_fail_nomem(err);
        return NULL;
    }
    s->state = HF_SLOT_WANTED;
    s->n = n;
    s->part = s->job = NULL;
    s->head = s;
    s->is_queued = false;
    s->bucket = *bucket_of(c, n);
    *bucket_of(c, n) = s;
    return s;
}

void hf_image_slot_use(struct hf_image_cache *c, struct hf_image_slot *s)
{
    if (s->users++ == 0 && s->state == HF_SLOT_READY)
        unlink_ready(c, s);
    count_ahead(c, s, false);
}

void hf_image_slot_let_go(struct hf_image_cache *c, struct hf_image_slot *s, bool is_spent)
{
    if (--s->users > 0)
        return;
    if (s->state == HF_SLOT_FAILED)
        give_back(c, s);
    else
        link_ready(c, s, is_spent);
}

void hf_image_slot_came(struct hf_image_cache *c, struct hf_image_slot *s,
                        const struct hf_err *failed)
{
    s->state = failed ? HF_SLOT_FAILED : HF_SLOT_READY;
    c->fetched += !failed;
    if (failed) {
        count_ahead(c, s, false);
        forget(c, s);
        if (s->users && (s->failed = malloc(sizeof *failed)))
            *s->failed = *failed;
    }
    pthread_cond_broadcast(&s->changed);
    if (s->users == 0 && failed)
        give_back(c, s);
    else if (s->users == 0)
        link_ready(c, s, false);
}

/* ---- reads ------------------------------------------------------------------------------ */

/* Under the lock. One for chunk n, wanted or ready, that is ours to let go; waits for room where there is none. */
static struct hf_image_slot *claim(struct hf_image_cache *c, uint64_t n, struct hf_err *err)
{
    struct hf_err nomem = HF_ERR_INIT;
    for (;;) {
        struct hf_image_slot *s = hf_image_slot_find(c, n);
        if (s) {
            hf_image_slot_use(c, s);
            hf_image_jobs_hurry(c, s);
            return s;
        }
        s = hf_image_slot_take(c, n, &nomem);
        if (s) {
            hf_image_slot_use(c, s);
            hf_image_jobs_add(c, s, false);
            return s;
        }
        if (nomem.cls) {
            hf_err_copy(err, &nomem);
            return NULL;
        }
        pthread_cond_wait(&c->room, &c->lock);
    }
}

static int fail_slot(const struct hf_image_slot *s, struct hf_err *err)
{
    if (!s->failed)
        return hf_fail_nomem(err);
    hf_err_copy(err, s->failed);
    return -1;
}

/* A part of chunk n, which is no hole. */
static int read_chunk(struct hf_image_cache *c, uint64_t n, size_t from, void *buf, size_t len,
                      bool goes_on, struct hf_err *err)
{
    pthread_mutex_lock(&c->lock);
    struct hf_image_slot *s = claim(c, n, err);
    while (s && s->state == HF_SLOT_WANTED)
        pthread_cond_wait(&s->changed, &c->lock);
    int rc = s ? 0 : -1;
    if (s && s->state == HF_SLOT_FAILED) {
        rc = fail_slot(s, err);
    } else if (s) {
        pthread_mutex_unlock(&c->lock);
        memcpy(buf, s->data + from, len);
        pthread_mutex_lock(&c->lock);
    }
    if (s)
        hf_image_slot_let_go(c, s, goes_on && from + len == hf_image_chunk_len(&c->shape, n));
    pthread_mutex_unlock(&c->lock);
    return rc;
}

static bool is_cached(struct hf_image_cache *c, uint64_t n)
{
    pthread_mutex_lock(&c->lock);
    bool is_there = hf_image_slot_find(c, n) != NULL;
    pthread_mutex_unlock(&c->lock);
    return is_there;
}

/* Needs the tree only for what is not in the cache. */
static int is_hole(struct hf_image_cache *c, uint64_t n, bool *out, struct hf_err *err)
{
    unsigned char id[HF_IMAGE_ID];
    *out = false;
    if (is_cached(c, n))
        return 0;
    if (hf_image_tree_id(c->tree, n, id, err) < 0)
        return -1;
    *out = hf_image_is_hole(id);
    return 0;
}

static int check_bounds(const struct hf_image_cache *c, uint64_t at, uint64_t len,
                        struct hf_err *err)
{
    if (at <= c->shape.disk_bytes && len <= c->shape.disk_bytes - at)
        return 0;
    return hf_fail(err, HF_E_INTERNAL, "bytes %llu to %llu do not lie on the disk",
                   (unsigned long long)at, (unsigned long long)(at + len));
}

int hf_image_cache_read(struct hf_image_cache *c, uint64_t at, void *buf, size_t len,
                        struct hf_err *err)
{
    uint32_t chunk_bytes = c->shape.chunk_bytes;
    if (check_bounds(c, at, len, err) < 0)
        return -1;
    bool goes_on = len && hf_image_stream_note(c, at, len);
    if (at / chunk_bytes != (at + len - 1) / chunk_bytes &&
        hf_image_cache_want(c, at, len, err) < 0)
        return -1;
    for (unsigned char *p = buf; len > 0;) {
        size_t from = (size_t)(at % chunk_bytes);
        size_t n = chunk_bytes - from < len ? chunk_bytes - from : len;
        bool hole = false;
        if (is_hole(c, at / chunk_bytes, &hole, err) < 0)
            return -1;
        if (hole)
            memset(p, 0, n);
        else if (read_chunk(c, at / chunk_bytes, from, p, n, goes_on, err) < 0)
            return -1;
        p += n;
        at += n;
        len -= n;
    }
    return 0;
}

int hf_image_cache_want(struct hf_image_cache *c, uint64_t at, uint64_t len, struct hf_err *err)
{
    uint32_t chunk_bytes = c->shape.chunk_bytes;
    if (check_bounds(c, at, len, err) < 0)
        return -1;
    uint64_t n = at / chunk_bytes, end = len ? (at + len - 1) / chunk_bytes + 1 : n;
    return hf_image_cache_plan(c, &n, end, false, NULL, err);
}

int hf_image_cache_extent(struct hf_image_cache *c, uint64_t at, bool *out_is_hole,
                          uint64_t *out_len, struct hf_err *err)
{
    return hf_image_tree_extent(c->tree, at, out_is_hole, out_len, err);
}

/* ---- open and close --------------------------------------------------------------------- */

static uint64_t slots_wanted(size_t bytes, uint32_t chunk_bytes)
{
    uint64_t n = (bytes ? bytes : HF_IMAGE_CACHE_BYTES) / chunk_bytes;
    return n < HF_IMAGE_CACHE_CHUNKS_MIN ? HF_IMAGE_CACHE_CHUNKS_MIN : n;
}

static int make_slots(struct hf_image_cache *c, size_t n, struct hf_err *err)
{
    c->buckets_n = 2 * n + 1;
    c->slots = calloc(n, sizeof *c->slots);
    c->buckets = calloc(c->buckets_n, sizeof(*c->buckets));
    if (!c->slots || !c->buckets)
        return hf_fail_nomem(err);
    c->slots_n = n;
    for (size_t i = n; i-- > 0;) {
        pthread_cond_init(&c->slots[i].changed, NULL);
        give_back(c, &c->slots[i]);
    }
    return 0;
}

static int open_parts(struct hf_image_cache *c, const unsigned char *root,
                      const struct hf_image_cache_opts *o, struct hf_err *err)
{
    unsigned threads = o->threads ? o->threads : THREADS;
    c->tree = hf_image_tree_open(c->im, root, err);
    if (!c->tree)
        return -1;
    c->shape = *hf_image_tree_shape(c->tree);
    c->batch = HF_IMAGE_BATCH_BYTES / c->shape.chunk_bytes;
    c->ahead_bytes = o->ahead_bytes ? o->ahead_bytes : AHEAD_BYTES;
    c->threads_wanted = threads < HF_IMAGE_CACHE_THREADS_MAX ? threads : HF_IMAGE_CACHE_THREADS_MAX;
    if (make_slots(c, slots_wanted(o->bytes, c->shape.chunk_bytes), err) < 0)
        return -1;
    return hf_image_jobs_start(c, err);
}

struct hf_image_cache *hf_image_cache_open(struct hf_image *im,
                                           const unsigned char root[HF_IMAGE_ID],
                                           const struct hf_image_cache_opts *opts,
                                           struct hf_err *err)
{
    HF_AUTO(hf_image_cache) struct hf_image_cache *c = calloc(1, sizeof *c);
    if (!c) {
        hf_fail_nomem(err);
        return NULL;
    }
    c->im = im;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->room, NULL);
    pthread_cond_init(&c->work, NULL);
    return open_parts(c, root, opts, err) < 0 ? NULL : HF_STEAL(c);
}

void hf_image_cache_close(struct hf_image_cache *c)
{
    if (!c)
        return;
    hf_image_jobs_end(c);
    for (size_t i = 0; i < c->slots_n; i++) {
        free(c->slots[i].data);
        free(c->slots[i].failed);
        pthread_cond_destroy(&c->slots[i].changed);
    }
    free(c->slots);
    free(c->buckets);
    hf_image_tree_close(c->tree);
    pthread_cond_destroy(&c->work);
    pthread_cond_destroy(&c->room);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

const struct hf_image_shape *hf_image_cache_shape(const struct hf_image_cache *c)
{
    return &c->shape;
}

void hf_image_cache_facts(struct hf_image_cache *c, struct hf_image_cache_facts *out)
{
    pthread_mutex_lock(&c->lock);
    out->fetched = c->fetched;
    out->held_bytes = c->taken_n * c->shape.chunk_bytes;
    out->max_bytes = c->slots_n * c->shape.chunk_bytes;
    pthread_mutex_unlock(&c->lock);
}

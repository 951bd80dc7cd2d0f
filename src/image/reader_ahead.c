/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"
#include "image/reader_intern.h"

#include <stdlib.h>

#define NO_BATCH UINT64_MAX

enum batch_state { BATCH_EMPTY, BATCH_WANTED, BATCH_LOADING, BATCH_READY, BATCH_FAILED };

struct batch {
    enum batch_state state;
    uint64_t n;
    unsigned char *data;
    struct hf_err failed;
};

struct hf_image_ahead {
    struct hf_image *im;
    struct hf_image_tree *tree;
    uint32_t chunks; /* of a batch */
    uint64_t bytes;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_ending;
    pthread_t threads[HF_IMAGE_READ_THREADS_MAX];
    unsigned threads_n, threads_wanted;
    size_t batches_n;
    struct batch batches[HF_IMAGE_AHEAD_MAX];
    uint64_t plan
        [HF_IMAGE_AHEAD_MAX]; /* the caller's: batches wanted now, without those that are all hole */
    size_t plan_n;
};

/* ---- chunks ----------------------------------------------------------------------------- */

int hf_image_want_chunk(struct hf_image_tree *tree, uint64_t n, struct hf_image_want *w,
                        bool *is_wanted, struct hf_err *err)
{
    const struct hf_image_shape *shape = hf_image_tree_shape(tree);
    bool is_hole = false;
    if (hf_image_tree_place(tree, n, &is_hole, &w->place, err) < 0)
        return -1;
    if (is_hole)
        memset(w->out, 0, hf_image_chunk_len(shape, n));
    w->disk_at = n * shape->chunk_bytes;
    *is_wanted = !is_hole;
    return 0;
}

int hf_image_read_chunks(struct hf_image_tree *tree, struct hf_image_fetch *f, uint64_t first,
                         uint32_t n, unsigned char *out, struct hf_err *err)
{
    size_t wanted = 0;
    HF_AUTOFREE struct hf_image_want *wants = calloc(n, sizeof *wants);
    if (!wants)
        return hf_fail_nomem(err);
    for (uint32_t i = 0; i < n; i++) {
        bool is_wanted = false;
        wants[wanted].out = out + (size_t)i * hf_image_tree_shape(tree)->chunk_bytes;
        if (hf_image_want_chunk(tree, first + i, &wants[wanted], &is_wanted, err) < 0)
            return -1;
        wanted += is_wanted;
    }
    return hf_image_fetch(f, wants, wanted, err);
}

/* ---- the threads ------------------------------------------------------------------------ */

/* The first one in the order of the disk. Under the lock. */
static struct batch *next_wanted(struct hf_image_ahead *a)
{
    for (;;) {
        struct batch *best = NULL;
        for (size_t i = 0; i < a->batches_n; i++)
            if (a->batches[i].state == BATCH_WANTED && (!best || a->batches[i].n < best->n))
                best = &a->batches[i];
        if (best || a->is_ending)
            return a->is_ending ? NULL : best;
        pthread_cond_wait(&a->changed, &a->lock);
    }
}

static int load(struct hf_image_ahead *a, struct hf_image_fetch *f, struct batch *b,
                struct hf_err *err)
{
    uint64_t first = b->n * a->chunks;
    uint64_t left = hf_image_chunks_n(hf_image_tree_shape(a->tree)) - first;
    if (!f)
        return hf_fail_nomem(err);
    return hf_image_read_chunks(a->tree, f, first, left < a->chunks ? (uint32_t)left : a->chunks,
                                b->data, err);
}

static void *fetch_ahead(void *arg)
{
    struct hf_image_ahead *a = arg;
    struct hf_err none = HF_ERR_INIT;
    HF_AUTO(hf_image_fetch) struct hf_image_fetch *f = hf_image_fetch_new(a->im, &none);
    pthread_mutex_lock(&a->lock);
    for (struct batch *b = next_wanted(a); b; b = next_wanted(a)) {
        struct hf_err err = HF_ERR_INIT;
        b->state = BATCH_LOADING;
        pthread_mutex_unlock(&a->lock);
        int rc = load(a, f, b, &err);
        pthread_mutex_lock(&a->lock);
        b->state = rc < 0 ? BATCH_FAILED : BATCH_READY;
        b->failed = err;
        pthread_cond_broadcast(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static int start(struct hf_image_ahead *a, struct hf_err *err)
{
    int e = 0;
    for (; e == 0 && a->threads_n < a->threads_wanted; a->threads_n += e == 0)
        e = hf_thread_start(&a->threads[a->threads_n], fetch_ahead, a);
    return a->threads_n ? 0 : hf_fail_sys(err, e, "a thread to read ahead");
}

struct hf_image_ahead *hf_image_ahead_new(const struct hf_image_ahead_opts *opts,
                                          struct hf_err *err)
{
    struct hf_image_ahead *a = calloc(1, sizeof *a);
    if (!a) {
        hf_fail_nomem(err);
        return NULL;
    }
    const struct hf_image_shape *shape = hf_image_tree_shape(opts->tree);
    a->im = opts->im;
    a->tree = opts->tree;
    a->chunks = HF_IMAGE_BATCH_BYTES / shape->chunk_bytes;
    a->bytes = (uint64_t)a->chunks * shape->chunk_bytes;
    a->threads_wanted = opts->threads;
    a->batches_n = opts->batches;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    for (size_t i = 0; i < a->batches_n; i++)
        a->batches[i].n = NO_BATCH;
    return a;
}

void hf_image_ahead_free(struct hf_image_ahead *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->is_ending = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    while (a->threads_n)
        pthread_join(a->threads[--a->threads_n], NULL);
    for (size_t i = 0; i < a->batches_n; i++)
        free(a->batches[i].data);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* ---- asking ----------------------------------------------------------------------------- */

static struct batch *find(struct hf_image_ahead *a, uint64_t n)
{
    for (size_t i = 0; i < a->batches_n; i++)
        if (a->batches[i].n == n && a->batches[i].state != BATCH_EMPTY)
            return &a->batches[i];
    return NULL;
}

static bool is_planned(const struct hf_image_ahead *a, uint64_t n)
{
    for (size_t i = 0; i < a->plan_n; i++)
        if (a->plan[i] == n)
            return true;
    return false;
}

/* One that is not wanted now, and that no thread has. */
static struct batch *spare(struct hf_image_ahead *a)
{
    for (size_t i = 0; i < a->batches_n; i++) {
        struct batch *b = &a->batches[i];
        if (b->state == BATCH_EMPTY || (b->state != BATCH_LOADING && !is_planned(a, b->n)))
            return b;
    }
    return NULL;
}

/* The next batch from n on that has data in it. */
static bool next_data(struct hf_image_ahead *a, uint64_t *n)
{
    struct hf_err damaged = HF_ERR_INIT; /* who reads there will find it */
    uint64_t chunk = *n * a->chunks, chunks = hf_image_chunks_n(hf_image_tree_shape(a->tree));
    while (chunk < chunks) {
        bool is_hole = false;
        uint64_t count = 0;
        if (hf_image_tree_run(a->tree, chunk, &is_hole, &count, &damaged) < 0)
            return false;
        *n = chunk / a->chunks;
        if (!is_hole)
            return true;
        chunk += count;
    }
    return false;
}

/* Not under the lock: it may read segments. */
static void plan_from(struct hf_image_ahead *a, uint64_t from)
{
    if (a->plan_n && a->plan[0] == from)
        return;
    a->plan[0] = from;
    a->plan_n = 1;
    for (uint64_t n = from + 1; a->plan_n < a->batches_n && next_data(a, &n); n++)
        a->plan[a->plan_n++] = n;
}

static int want_plan(struct hf_image_ahead *a, struct hf_err *err)
{
    for (size_t i = 0; i < a->plan_n; i++) {
        struct batch *b = find(a, a->plan[i]) ? NULL : spare(a);
        if (!b)
            continue;
        if (!b->data)
            b->data = malloc(a->bytes);
        if (!b->data)
            return hf_fail_nomem(err);
        b->n = a->plan[i];
        b->state = BATCH_WANTED;
        pthread_cond_broadcast(&a->changed);
    }
    return 0;
}

/* Under the lock. A thread that still loads what nobody wants any more makes us wait for its place. */
static struct batch *await(struct hf_image_ahead *a, uint64_t n, struct hf_err *err)
{
    for (;;) {
        if (want_plan(a, err) < 0)
            return NULL;
        struct batch *b = find(a, n);
        if (b && (b->state == BATCH_READY || b->state == BATCH_FAILED))
            return b;
        pthread_cond_wait(&a->changed, &a->lock);
    }
}

int hf_image_ahead_read(struct hf_image_ahead *a, uint64_t at, void *buf, size_t len, size_t *out_n,
                        struct hf_err *err)
{
    uint64_t n = at / a->bytes;
    size_t from = (size_t)(at % a->bytes);
    if (!a->threads_n && start(a, err) < 0)
        return -1;
    plan_from(a, n);
    *out_n = a->bytes - from < len ? (size_t)(a->bytes - from) : len;
    pthread_mutex_lock(&a->lock);
    struct batch *b = await(a, n, err);
    bool is_ready = b && b->state == BATCH_READY;
    if (b && !is_ready)
        hf_err_copy(err, &b->failed);
    pthread_mutex_unlock(&a->lock);
    if (!is_ready)
        return -1;
    memcpy(buf, b->data + from,
           *out_n); /* a batch that is ready is only replaced by the next call */
    return 0;
}

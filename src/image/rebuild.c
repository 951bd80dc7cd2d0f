/* SPDX-License-Identifier: Apache-2.0 */
#include "image/rebuild.h"

#include "base/clock.h"
#include "base/thread.h"
#include "image/image_intern.h"
#include "image/rebuild_intern.h"

#include <stdlib.h>
#include <time.h>

#define WORKERS_LEAST 4u
#define TICK_MS 100

struct rebuild {
    struct hf_image *im;
    struct hf_image_tree *tree;
    const struct hf_image_rebuild_opts *opts;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct rebuild_plan plan;
    uint64_t window;      /* its number, from 1; 0: none is planned yet */
    unsigned busy;        /* workers that have not finished with it */
    bool is_ending;       /* no further one, or something has failed */
    struct hf_err failed; /* class NONE: nothing has */
    struct hf_image_rebuilt done;
    struct worker {
        struct rebuild *r;
        unsigned number;
        pthread_t thread;
        struct hf_image_fetch *fetch;
        unsigned char *content;
        size_t content_cap;
        struct hf_image_want *wants;
        struct rebuild_item *items; /* of the job, by place on the disk */
        size_t cap;
    } workers[HF_IMAGE_REBUILD_WORKERS_MAX];
    unsigned n_workers;
};

static unsigned usual_workers(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = processors > 0 ? (unsigned)processors + 1 : 1;
    return n > WORKERS_LEAST ? n : WORKERS_LEAST;
}

unsigned hf_image_rebuild_workers(const struct hf_image_rebuild_opts *opts)
{
    unsigned n = opts->workers ? opts->workers : usual_workers();
    return n < HF_IMAGE_REBUILD_WORKERS_MAX ? n : HF_IMAGE_REBUILD_WORKERS_MAX;
}

/* ---- a worker --------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct rebuild_item *x = a, *y = b;
    return (x->n > y->n) - (x->n < y->n);
}

static int make_room(struct worker *w, size_t n, size_t bytes, struct hf_err *err)
{
    if (n > w->cap) {
        struct hf_image_want *wants = reallocarray(w->wants, n, sizeof *wants);
        w->wants = wants ? wants : w->wants;
        struct rebuild_item *items = reallocarray(w->items, n, sizeof *items);
        w->items = items ? items : w->items;
        if (!wants || !items)
            return hf_fail_nomem(err);
        w->cap = n;
    }
    if (bytes > w->content_cap) {
        free(HF_STEAL(w->content));
        w->content_cap = 0;
        if (!(w->content = malloc(bytes)))
            return hf_fail_nomem(err);
        w->content_cap = bytes;
    }
    return 0;
}

/* Chunks side by side on the disk are side by side in memory, and handed over together. */
static int fetch_job(struct worker *w, size_t n, struct hf_err *err)
{
    uint64_t chunk_bytes = hf_image_tree_shape(w->r->tree)->chunk_bytes;
    size_t at = 0, bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += w->items[i].place.entry.plain;
    if (make_room(w, 0, bytes, err) < 0)
        return -1;
    qsort(w->items, n, sizeof *w->items, by_place);
    for (size_t i = 0; i < n; i++) {
        w->wants[i] = (struct hf_image_want){.place = w->items[i].place,
                                             .out = w->content + at,
                                             .disk_at = w->items[i].n * chunk_bytes};
        at += w->items[i].place.entry.plain;
    }
    return hf_image_fetch(w->fetch, w->wants, n, err);
}

static int put_job(struct worker *w, size_t n, struct hf_err *err)
{
    const struct hf_image_rebuild_opts *o = w->r->opts;
    uint64_t chunk_bytes = hf_image_tree_shape(w->r->tree)->chunk_bytes;
    const unsigned char *data = w->content;
    for (size_t i = 0, j; i < n; i = j) {
        size_t len = 0;
        for (j = i; j < n && w->items[j].n == w->items[i].n + (j - i); j++)
            len += w->items[j].place.entry.plain;
        if (o->put(o->ctx, w->number, w->items[i].n * chunk_bytes, data, len, err) < 0)
            return -1;
        data += len;
    }
    return 0;
}

/* Bytes of the pack from the first to the last record; they are sorted by the fetcher. */
static uint64_t span_of(const struct hf_image_want *wants, size_t n)
{
    const struct hf_image_entry *last = &wants[n - 1].place.entry;
    return (uint64_t)last->at + HF_IMAGE_RECORD_HEAD + last->stored - wants[0].place.entry.at;
}

static void count_job(struct rebuild *r, const struct worker *w, size_t n)
{
    r->done.chunks += n;
    r->done.fetched += span_of(w->wants, n);
    for (size_t i = 0; i < n; i++)
        r->done.bytes += w->items[i].place.entry.plain;
}

static void fail(struct rebuild *r, const struct hf_err *err)
{
    if (!r->failed.cls)
        hf_err_copy(&r->failed, err);
    r->is_ending = true;
    pthread_cond_broadcast(&r->changed);
}

/* Under the lock, which is let go while there is work. */
static void work_window(struct worker *w)
{
    struct rebuild *r = w->r;
    size_t pack = HF_IMAGE_NO_PACK, from = 0, n = 0;
    while (!r->is_ending && (n = rebuild_plan_next(&r->plan, &pack, &from)) > 0) {
        struct hf_err err = HF_ERR_INIT;
        int rc = make_room(w, n, 0, &err);
        if (rc == 0)
            memcpy(w->items, r->plan.items + from, n * sizeof *w->items);
        pthread_mutex_unlock(&r->lock);
        if (rc == 0)
            rc = fetch_job(w, n, &err) < 0 || put_job(w, n, &err) < 0 ? -1 : 0;
        pthread_mutex_lock(&r->lock);
        if (rc == 0)
            count_job(r, w, n);
        else
            fail(r, &err);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct rebuild *r = w->r;
    pthread_mutex_lock(&r->lock);
    for (uint64_t seen = 0;;) {
        while (!r->is_ending && r->window == seen)
            pthread_cond_wait(&r->changed, &r->lock);
        if (r->is_ending)
            break;
        seen = r->window;
        work_window(w);
        r->busy--;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- the caller ------------------------------------------------------------------------- */

static int tick(struct rebuild *r, struct hf_err *err)
{
    pthread_mutex_lock(&r->lock);
    struct hf_image_rebuilt so_far = r->done;
    so_far.skipped = r->plan.skipped;
    pthread_mutex_unlock(&r->lock);
    if (hf_cancel_check(r->im->cancel, err) < 0)
        return -1;
    return r->opts->tick ? r->opts->tick(r->opts->ctx, &so_far, err) : 0;
}

/* Until all are done with the window, something has failed, or it is time for a tick. */
static bool wait_some(struct rebuild *r)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&r->lock);
    while (r->busy && !r->is_ending && pthread_cond_timedwait(&r->changed, &r->lock, &until) == 0)
        ;
    bool is_over = !r->busy || r->is_ending;
    pthread_mutex_unlock(&r->lock);
    return is_over;
}

static void pass_window(struct rebuild *r, uint64_t from)
{
    uint64_t chunks = hf_image_chunks_n(hf_image_tree_shape(r->tree));
    pthread_mutex_lock(&r->lock);
    if (!r->is_ending)
        r->done.before = chunks - from < REBUILD_WINDOW ? chunks : from + REBUILD_WINDOW;
    pthread_mutex_unlock(&r->lock);
}

static int run_window(struct rebuild *r, uint64_t from, struct hf_err *err)
{
    if (rebuild_plan_window(&r->plan, r->tree, from, r->opts, err) < 0)
        return -1;
    pthread_mutex_lock(&r->lock);
    r->window++;
    r->busy = r->n_workers;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    for (bool is_over = false; !is_over;) {
        is_over = wait_some(r);
        if (is_over)
            pass_window(r, from);
        if (tick(r, err) < 0)
            return -1;
    }
    return 0;
}

static int start(struct rebuild *r, struct hf_err *err)
{
    unsigned wanted = hf_image_rebuild_workers(r->opts);
    for (; r->n_workers < wanted; r->n_workers++) {
        struct worker *w = &r->workers[r->n_workers];
        w->r = r;
        w->number = r->n_workers;
        w->fetch = hf_image_fetch_new(r->im, err);
        if (!w->fetch)
            return -1;
        int e = hf_thread_start(&w->thread, work, w);
        if (e) {
            hf_image_fetch_free(HF_STEAL(w->fetch));
            return hf_fail_sys(err, e, "a thread to read");
        }
    }
    return 0;
}

static void end(struct rebuild *r)
{
    pthread_mutex_lock(&r->lock);
    r->is_ending = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    for (unsigned i = 0; i < r->n_workers; i++) {
        struct worker *w = &r->workers[i];
        pthread_join(w->thread, NULL);
        hf_image_fetch_free(w->fetch);
        free(w->content);
        free(w->wants);
        free(w->items);
    }
}

/* Once the threads are gone: what failed first among them, before what the caller's own thread met. */
static int verdict(struct rebuild *r, int rc, struct hf_err *err)
{
    if (!r->failed.cls || (rc < 0 && err->cls == HF_E_CANCELLED))
        return rc;
    hf_err_copy(err, &r->failed);
    return -1;
}

static int run(struct rebuild *r, struct hf_err *err)
{
    uint64_t chunks = hf_image_chunks_n(hf_image_tree_shape(r->tree));
    int rc = start(r, err);
    for (uint64_t from = 0; rc == 0 && from < chunks && !r->failed.cls; from += REBUILD_WINDOW)
        rc = run_window(r, from, err);
    end(r);
    return verdict(r, rc, err);
}

int hf_image_rebuild(struct hf_image *im, struct hf_image_tree *tree,
                     const struct hf_image_rebuild_opts *opts, struct hf_image_rebuilt *out,
                     struct hf_err *err)
{
    pthread_condattr_t monotonic;
    *out = (struct hf_image_rebuilt){0};
    HF_AUTOFREE struct rebuild *r = calloc(1, sizeof *r);
    if (!r)
        return hf_fail_nomem(err);
    *r = (struct rebuild){.im = im, .tree = tree, .opts = opts, .failed = HF_ERR_INIT};
    if (rebuild_plan_init(&r->plan, err) < 0)
        return -1;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int rc = run(r, err);
    *out = r->done;
    out->skipped = r->plan.skipped;
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    rebuild_plan_free(&r->plan);
    return rc;
}

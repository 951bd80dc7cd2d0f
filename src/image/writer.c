/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "base/thread.h"
#include "image/writer_intern.h"

#include <stdlib.h>
#include <sys/sysinfo.h>

#define PACK_BYTES ((size_t)16 << 20)
#define PACK_BYTES_MAX ((size_t)64 << 20)
#define WORKERS 4u
#define BATCH_BYTES                                                                                \
    ((size_t)2 << 20)               /* of chunks that a worker takes at once: bounds the buffers */
#define CALLER HF_IMAGE_WORKERS_MAX /* its press */

void hf_image_written_free(struct hf_image_written *w)
{
    free(w->packs);
    w->packs = NULL;
    w->packs_n = 0;
}

static void wake_all(struct hf_image_writer *w)
{
    pthread_cond_broadcast(&w->queued);
    pthread_cond_broadcast(&w->sealed);
    pthread_cond_broadcast(&w->changed);
}

void hf_image_writer_fail(struct hf_image_writer *w, const struct hf_err *err)
{
    if (!w->has_failed)
        hf_err_copy(&w->failed, err);
    w->has_failed = true;
    wake_all(w);
}

int hf_image_writer_check(struct hf_image_writer *w, struct hf_err *err)
{
    if (!w->has_failed)
        return 0;
    hf_err_copy(err, &w->failed);
    return -1;
}

/* ---- beginning and end ------------------------------------------------------------------ */

static int make_tables(struct hf_image_writer *w, struct hf_err *err)
{
    uint64_t n = hf_image_segments_n(&w->shape);
    size_t buffers = 2 * w->workers_wanted * w->batch + 8;
    if (n > HF_IMAGE_SEGMENTS_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED, "a disk of %llu bytes is too large for chunks of %u",
                       (unsigned long long)w->shape.disk_bytes, w->shape.chunk_bytes);
    w->segments = calloc(n + 1, sizeof *w->segments);
    w->told = calloc(n + 1, sizeof *w->told);
    w->segment_ids = calloc(n + 1, HF_IMAGE_ID);
    w->buffers = malloc(buffers * w->shape.chunk_bytes);
    if (!w->segments || !w->told || !w->segment_ids || !w->buffers)
        return hf_fail_nomem(err);
    while (w->idle_n < buffers) {
        w->idle[w->idle_n] = w->buffers + w->idle_n * w->shape.chunk_bytes;
        w->idle_n++;
    }
    for (unsigned i = 0; i < w->workers_wanted; i++)
        if (hf_image_press_open(&w->presses[i], w->shape.chunk_bytes, err) < 0)
            return -1;
    return hf_image_press_open(&w->presses[CALLER], w->shape.chunk_bytes, err);
}

static int start(struct hf_image_writer *w, struct hf_err *err)
{
    int e = 0;
    for (; e == 0 && w->workers_n < w->workers_wanted; w->workers_n += e == 0)
        e = hf_thread_start(&w->workers[w->workers_n], hf_image_work, w);
    for (; e == 0 && w->senders_n < HF_IMAGE_SENDERS; w->senders_n += e == 0)
        e = hf_thread_start(&w->senders[w->senders_n], hf_image_send_packs, w);
    return e ? hf_fail_sys(err, e, "a thread for the image") : 0;
}

static unsigned default_workers(void)
{
    int n = get_nprocs();
    return n < 1 ? 1 : (unsigned)n < WORKERS ? (unsigned)n : WORKERS;
}

struct hf_image_writer *hf_image_write_begin(struct hf_image *im,
                                             const struct hf_image_writer_opts *opts,
                                             struct hf_err *err)
{
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = calloc(1, sizeof *w);
    if (!w) {
        hf_fail_nomem(err);
        return NULL;
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->queued, NULL);
    pthread_cond_init(&w->sealed, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->failed = (struct hf_err)HF_ERR_INIT;
    w->im = im;
    w->shape = (struct hf_image_shape){opts->disk_bytes, im->chunk_bytes};
    w->level = opts->level ? opts->level : 1;
    w->pack_bytes = opts->pack_bytes ? opts->pack_bytes : PACK_BYTES;
    if (w->pack_bytes > PACK_BYTES_MAX)
        w->pack_bytes = PACK_BYTES_MAX;
    w->workers_wanted = opts->workers ? opts->workers : default_workers();
    if (w->workers_wanted > HF_IMAGE_WORKERS_MAX)
        w->workers_wanted = HF_IMAGE_WORKERS_MAX;
    w->batch = BATCH_BYTES / im->chunk_bytes;
    w->batch = w->batch < 1 ? 1 : w->batch > HF_IMAGE_IDS ? HF_IMAGE_IDS : w->batch;
    w->done.chunks = hf_image_chunks_n(&w->shape);
    return make_tables(w, err) < 0 || start(w, err) < 0 ? NULL : HF_STEAL(w);
}

/* What is being sent is sent to its end. */
static void end_threads(struct hf_image_writer *w, bool is_abandoned)
{
    pthread_mutex_lock(&w->lock);
    w->is_ending = true;
    w->has_failed = w->has_failed || is_abandoned;
    wake_all(w);
    pthread_mutex_unlock(&w->lock);
    while (w->workers_n)
        pthread_join(w->workers[--w->workers_n], NULL);
    while (w->senders_n)
        pthread_join(w->senders[--w->senders_n], NULL);
}

void hf_image_write_close(struct hf_image_writer *w)
{
    if (!w)
        return;
    end_threads(w, true);
    for (size_t i = 0; i < HF_ARRAY_SIZE(w->presses); i++)
        hf_image_press_close(&w->presses[i]);
    for (size_t i = 0; i < HF_IMAGE_FILLS; i++)
        hf_image_fill_free(&w->fills[i]);
    for (uint64_t i = 0; w->segments && i < hf_image_segments_n(&w->shape); i++)
        free(w->segments[i]);
    free(w->segments);
    free(w->told);
    free(w->segment_ids);
    free(w->buffers);
    free(w->used);
    hf_image_written_free(&w->done);
    pthread_cond_destroy(&w->queued);
    pthread_cond_destroy(&w->sealed);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* ---- the queue -------------------------------------------------------------------------- */

static unsigned char *get_buffer(struct hf_image_writer *w, struct hf_err *err)
{
    unsigned char *b = NULL;
    if (hf_cancel_check(w->im->cancel, err) < 0)
        return NULL;
    pthread_mutex_lock(&w->lock);
    while (!w->idle_n && !w->has_failed)
        pthread_cond_wait(&w->changed, &w->lock);
    if (hf_image_writer_check(w, err) == 0)
        b = w->idle[--w->idle_n];
    pthread_mutex_unlock(&w->lock);
    return b;
}

static void enqueue(struct hf_image_writer *w, uint64_t n, unsigned char *data)
{
    pthread_mutex_lock(&w->lock);
    w->queue[(w->queue_first + w->queue_n++) % HF_IMAGE_BUFFERS_MAX] =
        (struct hf_image_job){n, data};
    pthread_cond_signal(&w->queued);
    pthread_mutex_unlock(&w->lock);
}

/* ---- ascending extents ------------------------------------------------------------------ */

/* Zeros up to there. */
static void set_gap(struct hf_image_writer *w, size_t to)
{
    if (to > w->open_to)
        memset(w->open + w->open_to, 0, to - w->open_to);
}

static void close_chunk(struct hf_image_writer *w)
{
    if (!w->open)
        return;
    w->next = w->open_n + 1;
    set_gap(w, hf_image_chunk_len(&w->shape, w->open_n));
    enqueue(w, w->open_n, HF_STEAL(w->open));
}

/* Chunk n begins; those before it that nobody opened are holes. */
static int open_chunk(struct hf_image_writer *w, uint64_t n, struct hf_err *err)
{
    close_chunk(w);
    if (hf_image_tell_holes(w, &w->presses[CALLER], w->next, n - w->next, err) < 0)
        return -1;
    w->next = n;
    w->open = get_buffer(w, err);
    w->open_n = n;
    w->open_to = 0;
    return w->open ? 0 : -1;
}

static int check_extent(const struct hf_image_writer *w, uint64_t at, uint64_t len,
                        struct hf_err *err)
{
    if (at < w->at || at > w->shape.disk_bytes || len > w->shape.disk_bytes - at)
        return hf_fail(err, HF_E_INTERNAL, "an extent of %llu bytes at %llu is out of its order",
                       (unsigned long long)len, (unsigned long long)at);
    return 0;
}

int hf_image_write(struct hf_image_writer *w, uint64_t at, const void *data, size_t len,
                   struct hf_err *err)
{
    if (check_extent(w, at, len, err) < 0)
        return -1;
    w->at = at + len;
    for (const char *p = data; len > 0;) {
        uint64_t n = at / w->shape.chunk_bytes;
        size_t from = (size_t)(at % w->shape.chunk_bytes);
        size_t room = w->shape.chunk_bytes - from;
        size_t step = len < room ? len : room;
        if ((!w->open || w->open_n != n) && open_chunk(w, n, err) < 0)
            return -1;
        set_gap(w, from);
        memcpy(w->open + from, p, step);
        w->open_to = from + step;
        if (step == room)
            close_chunk(w);
        p += step;
        at += step;
        len -= step;
    }
    return 0;
}

/* Told when the next data comes, or at the end: then many at once. */
int hf_image_write_hole(struct hf_image_writer *w, uint64_t at, uint64_t len, struct hf_err *err)
{
    if (check_extent(w, at, len, err) < 0)
        return -1;
    w->at = at + len;
    return 0;
}

/* ---- chunk by chunk --------------------------------------------------------------------- */

static int check_chunk(const struct hf_image_writer *w, uint64_t n, struct hf_err *err)
{
    return n < w->done.chunks ? 0
                              : hf_fail(err, HF_E_INTERNAL, "chunk %llu lies behind the disk",
                                        (unsigned long long)n);
}

int hf_image_write_chunk(struct hf_image_writer *w, uint64_t n, const void *data,
                         struct hf_err *err)
{
    unsigned char *b = check_chunk(w, n, err) < 0 ? NULL : get_buffer(w, err);
    if (!b)
        return -1;
    memcpy(b, data, hf_image_chunk_len(&w->shape, n));
    enqueue(w, n, b);
    return 0;
}

int hf_image_write_id(struct hf_image_writer *w, uint64_t n, const unsigned char id[HF_IMAGE_ID],
                      struct hf_err *err)
{
    int rc = 0;
    if (check_chunk(w, n, err) < 0)
        return -1;
    if (!hf_image_is_hole(id)) {
        pthread_mutex_lock(&w->lock);
        bool is_known = hf_image_is_known(w, HF_IMAGE_DATA, id, err, &rc);
        w->done.known += is_known;
        pthread_mutex_unlock(&w->lock);
        if (!is_known)
            return hf_fail(err, HF_E_NOT_FOUND, "chunk %llu of the disk is not on the store",
                           (unsigned long long)n);
    }
    return rc < 0 ? -1 : hf_image_tell(w, &w->presses[CALLER], n, id, err);
}

int hf_image_write_same(struct hf_image_writer *w, uint64_t n, const unsigned char id[HF_IMAGE_ID],
                        struct hf_err *err)
{
    if (check_chunk(w, n, err) < 0)
        return -1;
    uint64_t at = n * w->shape.chunk_bytes, len = hf_image_chunk_len(&w->shape, n);
    if (check_extent(w, at, len, err) < 0)
        return -1;
    close_chunk(w);
    if (hf_image_tell_holes(w, &w->presses[CALLER], w->next, n - w->next, err) < 0)
        return -1;
    w->next = n + 1;
    w->at = at + len;
    return hf_image_write_id(w, n, id, err);
}

/* ---- finish ----------------------------------------------------------------------------- */

static int await_workers(struct hf_image_writer *w, struct hf_err *err)
{
    pthread_mutex_lock(&w->lock);
    while ((w->queue_n || w->working) && !w->has_failed)
        pthread_cond_wait(&w->changed, &w->lock);
    int rc = hf_image_writer_check(w, err);
    pthread_mutex_unlock(&w->lock);
    return rc;
}

static int send_rest(struct hf_image_writer *w, enum hf_image_kind kind, struct hf_err *err)
{
    pthread_mutex_lock(&w->lock);
    hf_image_seal(w, kind);
    hf_image_await_sent(w);
    int rc = hf_image_writer_check(w, err);
    pthread_mutex_unlock(&w->lock);
    return rc;
}

static int write_root(struct hf_image_writer *w, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    bool is_known = false;
    hf_image_root_write(&w->shape, w->segment_ids, &text);
    if (!hf_buf_ok(&text))
        return hf_fail_nomem(err);
    if (HF_POINT_ERR("image.before_root", err) < 0)
        return -1;
    return hf_image_record(w, &w->presses[CALLER], HF_IMAGE_TREE, text.data, text.len, w->done.root,
                           &is_known, err);
}

static int list_packs(struct hf_image_writer *w, struct hf_err *err)
{
    struct hf_image_pack p;
    size_t n = 0;
    for (size_t i = 0; i < w->used_cap; i++)
        n += (size_t)__builtin_popcount(w->used[i]);
    w->done.packs = calloc(n + 1, sizeof *w->done.packs);
    if (!w->done.packs)
        return hf_fail_nomem(err);
    for (uint32_t i = 0; i < 8 * w->used_cap; i++)
        if (w->used[i / 8] & 1 << i % 8 && hf_image_chunks_pack(w->im->chunks, i, &p))
            memcpy(w->done.packs[w->done.packs_n++], p.id, sizeof p.id);
    return 0;
}

int hf_image_write_finish(struct hf_image_writer *w, struct hf_image_written *out,
                          struct hf_err *err)
{
    close_chunk(w);
    if (await_workers(w, err) < 0 || hf_image_segments_finish(w, &w->presses[CALLER], err) < 0 ||
        send_rest(w, HF_IMAGE_DATA, err) < 0 || write_root(w, err) < 0 ||
        send_rest(w, HF_IMAGE_TREE, err) < 0)
        return -1;
    end_threads(w, false);
    if (list_packs(w, err) < 0)
        return -1;
    *out = w->done;
    w->done.packs = NULL;
    return 0;
}

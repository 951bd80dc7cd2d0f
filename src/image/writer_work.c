/* SPDX-License-Identifier: Apache-2.0
 *
 * Records: hashed, looked for, compressed, appended. Segments: complete when the last of their chunks is.
 */
#include "base/buf.h"
#include "image/bytes.h"
#include "image/writer_intern.h"

#include <stdlib.h>

int hf_image_press_open(struct hf_image_press *p, size_t bytes, struct hf_err *err)
{
    p->zstd = ZSTD_createCCtx();
    p->out = malloc(bytes);
    p->out_cap = bytes;
    return p->zstd && p->out ? 0 : hf_fail_nomem(err);
}

void hf_image_press_close(struct hf_image_press *p)
{
    ZSTD_freeCCtx(p->zstd);
    free(p->out);
}

/* What does not become smaller stays as it is. */
static int compress(struct hf_image_press *p, int level, const void *data, struct hf_image_entry *e,
                    const void **out, struct hf_err *err)
{
    if (hf_room(&p->out, &p->out_cap, e->plain, err) < 0)
        return -1;
    size_t n = ZSTD_compressCCtx(p->zstd, p->out, e->plain - 1, data, e->plain, level);
    bool is_smaller = !ZSTD_isError(n) && n > 0;
    e->codec = is_smaller ? HF_IMAGE_ZSTD : HF_IMAGE_RAW;
    e->stored = is_smaller ? (uint32_t)n : e->plain;
    *out = is_smaller ? p->out : data;
    return 0;
}

static bool claim(struct hf_image_writer *w, struct hf_image_press *p, enum hf_image_kind kind,
                  const unsigned char *id, struct hf_err *err, int *rc)
{
    pthread_mutex_lock(&w->lock);
    bool is_known = hf_image_is_known(w, kind, id, err, rc);
    if (!is_known) {
        memcpy(p->claim, id, HF_IMAGE_ID);
        p->claim_kind = kind;
        p->has_claim = true;
    }
    pthread_mutex_unlock(&w->lock);
    return !is_known;
}

int hf_image_record(struct hf_image_writer *w, struct hf_image_press *p, enum hf_image_kind kind,
                    const void *data, size_t len, unsigned char out_id[HF_IMAGE_ID],
                    bool *out_known, struct hf_err *err)
{
    const struct hf_image_keys *k = w->im->keys;
    hf_image_id(kind == HF_IMAGE_DATA ? k->chunk_id : k->tree_id, data, len, out_id);
    return hf_image_keep(w, p, kind, data, len, out_id, out_known, err);
}

int hf_image_keep(struct hf_image_writer *w, struct hf_image_press *p, enum hf_image_kind kind,
                  const void *data, size_t len, const unsigned char id[HF_IMAGE_ID],
                  bool *out_known, struct hf_err *err)
{
    struct hf_image_entry e = {.plain = (uint32_t)len};
    const void *stored = NULL;
    int rc = 0;
    *out_known = !claim(w, p, kind, id, err, &rc);
    if (*out_known)
        return rc;
    memcpy(e.id, id, HF_IMAGE_ID);
    rc = compress(p, w->level, data, &e, &stored, err);
    pthread_mutex_lock(&w->lock);
    if (rc == 0)
        rc = hf_image_append(w, kind, &e, stored, err);
    p->has_claim = false;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

/* ---- the tree --------------------------------------------------------------------------- */

/* ids (owned): none when all are holes. */
static int write_segment(struct hf_image_writer *w, struct hf_image_press *p, uint64_t segment,
                         unsigned char *ids, struct hf_err *err)
{
    HF_AUTOFREE unsigned char *owned = ids;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    bool is_known = false;
    if (!owned)
        return 0;
    hf_image_segment_write(owned, hf_image_segment_len(&w->shape, segment), &text);
    if (!hf_buf_ok(&text))
        return hf_fail_nomem(err);
    return hf_image_record(w, p, HF_IMAGE_TREE, text.data, text.len,
                           w->segment_ids + segment * HF_IMAGE_ID, &is_known, err);
}

/* Under the lock. True: the segment is complete, and *ids are the caller's. */
static int note(struct hf_image_writer *w, uint64_t n, const unsigned char *id, bool *is_complete,
                unsigned char **ids, struct hf_err *err)
{
    uint64_t segment = n / HF_IMAGE_SEGMENT_CHUNKS;
    uint32_t len = hf_image_segment_len(&w->shape, segment);
    if (w->told[segment] == len)
        return hf_fail(err, HF_E_INTERNAL, "chunk %llu of the disk was told twice",
                       (unsigned long long)n);
    if (!hf_image_is_hole(id)) {
        if (!w->segments[segment])
            w->segments[segment] = calloc(len, HF_IMAGE_ID);
        if (!w->segments[segment])
            return hf_fail_nomem(err);
        memcpy(w->segments[segment] + n % HF_IMAGE_SEGMENT_CHUNKS * HF_IMAGE_ID, id, HF_IMAGE_ID);
    } else {
        w->done.holes++;
    }
    *is_complete = ++w->told[segment] == len;
    if (*is_complete)
        *ids = HF_STEAL(w->segments[segment]);
    return 0;
}

int hf_image_tell(struct hf_image_writer *w, struct hf_image_press *p, uint64_t n,
                  const unsigned char id[HF_IMAGE_ID], struct hf_err *err)
{
    bool is_complete = false;
    unsigned char *ids = NULL;
    pthread_mutex_lock(&w->lock);
    int rc = note(w, n, id, &is_complete, &ids, err);
    pthread_mutex_unlock(&w->lock);
    if (rc < 0 || !is_complete)
        return rc;
    return write_segment(w, p, n / HF_IMAGE_SEGMENT_CHUNKS, ids, err);
}

/* Segments that are all hole are told at once: a terabyte of nothing takes no time. */
int hf_image_tell_holes(struct hf_image_writer *w, struct hf_image_press *p, uint64_t n,
                        uint64_t count, struct hf_err *err)
{
    while (count > 0) {
        uint64_t segment = n / HF_IMAGE_SEGMENT_CHUNKS;
        uint32_t len = hf_image_segment_len(&w->shape, segment);
        uint64_t step = 1;
        if (n % HF_IMAGE_SEGMENT_CHUNKS == 0 && count >= len) {
            pthread_mutex_lock(&w->lock);
            if (w->told[segment] == 0) {
                w->told[segment] = (uint16_t)len;
                w->done.holes += len;
                step = len;
            }
            pthread_mutex_unlock(&w->lock);
        }
        if (step == 1 && hf_image_tell(w, p, n, hf_image_hole, err) < 0)
            return -1;
        n += step;
        count -= step;
    }
    return 0;
}

int hf_image_segments_finish(struct hf_image_writer *w, struct hf_image_press *p,
                             struct hf_err *err)
{
    for (uint64_t i = 0; i < hf_image_segments_n(&w->shape); i++) {
        uint32_t len = hf_image_segment_len(&w->shape, i);
        if (w->told[i] == len)
            continue;
        w->done.holes += len - w->told[i];
        w->told[i] = (uint16_t)len;
        if (write_segment(w, p, i, HF_STEAL(w->segments[i]), err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the workers ------------------------------------------------------------------------ */

static int keep_chunk(struct hf_image_writer *w, struct hf_image_press *p,
                      const struct hf_image_job *job, const unsigned char id[HF_IMAGE_ID],
                      struct hf_err *err)
{
    bool is_known = false;
    if (hf_image_keep(w, p, HF_IMAGE_DATA, job->data, hf_image_chunk_len(&w->shape, job->n), id,
                      &is_known, err) < 0)
        return -1;
    pthread_mutex_lock(&w->lock);
    *(is_known ? &w->done.known : &w->done.fresh) += 1;
    pthread_mutex_unlock(&w->lock);
    return hf_image_tell(w, p, job->n, id, err);
}

/* Chunks of one length: of a disk only the last one may be shorter. */
static int keep_chunks(struct hf_image_writer *w, struct hf_image_press *p,
                       const struct hf_image_job *jobs, size_t n, struct hf_err *err)
{
    unsigned char ids[HF_IMAGE_IDS][HF_IMAGE_ID];
    const void *data[HF_IMAGE_IDS];
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        data[i] = jobs[i].data;
    hf_image_ids(w->im->keys->chunk_id, data, n, hf_image_chunk_len(&w->shape, jobs[0].n), ids);
    for (size_t i = 0; i < n; i++)
        if (keep_chunk(w, p, &jobs[i], ids[i], err) < 0)
            return -1;
    return 0;
}

static int do_chunks(struct hf_image_writer *w, struct hf_image_press *p,
                     const struct hf_image_job *jobs, size_t n, struct hf_err *err)
{
    struct hf_image_job whole[HF_IMAGE_IDS], last;
    size_t whole_n = 0, last_n = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t len = hf_image_chunk_len(&w->shape, jobs[i].n);
        if (hf_image_is_zero(jobs[i].data, len)) {
            if (hf_image_tell(w, p, jobs[i].n, hf_image_hole, err) < 0)
                return -1;
        } else if (len == w->shape.chunk_bytes) {
            whole[whole_n++] = jobs[i];
        } else {
            last = jobs[i];
            last_n = 1;
        }
    }
    return keep_chunks(w, p, whole, whole_n, err) < 0 ? -1 : keep_chunks(w, p, &last, last_n, err);
}

/* Under the lock. How many; 0: the end. */
static size_t next_jobs(struct hf_image_writer *w, struct hf_image_job out[HF_IMAGE_IDS])
{
    while (!w->queue_n && !w->is_ending && !w->has_failed)
        pthread_cond_wait(&w->queued, &w->lock);
    if (w->has_failed)
        return 0;
    size_t n = w->queue_n < w->batch ? w->queue_n : w->batch;
    for (size_t i = 0; i < n; i++) {
        out[i] = w->queue[w->queue_first];
        w->queue_first = (w->queue_first + 1) % HF_IMAGE_BUFFERS_MAX;
    }
    w->queue_n -= n;
    w->working += n;
    return n;
}

void *hf_image_work(void *writer)
{
    struct hf_image_writer *w = writer;
    struct hf_image_job jobs[HF_IMAGE_IDS];
    size_t n;
    pthread_mutex_lock(&w->lock);
    struct hf_image_press *p = &w->presses[w->next_press++];
    while ((n = next_jobs(w, jobs)) > 0) {
        struct hf_err err = HF_ERR_INIT;
        pthread_mutex_unlock(&w->lock);
        int rc = do_chunks(w, p, jobs, n, &err);
        pthread_mutex_lock(&w->lock);
        if (rc < 0)
            hf_image_writer_fail(w, &err);
        for (size_t i = 0; i < n; i++)
            w->idle[w->idle_n++] = jobs[i].data;
        w->working -= n;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

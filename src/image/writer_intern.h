/* SPDX-License-Identifier: Apache-2.0
 *
 * image/writer_intern.h - the writer's parts.
 *
 *     caller ─► queue of chunks ─► workers: hash, known?, compress ─► the pack being filled ─► senders: encrypt, put, confirm, index
 *
 * One lock for all of it: what happens under it is short (a search, a copy of one chunk). Workers and senders each have a condition of
 * their own, so that a chunk wakes one thread and not all of them.
 */
#ifndef HF_IMAGE_WRITER_INTERN_H
#define HF_IMAGE_WRITER_INTERN_H

#include "image/fill.h"
#include "image/ids.h"
#include "image/writer.h"

#include <pthread.h>
#include <zstd.h>

#define HF_IMAGE_WORKERS_MAX 16
#define HF_IMAGE_BUFFERS_MAX (2 * HF_IMAGE_WORKERS_MAX * HF_IMAGE_IDS + 8)
#define HF_IMAGE_SENDERS 10 /* a store is far away: what counts is how much is on its way */
#define HF_IMAGE_FILLS (HF_IMAGE_SENDERS + 2)

/* What one thread needs to make records. */
struct hf_image_press {
    ZSTD_CCtx *zstd;
    unsigned char *out; /* of a chunk's size, grown for a root */
    size_t out_cap;
    bool has_claim; /* from here on under the lock */
    enum hf_image_kind claim_kind;
    unsigned char claim[HF_IMAGE_ID];
};

struct hf_image_job {
    uint64_t n;
    unsigned char *data;
};

struct hf_image_writer {
    struct hf_image *im;
    struct hf_image_shape shape;
    int level;
    size_t pack_bytes;

    pthread_mutex_t lock;
    pthread_cond_t queued, sealed; /* the workers' and the senders' */
    pthread_cond_t changed;        /* all others' */
    bool has_failed, is_ending;
    struct hf_err failed;

    unsigned char *buffers; /* all of them, in one piece */
    unsigned char *idle[HF_IMAGE_BUFFERS_MAX];
    size_t idle_n;
    struct hf_image_job queue[HF_IMAGE_BUFFERS_MAX];
    size_t queue_first, queue_n, working;
    size_t batch; /* chunks that a worker takes at once, their ids are made side by side */

    struct hf_image_fill fills[HF_IMAGE_FILLS];
    struct hf_image_press presses[HF_IMAGE_WORKERS_MAX + 1]; /* the last one: the caller's */
    pthread_t workers[HF_IMAGE_WORKERS_MAX], senders[HF_IMAGE_SENDERS];
    unsigned workers_n, workers_wanted, senders_n, next_press;

    /* the caller's own */
    uint64_t at;   /* to where the disk was told, in extents */
    uint64_t next; /* the first chunk that is neither told nor open */
    unsigned char *open;
    size_t open_to; /* what lies behind is not set */
    uint64_t open_n;

    /* the tree */
    unsigned char **segments; /* ids of the chunks of one that is not complete */
    uint16_t *told;           /* chunks per segment */
    unsigned char *segment_ids;

    unsigned char *used; /* a bit per number of a pack */
    size_t used_cap;
    struct hf_image_written done;
};

/* writer_pack.c; all but the thread under the lock */
bool hf_image_is_known(struct hf_image_writer *w, enum hf_image_kind kind, const unsigned char *id,
                       struct hf_err *err, int *rc);
int hf_image_append(struct hf_image_writer *w, enum hf_image_kind kind,
                    const struct hf_image_entry *e, const void *stored, struct hf_err *err)
    HF_CHECKED;
void hf_image_seal(struct hf_image_writer *w, enum hf_image_kind kind);
/* Until nothing is on its way but what is being filled. */
void hf_image_await_sent(struct hf_image_writer *w);
int hf_image_use(struct hf_image_writer *w, uint32_t number, struct hf_err *err) HF_CHECKED;
void *hf_image_send_packs(void *writer);

/* writer_work.c; not under the lock */
void *hf_image_work(void *writer);
/* The record of this id, if it is new. */
int hf_image_keep(struct hf_image_writer *w, struct hf_image_press *p, enum hf_image_kind kind,
                  const void *data, size_t len, const unsigned char id[HF_IMAGE_ID],
                  bool *out_known, struct hf_err *err) HF_CHECKED;
/* Its id, and the record if it is new. */
int hf_image_record(struct hf_image_writer *w, struct hf_image_press *p, enum hf_image_kind kind,
                    const void *data, size_t len, unsigned char out_id[HF_IMAGE_ID],
                    bool *out_known, struct hf_err *err) HF_CHECKED;
/* A chunk's id becomes known; with the last one of its segment, the segment is written. */
int hf_image_tell(struct hf_image_writer *w, struct hf_image_press *p, uint64_t n,
                  const unsigned char id[HF_IMAGE_ID], struct hf_err *err) HF_CHECKED;
int hf_image_tell_holes(struct hf_image_writer *w, struct hf_image_press *p, uint64_t n,
                        uint64_t count, struct hf_err *err) HF_CHECKED;
/* Chunks that were not told are holes. */
int hf_image_segments_finish(struct hf_image_writer *w, struct hf_image_press *p,
                             struct hf_err *err) HF_CHECKED;
int hf_image_press_open(struct hf_image_press *p, size_t bytes, struct hf_err *err) HF_CHECKED;
void hf_image_press_close(struct hf_image_press *p);

/* The first failure is kept; all who wait wake up. Under the lock. */
void hf_image_writer_fail(struct hf_image_writer *w, const struct hf_err *err);
/* -1 with the failure, if there was one. Under the lock. */
int hf_image_writer_check(struct hf_image_writer *w, struct hf_err *err) HF_CHECKED;

#endif

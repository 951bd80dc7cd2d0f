/* SPDX-License-Identifier: Apache-2.0
 *
 * image/cache_intern.h - slots that hold chunks, jobs that fill them, readers that go on.
 */
#ifndef HF_IMAGE_CACHE_INTERN_H
#define HF_IMAGE_CACHE_INTERN_H

#include "image/cache.h"
#include "image/reader_intern.h"

#include <pthread.h>

#define HF_IMAGE_CACHE_THREADS_MAX 32
#define HF_IMAGE_STREAMS 16
#define HF_IMAGE_NO_CHUNK UINT64_MAX

enum hf_image_slot_state { HF_SLOT_FREE, HF_SLOT_WANTED, HF_SLOT_READY, HF_SLOT_FAILED };

struct hf_image_slot {
    enum hf_image_slot_state state;
    uint64_t n;                          /* of the chunk */
    unsigned users;                      /* who waits for it, or copies from it */
    bool is_ahead;                       /* nobody has read it yet */
    unsigned char *data;                 /* stays until the cache goes */
    struct hf_err *failed;               /* NULL: there was no memory for it */
    pthread_cond_t changed;              /* no longer wanted */
    struct hf_image_slot *bucket;        /* next of the same */
    struct hf_image_slot *older, *newer; /* ready, and nobody uses it; or free (older only) */
    struct hf_image_slot *head;          /* first of its job */
    struct hf_image_slot *part;          /* next of its job */
    struct hf_image_slot *job;           /* a head: next in the queue */
    bool is_queued;                      /* a head: no thread has it yet */
    bool waits_ahead;                    /* a head: in the queue of what nobody waits for */
};

struct hf_image_jobs {
    struct hf_image_slot *first, *last;
};

/* Somebody who reads on. */
struct hf_image_stream {
    uint64_t end;     /* the farthest that was read */
    uint64_t steady;  /* bytes without a leap */
    uint64_t planned; /* asked for up to here; 0: nothing */
    uint64_t born, used;
    bool is_planning; /* one request of it at a time looks what comes next */
};

struct hf_image_cache {
    struct hf_image *im;
    struct hf_image_tree *tree;
    struct hf_image_shape shape;
    uint32_t batch; /* chunks of a job */
    uint64_t ahead_bytes;
    pthread_mutex_t lock; /* of all below */
    struct hf_image_slot *slots, **buckets;
    size_t slots_n, buckets_n, taken_n; /* taken: have data */
    struct hf_image_slot *free;
    struct hf_image_slot *oldest, *newest;
    pthread_cond_t room;             /* a slot can be taken */
    struct hf_image_jobs now, ahead; /* somebody waits; nobody does */
    size_t ahead_n;                  /* slots that nobody has read yet */
    struct hf_image_stream streams[HF_IMAGE_STREAMS];
    uint64_t clock, fetched;
    pthread_cond_t work;
    pthread_t threads[HF_IMAGE_CACHE_THREADS_MAX];
    unsigned threads_n, threads_wanted, busy_ahead;
    bool is_ending;
};

/* ---- slots; all under the lock ---------------------------------------------------------- */

struct hf_image_slot *hf_image_slot_find(struct hf_image_cache *c, uint64_t n);
/* For chunk n, wanted. NULL: all are in use, or (err) there is no memory. */
struct hf_image_slot *hf_image_slot_take(struct hf_image_cache *c, uint64_t n, struct hf_err *err);
void hf_image_slot_use(struct hf_image_cache *c, struct hf_image_slot *s);
/* is_spent: whoever reads on does not come back to it; it is the first to go. */
void hf_image_slot_let_go(struct hf_image_cache *c, struct hf_image_slot *s, bool is_spent);
/* It came, or (failed) it did not, which those who wait are told, and nobody else. */
void hf_image_slot_came(struct hf_image_cache *c, struct hf_image_slot *s,
                        const struct hf_err *failed);

/* ---- jobs ------------------------------------------------------------------------------- */

int hf_image_jobs_start(struct hf_image_cache *c, struct hf_err *err) HF_CHECKED;
void hf_image_jobs_end(struct hf_image_cache *c);
/* Under the lock: slots in the order of the disk, linked by `part`. */
void hf_image_jobs_add(struct hf_image_cache *c, struct hf_image_slot *head, bool is_ahead);
/* Under the lock: somebody waits for it now. */
void hf_image_jobs_hurry(struct hf_image_cache *c, struct hf_image_slot *s);

/* ---- what to fetch ---------------------------------------------------------------------- */

/* From chunk *n to before `end`: what is neither hole nor there becomes jobs, `room` chunks at most (NULL: no bound); *n is how far it came.
 * Stops early where no slot is free. */
int hf_image_cache_plan(struct hf_image_cache *c, uint64_t *n, uint64_t end, bool is_ahead,
                        uint64_t *room, struct hf_err *err) HF_CHECKED;
/* A read begins here: if somebody reads on, what he will want. Returns whether he does. */
bool hf_image_stream_note(struct hf_image_cache *c, uint64_t at, size_t len);

#endif

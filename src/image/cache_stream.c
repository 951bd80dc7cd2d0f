/* SPDX-License-Identifier: Apache-2.0
 *
 * Who reads on, and what he will want next.
 */
#include "image/cache_intern.h"

#define BEHIND ((uint64_t)8 << 20) /* requests of one reader come in disorder: so far back */
#define BEFORE ((uint64_t)4 << 20) /* and so far ahead */
#define STEADY ((uint64_t)1 << 20) /* read on for so long: it goes on */

/* ---- jobs out of a range ---------------------------------------------------------------- */

/* Under the lock: one job of chunks that are not there, from *n to before `end` or the batch's end. 0: it is complete, or there is none. */
static int add_job(struct hf_image_cache *c, uint64_t *n, uint64_t end, bool is_ahead,
                   uint64_t *room, bool *out_is_full, struct hf_err *err)
{
    struct hf_image_slot *head = NULL, *last = NULL;
    struct hf_err nomem = HF_ERR_INIT;
    uint64_t batch_end = (*n / c->batch + 1) * c->batch;
    for (; *n < end && *n < batch_end && (!room || *room > 0); ++*n) {
        if (hf_image_slot_find(c, *n))
            continue;
        struct hf_image_slot *s = hf_image_slot_take(c, *n, &nomem);
        *out_is_full = !s;
        if (!s)
            break;
        *(head ? &last->part : &head) = s;
        last = s;
        if (room)
            --*room;
    }
    if (head)
        hf_image_jobs_add(c, head, is_ahead);
    if (nomem.cls)
        hf_err_copy(err, &nomem);
    return nomem.cls ? -1 : 0;
}

static int add_jobs(struct hf_image_cache *c, uint64_t *n, uint64_t end, bool is_ahead,
                    uint64_t *room, bool *out_is_full, struct hf_err *err)
{
    int rc = 0;
    pthread_mutex_lock(&c->lock);
    while (rc == 0 && *n < end && !*out_is_full && (!room || *room > 0))
        rc = add_job(c, n, end, is_ahead, room, out_is_full, err);
    pthread_mutex_unlock(&c->lock);
    return rc;
}

int hf_image_cache_plan(struct hf_image_cache *c, uint64_t *n, uint64_t end, bool is_ahead,
                        uint64_t *room, struct hf_err *err)
{
    bool is_full = false;
    while (*n < end && !is_full && (!room || *room > 0)) {
        bool is_hole = false;
        uint64_t count = 0;
        if (hf_image_tree_run(c->tree, *n, &is_hole, &count, err) < 0)
            return -1;
        uint64_t to = *n + count < end ? *n + count : end;
        if (is_hole)
            *n = to;
        else if (add_jobs(c, n, to, is_ahead, room, &is_full, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- readers that go on ----------------------------------------------------------------- */

/* Where it was asked ahead for, holes were leapt over: so may the reader. */
static bool belongs(const struct hf_image_stream *s, uint64_t at)
{
    uint64_t far = s->planned > s->end ? s->planned : s->end;
    return s->used && at + BEHIND >= s->end && at <= far + BEFORE;
}

/* Under the lock. The one that is nearest, else the one that was not used for longest, anew. */
static struct hf_image_stream *stream_at(struct hf_image_cache *c, uint64_t at)
{
    struct hf_image_stream *near = NULL, *old = &c->streams[0];
    for (size_t i = 0; i < HF_IMAGE_STREAMS; i++) {
        struct hf_image_stream *s = &c->streams[i];
        uint64_t away = s->end > at ? s->end - at : at - s->end;
        if (belongs(s, at) && (!near || away < (near->end > at ? near->end - at : at - near->end)))
            near = s;
        if (s->used < old->used)
            old = s;
    }
    if (!near) {
        near = old;
        *near = (struct hf_image_stream){.end = at, .born = c->clock + 1};
    }
    near->used = ++c->clock;
    return near;
}

/* A leap forward counts against it, and what fills the gap afterwards for it: so reads here and there never count up. */
static void count(struct hf_image_stream *s, uint64_t at, size_t len)
{
    uint64_t gap = at > s->end && at >= s->planned ? at - s->end : 0;
    s->steady = s->steady > gap ? s->steady - gap : 0;
    s->steady += len;
    if (at + len > s->end)
        s->end = at + len;
}

/* Under the lock: from which chunk on, and how many chunks. 0: nothing, now. */
static uint64_t window(struct hf_image_cache *c, struct hf_image_stream *s, uint64_t *out_from)
{
    uint64_t bytes = 2 * s->steady < c->ahead_bytes ? 2 * s->steady : c->ahead_bytes;
    uint64_t chunks = bytes / c->shape.chunk_bytes, most = c->slots_n / 2;
    uint64_t next = (s->end + c->shape.chunk_bytes - 1) / c->shape.chunk_bytes;
    uint64_t planned = s->planned / c->shape.chunk_bytes;
    *out_from = planned > next ? planned : next;
    if (s->is_planning || s->steady < STEADY || c->ahead_n >= most)
        return 0;
    if (chunks > most - c->ahead_n)
        chunks = most - c->ahead_n;
    /* Not for every request: a batch at a time, once there is one on its way. */
    uint64_t under_way = *out_from - next, step = chunks / 4 < c->batch ? chunks / 4 : c->batch;
    if (under_way >= chunks || (under_way && chunks - under_way < step))
        return 0;
    return chunks - under_way;
}

/* Not under the lock: it may read segments. */
static void plan_ahead(struct hf_image_cache *c, struct hf_image_stream *s, uint64_t born,
                       uint64_t from, uint64_t room)
{
    struct hf_err damaged = HF_ERR_INIT; /* who reads there will find it */
    int rc = hf_image_cache_plan(c, &from, hf_image_chunks_n(&c->shape), true, &room, &damaged);
    pthread_mutex_lock(&c->lock);
    if (s->born == born) {
        s->is_planning = false;
        s->planned = rc == 0 ? from * c->shape.chunk_bytes : s->planned;
    }
    pthread_mutex_unlock(&c->lock);
}

bool hf_image_stream_note(struct hf_image_cache *c, uint64_t at, size_t len)
{
    uint64_t from = 0;
    pthread_mutex_lock(&c->lock);
    struct hf_image_stream *s = stream_at(c, at);
    count(s, at, len);
    bool goes_on = s->steady >= STEADY;
    uint64_t room = window(c, s, &from), born = s->born;
    s->is_planning = s->is_planning || room > 0;
    pthread_mutex_unlock(&c->lock);
    if (room > 0)
        plan_ahead(c, s, born, from, room);
    return goes_on;
}

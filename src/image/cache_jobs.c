/* SPDX-License-Identifier: Apache-2.0
 *
 * The threads that fill slots: what somebody waits for first, then what is read ahead.
 */
#include "base/thread.h"
#include "image/cache_intern.h"

#include <stdlib.h>

/* ---- queues; under the lock ------------------------------------------------------------- */

static void append(struct hf_image_jobs *q, struct hf_image_slot *head)
{
    head->job = NULL;
    *(q->last ? &q->last->job : &q->first) = head;
    q->last = head;
}

static struct hf_image_slot *take_first(struct hf_image_jobs *q)
{
    struct hf_image_slot *head = q->first;
    if (head && !(q->first = head->job))
        q->last = NULL;
    return head;
}

static void take_out(struct hf_image_jobs *q, struct hf_image_slot *head)
{
    struct hf_image_slot *before = NULL;
    for (struct hf_image_slot *s = q->first; s && s != head; s = s->job)
        before = s;
    *(before ? &before->job : &q->first) = head->job;
    if (q->last == head)
        q->last = before;
}

void hf_image_jobs_add(struct hf_image_cache *c, struct hf_image_slot *head, bool is_ahead)
{
    for (struct hf_image_slot *s = head; s; s = s->part) {
        s->head = head;
        s->is_ahead = is_ahead;
        c->ahead_n += is_ahead;
    }
    head->is_queued = true;
    head->waits_ahead = is_ahead;
    append(is_ahead ? &c->ahead : &c->now, head);
    pthread_cond_signal(&c->work);
}

void hf_image_jobs_hurry(struct hf_image_cache *c, struct hf_image_slot *s)
{
    struct hf_image_slot *head = s->head;
    if (s->state != HF_SLOT_WANTED || !head->is_queued || !head->waits_ahead)
        return;
    take_out(&c->ahead, head);
    head->waits_ahead = false;
    append(&c->now, head);
    pthread_cond_signal(&c->work);
}

/* ---- a job ------------------------------------------------------------------------------ */

static int fetch(struct hf_image_cache *c, struct hf_image_fetch *f, struct hf_image_slot *head,
                 bool is_alone, struct hf_err *err)
{
    size_t n = 0, wanted = 0;
    for (struct hf_image_slot *s = head; s; s = is_alone ? NULL : s->part)
        n++;
    HF_AUTOFREE struct hf_image_want *wants = calloc(n, sizeof *wants);
    if (!wants || !f)
        return hf_fail_nomem(err);
    for (struct hf_image_slot *s = head; s; s = is_alone ? NULL : s->part) {
        bool is_wanted = false;
        wants[wanted].out = s->data;
        if (hf_image_want_chunk(c->tree, s->n, &wants[wanted], &is_wanted, err) < 0)
            return -1;
        wanted += is_wanted;
    }
    return hf_image_fetch(f, wants, wanted, err);
}

/* Under the lock, which is given up meanwhile. Of several one may be damaged: then each is fetched for itself, and that one fails alone. */
static void run(struct hf_image_cache *c, struct hf_image_fetch *f, struct hf_image_slot *head)
{
    struct hf_err all = HF_ERR_INIT;
    bool are_several = head->part != NULL; /* it may be another's as soon as it came */
    pthread_mutex_unlock(&c->lock);
    int rc = fetch(c, f, head, !are_several, &all);
    pthread_mutex_lock(&c->lock);
    for (struct hf_image_slot *s = head, *next; s; s = next) {
        struct hf_err one = all;
        next = s->part;
        if (rc < 0 && are_several && all.cls == HF_E_CORRUPT) {
            pthread_mutex_unlock(&c->lock);
            hf_err_clear(&one);
            (void)(fetch(c, f, s, true, &one) < 0);
            pthread_mutex_lock(&c->lock);
        }
        hf_image_slot_came(c, s, one.cls ? &one : NULL);
    }
}

/* Half of the threads are kept for those who wait. */
static struct hf_image_slot *next_job(struct hf_image_cache *c, bool *out_is_ahead)
{
    unsigned ahead_max = c->threads_wanted > 1 ? c->threads_wanted / 2 : 1;
    for (;;) {
        struct hf_image_slot *head = c->is_ending ? NULL : take_first(&c->now);
        *out_is_ahead = !head && !c->is_ending && c->busy_ahead < ahead_max;
        if (*out_is_ahead)
            head = take_first(&c->ahead);
        if (head || c->is_ending)
            return head;
        pthread_cond_wait(&c->work, &c->lock);
    }
}

static void *work(void *arg)
{
    struct hf_image_cache *c = arg;
    struct hf_err none = HF_ERR_INIT;
    bool is_ahead = false;
    HF_AUTO(hf_image_fetch) struct hf_image_fetch *f = hf_image_fetch_new(c->im, &none);
    pthread_mutex_lock(&c->lock);
    for (struct hf_image_slot *job; (job = next_job(c, &is_ahead));) {
        job->is_queued = false;
        c->busy_ahead += is_ahead;
        run(c, f, job);
        c->busy_ahead -= is_ahead;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

int hf_image_jobs_start(struct hf_image_cache *c, struct hf_err *err)
{
    int e = 0;
    for (; e == 0 && c->threads_n < c->threads_wanted; c->threads_n += e == 0)
        e = hf_thread_start(&c->threads[c->threads_n], work, c);
    return c->threads_n ? 0 : hf_fail_sys(err, e, "a thread to fetch chunks");
}

void hf_image_jobs_end(struct hf_image_cache *c)
{
    pthread_mutex_lock(&c->lock);
    c->is_ending = true;
    pthread_cond_broadcast(&c->work);
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < c->threads_n; i++)
        pthread_join(c->threads[i], NULL);
}

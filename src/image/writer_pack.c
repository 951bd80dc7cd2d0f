/* SPDX-License-Identifier: Apache-2.0
 *
 * Packs: filled by the workers, sent by threads of their own. What lies in a pack on its way is found there, until the index knows it.
 */
#include "image/writer_intern.h"

#include <stdlib.h>

/* ---- finding ---------------------------------------------------------------------------- */

static bool is_on_its_way(const struct hf_image_writer *w, enum hf_image_kind kind,
                          const unsigned char *id)
{
    for (size_t i = 0; i < HF_IMAGE_FILLS; i++) {
        const struct hf_image_fill *f = &w->fills[i];
        if (f->state != HF_IMAGE_FREE && f->kind == kind && hf_image_fill_has(f, id))
            return true;
    }
    for (size_t i = 0; i < HF_ARRAY_SIZE(w->presses); i++) {
        const struct hf_image_press *p = &w->presses[i];
        if (p->has_claim && p->claim_kind == kind && memcmp(p->claim, id, HF_IMAGE_ID) == 0)
            return true;
    }
    return false;
}

int hf_image_use(struct hf_image_writer *w, uint32_t number, struct hf_err *err)
{
    size_t at = number / 8;
    if (at >= w->used_cap) {
        size_t cap = 2 * at + 64;
        unsigned char *more = realloc(w->used, cap);
        if (!more)
            return hf_fail_nomem(err);
        memset(more + w->used_cap, 0, cap - w->used_cap);
        w->used = more;
        w->used_cap = cap;
    }
    w->used[at] |= (unsigned char)(1 << number % 8);
    return 0;
}

bool hf_image_is_known(struct hf_image_writer *w, enum hf_image_kind kind, const unsigned char *id,
                       struct hf_err *err, int *rc)
{
    struct hf_image_place place;
    *rc = 0;
    if (is_on_its_way(w, kind, id))
        return true;
    if (!hf_image_chunks_find(w->im->chunks, kind, id, true, &place))
        return false;
    *rc = hf_image_use(w, place.pack, err);
    return true;
}

/* ---- filling ---------------------------------------------------------------------------- */

static struct hf_image_fill *filling(struct hf_image_writer *w, enum hf_image_kind kind)
{
    for (size_t i = 0; i < HF_IMAGE_FILLS; i++)
        if (w->fills[i].state == HF_IMAGE_FILLING && w->fills[i].kind == kind)
            return &w->fills[i];
    return NULL;
}

static struct hf_image_fill *idle(struct hf_image_writer *w)
{
    for (size_t i = 0; i < HF_IMAGE_FILLS; i++)
        if (w->fills[i].state == HF_IMAGE_FREE)
            return &w->fills[i];
    return NULL;
}

/* The bytes of a pack of chunks are asked for at once: memory that is not written to costs nothing, and what has grown was copied. */
static int begin_fill(const struct hf_image_writer *w, struct hf_image_fill *f,
                      enum hf_image_kind kind, struct hf_err *err)
{
    size_t room = HF_IMAGE_PACK_HEAD;
    if (kind == HF_IMAGE_DATA)
        room = w->pack_bytes + HF_IMAGE_RECORD_HEAD + w->shape.chunk_bytes + HF_IMAGE_PACK_TAIL;
    if (hf_image_fill_begin(f, kind, room, err) < 0)
        return -1;
    f->state = HF_IMAGE_FILLING;
    return 0;
}

static struct hf_image_fill *fill_for(struct hf_image_writer *w, enum hf_image_kind kind,
                                      struct hf_err *err)
{
    for (;;) {
        if (hf_image_writer_check(w, err) < 0)
            return NULL;
        struct hf_image_fill *f = filling(w, kind);
        if (f)
            return f;
        f = idle(w);
        if (f)
            return begin_fill(w, f, kind, err) < 0 ? NULL : f;
        pthread_cond_wait(&w->changed, &w->lock);
    }
}

int hf_image_append(struct hf_image_writer *w, enum hf_image_kind kind,
                    const struct hf_image_entry *e, const void *stored, struct hf_err *err)
{
    struct hf_image_fill *f = fill_for(w, kind, err);
    if (!f || hf_image_fill_add(f, e, stored, err) < 0)
        return -1;
    if (f->len >= w->pack_bytes || f->n == HF_IMAGE_RECORDS_MAX)
        hf_image_seal(w, kind);
    return 0;
}

void hf_image_seal(struct hf_image_writer *w, enum hf_image_kind kind)
{
    struct hf_image_fill *f = filling(w, kind);
    if (!f)
        return;
    hf_image_fill_end(f);
    f->state = HF_IMAGE_FULL;
    pthread_cond_signal(&w->sealed);
}

void hf_image_await_sent(struct hf_image_writer *w)
{
    for (size_t i = 0; i < HF_IMAGE_FILLS;) {
        enum hf_image_fill_state s = w->fills[i].state;
        if (s == HF_IMAGE_FREE || s == HF_IMAGE_FILLING || w->has_failed)
            i++;
        else
            pthread_cond_wait(&w->changed, &w->lock);
    }
}

/* ---- sending ---------------------------------------------------------------------------- */

static int send_pack(struct hf_image_writer *w, struct hf_image_fill *f, struct hf_err *err)
{
    struct hf_image_filled sent = {0};
    if (hf_image_fill_send(w->im, f, &sent, err) < 0)
        return -1;
    pthread_mutex_lock(&w->lock);
    w->done.stored_bytes += sent.stored_bytes;
    w->done.objects += 2;
    int rc = hf_image_use(w, sent.number, err);
    pthread_mutex_unlock(&w->lock);
    return rc;
}

/* Under the lock. */
static struct hf_image_fill *next_full(struct hf_image_writer *w)
{
    for (;;) {
        if (w->has_failed)
            return NULL;
        for (size_t i = 0; i < HF_IMAGE_FILLS; i++)
            if (w->fills[i].state == HF_IMAGE_FULL)
                return &w->fills[i];
        if (w->is_ending)
            return NULL;
        pthread_cond_wait(&w->sealed, &w->lock);
    }
}

void *hf_image_send_packs(void *writer)
{
    struct hf_image_writer *w = writer;
    pthread_mutex_lock(&w->lock);
    for (struct hf_image_fill *f = next_full(w); f; f = next_full(w)) {
        struct hf_err err = HF_ERR_INIT;
        f->state = HF_IMAGE_SENDING;
        pthread_mutex_unlock(&w->lock);
        int rc = send_pack(w, f, &err);
        pthread_mutex_lock(&w->lock);
        f->state = HF_IMAGE_FREE;
        if (rc < 0)
            hf_image_writer_fail(w, &err);
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

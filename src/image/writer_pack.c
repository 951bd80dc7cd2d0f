/* SPDX-License-Identifier: Apache-2.0
 *
 * Packs: filled by the workers, sent by threads of their own. What lies in a pack on its way is found there, until the index knows it.
 */
#include "base/hex.h"
#include "base/point.h"
#include "image/bytes.h"
#include "image/writer_intern.h"

#include <sodium.h>
#include <stdlib.h>

/* ---- finding ---------------------------------------------------------------------------- */

static size_t seen_place(const struct hf_image_fill *f, const unsigned char *id)
{
    size_t i = (size_t)hf_get_u64(id) & (HF_IMAGE_SEEN - 1);
    while (f->seen[i] && memcmp(f->entries[f->seen[i] - 1].id, id, HF_IMAGE_ID) != 0)
        i = (i + 1) & (HF_IMAGE_SEEN - 1);
    return i;
}

static bool is_on_its_way(const struct hf_image_writer *w, enum hf_image_kind kind,
                          const unsigned char *id)
{
    for (size_t i = 0; i < HF_IMAGE_FILLS; i++) {
        const struct hf_image_fill *f = &w->fills[i];
        if (f->state != HF_IMAGE_FREE && f->kind == kind && f->seen[seen_place(f, id)])
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

static int make_room(struct hf_image_fill *f, size_t need, struct hf_err *err)
{
    if (f->len + need <= f->cap)
        return 0;
    size_t cap = f->cap + f->cap / 2 + need;
    unsigned char *more = realloc(f->data, cap);
    if (!more)
        return hf_fail_nomem(err);
    f->data = more;
    f->cap = cap;
    return 0;
}

/* The bytes of a pack of chunks are asked for at once: memory that is not written to costs nothing, and what has grown was copied. */
static int begin_fill(const struct hf_image_writer *w, struct hf_image_fill *f,
                      enum hf_image_kind kind, struct hf_err *err)
{
    size_t room = HF_IMAGE_PACK_HEAD;
    if (kind == HF_IMAGE_DATA)
        room = w->pack_bytes + HF_IMAGE_RECORD_HEAD + w->shape.chunk_bytes + HF_IMAGE_PACK_TAIL;
    if (!f->entries)
        f->entries = reallocarray(NULL, HF_IMAGE_RECORDS_MAX, sizeof *f->entries);
    if (!f->seen)
        f->seen = reallocarray(NULL, HF_IMAGE_SEEN, sizeof *f->seen);
    if (!f->entries || !f->seen)
        return hf_fail_nomem(err);
    memset(f->seen, 0, HF_IMAGE_SEEN * sizeof *f->seen);
    randombytes_buf(f->id, sizeof f->id);
    f->n = 0;
    f->len = 0;
    f->cap = f->data ? f->cap : 0; /* it went with the last pack */
    f->kind = kind;
    if (make_room(f, room, err) < 0)
        return -1;
    hf_image_pack_head(kind, f->id, f->data);
    f->len = HF_IMAGE_PACK_HEAD;
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
    if (!f || make_room(f, HF_IMAGE_RECORD_HEAD + e->stored + HF_IMAGE_PACK_TAIL, err) < 0)
        return -1;
    f->entries[f->n] = *e;
    f->entries[f->n].at = (uint32_t)f->len;
    f->seen[seen_place(f, e->id)] = (uint16_t)++f->n;
    hf_image_record_head(e, f->data + f->len);
    memcpy(f->data + f->len + HF_IMAGE_RECORD_HEAD, stored, e->stored);
    f->len += HF_IMAGE_RECORD_HEAD + e->stored;
    if (f->len >= w->pack_bytes || f->n == HF_IMAGE_RECORDS_MAX)
        hf_image_seal(w, kind);
    return 0;
}

void hf_image_seal(struct hf_image_writer *w, enum hf_image_kind kind)
{
    struct hf_image_fill *f = filling(w, kind);
    if (!f)
        return;
    hf_image_pack_tail(f->n, f->len, f->data + f->len); /* room for it was made with each record */
    f->len += HF_IMAGE_PACK_TAIL;
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

static int order_entries(const void *a, const void *b)
{
    return memcmp(((const struct hf_image_entry *)a)->id, ((const struct hf_image_entry *)b)->id,
                  HF_IMAGE_ID);
}

static int put_pack(struct hf_image_writer *w, struct hf_image_fill *f, struct hf_image_pack *pack,
                    struct hf_err *err)
{
    struct hf_image *im = w->im;
    struct hf_store_receipt receipt;
    char name[HF_IMAGE_NAME_MAX];
    hf_image_pack_name(f->kind, f->id, im->is_encrypted, name);
    if (HF_POINT_ERR("image.before_pack", err) < 0 ||
        hf_image_put_releasing(im, name, f->kind == HF_IMAGE_DATA ? &im->to_data : &im->to_meta,
                               &f->data, f->len, &receipt, err) < 0)
        return -1;
    memcpy(pack->id, f->id, sizeof pack->id);
    pack->kind = f->kind;
    pack->records = f->n;
    pack->stored_bytes = receipt.digest.bytes;
    pack->plain_bytes = f->len;
    if (hf_unhex(receipt.digest.sha256, pack->sha256, sizeof pack->sha256) < 0)
        return hf_fail(err, HF_E_INTERNAL, "%s: no SHA-256 of it", name);
    return 0;
}

/* Sorts copies: the entries themselves are still searched by others. */
static int put_index(struct hf_image_writer *w, const struct hf_image_fill *f,
                     const struct hf_image_pack *pack, uint64_t *out_bytes, struct hf_err *err)
{
    struct hf_store_receipt receipt;
    char name[HF_IMAGE_NAME_MAX];
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTOFREE struct hf_image_entry *sorted = reallocarray(NULL, f->n, sizeof *sorted);
    if (!sorted)
        return hf_fail_nomem(err);
    memcpy(sorted, f->entries, f->n * sizeof *sorted);
    qsort(sorted, f->n, sizeof *sorted, order_entries);
    hf_image_index_write(pack, sorted, w->im->keys->index_mac, &text);
    if (!hf_buf_ok(&text))
        return hf_fail_nomem(err);
    hf_image_index_name(f->id, w->im->is_encrypted, name);
    if (HF_POINT_ERR("image.before_index", err) < 0 ||
        hf_image_put(w->im, name, &w->im->to_meta, text.data, text.len, &receipt, err) < 0)
        return -1;
    *out_bytes = receipt.digest.bytes;
    return 0;
}

static int send_pack(struct hf_image_writer *w, struct hf_image_fill *f, struct hf_err *err)
{
    struct hf_image_pack pack = {0};
    uint64_t index_bytes = 0;
    uint32_t number = 0;
    if (put_pack(w, f, &pack, err) < 0 || put_index(w, f, &pack, &index_bytes, err) < 0 ||
        hf_image_chunks_add(w->im->chunks, &pack, f->entries, &number, err) < 0)
        return -1;
    pthread_mutex_lock(&w->lock);
    w->done.stored_bytes += pack.stored_bytes + index_bytes;
    w->done.objects += 2;
    int rc = hf_image_use(w, number, err);
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

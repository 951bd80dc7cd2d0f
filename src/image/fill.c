/* SPDX-License-Identifier: Apache-2.0 */
#include "image/fill.h"

#include "base/hex.h"
#include "base/point.h"
#include "image/bytes.h"

#include <sodium.h>
#include <stdlib.h>

void hf_image_fill_free(struct hf_image_fill *f)
{
    free(f->data);
    free(f->entries);
    free(f->seen);
    *f = (struct hf_image_fill){0};
}

/* ---- filling ---------------------------------------------------------------------------- */

static size_t seen_place(const struct hf_image_fill *f, const unsigned char *id)
{
    size_t i = (size_t)hf_get_u64(id) & (HF_IMAGE_SEEN - 1);
    while (f->seen[i] && memcmp(f->entries[f->seen[i] - 1].id, id, HF_IMAGE_ID) != 0)
        i = (i + 1) & (HF_IMAGE_SEEN - 1);
    return i;
}

bool hf_image_fill_has(const struct hf_image_fill *f, const unsigned char id[HF_IMAGE_ID])
{
    return f->seen[seen_place(f, id)];
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

int hf_image_fill_begin(struct hf_image_fill *f, enum hf_image_kind kind, size_t room,
                        struct hf_err *err)
{
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
    return 0;
}

int hf_image_fill_add(struct hf_image_fill *f, const struct hf_image_entry *e, const void *stored,
                      struct hf_err *err)
{
    if (make_room(f, HF_IMAGE_RECORD_HEAD + e->stored + HF_IMAGE_PACK_TAIL, err) < 0)
        return -1;
    f->entries[f->n] = *e;
    f->entries[f->n].at = (uint32_t)f->len;
    f->seen[seen_place(f, e->id)] = (uint16_t)(f->n + 1);
    f->n++;
    hf_image_record_head(e, f->data + f->len);
    memcpy(f->data + f->len + HF_IMAGE_RECORD_HEAD, stored, e->stored);
    f->len += HF_IMAGE_RECORD_HEAD + e->stored;
    return 0;
}

void hf_image_fill_end(struct hf_image_fill *f)
{
    hf_image_pack_tail(f->n, f->len, f->data + f->len); /* room for it was made with each record */
    f->len += HF_IMAGE_PACK_TAIL;
}

/* ---- sending ---------------------------------------------------------------------------- */

static int order_entries(const void *a, const void *b)
{
    return memcmp(((const struct hf_image_entry *)a)->id, ((const struct hf_image_entry *)b)->id,
                  HF_IMAGE_ID);
}

static int put_pack(struct hf_image *im, struct hf_image_fill *f, struct hf_image_pack *pack,
                    struct hf_err *err)
{
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
static int put_index(struct hf_image *im, const struct hf_image_fill *f,
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
    hf_image_index_write(pack, sorted, im->keys->index_mac, &text);
    if (!hf_buf_ok(&text))
        return hf_fail_nomem(err);
    hf_image_index_name(f->id, im->is_encrypted, name);
    if (HF_POINT_ERR("image.before_index", err) < 0 ||
        hf_image_put(im, name, &im->to_meta, text.data, text.len, &receipt, err) < 0)
        return -1;
    *out_bytes = receipt.digest.bytes;
    return 0;
}

int hf_image_fill_send(struct hf_image *im, struct hf_image_fill *f, struct hf_image_filled *out,
                       struct hf_err *err)
{
    struct hf_image_pack pack = {0};
    uint64_t index_bytes = 0;
    if (put_pack(im, f, &pack, err) < 0 || put_index(im, f, &pack, &index_bytes, err) < 0 ||
        hf_image_chunks_add(im->chunks, &pack, f->entries, &out->number, err) < 0)
        return -1;
    out->stored_bytes = pack.stored_bytes + index_bytes;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "image/move.h"

#include "base/buf.h"
#include "image/fill.h"

#include <stdlib.h>

#define WINDOW ((size_t)4 << 20)
#define PACK_BYTES_MAX ((size_t)64 << 20)

struct hf_image_mover {
    struct hf_image *im;
    enum hf_image_kind kind;
    struct hf_image_fill fill; /* FREE or FILLING */
    unsigned char open_id[HF_IMAGE_PACK_ID];
    struct hf_io_source *open; /* content of the pack that was read last */
    unsigned char *stored, *plain;
    size_t stored_cap, plain_cap;
};

struct hf_image_mover *hf_image_mover_new(struct hf_image *im, enum hf_image_kind kind,
                                          struct hf_err *err)
{
    struct hf_image_mover *m = calloc(1, sizeof *m);
    if (!m) {
        hf_fail_nomem(err);
        return NULL;
    }
    m->im = im;
    m->kind = kind;
    return m;
}

void hf_image_mover_free(struct hf_image_mover *m)
{
    if (!m)
        return;
    hf_io_source_close(m->open);
    hf_image_fill_free(&m->fill);
    free(m->stored);
    free(m->plain);
    free(m);
}

/* ---- reading ---------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct hf_image_entry *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

int hf_image_mover_entries(struct hf_image_mover *m, const unsigned char id[HF_IMAGE_PACK_ID],
                           struct hf_image_pack *out_pack, struct hf_image_entry **out_entries,
                           struct hf_err *err)
{
    if (hf_image_index_get(m->im, id, HF_STORE_UNKNOWN, out_pack, out_entries, err) < 0)
        return -1;
    qsort(*out_entries, out_pack->records, sizeof **out_entries, by_place);
    return 0;
}

static int open_pack(struct hf_image_mover *m, const struct hf_image_pack *from, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    if (m->open && memcmp(m->open_id, from->id, HF_IMAGE_PACK_ID) == 0)
        return 0;
    hf_io_source_close(HF_STEAL(m->open));
    hf_image_pack_name(m->kind, from->id, m->im->is_encrypted, name);
    struct hf_io_source *file =
        hf_store_source_of(m->im->store, name, from->stored_bytes, WINDOW, err);
    m->open = file ? hf_image_decrypt(m->im, m->kind, file, err) : NULL;
    if (!m->open)
        return hf_wrap(err, "%s", name);
    memcpy(m->open_id, from->id, HF_IMAGE_PACK_ID);
    return m->open->size == from->plain_bytes
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "%s: it is not as long as its index says", name);
}

/* With its head, into stored; proven. */
static int read_record(struct hf_image_mover *m, const struct hf_image_pack *from,
                       const struct hf_image_entry *e, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    const struct hf_image_keys *k = m->im->keys;
    const size_t len = HF_IMAGE_RECORD_HEAD + (size_t)e->stored;
    if (hf_room(&m->stored, &m->stored_cap, len, err) < 0 ||
        hf_room(&m->plain, &m->plain_cap, e->plain, err) < 0)
        return -1;
    if (hf_io_read_at(m->open, e->at, m->stored, len, err) == 0 &&
        hf_image_record_open(m->stored, m->stored + HF_IMAGE_RECORD_HEAD, e,
                             m->kind == HF_IMAGE_DATA ? k->chunk_id : k->tree_id, m->plain,
                             err) == 0)
        return 0;
    hf_image_pack_name(m->kind, from->id, m->im->is_encrypted, name);
    return hf_wrap(err, "%s at %u", name, e->at);
}

/* ---- writing ---------------------------------------------------------------------------- */

static bool is_filling(const struct hf_image_mover *m)
{
    return m->fill.state == HF_IMAGE_FILLING;
}

bool hf_image_mover_is_full(const struct hf_image_mover *m)
{
    return is_filling(m) && m->fill.len >= HF_IMAGE_MOVE_PACK;
}

int hf_image_mover_send(struct hf_image_mover *m, struct hf_err *err)
{
    struct hf_image_filled sent = {0};
    if (!is_filling(m))
        return 0;
    m->fill.state = HF_IMAGE_FREE;
    hf_image_fill_end(&m->fill);
    return hf_image_fill_send(m->im, &m->fill, &sent, err);
}

/* A pack for one more record of so many bytes. */
static int make_room(struct hf_image_mover *m, size_t bytes, struct hf_err *err)
{
    if (is_filling(m) &&
        (m->fill.n == HF_IMAGE_RECORDS_MAX || m->fill.len + bytes > PACK_BYTES_MAX) &&
        hf_image_mover_send(m, err) < 0)
        return -1;
    if (is_filling(m))
        return 0;
    const size_t room = HF_IMAGE_PACK_HEAD + bytes + HF_IMAGE_PACK_TAIL;
    if (hf_image_fill_begin(&m->fill, m->kind,
                            room > HF_IMAGE_MOVE_PACK ? room : HF_IMAGE_MOVE_PACK, err) < 0)
        return -1;
    m->fill.state = HF_IMAGE_FILLING;
    return 0;
}

int hf_image_mover_take(struct hf_image_mover *m, const struct hf_image_pack *from,
                        const struct hf_image_entry *e, unsigned char out_new[HF_IMAGE_PACK_ID],
                        struct hf_err *err)
{
    if (hf_cancel_check(m->im->cancel, err) < 0)
        return -1;
    if (!is_filling(m) || !hf_image_fill_has(&m->fill, e->id)) {
        if (open_pack(m, from, err) < 0 || read_record(m, from, e, err) < 0 ||
            make_room(m, HF_IMAGE_RECORD_HEAD + (size_t)e->stored, err) < 0 ||
            hf_image_fill_add(&m->fill, e, m->stored + HF_IMAGE_RECORD_HEAD, err) < 0)
            return -1;
    }
    memcpy(out_new, m->fill.id, HF_IMAGE_PACK_ID);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "image/fetch.h"

#include "base/buf.h"
#include "base/hex.h"
#include "base/secret.h"
#include "image/ids.h"
#include "image/image_intern.h"
#include "image/verify.h"
#include "io/age_stream.h"

#include <stdlib.h>

#define OPEN_MAX 8
#define RANGE_MAX ((uint64_t)8 << 20)
#define GAP_MAX ((uint64_t)64 << 10) /* read over rather than asked for anew */
#define SMALL_PACK ((uint64_t)1 << 20)
#define TREE_AROUND ((uint64_t)256 << 10)

/* A pack's object; what was fetched in one range is served from there. */
struct object {
    struct hf_io_source source;
    struct hf_image_fetch *f;
    char name[HF_IMAGE_NAME_MAX];
};

struct opened {
    struct hf_image_pack pack;
    struct hf_io_source *content; /* NULL: none */
    struct object *object;        /* content owns it */
    uint64_t used;
};

struct hf_image_fetch {
    struct hf_image *im;
    struct opened opened[OPEN_MAX];
    uint64_t clock;
    unsigned char *range;
    size_t range_cap, range_len;
    uint64_t range_at;
    const struct object *range_of; /* NULL: nothing in it */
    unsigned char *stored;
    size_t stored_cap;
};

struct hf_image_fetch *hf_image_fetch_new(struct hf_image *im, struct hf_err *err)
{
    struct hf_image_fetch *f = calloc(1, sizeof *f);
    if (!f) {
        hf_fail_nomem(err);
        return NULL;
    }
    f->im = im;
    return f;
}

void hf_image_fetch_free(struct hf_image_fetch *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < OPEN_MAX; i++)
        hf_io_source_close(f->opened[i].content);
    free(f->range);
    free(f->stored);
    free(f);
}

/* ---- the object ------------------------------------------------------------------------- */

static bool range_has(const struct hf_image_fetch *f, const struct object *o, uint64_t at,
                      uint64_t len)
{
    return f->range_of == o && at >= f->range_at && at - f->range_at + len <= f->range_len;
}

static int load_range(struct object *o, uint64_t at, uint64_t end, struct hf_err *err)
{
    struct hf_image_fetch *f = o->f;
    if (end > o->source.size)
        end = o->source.size;
    if (at >= end || range_has(f, o, at, end - at))
        return 0;
    f->range_of = NULL;
    if (hf_room(&f->range, &f->range_cap, (size_t)(end - at), err) < 0 ||
        hf_store_get(f->im->store, o->name, at, f->range, (size_t)(end - at), err) < 0)
        return -1;
    f->range_of = o;
    f->range_at = at;
    f->range_len = (size_t)(end - at);
    return 0;
}

static int object_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len,
                          struct hf_err *err)
{
    struct object *o = (struct object *)s;
    if (!range_has(o->f, o, at, len))
        return hf_store_get(o->f->im->store, o->name, at, buf, len, err);
    memcpy(buf, o->f->range + (at - o->f->range_at), len);
    return 0;
}

static void object_close(struct hf_io_source *s)
{
    struct object *o = (struct object *)s;
    if (o->f->range_of == o)
        o->f->range_of = NULL;
    free(o);
}

static const struct hf_io_source_ops object_ops = {object_read_at, object_close};

static struct object *object_new(struct hf_image_fetch *f, const struct hf_image_pack *pack,
                                 struct hf_err *err)
{
    struct object *o = calloc(1, sizeof *o);
    if (!o) {
        hf_fail_nomem(err);
        return NULL;
    }
    o->source.ops = &object_ops;
    o->source.size = pack->stored_bytes; /* as the index says: one request less */
    o->f = f;
    hf_image_pack_name((enum hf_image_kind)pack->kind, pack->id, f->im->is_encrypted, o->name);
    return o;
}

/* ---- packs that are open ---------------------------------------------------------------- */

static void close_one(struct opened *o)
{
    hf_io_source_close(o->content);
    *o = (struct opened){0};
}

static struct opened *oldest(struct hf_image_fetch *f)
{
    struct opened *old = &f->opened[0];
    for (size_t i = 1; i < OPEN_MAX; i++)
        if (f->opened[i].used < old->used)
            old = &f->opened[i];
    close_one(old);
    return old;
}

/* Small ones come whole with their header: the chunk that is wanted, too. */
static int load_header(struct opened *o, struct hf_err *err)
{
    uint64_t small = o->pack.stored_bytes <= SMALL_PACK ? o->pack.stored_bytes : 0;
    return load_range(o->object, 0, small ? small : HF_AGE_HEADER_MAX, err);
}

static int decrypt(struct hf_image_fetch *f, struct opened *o, struct hf_err *err)
{
    struct hf_age_key key;
    bool is_known = hf_image_pack_keys_get(f->im->pack_keys, o->pack.id, &key);
    if (!is_known && load_header(o, err) < 0) {
        object_close(&o->object->source);
        return -1;
    }
    o->content = hf_image_decrypt_pack(f->im, (enum hf_image_kind)o->pack.kind, &o->object->source,
                                       &key, err);
    if (o->content && !is_known)
        hf_image_pack_keys_put(f->im->pack_keys, o->pack.id, &key);
    hf_wipe(&key, sizeof key);
    return o->content ? 0 : -1;
}

static int open_content(struct hf_image_fetch *f, struct opened *o, struct hf_err *err)
{
    o->object = object_new(f, &o->pack, err);
    if (!o->object)
        return -1;
    if (!f->im->is_encrypted)
        o->content = &o->object->source;
    else if (decrypt(f, o, err) < 0)
        return -1;
    if (o->content->size != o->pack.plain_bytes)
        return hf_fail(err, HF_E_CORRUPT, "it is not as long as its index says");
    return 0;
}

static struct opened *open_pack(struct hf_image_fetch *f, uint32_t number, struct hf_err *err)
{
    struct hf_image_pack pack;
    if (!hf_image_chunks_pack(f->im->chunks, number, &pack)) {
        hf_fail(err, HF_E_CORRUPT, "its pack is gone");
        return NULL;
    }
    struct opened *o = NULL;
    for (size_t i = 0; i < OPEN_MAX && !o; i++)
        if (f->opened[i].content && memcmp(f->opened[i].pack.id, pack.id, HF_IMAGE_PACK_ID) == 0)
            o = &f->opened[i];
    if (!o) {
        o = oldest(f);
        o->pack = pack;
        if (open_content(f, o, err) < 0) {
            close_one(o);
            return NULL;
        }
    }
    o->used = ++f->clock;
    return o;
}

/* ---- records ---------------------------------------------------------------------------- */

static uint64_t end_of(const struct hf_image_want *w)
{
    return (uint64_t)w->place.entry.at + HF_IMAGE_RECORD_HEAD + w->place.entry.stored;
}

/* From content to the object's bytes: whole chunks of age. */
static void object_range(const struct hf_image_fetch *f, const struct opened *o, uint64_t at,
                         uint64_t end, uint64_t out[2])
{
    uint64_t plain = o->pack.plain_bytes, chunks = (plain + HF_AGE_CHUNK - 1) / HF_AGE_CHUNK;
    uint64_t payload_at = o->pack.stored_bytes - plain - chunks * HF_AGE_TAG;
    out[0] = at;
    out[1] = end < plain ? end : plain;
    if (f->im->is_encrypted) {
        out[0] = payload_at + at / HF_AGE_CHUNK * HF_AGE_SEALED_CHUNK;
        out[1] = payload_at + ((out[1] - 1) / HF_AGE_CHUNK + 1) * HF_AGE_SEALED_CHUNK;
    }
    if (out[1] > o->pack.stored_bytes)
        out[1] = o->pack.stored_bytes;
}

/* Segments of a disk lie side by side: some more of them come along. */
static int load_content(struct hf_image_fetch *f, struct opened *o, uint64_t at, uint64_t end,
                        struct hf_err *err)
{
    uint64_t range[2];
    object_range(f, o, at, end, range);
    if (o->pack.kind == HF_IMAGE_TREE && range[0] < range[1] &&
        !range_has(f, o->object, range[0], range[1] - range[0]))
        object_range(f, o, at, end + TREE_AROUND, range);
    return load_range(o->object, range[0], range[1], err);
}

static int read_record(struct hf_image_fetch *f, struct opened *o, const struct hf_image_want *w,
                       struct hf_err *err)
{
    const struct hf_image_entry *e = &w->place.entry;
    size_t len = HF_IMAGE_RECORD_HEAD + (size_t)e->stored;
    if (hf_room(&f->stored, &f->stored_cap, len, err) < 0 ||
        hf_io_read_at(o->content, e->at, f->stored, len, err) < 0)
        return -1;
    return hf_image_record_unpack(f->stored, f->stored + HF_IMAGE_RECORD_HEAD, e, w->out, err);
}

/* UNDAMAGED also: that could not be found out. Read past all caches. */
static enum hf_image_damage damage_of(struct hf_image *im, const unsigned char *id)
{
    struct hf_err why = HF_ERR_INIT;
    enum hf_image_damage what = HF_IMAGE_DAMAGED_OBJECT;
    int rc = hf_image_verify_stored(im, id, &why);
    if (rc == 0) {
        what = HF_IMAGE_DAMAGED_CONTENT;
        rc = hf_image_verify_content(im, id, &why);
    }
    return rc < 0 && why.cls == HF_E_CORRUPT ? what : HF_IMAGE_UNDAMAGED;
}

/* Once per pack; and what a server said wrong, here or in the index, is no damage: it has to say so again and again. */
static void note_damage(struct hf_image *im, const unsigned char id[HF_IMAGE_PACK_ID])
{
    struct hf_err ignored = HF_ERR_INIT;
    enum hf_image_damage what = HF_IMAGE_DAMAGED_CONTENT;
    if (hf_image_chunks_is_condemned(im->chunks, id))
        return;
    for (int i = 0; i < 2 && what != HF_IMAGE_UNDAMAGED; i++)
        what = damage_of(im, id);
    if (what != HF_IMAGE_UNDAMAGED)
        (void)!hf_image_mark_damaged(im, id, what, &ignored);
}

/* A pack that is missing, or shorter than it was, is damage of the image. */
static int fail_want(struct hf_image_fetch *f, const struct hf_image_want *w, struct hf_err *err)
{
    char hex[HF_IMAGE_PACK_HEX] = "?";
    struct hf_image_pack pack;
    const bool is_known = hf_image_chunks_pack(f->im->chunks, w->place.pack, &pack);
    if (is_known)
        hf_hex(pack.id, HF_IMAGE_PACK_ID, hex);
    if (err->cls == HF_E_NOT_FOUND)
        hf_fail(err, HF_E_CORRUPT, "%s", err->message);
    if (is_known && err->cls == HF_E_CORRUPT)
        note_damage(f->im, pack.id);
    if (w->disk_at == UINT64_MAX)
        return hf_wrap(err, "pack %s at %u", hex, w->place.entry.at);
    return hf_wrap(err, "the disk at %llu: pack %s at %u", (unsigned long long)w->disk_at, hex,
                   w->place.entry.at);
}

/* How many of them, from the first on, have contents of one length. */
static size_t alike(const struct hf_image_want *w, size_t n)
{
    size_t i = 1;
    while (i < n && w[i].place.entry.plain == w[0].place.entry.plain)
        i++;
    return i;
}

/* At most HF_IMAGE_IDS of them. */
static int prove(struct hf_image_fetch *f, const struct opened *o, const struct hf_image_want *w,
                 size_t n, struct hf_err *err)
{
    const struct hf_image_keys *k = f->im->keys;
    const unsigned char *key = o->pack.kind == HF_IMAGE_DATA ? k->chunk_id : k->tree_id;
    for (size_t i = 0, m; i < n; i += m) {
        unsigned char ids[HF_IMAGE_IDS][HF_IMAGE_ID];
        const void *data[HF_IMAGE_IDS];
        m = alike(w + i, n - i);
        for (size_t j = 0; j < m; j++)
            data[j] = w[i + j].out;
        hf_image_ids(key, data, m, w[i].place.entry.plain, ids);
        for (size_t j = 0; j < m; j++)
            if (hf_image_record_prove(ids[j], &w[i + j].place.entry, err) < 0)
                return fail_want(f, &w[i + j], err);
    }
    return 0;
}

/* Wants of one pack that lie close together. */
static int fetch_group(struct hf_image_fetch *f, const struct hf_image_want *w, size_t n,
                       struct hf_err *err)
{
    struct opened *o = open_pack(f, w->place.pack, err);
    if (!o || load_content(f, o, w->place.entry.at, end_of(&w[n - 1]), err) < 0)
        return fail_want(f, w, err);
    for (size_t i = 0, m; i < n; i += m) {
        m = n - i < HF_IMAGE_IDS ? n - i : HF_IMAGE_IDS;
        for (size_t j = i; j < i + m; j++)
            if (read_record(f, o, &w[j], err) < 0)
                return fail_want(f, &w[j], err);
        if (prove(f, o, w + i, m, err) < 0)
            return -1;
    }
    return 0;
}

static int order(const void *a, const void *b)
{
    const struct hf_image_place *x = &((const struct hf_image_want *)a)->place;
    const struct hf_image_place *y = &((const struct hf_image_want *)b)->place;
    if (x->pack != y->pack)
        return x->pack < y->pack ? -1 : 1;
    return (x->entry.at > y->entry.at) - (x->entry.at < y->entry.at);
}

static bool belongs(const struct hf_image_want *first, const struct hf_image_want *last,
                    const struct hf_image_want *next)
{
    return next->place.pack == first->place.pack &&
           next->place.entry.at <= end_of(last) + GAP_MAX &&
           end_of(next) - first->place.entry.at <= RANGE_MAX;
}

int hf_image_fetch(struct hf_image_fetch *f, struct hf_image_want *wants, size_t n,
                   struct hf_err *err)
{
    if (n > 1)
        qsort(wants, n, sizeof *wants, order);
    for (size_t i = 0; i < n;) {
        size_t j = i + 1;
        while (j < n && belongs(&wants[i], &wants[j - 1], &wants[j]))
            j++;
        if (hf_cancel_check(f->im->cancel, err) < 0 || fetch_group(f, wants + i, j - i, err) < 0)
            return -1;
        i = j;
    }
    return 0;
}

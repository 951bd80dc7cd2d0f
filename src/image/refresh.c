/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store has, against what this host knows: two listings, and the index objects that are new.
 */
#include "base/list.h"
#include "base/many.h"
#include "image/image_intern.h"

#include <pthread.h>
#include <stdlib.h>

#define READERS 8
#define PACKS_MAX ((size_t)1 << 23) /* 128 TiB in packs of 16 MiB */

struct ids {
    struct hf_image_listed *at;
    size_t n, cap;
};

static void free_ids(struct ids *ids)
{
    free(ids->at);
}

static int add_id(struct ids *ids, const struct hf_image_listed *one, struct hf_err *err)
{
    if (ids->n == PACKS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the store has more than %zu packs", PACKS_MAX);
    struct hf_image_listed *more = hf_list_room(ids->at, ids->n, &ids->cap, sizeof *more, 256);
    if (!more)
        return hf_fail_nomem(err);
    ids->at = more;
    ids->at[ids->n++] = *one;
    return 0;
}

/* ---- listing ---------------------------------------------------------------------------- */

struct listing {
    struct hf_image *im;
    struct ids *ids;
};

/* What is named otherwise is none of ours. */
static int take_index(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    struct listing *l = ctx;
    struct hf_image_listed one = {.bytes = o->bytes};
    if (!hf_image_index_id(o->name, l->im->is_encrypted, one.id))
        return 0;
    return add_id(l->ids, &one, err);
}

/* A damaged one is as good as one that is going to be removed: nothing new may rely on it. */
static int take_condemned(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    struct listing *l = ctx;
    struct hf_image_listed one = {.bytes = o->bytes};
    if (!hf_image_condemned_id(o->name, one.id) && !hf_image_damaged_id(o->name, one.id))
        return 0;
    return add_id(l->ids, &one, err);
}

static int list(struct hf_image *im, const char *prefix, hf_store_emit take, struct ids *out,
                struct hf_err *err)
{
    struct listing l = {im, out};
    struct hf_store_list what = {.prefix = prefix};
    return hf_store_list(im->store, &what, take, &l, err) ? -1 : 0;
}

static int compare(const void *a, const void *b)
{
    return memcmp(((const struct hf_image_listed *)a)->id, ((const struct hf_image_listed *)b)->id,
                  HF_IMAGE_PACK_ID);
}

static int list_indexes(struct hf_image *im, struct ids *out, struct hf_err *err)
{
    if (list(im, "index/", take_index, out, err) < 0)
        return hf_wrap(err, "the list of indexes");
    if (out->n)
        qsort(out->at, out->n, sizeof *out->at, compare);
    return 0;
}

static int list_condemned(struct hf_image *im, struct ids *out, struct hf_err *err)
{
    if (list(im, "condemned/", take_condemned, out, err) < 0)
        return hf_wrap(err, "the list of condemned packs");
    return list(im, "damaged/", take_condemned, out, err) < 0
               ? hf_wrap(err, "the list of damaged packs")
               : 0;
}

/* A pack that was condemned once is not used again before the next whole refresh: that its condemnation is gone does not say that the pack
 * is there. */
static void condemn(struct hf_image *im, const struct ids *condemned)
{
    for (size_t i = 0; i < condemned->n; i++)
        hf_image_chunks_condemn(im->chunks, condemned->at[i].id, true);
}

static void condemn_gone(struct hf_image *im, const struct ids *indexes)
{
    struct hf_image_pack p;
    for (uint32_t i = 0; i < hf_image_chunks_packs_n(im->chunks); i++) {
        struct hf_image_listed one;
        if (!hf_image_chunks_pack(im->chunks, i, &p))
            continue;
        memcpy(one.id, p.id, sizeof one.id);
        if (!indexes->n || !bsearch(&one, indexes->at, indexes->n, sizeof *indexes->at, compare))
            hf_image_chunks_condemn(im->chunks, p.id, true);
    }
}

static void reprieve_all(struct hf_image *im)
{
    struct hf_image_pack p;
    for (uint32_t i = 0; i < hf_image_chunks_packs_n(im->chunks); i++)
        if (hf_image_chunks_pack(im->chunks, i, &p))
            hf_image_chunks_condemn(im->chunks, p.id, false);
}

/* The condemnations are listed first, here and below: who removes a pack takes its index before them, so in the other order one that is being
 * removed could look like one that nobody has condemned. */
int hf_image_refresh_condemned(struct hf_image *im, bool with_gone, struct hf_err *err)
{
    __attribute__((cleanup(free_ids))) struct ids ids = {0};
    __attribute__((cleanup(free_ids))) struct ids indexes = {0};
    if (list_condemned(im, &ids, err) < 0 || (with_gone && list_indexes(im, &indexes, err) < 0))
        return -1;
    condemn(im, &ids);
    if (with_gone)
        condemn_gone(im, &indexes);
    return 0;
}

/* ---- reading what is new ---------------------------------------------------------------- */

struct reading {
    struct hf_image *im;
    const struct ids *ids;
    pthread_mutex_t lock; /* of out */
    struct hf_image_refreshed *out;
};

/* One that is damaged is passed over, one that vanished was pruned just now: neither ends the run. */
static int judge(struct reading *r, int rc, const struct hf_err *what, struct hf_err *err)
{
    if (rc < 0 && what->cls != HF_E_CORRUPT && what->cls != HF_E_NOT_FOUND) {
        hf_err_copy(err, what);
        return -1;
    }
    pthread_mutex_lock(&r->lock);
    r->out->added += rc == 0;
    if (rc < 0 && what->cls == HF_E_CORRUPT && r->out->damaged++ == 0)
        hf_err_copy(&r->out->first_damage, what);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

/* What is damaged is so twice: what a server said wrong once, in its listing or in the answer, would cost all that the index names. */
static int get_index(struct hf_image *im, const struct hf_image_listed *one,
                     struct hf_image_pack *pack, struct hf_image_entry **out, struct hf_err *err)
{
    struct hf_err first = HF_ERR_INIT;
    if (hf_image_index_get(im, one->id, one->bytes, pack, out, &first) == 0)
        return 0;
    if (first.cls == HF_E_CORRUPT)
        return hf_image_index_get(im, one->id, HF_STORE_UNKNOWN, pack, out, err);
    hf_err_copy(err, &first);
    return -1;
}

static int read_one(struct hf_image *im, const struct hf_image_listed *one, struct hf_err *err)
{
    struct hf_image_pack pack;
    uint32_t number = 0;
    HF_AUTOFREE struct hf_image_entry *entries = NULL;
    if (hf_cancel_check(im->cancel, err) < 0 || get_index(im, one, &pack, &entries, err) < 0)
        return -1;
    return hf_image_chunks_add(im->chunks, &pack, entries, &number, err);
}

static int read_nth(void *reading, size_t i, struct hf_err *err)
{
    struct reading *r = reading;
    struct hf_err what = HF_ERR_INIT;
    const int rc = read_one(r->im, &r->ids->at[i], &what);
    return judge(r, rc, &what, err);
}

static int read_all(struct hf_image *im, const struct ids *ids, struct hf_image_refreshed *out,
                    struct hf_err *err)
{
    struct reading r = {.im = im, .ids = ids, .out = out, .lock = PTHREAD_MUTEX_INITIALIZER};
    const int rc = hf_many(ids->n, READERS - 1, read_nth, &r, err);
    pthread_mutex_destroy(&r.lock);
    return rc;
}

int hf_image_refresh(struct hf_image *im, struct hf_image_refreshed *out, struct hf_err *err)
{
    __attribute__((cleanup(free_ids))) struct ids condemned = {0};
    __attribute__((cleanup(free_ids))) struct ids there = {0};
    __attribute__((cleanup(free_ids))) struct ids fresh = {0};
    uint32_t known = 0;
    *out = (struct hf_image_refreshed){.first_damage = HF_ERR_INIT};
    if (list_condemned(im, &condemned, err) < 0 || list_indexes(im, &there, err) < 0)
        return -1;
    struct hf_image_pack p;
    for (uint32_t i = 0; i < hf_image_chunks_packs_n(im->chunks); i++)
        known += hf_image_chunks_pack(im->chunks, i, &p);
    hf_image_chunks_live(im->chunks, there.at, there.n);
    for (size_t i = 0; i < there.n; i++)
        if (hf_image_chunks_pack_find(im->chunks, there.at[i].id) == HF_IMAGE_NO_PACK &&
            add_id(&fresh, &there.at[i], err) < 0)
            return -1;
    out->gone = known - (uint32_t)(there.n - fresh.n);
    if (read_all(im, &fresh, out, err) < 0)
        return -1;
    out->packs = (uint32_t)(there.n - fresh.n) + out->added;
    if (hf_image_chunks_save(im->chunks, err) < 0)
        return -1;
    reprieve_all(im);
    condemn(im, &condemned);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backup_intern.h"

#include <stdlib.h>
#include <string.h>

/* One object on its way to one store. */
struct lane {
    struct backup_store *store;
    struct hf_io_sink *sink; /* NULL: none, or no more */
    struct hf_store_receipt receipt;
    char name[HF_POINT_NAME_MAX]; /* within the point */
};

/* The same bytes to all stores that are in the run. */
struct tee {
    struct hf_io_sink head;
    struct backup_part *part;
    uint64_t bytes;
    uint64_t *out_stored; /* or NULL */
    size_t n;
    struct lane lanes[HF_BACKUP_STORES_MAX];
};

/* Several files may be under way at once, so a store's loss is seen and told in the run's lock. */
static bool is_in(struct backup *b, const struct backup_store *s)
{
    pthread_mutex_lock(&b->lock);
    bool is = backup_store_is_in(s);
    pthread_mutex_unlock(&b->lock);
    return is;
}

static void lose(struct backup *b, struct lane *l, struct hf_err *why)
{
    hf_io_close(HF_STEAL(l->sink));
    pthread_mutex_lock(&b->lock);
    if (backup_store_is_in(l->store))
        backup_drop(b, l->store, why);
    pthread_mutex_unlock(&b->lock);
    hf_err_clear(why);
}

static int has_stores(struct backup *b, struct hf_err *err)
{
    pthread_mutex_lock(&b->lock);
    int rc = backup_has_stores(b, err);
    pthread_mutex_unlock(&b->lock);
    return rc;
}

/* The export has a limited life: when it was given up, the rest of the point need not be read. */
static int tee_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct tee *t = (struct tee *)s;
    struct backup *b = t->part->backup;
    for (size_t i = 0; i < t->n; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct lane *l = &t->lanes[i];
        if (l->sink && !is_in(b, l->store))
            hf_io_close(HF_STEAL(l->sink));
        if (l->sink && hf_io_write(l->sink, data, len, &why) < 0)
            lose(b, l, &why);
    }
    t->bytes += len;
    return backup_watch_check(b, err) < 0 ? -1 : has_stores(b, err);
}

/* ---- the end of one --------------------------------------------------------------------- */

static int confirm(const struct backup *b, struct lane *l, struct hf_err *err)
{
    char name[HF_POINT_NAME_MAX];
    if (l->receipt.confirmed)
        return 0;
    return hf_point_object_at(&b->point, l->name, name, err) < 0
               ? -1
               : hf_store_confirm(l->store->at.store, name, &l->receipt, err);
}

static int keep(struct tee *t, struct lane *l, struct hf_err *err)
{
    struct backup *b = t->part->backup;
    struct hf_point_object object = {
        .name = l->name,
        .bytes = t->bytes,
        .stored_bytes = l->receipt.digest.bytes,
    };
    memcpy(object.sha256, l->receipt.digest.sha256, sizeof object.sha256);
    pthread_mutex_lock(&b->lock);
    struct hf_point_artifact *a = &l->store->parts[t->part->kind];
    int rc = hf_manifest_add_object(a, &object, err);
    a->stored_bytes += object.stored_bytes;
    l->store->objects++;
    l->store->bytes += object.stored_bytes;
    pthread_mutex_unlock(&b->lock);
    return rc;
}

static int tee_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct tee *t = (struct tee *)s;
    struct backup *b = t->part->backup;
    for (size_t i = 0; i < t->n; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct lane *l = &t->lanes[i];
        if (!l->sink)
            continue;
        if (hf_io_finish(l->sink, &why) < 0 || confirm(b, l, &why) < 0 || keep(t, l, &why) < 0)
            lose(b, l, &why);
        hf_io_close(HF_STEAL(l->sink));
    }
    if (t->out_stored)
        *t->out_stored = t->bytes;
    return has_stores(b, err);
}

static void tee_close(struct hf_io_sink *s)
{
    struct tee *t = (struct tee *)s;
    for (size_t i = 0; i < t->n; i++)
        hf_io_close(t->lanes[i].sink);
    free(t);
}

/* ---- the beginning ---------------------------------------------------------------------- */

static int open_lane(struct tee *t, struct lane *l, const char *name, struct hf_err *err)
{
    char at[HF_POINT_NAME_MAX];
    struct hf_site *site = l->store->at.site;
    if (hf_point_object_name(t->part->kind, name, site->is_encrypted, l->name, err) < 0 ||
        hf_point_object_at(&t->part->backup->point, l->name, at, err) < 0)
        return -1;
    l->sink = hf_site_put(site, HF_SITE_DATA, at, HF_STORE_UNKNOWN, &l->receipt, err);
    return l->sink ? 0 : -1;
}

static struct hf_io_sink *tee_open(void *ctx, const char *name, uint64_t *out_stored,
                                   struct hf_err *err)
{
    static const struct hf_io_sink_ops ops = {tee_write, tee_finish, tee_close};
    struct backup_part *p = ctx;
    HF_AUTO(hf_io_sink) struct hf_io_sink *guard = NULL;
    struct tee *t = calloc(1, sizeof *t);
    if (!t) {
        hf_fail_nomem(err);
        return NULL;
    }
    *t = (struct tee){.head = {&ops}, .part = p, .out_stored = out_stored};
    guard = &t->head;
    for (size_t i = 0; i < p->backup->n_stores; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct lane *l = &t->lanes[t->n];
        l->store = &p->backup->stores[i];
        if (!is_in(p->backup, l->store))
            continue;
        t->n++;
        if (open_lane(t, l, name, &why) < 0)
            lose(p->backup, l, &why);
    }
    return has_stores(p->backup, err) < 0 ? NULL : HF_STEAL(guard);
}

void backup_open_parts(struct backup *b)
{
    for (enum hf_point_kind k = 0; k < HF_POINT_KINDS; k++) {
        b->parts[k].backup = b;
        b->parts[k].kind = k;
        b->parts[k].place = (struct hf_io_place){tee_open, &b->parts[k]};
    }
}

/* ---- into the manifest ------------------------------------------------------------------ */

void backup_parts_free(struct backup_store *s)
{
    for (size_t k = 0; k < HF_POINT_KINDS; k++)
        hf_point_artifact_free(&s->parts[k]);
}

static int set_position(const struct backup *b, struct hf_point_artifact *a, struct hf_err *err)
{
    const struct hf_db_position *at = &b->dump.position;
    if (!at->has_binlog)
        return 0;
    a->has_position = true;
    return hf_db_position_copy(&a->position, at, err);
}

/* There is one of each kind, which has its name, but for the definition. */
static const char *name_of(const struct backup_part *p)
{
    return p->kind == HF_POINT_DEFINITION ? HF_BACKUP_DEFINITION : hf_point_kind_name(p->kind);
}

static int add_part(const struct backup *b, const struct backup_part *p, struct backup_store *s,
                    struct hf_err *err)
{
    struct hf_point_artifact *put = &s->parts[p->kind];
    struct hf_point_artifact *a = hf_manifest_add_artifact(&s->manifest, p->kind, name_of(p), err);
    if (!a)
        return -1;
    a->bytes = p->bytes;
    a->stored_bytes = put->stored_bytes;
    a->objects = HF_STEAL(put->objects);
    a->n_objects = put->n_objects;
    put->n_objects = 0;
    if (p->kind == HF_POINT_DUMP)
        return set_position(b, a, err);
    if (p->kind == HF_POINT_FILES) {
        a->read_from_us = b->files.from_us;
        a->read_to_us = b->files.until_us;
    }
    return 0;
}

int backup_add_parts(const struct backup *b, struct backup_store *s, struct hf_err *err)
{
    for (enum hf_point_kind k = 0; k < HF_POINT_KINDS; k++)
        if (hf_point_kind_has_objects(k) && b->parts[k].is_wanted &&
            add_part(b, &b->parts[k], s, err) < 0)
            return -1;
    return 0;
}

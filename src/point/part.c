/* SPDX-License-Identifier: Apache-2.0 */
#include "point/part.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW ((size_t)4 << 20)
#define SMALL ((uint64_t)1 << 20)
#define WHOLE_MAX ((uint64_t)256 << 20)
#define KEPT 8
#define NAMED 5 /* of damaged ones */
#define MISSING UINT64_MAX

/* An object as it lies on the store, in memory. */
struct held {
    atomic_uint refs;
    const struct hf_point_object *of;
    size_t len;
    char data[];
};

struct part {
    struct hf_io_files files;
    struct hf_site *site;
    const struct hf_point_name *point;
    const struct hf_point_artifact *a;
    uint64_t *there; /* bytes of each object on the store, or MISSING */
    pthread_mutex_t lock;
    struct held *kept[KEPT];
    unsigned next_kept;
};

static void held_drop(struct held *h)
{
    if (h && atomic_fetch_sub(&h->refs, 1) == 1)
        free(h);
}
HF_DEFINE_AUTO(held, held_drop)

/* ---- which ------------------------------------------------------------------------------ */

static int compare_name(const void *name, const void *object)
{
    return strcmp(name, ((const struct hf_point_object *)object)->name);
}

/* By its name within the point; NULL: the manifest has none. */
static const struct hf_point_object *find(const struct part *p, const char *object)
{
    return p->a->n_objects ? bsearch(object, p->a->objects, p->a->n_objects, sizeof *p->a->objects,
                                     compare_name)
                           : NULL;
}

static const struct hf_point_object *find_file(const struct part *p, const char *name)
{
    char object[HF_POINT_NAME_MAX];
    struct hf_err ignored = HF_ERR_INIT;
    bool can_be =
        hf_point_object_name(p->a->kind, name, p->site->is_encrypted, object, &ignored) == 0;
    return can_be ? find(p, object) : NULL;
}

static int part_look(struct hf_io_files *f, const char *name, enum hf_io_seen *out,
                     uint64_t *out_bytes, struct hf_err *err)
{
    const struct part *p = (struct part *)f;
    const struct hf_point_object *o = find_file(p, name);
    uint64_t there = o ? p->there[o - p->a->objects] : MISSING;
    (void)err;
    *out = there == MISSING           ? HF_IO_SEEN_NONE
           : there == o->stored_bytes ? HF_IO_SEEN_FILE
                                      : HF_IO_SEEN_TORN;
    *out_bytes = *out == HF_IO_SEEN_FILE ? o->bytes : 0;
    return 0;
}

static int part_list(struct hf_io_files *f, hf_io_files_emit emit, void *ctx, struct hf_err *err)
{
    const struct part *p = (struct part *)f;
    const size_t head = strlen(hf_point_kind_name(p->a->kind)) + 1,
                 tail = p->site->is_encrypted ? strlen(".age") : 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->a->n_objects; i++) {
        const char *object = p->a->objects[i].name;
        HF_AUTOFREE char *name = strndup(object + head, strlen(object) - head - tail);
        if (!name)
            return hf_fail_nomem(err);
        if (p->there[i] != MISSING)
            rc = emit(ctx, name, err);
    }
    return rc;
}

/* ---- small ones, and those that are asked for as a whole -------------------------------- */

static struct held *take_kept(struct part *p, const struct hf_point_object *o)
{
    struct held *found = NULL;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; !found && i < KEPT; i++)
        if (p->kept[i] && p->kept[i]->of == o)
            found = p->kept[i];
    if (found)
        atomic_fetch_add(&found->refs, 1);
    pthread_mutex_unlock(&p->lock);
    return found;
}

static void keep(struct part *p, struct held *h)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&h->refs, 1);
    held_drop(p->kept[p->next_kept]);
    p->kept[p->next_kept] = h;
    p->next_kept = (p->next_kept + 1) % KEPT;
    pthread_mutex_unlock(&p->lock);
}

static int check_digest(const struct held *h, struct hf_err *err)
{
    char got[HF_SHA256_HEX];
    HF_AUTO(hf_sha256) struct hf_sha256 *sha = hf_sha256_new(err);
    if (!sha || hf_sha256_add(sha, h->data, h->len, err) < 0 || hf_sha256_end(sha, got, err) < 0)
        return -1;
    return strcmp(got, h->of->sha256) == 0
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "it is damaged: its SHA-256 is not the manifest's");
}

/* A reference, to be dropped. */
static struct held *fetch(struct part *p, const struct hf_point_object *o, const char *at,
                          struct hf_err *err)
{
    HF_AUTO(held) struct held *h = take_kept(p, o);
    if (h)
        return HF_STEAL(h);
    if (o->stored_bytes > WHOLE_MAX) {
        hf_fail(err, HF_E_CORRUPT, "it is larger than any such object");
        return NULL;
    }
    h = malloc(sizeof *h + (size_t)o->stored_bytes);
    if (!h) {
        hf_fail_nomem(err);
        return NULL;
    }
    atomic_init(&h->refs, 1);
    h->of = o;
    h->len = (size_t)o->stored_bytes;
    if (hf_store_get(p->site->store, at, 0, h->data, h->len, err) < 0 || check_digest(h, err) < 0)
        return NULL;
    if (o->stored_bytes <= SMALL)
        keep(p, h);
    return HF_STEAL(h);
}

struct held_source {
    struct hf_io_source source;
    struct held *held;
};

static int held_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len,
                        struct hf_err *err)
{
    (void)err;
    memcpy(buf, ((struct held_source *)s)->held->data + at, len);
    return 0;
}

static void held_close(struct hf_io_source *s)
{
    held_drop(((struct held_source *)s)->held);
    free(s);
}

static struct hf_io_source *open_held(struct part *p, const struct hf_point_object *o,
                                      const char *at, struct hf_err *err)
{
    static const struct hf_io_source_ops ops = {held_read_at, held_close};
    HF_AUTO(held) struct held *h = fetch(p, o, at, err);
    struct held_source *s = h ? calloc(1, sizeof *s) : NULL;
    if (!s) {
        if (h)
            hf_fail_nomem(err);
        return NULL;
    }
    s->source = (struct hf_io_source){&ops, h->len};
    s->held = HF_STEAL(h);
    return &s->source;
}

/* ---- a source that names its object ----------------------------------------------------- */

struct named_source {
    struct hf_io_source source;
    struct hf_io_source *plain;
    const struct part *part;
    const struct hf_point_object *of;
};

static int wrap(const struct part *p, const struct hf_point_object *o, struct hf_err *err)
{
    return strstr(err->message, o->name) ? -1 : hf_wrap(err, "%s: %s", p->files.label, o->name);
}

static int named_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len,
                         struct hf_err *err)
{
    const struct named_source *n = (struct named_source *)s;
    return hf_io_read_at(n->plain, at, buf, len, err) < 0 ? wrap(n->part, n->of, err) : 0;
}

static void named_close(struct hf_io_source *s)
{
    hf_io_source_close(((struct named_source *)s)->plain);
    free(s);
}

static struct hf_io_source *open_plain(struct part *p, const struct hf_point_object *o, bool whole,
                                       struct hf_err *err)
{
    char at[HF_POINT_NAME_MAX];
    if (hf_point_object_at(p->point, o->name, at, err) < 0)
        return NULL;
    struct hf_io_source *stored =
        whole || o->stored_bytes <= SMALL
            ? open_held(p, o, at, err)
            : hf_store_source_of(p->site->store, at, o->stored_bytes, WINDOW, err);
    return stored ? hf_site_open_source(p->site, HF_SITE_DATA, stored, err) : NULL;
}

static struct hf_io_source *part_open(struct hf_io_files *f, const char *name, bool whole,
                                      struct hf_err *err)
{
    static const struct hf_io_source_ops ops = {named_read_at, named_close};
    struct part *p = (struct part *)f;
    const struct hf_point_object *o = find_file(p, name);
    if (!o) {
        hf_fail(err, HF_E_NOT_FOUND, "%s has no '%s'", f->label, name);
        return NULL;
    }
    HF_AUTO(hf_io_source) struct hf_io_source *plain = open_plain(p, o, whole, err);
    struct named_source *n = plain ? calloc(1, sizeof *n) : NULL;
    if (plain && !n)
        hf_fail_nomem(err);
    if (!n) {
        wrap(p, o, err);
        return NULL;
    }
    *n = (struct named_source){{&ops, plain->size}, plain, p, o};
    (void)HF_STEAL(plain);
    return &n->source;
}

/* ---- the part --------------------------------------------------------------------------- */

static void part_close(struct hf_io_files *f)
{
    struct part *p = (struct part *)f;
    for (size_t i = 0; i < KEPT; i++)
        held_drop(p->kept[i]);
    pthread_mutex_destroy(&p->lock);
    free(p->there);
    free(f->label);
    free(p);
}

struct listing {
    struct part *part;
    size_t head; /* bytes of "points/VM/POINT/" */
};

static int take_object(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    struct listing *l = ctx;
    const struct hf_point_object *found = find(l->part, o->name + l->head);
    (void)err;
    if (found)
        l->part->there[found - l->part->a->objects] = o->bytes;
    return 0;
}

static int list_there(struct part *p, struct hf_err *err)
{
    char point[HF_POINT_NAME_MAX], folder[HF_POINT_NAME_MAX];
    for (size_t i = 0; i < p->a->n_objects; i++)
        p->there[i] = MISSING;
    if (hf_point_prefix(p->point, point, err) < 0)
        return -1;
    struct listing l = {p, strlen(point)};
    int len = snprintf(folder, sizeof folder, "%s%s/", point, hf_point_kind_name(p->a->kind));
    if (len >= (int)sizeof folder)
        return hf_fail(err, HF_E_INTERNAL, "the name of a folder is too long");
    const struct hf_store_list what = {.prefix = folder};
    return hf_store_list(p->site->store, &what, take_object, &l, err);
}

struct hf_io_files *hf_point_part(struct hf_site *site, const struct hf_manifest *m,
                                  const struct hf_point_artifact *a, struct hf_err *err)
{
    static const struct hf_io_files_ops ops = {part_look, part_list, part_open, part_close};
    HF_AUTO(hf_io_files) struct hf_io_files *f = NULL;
    struct part *p = calloc(1, sizeof *p);
    if (!p) {
        hf_fail_nomem(err);
        return NULL;
    }
    f = &p->files;
    f->ops = &ops;
    p->site = site;
    p->point = &m->point;
    p->a = a;
    pthread_mutex_init(&p->lock, NULL);
    p->there = calloc(a->n_objects + 1, sizeof *p->there);
    f->label = hf_asprintf("%s of %s on store '%s'", a->name, m->point.id, site->name);
    if (!p->there || !f->label) {
        hf_fail_nomem(err);
        return NULL;
    }
    return list_there(p, err) ? NULL : HF_STEAL(f);
}

int hf_point_part_check(const struct hf_io_files *part, struct hf_err *err)
{
    const struct part *p = (const struct part *)part;
    HF_AUTO(hf_buf) struct hf_buf bad = HF_BUF_INIT;
    size_t n_bad = 0;
    for (size_t i = 0; i < p->a->n_objects; i++) {
        const struct hf_point_object *o = &p->a->objects[i];
        if (p->there[i] == o->stored_bytes)
            continue;
        if (n_bad++ < NAMED)
            hf_buf_printf(&bad, "%s%s (%s)", bad.len ? ", " : "", o->name,
                          p->there[i] == MISSING ? "missing" : "another size");
    }
    if (n_bad == 0)
        return 0;
    return hf_fail(err, HF_E_CORRUPT, "%s: %zu object%s not what the manifest says: %s",
                   part->label, n_bad, n_bad == 1 ? " is" : "s are", hf_buf_str(&bad));
}

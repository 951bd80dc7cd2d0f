/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/image/fixture.h - a store in memory that can be told to fail, and an image on it.
 */
#ifndef HF_UNIT_IMAGE_FIXTURE_H
#define HF_UNIT_IMAGE_FIXTURE_H

#include "base/buf.h"
#include "harness/hf_test.h"
#include "image/reader.h"
#include "image/verify.h"
#include "image/writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STORE_ID "000102030405060708090a0b0c0d0e0f"

struct object {
    char name[128];
    unsigned char *data;
    size_t len;
};

struct memory {
    struct hf_store store;
    pthread_mutex_t lock;
    struct object *objects;
    size_t n, gets, puts;
    size_t fail_put; /* the put that fails, from 1; 0: none */
    size_t flip_put; /* the put of which one bit changes on the way */
    uint64_t got;    /* bytes */
    size_t open, open_max;
    long delay_us;
};

struct memory_sink {
    struct hf_io_sink sink;
    struct memory *m;
    char name[128];
    struct hf_buf data;
};

static inline struct object *memory_find(struct memory *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->objects[i].name, name))
            return &m->objects[i];
    return NULL;
}

static inline int memory_write(struct hf_io_sink *s, const void *data, size_t len,
                               struct hf_err *err)
{
    struct memory_sink *k = (struct memory_sink *)s;
    hf_buf_add(&k->data, data, len);
    return hf_buf_ok(&k->data) ? 0 : hf_fail_nomem(err);
}

static inline void memory_pause(const struct memory *m)
{
    struct timespec t = {0, m->delay_us * 1000};
    if (m->delay_us)
        nanosleep(&t, NULL);
}

static inline int memory_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct memory_sink *k = (struct memory_sink *)s;
    struct memory *m = k->m;
    memory_pause(m);
    pthread_mutex_lock(&m->lock);
    bool fails = ++m->puts == m->fail_put;
    if (!fails) {
        if (m->n % 4096 == 0) /* tests point to objects while marks of damage come */
            m->objects = reallocarray(m->objects, m->n + 4096, sizeof *m->objects);
        struct object *o = &m->objects[m->n++];
        snprintf(o->name, sizeof o->name, "%s", k->name);
        o->len = k->data.len;
        o->data = (unsigned char *)hf_buf_steal(&k->data);
        if (m->puts == m->flip_put)
            o->data[o->len / 2] ^= 8;
    }
    pthread_mutex_unlock(&m->lock);
    return fails ? hf_fail(err, HF_E_UNREACHABLE, "the store went away") : 0;
}

static inline void memory_sink_close(struct hf_io_sink *s)
{
    struct memory_sink *k = (struct memory_sink *)s;
    hf_buf_free(&k->data);
    free(k);
}

static inline struct hf_io_sink *memory_put(struct hf_store *s, const char *name,
                                            const struct hf_store_put *how,
                                            struct hf_store_receipt *out, struct hf_err *err)
{
    static const struct hf_io_sink_ops ops = {memory_write, memory_finish, memory_sink_close};
    struct memory_sink *k = calloc(1, sizeof *k);
    (void)err;
    (void)how;
    k->sink.ops = &ops;
    k->m = (struct memory *)s;
    snprintf(k->name, sizeof k->name, "%s", name);
    (void)out;
    return &k->sink;
}

static inline int memory_get(struct hf_store *s, const char *name, uint64_t at, void *buf,
                             size_t len, bool fresh, struct hf_err *err)
{
    struct memory *m = (struct memory *)s;
    int rc = 0;
    (void)fresh;
    pthread_mutex_lock(&m->lock);
    m->gets++;
    m->got += len;
    if (++m->open > m->open_max)
        m->open_max = m->open;
    pthread_mutex_unlock(&m->lock);
    memory_pause(m);
    pthread_mutex_lock(&m->lock);
    m->open--;
    struct object *o = memory_find(m, name);
    if (!o)
        rc = hf_fail(err, HF_E_NOT_FOUND, "no such object");
    else if (at > o->len || len > o->len - at)
        rc = hf_fail(err, HF_E_CORRUPT, "the object ends before");
    else
        memcpy(buf, o->data + at, len);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static inline int memory_head(struct hf_store *s, const char *name, struct hf_store_object *out,
                              struct hf_err *err)
{
    struct memory *m = (struct memory *)s;
    pthread_mutex_lock(&m->lock);
    struct object *o = memory_find(m, name);
    if (o)
        out->bytes = o->len;
    pthread_mutex_unlock(&m->lock);
    return o ? 0 : hf_fail(err, HF_E_NOT_FOUND, "no such object");
}

static inline int memory_list(struct hf_store *s, const struct hf_store_list *what,
                              hf_store_emit emit, void *ctx, struct hf_err *err)
{
    struct memory *m = (struct memory *)s;
    for (size_t i = 0; i < m->n; i++) {
        struct hf_store_object o = {.name = m->objects[i].name, .bytes = m->objects[i].len};
        if (strncmp(o.name, what->prefix, strlen(what->prefix)) == 0 && emit(ctx, &o, err))
            return -1;
    }
    return 0;
}

static inline int memory_remove(struct hf_store *s, const char *name, struct hf_err *err)
{
    struct memory *m = (struct memory *)s;
    struct object *o = memory_find(m, name);
    (void)err;
    if (!o)
        return 0;
    free(o->data);
    *o = m->objects[--m->n];
    return 0;
}

static inline void memory_close(struct hf_store *s)
{
    struct memory *m = (struct memory *)s;
    for (size_t i = 0; i < m->n; i++)
        free(m->objects[i].data);
    free(m->objects);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static inline struct memory *memory_new(void)
{
    static const struct hf_store_ops ops = {.put = memory_put,
                                            .get = memory_get,
                                            .head = memory_head,
                                            .list = memory_list,
                                            .remove = memory_remove,
                                            .close = memory_close};
    struct memory *m = calloc(1, sizeof *m);
    m->store.ops = &ops;
    m->store.url = strdup("memory:");
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

/* The first object whose name begins so; NULL: none. */
static inline struct object *memory_first(struct memory *m, const char *prefix)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strncmp(m->objects[i].name, prefix, strlen(prefix)))
            return &m->objects[i];
    return NULL;
}

static inline size_t memory_count(struct memory *m, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += !strncmp(m->objects[i].name, prefix, strlen(prefix));
    return n;
}

/* ---- an image --------------------------------------------------------------------------- */

struct site {
    struct memory *m;
    struct hf_age_identities *metadata, *secret;
    struct hf_age_recipients to;
    struct hf_image *im;
    struct hf_image_refreshed seen; /* when it was opened */
    const char *dir;
    uint32_t chunk_bytes;
};

static inline void site_open(struct site *s, bool has_secret)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_opts opts = {.store = &s->m->store,
                                 .dir = s->dir,
                                 .store_id = STORE_ID,
                                 .chunk_bytes = s->chunk_bytes,
                                 .metadata = s->metadata,
                                 .recipients = &s->to,
                                 .identities = has_secret ? s->secret : NULL};
    hf_image_close(s->im);
    s->im = hf_image_open(&opts, &err);
    assert_hf_got(s->im, &err);
    assert_hf_ok(hf_image_refresh(s->im, &s->seen, &err), &err);
}

static inline struct site site_new(void **state, bool is_encrypted, uint32_t chunk_bytes)
{
    struct hf_err err = HF_ERR_INIT;
    char own[HF_AGE_TEXT_MAX];
    struct site s = {.m = memory_new(), .chunk_bytes = chunk_bytes};
    s.dir = hf_test_path(state, "index");
    s.metadata = hf_age_identities_generate(&err);
    s.secret = hf_age_identities_generate(&err);
    assert_true(s.metadata && s.secret);
    hf_age_identities_recipient(s.secret, 0, own);
    if (is_encrypted)
        assert_hf_ok(hf_age_recipients_add(&s.to, own, &err), &err);
    site_open(&s, true);
    return s;
}

static inline void site_free(struct site *s)
{
    hf_image_close(s->im);
    hf_age_identities_free(s->metadata);
    hf_age_identities_free(s->secret);
    hf_store_close(&s->m->store);
}

static inline void fill_random(unsigned char *p, size_t len, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = (unsigned char)(x >> 32);
    }
}

/* In pieces of an odd size, with small packs. */
static inline int try_write(struct site *s, const unsigned char *disk, size_t len,
                            struct hf_image_written *out, struct hf_err *err)
{
    struct hf_image_writer_opts opts = {.disk_bytes = len, .workers = 3, .pack_bytes = 300000};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(s->im, &opts, err);
    if (!w)
        return -1;
    for (size_t at = 0; at < len; at += 70001)
        if (hf_image_write(w, at, disk + at, len - at < 70001 ? len - at : 70001, err) < 0)
            return -1;
    return hf_image_write_finish(w, out, err);
}

static inline struct hf_image_written write_disk(struct site *s, const unsigned char *disk,
                                                 size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_written w = {0};
    assert_hf_ok(try_write(s, disk, len, &w, &err), &err);
    return w;
}

/* From the beginning to the end, in pieces; then again at places here and there. */
static inline int try_read(struct site *s, const unsigned char *root, unsigned char *out,
                           size_t len, size_t piece, struct hf_err *err)
{
    struct hf_image_reader_opts opts = {.threads = 3, .ahead_bytes = 12 << 20};
    HF_AUTO(hf_image_reader)
    struct hf_image_reader *r = hf_image_read_open(s->im, root, &opts, err);
    if (!r)
        return -1;
    struct hf_io_source *src = hf_image_reader_source(r);
    assert_int_equal(src->size, len);
    for (size_t at = 0; at < len; at += piece)
        if (hf_io_read_at(src, at, out + at, len - at < piece ? len - at : piece, err) < 0)
            return -1;
    for (size_t i = 0; len > 5000 && i < 20; i++) {
        unsigned char some[4096];
        size_t at = (i * 7919777) % (len - sizeof some);
        if (hf_io_read_at(src, at, some, sizeof some, err) < 0)
            return -1;
        assert_memory_equal(some, out + at, sizeof some);
    }
    return 0;
}

static inline void assert_reads(struct site *s, const unsigned char *root,
                                const unsigned char *disk, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE unsigned char *back = malloc(len + 1);
    assert_hf_ok(try_read(s, root, back, len, 100003, &err), &err);
    assert_int_equal(memcmp(back, disk, len), 0);
}

#endif

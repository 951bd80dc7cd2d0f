/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

struct store_source {
    struct hf_io_source source;
    struct hf_store *store;
    char name[HF_STORE_NAME_MAX + 1];
    uint64_t next;       /* where the last read ended */
    uint64_t at;         /* of what lies in `ahead` */
    size_t have, window; /* window: its size */
    char ahead[];
};

/* As much as lies there already. */
static size_t take_ahead(const struct store_source *o, uint64_t at, void *buf, size_t len)
{
    if (at < o->at || at - o->at >= o->have)
        return 0;
    size_t from = (size_t)(at - o->at), n = o->have - from < len ? o->have - from : len;
    memcpy(buf, o->ahead + from, n);
    return n;
}

/* Small reads that go on where the last one ended go by way of `ahead`, all others straight into the caller's memory: a look at the
 * object's end must not cost what was read ahead at its begin. */
static int source_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len,
                          struct hf_err *err)
{
    struct store_source *o = (struct store_source *)s;
    bool goes_on = at == o->next;
    o->next = at + len;
    size_t n = take_ahead(o, at, buf, len);
    if (n == len)
        return 0;
    at += n;
    buf = (char *)buf + n;
    len -= n;
    if (!goes_on || len >= o->window)
        return hf_store_get(o->store, o->name, at, buf, len, err);
    n = s->size - at < o->window ? (size_t)(s->size - at) : o->window;
    o->have = 0;
    if (hf_store_get(o->store, o->name, at, o->ahead, n, err) < 0)
        return -1;
    o->at = at;
    o->have = n;
    memcpy(buf, o->ahead, len);
    return 0;
}

static void source_close(struct hf_io_source *s)
{
    free(s);
}

static const struct hf_io_source_ops source_ops = {source_read_at, source_close};

struct hf_io_source *hf_store_source_of(struct hf_store *s, const char *name, uint64_t bytes,
                                        size_t window, struct hf_err *err)
{
    struct store_source *o = NULL;
    if (!hf_store_name_is_valid(name)) {
        hf_fail(err, HF_E_INTERNAL, "'%.100s' is no name of an object", name);
        return NULL;
    }
    if (!(o = calloc(1, sizeof *o + window))) {
        hf_fail_nomem(err);
        return NULL;
    }
    o->source.ops = &source_ops;
    o->source.size = bytes;
    o->store = s;
    o->window = window;
    memcpy(o->name, name, strlen(name) + 1);
    return &o->source;
}

struct hf_io_source *hf_store_source(struct hf_store *s, const char *name, size_t window,
                                     struct hf_err *err)
{
    struct hf_store_object head = {0};
    return hf_store_head(s, name, &head, err) < 0
               ? NULL
               : hf_store_source_of(s, name, head.bytes, window, err);
}

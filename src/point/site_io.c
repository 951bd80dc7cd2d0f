/* SPDX-License-Identifier: Apache-2.0 */
#include "point/site.h"

#include <stdlib.h>

#define WINDOW ((size_t)1 << 20)

struct hf_image *hf_site_image(struct hf_site *s, struct hf_err *err)
{
    const struct hf_image_opts opts = {
        .store = s->store,
        .dir = s->dir,
        .store_id = s->id,
        .chunk_bytes = s->chunk_bytes,
        .metadata = s->metadata,
        .recipients = s->is_encrypted ? &s->to_data : NULL,
        .identities = s->identities,
        .cancel = s->cancel,
    };
    return hf_image_open(&opts, err);
}

struct hf_io_sink *hf_site_put(struct hf_site *s, enum hf_site_kind kind, const char *name,
                               uint64_t plain_bytes, struct hf_store_receipt *out,
                               struct hf_err *err)
{
    const struct hf_age_recipients *to = kind == HF_SITE_META ? &s->to_meta : &s->to_data;
    struct hf_store_put how = {.bytes = plain_bytes};
    if (s->is_encrypted && plain_bytes != HF_STORE_UNKNOWN)
        how.bytes = hf_age_file_size(to->n, plain_bytes);
    struct hf_io_sink *row = hf_store_put(s->store, name, &how, out, err);
    return row && s->is_encrypted ? hf_age_sink_new(to, row, err) : row;
}

int hf_site_put_bytes(struct hf_site *s, enum hf_site_kind kind, const char *name, const void *data,
                      size_t len, struct hf_store_receipt *out, struct hf_err *err)
{
    HF_AUTO(hf_io_sink) struct hf_io_sink *sink = hf_site_put(s, kind, name, len, out, err);
    if (!sink || hf_io_write(sink, data, len, err) < 0 || hf_io_finish(sink, err) < 0)
        return -1;
    return out->confirmed ? 0 : hf_store_confirm(s->store, name, out, err);
}

struct hf_io_source *hf_site_open_source(struct hf_site *s, enum hf_site_kind kind,
                                         struct hf_io_source *stored, struct hf_err *err)
{
    const struct hf_age_identities *ids = kind == HF_SITE_META ? s->metadata : s->identities;
    if (!s->is_encrypted)
        return stored;
    if (!ids) {
        hf_io_source_close(stored);
        hf_age_fail_keyless(err);
        return NULL;
    }
    struct hf_io_source *plain = hf_age_source_new(stored, ids, err);
    /* No question of rights: every writer encrypts these to the metadata identity, which is at hand. */
    if (!plain && kind == HF_SITE_META && err->cls == HF_E_AUTH)
        hf_fail(err, HF_E_CORRUPT, "it was not encrypted to the store's metadata identity");
    return plain;
}

struct hf_io_source *hf_site_source(struct hf_site *s, enum hf_site_kind kind, const char *name,
                                    struct hf_err *err)
{
    if (s->is_encrypted && !(kind == HF_SITE_META ? s->metadata : s->identities)) {
        hf_age_fail_keyless(err);
        return NULL;
    }
    struct hf_io_source *file = hf_store_source(s->store, name, WINDOW, err);
    struct hf_io_source *plain = file ? hf_site_open_source(s, kind, file, err) : NULL;
    if (file && !plain)
        hf_wrap(err, "%s: %s", s->store->url, name);
    return plain;
}

int hf_site_get_bytes(struct hf_site *s, enum hf_site_kind kind, const char *name, size_t max_bytes,
                      struct hf_buf *out, struct hf_err *err)
{
    HF_AUTO(hf_io_source) struct hf_io_source *source = hf_site_source(s, kind, name, err);
    if (!source)
        return -1;
    if (source->size > max_bytes)
        return hf_fail(err, HF_E_CORRUPT, "%s: %s: it has %llu bytes", s->store->url, name,
                       (unsigned long long)source->size);
    size_t len = (size_t)source->size;
    HF_AUTOFREE char *data = malloc(len + 1);
    if (!data)
        return hf_fail_nomem(err);
    if (hf_io_read_at(source, 0, data, len, err) < 0)
        return hf_wrap(err, "%s: %s", s->store->url, name);
    hf_buf_add(out, data, len);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

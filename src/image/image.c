/* SPDX-License-Identifier: Apache-2.0 */
#include "image/image_intern.h"
#include "io/memory.h"

#include <stdlib.h>
#include <zstd.h>

static int set_recipients(struct hf_image *im, const struct hf_age_recipients *r,
                          struct hf_err *err)
{
    char own[HF_AGE_TEXT_MAX];
    if (!r || r->n == 0)
        return 0;
    im->is_encrypted = true;
    im->to_data = im->to_meta = *r;
    hf_age_identities_recipient(im->metadata, 0, own);
    return hf_age_recipients_add(&im->to_meta, own, err);
}

static int open_parts(struct hf_image *im, const struct hf_image_opts *o, struct hf_err *err)
{
    if (!hf_image_chunk_bytes_is_valid(o->chunk_bytes))
        return hf_fail(err, HF_E_CORRUPT, "the store has chunks of %u bytes", o->chunk_bytes);
    if (set_recipients(im, o->recipients, err) < 0)
        return -1;
    im->keys = hf_image_keys_new(o->metadata, o->store_id, err);
    if (im->keys)
        im->pack_keys = hf_image_pack_keys_new(err);
    if (im->pack_keys)
        im->chunks = hf_image_chunks_open(o->dir, err);
    return im->chunks ? 0 : -1;
}

struct hf_image *hf_image_open(const struct hf_image_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_image) struct hf_image *im = calloc(1, sizeof *im);
    if (!im) {
        hf_fail_nomem(err);
        return NULL;
    }
    im->store = opts->store;
    im->chunk_bytes = opts->chunk_bytes;
    im->metadata = opts->metadata;
    im->identities = opts->identities;
    im->cancel = opts->cancel;
    return open_parts(im, opts, err) < 0 ? NULL : HF_STEAL(im);
}

void hf_image_close(struct hf_image *im)
{
    if (!im)
        return;
    hf_image_chunks_close(im->chunks);
    hf_image_keys_free(im->keys);
    hf_image_pack_keys_free(im->pack_keys);
    free(im);
}

const struct hf_image_keys *hf_image_keys(const struct hf_image *im)
{
    return im->keys;
}

struct hf_image_chunks *hf_image_chunks(struct hf_image *im)
{
    return im->chunks;
}

/* ---- objects ---------------------------------------------------------------------------- */

static int put(struct hf_image *im, const char *name, const struct hf_age_recipients *to,
               const void *data, size_t len, unsigned char **release, struct hf_store_receipt *out,
               struct hf_err *err)
{
    struct hf_store_put how = {.bytes = im->is_encrypted ? hf_age_file_size(to->n, len) : len};
    struct hf_io_sink *row = hf_store_put(im->store, name, &how, out, err);
    if (row && im->is_encrypted)
        row = hf_age_sink_new(to, row, err);
    HF_AUTO(hf_io_sink) struct hf_io_sink *sink = row;
    if (!sink || hf_io_write(sink, data, len, err) < 0)
        return -1;
    if (release)
        free(HF_STEAL(*release));
    return hf_io_finish(sink, err);
}

static int put_confirmed(struct hf_image *im, const char *name, const struct hf_age_recipients *to,
                         const void *data, size_t len, unsigned char **release,
                         struct hf_store_receipt *out, struct hf_err *err)
{
    if (put(im, name, to, data, len, release, out, err) < 0)
        return -1;
    return out->confirmed ? 0 : hf_store_confirm(im->store, name, out, err);
}

int hf_image_put(struct hf_image *im, const char *name, const struct hf_age_recipients *to,
                 const void *data, size_t len, struct hf_store_receipt *out, struct hf_err *err)
{
    return put_confirmed(im, name, to, data, len, NULL, out, err);
}

int hf_image_put_releasing(struct hf_image *im, const char *name,
                           const struct hf_age_recipients *to, unsigned char **data, size_t len,
                           struct hf_store_receipt *out, struct hf_err *err)
{
    return put_confirmed(im, name, to, *data, len, data, out, err);
}

static struct hf_io_source *fail_keyless(struct hf_io_source *file, struct hf_err *err)
{
    hf_io_source_close(file);
    hf_age_fail_keyless(err);
    return NULL;
}

struct hf_io_source *hf_image_decrypt(struct hf_image *im, enum hf_image_kind kind,
                                      struct hf_io_source *file, struct hf_err *err)
{
    const struct hf_age_identities *ids = kind == HF_IMAGE_DATA ? im->identities : im->metadata;
    if (!im->is_encrypted)
        return file;
    return ids ? hf_age_source_new(file, ids, err) : fail_keyless(file, err);
}

struct hf_io_source *hf_image_decrypt_pack(struct hf_image *im, enum hf_image_kind kind,
                                           struct hf_io_source *file, struct hf_age_key *key,
                                           struct hf_err *err)
{
    const struct hf_age_identities *ids = kind == HF_IMAGE_DATA ? im->identities : im->metadata;
    if (!im->is_encrypted)
        return file;
    return ids ? hf_age_source_known(file, ids, key, err) : fail_keyless(file, err);
}

int hf_image_mark_damaged(struct hf_image *im, const unsigned char id[HF_IMAGE_PACK_ID],
                          enum hf_image_damage what, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    struct hf_store_receipt receipt;
    const char *why = what == HF_IMAGE_DAMAGED_CONTENT ? "content" : "";
    hf_image_chunks_condemn(im->chunks, id, true);
    hf_image_damaged_name(id, name);
    return hf_store_put_bytes(im->store, name, why, strlen(why), true, &receipt, err);
}

/* ---- an index --------------------------------------------------------------------------- */

static int read_object(struct hf_image *im, const char *name, uint64_t bytes, struct hf_buf *out,
                       struct hf_err *err)
{
    struct hf_store_object o = {.bytes = bytes};
    if (bytes == HF_STORE_UNKNOWN && hf_store_head(im->store, name, &o, err) < 0)
        return -1;
    if (o.bytes > 2 * HF_IMAGE_INDEX_MAX)
        return hf_fail(err, HF_E_CORRUPT, "it is too large for an index");
    HF_AUTOFREE char *data = malloc((size_t)o.bytes + 1);
    if (!data)
        return hf_fail_nomem(err);
    if (hf_store_get(im->store, name, 0, data, (size_t)o.bytes, err) < 0)
        return -1;
    struct hf_io_source *file = hf_io_source_memory(data, (size_t)o.bytes, err);
    HF_AUTO(hf_io_source)
    struct hf_io_source *plain = file ? hf_image_decrypt(im, HF_IMAGE_TREE, file, err) : NULL;
    /* No question of rights: every writer encrypts these to the metadata identity, which is at hand. */
    if (!plain)
        return err->cls == HF_E_AUTH
                   ? hf_fail(err, HF_E_CORRUPT,
                             "it was not encrypted to the store's metadata identity")
                   : -1;
    HF_AUTOFREE char *text = malloc((size_t)plain->size + 1);
    if (!text)
        return hf_fail_nomem(err);
    if (hf_io_read_at(plain, 0, text, (size_t)plain->size, err) < 0)
        return -1;
    hf_buf_add(out, text, (size_t)plain->size);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int hf_image_index_get(struct hf_image *im, const unsigned char id[HF_IMAGE_PACK_ID],
                       uint64_t bytes, struct hf_image_pack *out_pack,
                       struct hf_image_entry **out_entries, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTOFREE struct hf_image_entry *entries = NULL;
    hf_image_index_name(id, im->is_encrypted, name);
    if (read_object(im, name, bytes, &text, err) < 0 ||
        hf_image_index_parse(hf_buf_str(&text), text.len, im->keys->index_mac, out_pack, &entries,
                             err) < 0)
        return hf_wrap(err, "%s", name);
    if (memcmp(out_pack->id, id, HF_IMAGE_PACK_ID) != 0)
        return hf_fail(err, HF_E_CORRUPT, "%s: it is the index of another pack", name);
    *out_entries = HF_STEAL(entries);
    return 0;
}

/* ---- a record --------------------------------------------------------------------------- */

int hf_image_record_unpack(const unsigned char *head, const void *stored,
                           const struct hf_image_entry *want, void *out, struct hf_err *err)
{
    struct hf_image_entry is = {0};
    if (hf_image_record_parse(head, &is, err) < 0)
        return -1;
    if (memcmp(is.id, want->id, HF_IMAGE_ID) != 0 || is.stored != want->stored ||
        is.plain != want->plain || is.codec != want->codec)
        return hf_fail(err, HF_E_CORRUPT, "another record lies where the index says");
    if (is.codec == HF_IMAGE_RAW) {
        memcpy(out, stored, is.plain);
    } else {
        size_t n = ZSTD_decompress(out, is.plain, stored, is.stored);
        if (ZSTD_isError(n) || n != is.plain)
            return hf_fail(err, HF_E_CORRUPT, "it does not unpack");
    }
    return 0;
}

int hf_image_record_prove(const unsigned char id[HF_IMAGE_ID], const struct hf_image_entry *want,
                          struct hf_err *err)
{
    if (memcmp(id, want->id, HF_IMAGE_ID) != 0)
        return hf_fail(err, HF_E_CORRUPT, "its content is not what its id says");
    return 0;
}

int hf_image_record_open(const unsigned char *head, const void *stored,
                         const struct hf_image_entry *want, const unsigned char key[HF_IMAGE_KEY],
                         void *out, struct hf_err *err)
{
    unsigned char id[HF_IMAGE_ID];
    if (hf_image_record_unpack(head, stored, want, out, err) < 0)
        return -1;
    hf_image_id(key, out, want->plain, id);
    return hf_image_record_prove(id, want, err);
}

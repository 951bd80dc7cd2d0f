/* SPDX-License-Identifier: Apache-2.0 */
#include "image/verify.h"

#include "base/hex.h"
#include "image/image_intern.h"

#include <stdlib.h>

#define WINDOW ((size_t)4 << 20)

/* What is not there any more is damage. */
static int fail_missing(struct hf_err *err)
{
    return err->cls == HF_E_NOT_FOUND ? hf_fail(err, HF_E_CORRUPT, "%s", err->message) : -1;
}

static int fail_object(const char *name, struct hf_err *err)
{
    fail_missing(err);
    return hf_wrap(err, "%s", name);
}

int hf_image_verify_stored(struct hf_image *im, const unsigned char id[HF_IMAGE_PACK_ID],
                           struct hf_err *err)
{
    struct hf_image_pack pack;
    struct hf_store_receipt receipt = {0};
    char name[HF_IMAGE_NAME_MAX];
    HF_AUTOFREE struct hf_image_entry *entries = NULL;
    if (hf_image_index_get(im, id, HF_STORE_UNKNOWN, &pack, &entries, err) < 0)
        return fail_missing(err);
    hf_image_pack_name((enum hf_image_kind)pack.kind, id, im->is_encrypted, name);
    receipt.digest.bytes = pack.stored_bytes;
    hf_hex(pack.sha256, sizeof pack.sha256, receipt.digest.sha256);
    return hf_store_confirm(im->store, name, &receipt, err) < 0 ? fail_missing(err) : 0;
}

/* ---- content ---------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct hf_image_entry *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static int check_ends(struct hf_io_source *s, const struct hf_image_pack *pack, struct hf_err *err)
{
    unsigned char head[HF_IMAGE_PACK_HEAD], tail[HF_IMAGE_PACK_TAIL], id[HF_IMAGE_PACK_ID];
    enum hf_image_kind kind;
    uint32_t records = 0;
    uint64_t before = 0;
    if (s->size != pack->plain_bytes || s->size < sizeof head + sizeof tail)
        return hf_fail(err, HF_E_CORRUPT, "it is not as long as its index says");
    if (hf_io_read_at(s, 0, head, sizeof head, err) < 0 ||
        hf_image_pack_head_parse(head, &kind, id, err) < 0 ||
        hf_io_read_at(s, s->size - sizeof tail, tail, sizeof tail, err) < 0 ||
        hf_image_pack_tail_parse(tail, &records, &before, err) < 0)
        return -1;
    if (memcmp(id, pack->id, sizeof id) != 0 || kind != pack->kind)
        return hf_fail(err, HF_E_CORRUPT, "another pack lies in its place");
    if (records != pack->records || before + sizeof tail != s->size)
        return hf_fail(err, HF_E_CORRUPT, "its end is not that of the index");
    return 0;
}

static int check_record(struct hf_io_source *s, const struct hf_image_entry *e,
                        const unsigned char *key, struct hf_err *err)
{
    size_t len = HF_IMAGE_RECORD_HEAD + (size_t)e->stored;
    HF_AUTOFREE unsigned char *stored = malloc(len);
    HF_AUTOFREE unsigned char *plain = malloc(e->plain);
    if (!stored || !plain)
        return hf_fail_nomem(err);
    if (hf_io_read_at(s, e->at, stored, len, err) < 0 ||
        hf_image_record_open(stored, stored + HF_IMAGE_RECORD_HEAD, e, key, plain, err) < 0)
        return hf_wrap(err, "the record at %u", e->at);
    return 0;
}

static int check_records(struct hf_image *im, struct hf_io_source *s,
                         const struct hf_image_pack *pack, struct hf_image_entry *entries,
                         struct hf_err *err)
{
    const unsigned char *key = pack->kind == HF_IMAGE_DATA ? im->keys->chunk_id : im->keys->tree_id;
    uint64_t at = HF_IMAGE_PACK_HEAD;
    qsort(entries, pack->records, sizeof *entries, by_place);
    for (uint32_t i = 0; i < pack->records; i++) {
        if (entries[i].at != at)
            return hf_fail(err, HF_E_CORRUPT, "the index leaves out what lies at %llu",
                           (unsigned long long)at);
        if (hf_cancel_check(im->cancel, err) < 0 || check_record(s, &entries[i], key, err) < 0)
            return -1;
        at += HF_IMAGE_RECORD_HEAD + (uint64_t)entries[i].stored;
    }
    if (at + HF_IMAGE_PACK_TAIL != pack->plain_bytes)
        return hf_fail(err, HF_E_CORRUPT, "the index leaves out what lies at %llu",
                       (unsigned long long)at);
    return 0;
}

static int check_content(struct hf_image *im, const char *name, const struct hf_image_pack *pack,
                         struct hf_image_entry *entries, struct hf_err *err)
{
    struct hf_io_source *file = hf_store_source(im->store, name, WINDOW, err);
    HF_AUTO(hf_io_source)
    struct hf_io_source *s =
        file ? hf_image_decrypt(im, (enum hf_image_kind)pack->kind, file, err) : NULL;
    if (!s || check_ends(s, pack, err) < 0)
        return -1;
    return check_records(im, s, pack, entries, err);
}

int hf_image_verify_content(struct hf_image *im, const unsigned char id[HF_IMAGE_PACK_ID],
                            struct hf_err *err)
{
    struct hf_image_pack pack;
    char name[HF_IMAGE_NAME_MAX];
    HF_AUTOFREE struct hf_image_entry *entries = NULL;
    if (hf_image_index_get(im, id, HF_STORE_UNKNOWN, &pack, &entries, err) < 0)
        return fail_missing(err);
    hf_image_pack_name((enum hf_image_kind)pack.kind, id, im->is_encrypted, name);
    return check_content(im, name, &pack, entries, err) < 0 ? fail_object(name, err) : 0;
}

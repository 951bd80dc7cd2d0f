/* SPDX-License-Identifier: Apache-2.0 */
#include "image/bytes.h"
#include "image/format.h"

#include <sodium.h>

#define MAGIC_TEXT "HFINDX01"
#define MAGIC 8

static void write_head(const struct hf_image_pack *p, unsigned char out[HF_IMAGE_INDEX_HEAD])
{
    memcpy(out, MAGIC_TEXT, MAGIC);
    memcpy(out + 8, p->id, HF_IMAGE_PACK_ID);
    hf_put_u32(out + 24, p->kind);
    hf_put_u32(out + 28, p->records);
    hf_put_u64(out + 32, p->stored_bytes);
    hf_put_u64(out + 40, p->plain_bytes);
    memcpy(out + 48, p->sha256, HF_IMAGE_SHA256);
    hf_put_u64(out + 80, 0);
}

static void mac(const unsigned char key[32], const void *data, size_t len,
                unsigned char out[HF_IMAGE_INDEX_MAC])
{
    crypto_generichash(out, HF_IMAGE_INDEX_MAC, data, len, key, 32);
}

void hf_image_index_write(const struct hf_image_pack *pack, const struct hf_image_entry *entries,
                          const unsigned char key[32], struct hf_buf *out)
{
    unsigned char head[HF_IMAGE_INDEX_HEAD], one[HF_IMAGE_INDEX_ENTRY], sum[HF_IMAGE_INDEX_MAC];
    write_head(pack, head);
    hf_buf_add(out, head, sizeof head);
    for (uint32_t i = 0; i < pack->records; i++) {
        memcpy(one, entries[i].id, HF_IMAGE_ID);
        hf_put_u32(one + 32, entries[i].at);
        hf_put_u32(one + 36, entries[i].stored);
        hf_put_u32(one + 40, entries[i].plain);
        hf_put_u32(one + 44, entries[i].codec);
        hf_buf_add(out, one, sizeof one);
    }
    if (!hf_buf_ok(out))
        return;
    mac(key, out->data, out->len, sum);
    hf_buf_add(out, sum, sizeof sum);
}

static int damaged(const char *why, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "the index is damaged: %s", why);
}

static int parse_head(const unsigned char *d, size_t len, struct hf_image_pack *p,
                      struct hf_err *err)
{
    memcpy(p->id, d + 8, HF_IMAGE_PACK_ID);
    p->kind = hf_get_u32(d + 24);
    p->records = hf_get_u32(d + 28);
    p->stored_bytes = hf_get_u64(d + 32);
    p->plain_bytes = hf_get_u64(d + 40);
    memcpy(p->sha256, d + 48, HF_IMAGE_SHA256);
    if ((p->kind != HF_IMAGE_DATA && p->kind != HF_IMAGE_TREE) || hf_get_u64(d + 80) != 0)
        return damaged("its head", err);
    if (p->records == 0 || p->records > HF_IMAGE_RECORDS_MAX ||
        len != HF_IMAGE_INDEX_HEAD + (size_t)p->records * HF_IMAGE_INDEX_ENTRY + HF_IMAGE_INDEX_MAC)
        return damaged("its length", err);
    if (p->plain_bytes > HF_IMAGE_PACK_MAX || p->plain_bytes > p->stored_bytes ||
        p->stored_bytes > 2 * HF_IMAGE_PACK_MAX)
        return damaged("the size of the pack", err);
    return 0;
}

static int parse_entry(const unsigned char *d, const struct hf_image_pack *p,
                       struct hf_image_entry *e, struct hf_err *err)
{
    unsigned char head[HF_IMAGE_RECORD_HEAD];
    memcpy(head, d, HF_IMAGE_ID);
    memcpy(head + HF_IMAGE_ID, d + 36, 12);
    e->at = hf_get_u32(d + 32);
    if (hf_image_record_parse(head, e, err) < 0)
        return damaged("an entry", err);
    uint64_t end = (uint64_t)e->at + HF_IMAGE_RECORD_HEAD + e->stored;
    if (e->at < HF_IMAGE_PACK_HEAD || end + HF_IMAGE_PACK_TAIL > p->plain_bytes)
        return damaged("an entry beyond the pack", err);
    return 0;
}

static int parse_entries(const unsigned char *d, const struct hf_image_pack *p,
                         struct hf_image_entry *out, struct hf_err *err)
{
    for (uint32_t i = 0; i < p->records; i++) {
        if (parse_entry(d + (size_t)i * HF_IMAGE_INDEX_ENTRY, p, &out[i], err) < 0)
            return -1;
        if (i > 0 && memcmp(out[i - 1].id, out[i].id, HF_IMAGE_ID) >= 0)
            return damaged("its order", err);
    }
    return 0;
}

int hf_image_index_parse(const void *data, size_t len, const unsigned char key[32],
                         struct hf_image_pack *out_pack, struct hf_image_entry **out_entries,
                         struct hf_err *err)
{
    unsigned char sum[HF_IMAGE_INDEX_MAC];
    const unsigned char *d = data;
    if (len < HF_IMAGE_INDEX_HEAD + HF_IMAGE_INDEX_MAC || memcmp(d, MAGIC_TEXT, MAGIC) != 0)
        return hf_fail(err, HF_E_CORRUPT, "it is no index, or one of a newer format");
    if (parse_head(d, len, out_pack, err) < 0)
        return -1;
    mac(key, d, len - sizeof sum, sum);
    if (sodium_memcmp(sum, d + len - sizeof sum, sizeof sum) != 0)
        return damaged("its seal is not that of this store's key", err);
    HF_AUTOFREE struct hf_image_entry *entries = calloc(out_pack->records, sizeof *entries);
    if (!entries)
        return hf_fail_nomem(err);
    if (parse_entries(d + HF_IMAGE_INDEX_HEAD, out_pack, entries, err) < 0)
        return -1;
    *out_entries = HF_STEAL(entries);
    return 0;
}

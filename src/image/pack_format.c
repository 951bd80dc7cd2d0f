/* SPDX-License-Identifier: Apache-2.0 */
#include "image/bytes.h"
#include "image/format.h"

#define HEAD_MAGIC "HFPACK01"
#define TAIL_MAGIC "HFPEND01"
#define MAGIC 8

void hf_image_pack_head(enum hf_image_kind kind, const unsigned char id[HF_IMAGE_PACK_ID],
                        unsigned char out[HF_IMAGE_PACK_HEAD])
{
    memcpy(out, HEAD_MAGIC, MAGIC);
    hf_put_u32(out + 8, kind);
    hf_put_u32(out + 12, 0);
    memcpy(out + 16, id, HF_IMAGE_PACK_ID);
}

static bool is_kind(uint32_t kind)
{
    return kind == HF_IMAGE_DATA || kind == HF_IMAGE_TREE;
}

int hf_image_pack_head_parse(const unsigned char *data, enum hf_image_kind *out_kind,
                             unsigned char out_id[HF_IMAGE_PACK_ID], struct hf_err *err)
{
    uint32_t kind = hf_get_u32(data + 8);
    if (memcmp(data, HEAD_MAGIC, MAGIC) != 0)
        return hf_fail(err, HF_E_CORRUPT, "it is no pack, or one of a newer format");
    if (!is_kind(kind) || hf_get_u32(data + 12) != 0)
        return hf_fail(err, HF_E_CORRUPT, "the head of the pack is damaged");
    *out_kind = (enum hf_image_kind)kind;
    memcpy(out_id, data + 16, HF_IMAGE_PACK_ID);
    return 0;
}

void hf_image_record_head(const struct hf_image_entry *e, unsigned char out[HF_IMAGE_RECORD_HEAD])
{
    memcpy(out, e->id, HF_IMAGE_ID);
    hf_put_u32(out + 32, e->stored);
    hf_put_u32(out + 36, e->plain);
    hf_put_u32(out + 40, e->codec);
}

static bool sizes_are_sane(const struct hf_image_entry *e)
{
    if (e->plain == 0 || e->plain > HF_IMAGE_RECORD_MAX || e->stored == 0)
        return false;
    return e->codec == HF_IMAGE_RAW ? e->stored == e->plain
                                    : e->codec == HF_IMAGE_ZSTD && e->stored < e->plain;
}

int hf_image_record_parse(const unsigned char *data, struct hf_image_entry *out, struct hf_err *err)
{
    memcpy(out->id, data, HF_IMAGE_ID);
    out->stored = hf_get_u32(data + 32);
    out->plain = hf_get_u32(data + 36);
    out->codec = hf_get_u32(data + 40);
    if (hf_image_is_hole(out->id) || !sizes_are_sane(out))
        return hf_fail(err, HF_E_CORRUPT, "the head of a record is damaged");
    return 0;
}

void hf_image_pack_tail(uint32_t records, uint64_t bytes_before,
                        unsigned char out[HF_IMAGE_PACK_TAIL])
{
    memcpy(out, TAIL_MAGIC, MAGIC);
    hf_put_u32(out + 8, records);
    hf_put_u32(out + 12, 0);
    hf_put_u64(out + 16, bytes_before);
}

int hf_image_pack_tail_parse(const unsigned char *data, uint32_t *out_records,
                             uint64_t *out_bytes_before, struct hf_err *err)
{
    *out_records = hf_get_u32(data + 8);
    *out_bytes_before = hf_get_u64(data + 16);
    if (memcmp(data, TAIL_MAGIC, MAGIC) != 0 || hf_get_u32(data + 12) != 0 || *out_records == 0 ||
        *out_records > HF_IMAGE_RECORDS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the pack has no end, or a damaged one");
    return 0;
}

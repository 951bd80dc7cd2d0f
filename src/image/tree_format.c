/* SPDX-License-Identifier: Apache-2.0 */
#include "image/bytes.h"
#include "image/format.h"

#define SEGMENT_MAGIC "HFSEGM01"
#define ROOT_MAGIC "HFROOT01"

bool hf_image_chunk_bytes_is_valid(uint32_t bytes)
{
    return bytes >= HF_IMAGE_CHUNK_MIN && bytes <= HF_IMAGE_CHUNK_MAX && (bytes & (bytes - 1)) == 0;
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b ? 1 : 0);
}

uint64_t hf_image_chunks_n(const struct hf_image_shape *s)
{
    return divide_up(s->disk_bytes, s->chunk_bytes);
}

uint64_t hf_image_segments_n(const struct hf_image_shape *s)
{
    return divide_up(hf_image_chunks_n(s), HF_IMAGE_SEGMENT_CHUNKS);
}

uint32_t hf_image_chunk_len(const struct hf_image_shape *s, uint64_t n)
{
    uint64_t left = s->disk_bytes - n * s->chunk_bytes;
    return left < s->chunk_bytes ? (uint32_t)left : s->chunk_bytes;
}

uint32_t hf_image_segment_len(const struct hf_image_shape *s, uint64_t n)
{
    uint64_t left = hf_image_chunks_n(s) - n * HF_IMAGE_SEGMENT_CHUNKS;
    return left < HF_IMAGE_SEGMENT_CHUNKS ? (uint32_t)left : HF_IMAGE_SEGMENT_CHUNKS;
}

void hf_image_segment_write(const unsigned char *ids, uint32_t n, struct hf_buf *out)
{
    hf_buf_add(out, SEGMENT_MAGIC, HF_IMAGE_TREE_MAGIC);
    hf_buf_add(out, ids, (size_t)n * HF_IMAGE_ID);
}

int hf_image_segment_parse(const void *data, size_t len, uint32_t n, unsigned char *out_ids,
                           struct hf_err *err)
{
    if (len != HF_IMAGE_TREE_MAGIC + (size_t)n * HF_IMAGE_ID ||
        memcmp(data, SEGMENT_MAGIC, HF_IMAGE_TREE_MAGIC) != 0)
        return hf_fail(err, HF_E_CORRUPT, "it is no segment of %u chunks", n);
    memcpy(out_ids, (const char *)data + HF_IMAGE_TREE_MAGIC, (size_t)n * HF_IMAGE_ID);
    return 0;
}

void hf_image_root_write(const struct hf_image_shape *s, const unsigned char *segment_ids,
                         struct hf_buf *out)
{
    unsigned char head[HF_IMAGE_ROOT_HEAD];
    memcpy(head, ROOT_MAGIC, HF_IMAGE_TREE_MAGIC);
    hf_put_u64(head + 8, s->disk_bytes);
    hf_put_u32(head + 16, s->chunk_bytes);
    hf_put_u32(head + 20, HF_IMAGE_SEGMENT_CHUNKS);
    hf_buf_add(out, head, sizeof head);
    hf_buf_add(out, segment_ids, (size_t)hf_image_segments_n(s) * HF_IMAGE_ID);
}

static int parse_shape(const unsigned char *d, size_t len, struct hf_image_shape *out,
                       struct hf_err *err)
{
    if (len < HF_IMAGE_ROOT_HEAD || memcmp(d, ROOT_MAGIC, HF_IMAGE_TREE_MAGIC) != 0)
        return hf_fail(err, HF_E_CORRUPT, "it is no root of a disk, or one of a newer format");
    out->disk_bytes = hf_get_u64(d + 8);
    out->chunk_bytes = hf_get_u32(d + 16);
    if (!hf_image_chunk_bytes_is_valid(out->chunk_bytes) ||
        hf_get_u32(d + 20) != HF_IMAGE_SEGMENT_CHUNKS)
        return hf_fail(err, HF_E_CORRUPT, "the root has chunks or segments of an odd size");
    uint64_t n = hf_image_segments_n(out);
    if (n > HF_IMAGE_SEGMENTS_MAX || len != HF_IMAGE_ROOT_HEAD + (size_t)n * HF_IMAGE_ID)
        return hf_fail(err, HF_E_CORRUPT, "the root has another length than its disk needs");
    return 0;
}

int hf_image_root_parse(const void *data, size_t len, struct hf_image_shape *out,
                        unsigned char **out_ids, struct hf_err *err)
{
    if (parse_shape(data, len, out, err) < 0)
        return -1;
    size_t bytes = len - HF_IMAGE_ROOT_HEAD;
    unsigned char *ids = malloc(bytes + 1);
    if (!ids)
        return hf_fail_nomem(err);
    memcpy(ids, (const char *)data + HF_IMAGE_ROOT_HEAD, bytes);
    *out_ids = ids;
    return 0;
}

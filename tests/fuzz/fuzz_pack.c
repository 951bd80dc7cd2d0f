/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a pack: its head, its records one behind the other, its end; each record opened. Nothing is opened whose id is not
 * that of its content.
 */
#include "image/image_intern.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAIN_MAX ((uint32_t)1 << 20)

/* Its length, or 0: there is none here. */
static size_t record(const uint8_t *data, size_t size)
{
    static const unsigned char key[HF_IMAGE_KEY] = {1};
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_entry e = {0};
    if (size < HF_IMAGE_RECORD_HEAD || hf_image_record_parse(data, &e, &err) < 0 ||
        e.stored > size - HF_IMAGE_RECORD_HEAD || e.plain > PLAIN_MAX)
        return 0;
    HF_AUTOFREE unsigned char *out = malloc(e.plain);
    assert(out);
    if (hf_image_record_open(data, data + HF_IMAGE_RECORD_HEAD, &e, key, out, &err) == 0) {
        unsigned char id[HF_IMAGE_ID];
        hf_image_id(key, out, e.plain, id);
        assert(memcmp(id, e.id, sizeof id) == 0);
    } else {
        assert(err.cls == HF_E_CORRUPT);
    }
    return HF_IMAGE_RECORD_HEAD + e.stored;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    unsigned char id[HF_IMAGE_PACK_ID];
    enum hf_image_kind kind;
    uint32_t n = 0;
    uint64_t before = 0;
    if (size < HF_IMAGE_PACK_HEAD + HF_IMAGE_PACK_TAIL)
        return 0;
    if (hf_image_pack_head_parse(data, &kind, id, &err) < 0)
        assert(err.cls == HF_E_CORRUPT);
    if (hf_image_pack_tail_parse(data + size - HF_IMAGE_PACK_TAIL, &n, &before, &err) < 0)
        assert(err.cls == HF_E_CORRUPT);
    size_t len = 1;
    for (size_t at = HF_IMAGE_PACK_HEAD; at < size && len; at += len)
        len = record(data + at, size - at);
    return 0;
}

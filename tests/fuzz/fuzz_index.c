/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an index, sealed so that the seal is not all that is tried: parsed, or CORRUPT. What was parsed is written again
 * and is the same bytes; every entry lies within its pack.
 */
#include "image/keys.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const unsigned char *text, size_t size, const unsigned char *key)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_pack pack;
    HF_AUTOFREE struct hf_image_entry *e = NULL;
    HF_AUTO(hf_buf) struct hf_buf again = HF_BUF_INIT;
    if (hf_image_index_parse(text, size, key, &pack, &e, &err) < 0) {
        assert(err.cls == HF_E_CORRUPT && err.message[0]);
        return;
    }
    for (uint32_t i = 0; i < pack.records; i++)
        assert((uint64_t)e[i].at + e[i].stored <= pack.plain_bytes);
    hf_image_index_write(&pack, e, key, &again);
    assert(again.len == size && memcmp(again.data, text, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char key[HF_IMAGE_KEY] = {1};
    check(data, size, key);
    HF_AUTOFREE unsigned char *sealed = malloc(size + HF_IMAGE_INDEX_MAC);
    assert(sealed);
    memcpy(sealed, data, size);
    hf_image_id(key, sealed, size, sealed + size);
    check(sealed, size + HF_IMAGE_INDEX_MAC, key);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a root and as a segment: parsed, or CORRUPT. A root that was parsed is written again and is the same bytes, and its
 * numbers agree with each other.
 */
#include "image/format.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_root(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_shape s;
    HF_AUTOFREE unsigned char *ids = NULL;
    HF_AUTO(hf_buf) struct hf_buf again = HF_BUF_INIT;
    if (hf_image_root_parse(data, size, &s, &ids, &err) < 0) {
        assert(err.cls == HF_E_CORRUPT && err.message[0]);
        return;
    }
    hf_image_root_write(&s, ids, &again);
    assert(again.len == size && memcmp(again.data, data, size) == 0);
    uint64_t n = hf_image_segments_n(&s), bytes = 0;
    assert(n <= HF_IMAGE_SEGMENTS_MAX);
    if (n == 0)
        return;
    bytes = (n - 1) * HF_IMAGE_SEGMENT_CHUNKS * s.chunk_bytes;
    bytes += (uint64_t)(hf_image_segment_len(&s, n - 1) - 1) * s.chunk_bytes;
    bytes += hf_image_chunk_len(&s, hf_image_chunks_n(&s) - 1);
    assert(bytes == s.disk_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    unsigned char ids[HF_IMAGE_SEGMENT_CHUNKS * HF_IMAGE_ID];
    check_root(data, size);
    for (uint32_t n = 1; n <= HF_IMAGE_SEGMENT_CHUNKS; n += 51)
        if (hf_image_segment_parse(data, size, n, ids, &err) < 0)
            assert(err.cls == HF_E_CORRUPT);
    return 0;
}

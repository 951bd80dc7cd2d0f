/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the head of an age file: parsed, or CORRUPT. What was parsed lies within the bytes; then it is tried with a key.
 */
#include "io/age_header.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hf_age_header h;
    static struct hf_age_identities *ids;
    struct hf_err err = HF_ERR_INIT;
    if (!ids)
        ids = hf_age_identities_generate(&err);
    if (hf_age_header_parse((const char *)data, size, &h, &err) < 0) {
        assert(err.cls == HF_E_CORRUPT && err.message[0]);
        return 0;
    }
    assert(h.len <= size && h.maced_len < h.len && h.n <= HF_AGE_STANZAS_MAX);
    unsigned char key[HF_AGE_FILE_KEY];
    assert(h.n > 8 || hf_age_header_open(&h, (const char *)data, ids, key, &err) < 0);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as holdfast.json: what is accepted can be written, and is read back as the same bytes; what is refused is CORRUPT
 * or of another format.
 */
#include "point/site_doc.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_site_doc) struct hf_site_doc doc = {0};
    HF_AUTO(hf_site_doc) struct hf_site_doc back = {0};
    HF_AUTO(hf_buf) struct hf_buf first = HF_BUF_INIT;
    HF_AUTO(hf_buf) struct hf_buf second = HF_BUF_INIT;
    if (hf_site_doc_parse((const char *)data, size, &doc, &err) < 0) {
        assert(err.cls == HF_E_CORRUPT || err.cls == HF_E_UNSUPPORTED);
        return 0;
    }
    assert(hf_image_chunk_bytes_is_valid(doc.chunk_bytes) && strlen(doc.id) == HF_IMAGE_STORE_ID);
    assert(hf_site_doc_is_encrypted(&doc) == !doc.open);
    assert(hf_site_doc_write(&doc, &first, &err) == 0);
    if (first.len > HF_SITE_DOC_MAX) /* written with blanks it may be longer */
        return 0;
    assert(hf_site_doc_parse(first.data, first.len, &back, &err) == 0);
    assert(hf_site_doc_write(&back, &second, &err) == 0);
    assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the XML of an S3 store, in each of its kinds: read, or CORRUPT. What was read is whole, in order and within its bounds.
 * The same bytes as a key that is decoded.
 */
#include "net/urlcode.h"
#include "store/s3/s3_intern.h"
#include "store/s3/s3_xml.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_page(enum hf_s3_page_kind kind, const char *xml, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_s3_page) struct hf_s3_page page = {0};
    if (hf_s3_page_parse(kind, xml, len, &page, &err) < 0) {
        assert(err.cls == HF_E_CORRUPT && err.message[0]);
        return;
    }
    assert(page.n <= 2 * HF_S3_PAGE);
    for (size_t i = 0; i < page.n; i++) {
        const struct hf_s3_entry *e = &page.items[i];
        assert(e->key && e->id && e->etag && e->bytes <= INT64_MAX && e->number <= HF_S3_PARTS_MAX);
        assert(kind == HF_S3_PARTS ? e->number > 0 : e->key[0] != '\0');
        assert(kind != HF_S3_UPLOADS || strlen(e->id) < HF_S3_ID_MAX);
        assert(i == 0 || strcmp(page.items[i - 1].key, e->key) <= 0);
    }
}

static void read_error(const char *xml, size_t len)
{
    char code[64];
    struct hf_err err = HF_ERR_INIT;
    struct hf_s3 s = {.clock = hf_clock_system()};
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {.status = 400};
    hf_buf_add(&a.body, xml, len);
    hf_s3_code(&a, code, sizeof code);
    assert(hf_s3_fail(&s, &a, &err) == -1 && err.cls != HF_E_NONE && err.message[0]);
    for (const char *p = err.message; *p; p++)
        assert(*p >= ' ' && *p <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *xml = (const char *)data;
    char id[HF_S3_ID_MAX];
    struct hf_err err = HF_ERR_INIT;
    for (enum hf_s3_page_kind kind = HF_S3_OBJECTS; kind <= HF_S3_PARTS; kind++)
        read_page(kind, xml, size);
    read_error(xml, size);
    if (hf_s3_xml_text(xml, size, "InitiateMultipartUploadResult", "UploadId", id, sizeof id,
                       &err) == 0)
        assert(strlen(id) < sizeof id);
    HF_AUTOFREE char *text = strndup(xml, size);
    size_t before = text ? strlen(text) : 0;
    if (text && hf_url_decode(text, true) == 0)
        assert(strlen(text) <= before);
    return 0;
}

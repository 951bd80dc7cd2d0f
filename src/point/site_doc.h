/* SPDX-License-Identifier: Apache-2.0
 *
 * point/site_doc.h - holdfast.json: written, and read with distrust.
 */
#ifndef HF_POINT_SITE_DOC_H
#define HF_POINT_SITE_DOC_H

#include "base/buf.h"
#include "base/strv.h"
#include "image/keys.h"

#include <stdbool.h>

#define HF_SITE_DOC_MAX ((size_t)64 << 10)
#define HF_SITE_FORMAT 1

struct hf_site_doc {
    char id[HF_IMAGE_STORE_ID + 1];
    uint32_t chunk_bytes;
    int64_t created_us;
    struct hf_strv recipients; /* as texts; none: plain */
    char metadata_recipient[HF_AGE_TEXT_MAX];
    struct hf_buf sealed;   /* encrypted: the age file with the metadata identity */
    struct hf_secret *open; /* plain: the identity itself; else NULL */
};
void hf_site_doc_free(struct hf_site_doc *d);
HF_DEFINE_AUTO_VALUE(hf_site_doc, hf_site_doc_free)

/* out is empty before, and to be freed in any case. CORRUPT, or UNSUPPORTED: another format. */
int hf_site_doc_parse(const char *text, size_t len, struct hf_site_doc *out, struct hf_err *err)
    HF_CHECKED;
/* Where it is plain, out holds a secret. */
int hf_site_doc_write(const struct hf_site_doc *d, struct hf_buf *out, struct hf_err *err)
    HF_CHECKED;
bool hf_site_doc_is_encrypted(const struct hf_site_doc *d);

#endif

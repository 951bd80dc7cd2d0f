/* SPDX-License-Identifier: Apache-2.0
 *
 * store/s3/s3_xml.h - the XML that an S3 store answers with.
 *
 * The text is hostile: no document type, no entities but the five, no network, no file; entries, their texts and numbers are bounded.
 * Errors: CORRUPT and retryable, with the first bytes of what is no answer of a store.
 */
#ifndef HF_STORE_S3_XML_H
#define HF_STORE_S3_XML_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_S3_XML_MAX ((size_t)8 << 20)

/* The text of a child of the root element, cut at size; "" when there is no such child. -1: no XML, or another root. */
int hf_s3_xml_text(const char *xml, size_t len, const char *root, const char *child, char *out,
                   size_t size, struct hf_err *err) HF_CHECKED;
/* Is the root element called so? False: also when it is no XML. */
bool hf_s3_xml_is(const char *xml, size_t len, const char *root);

struct hf_s3_entry {
    char *key;     /* decoded; "" in a list of parts */
    bool is_group; /* a common prefix */
    uint64_t bytes;
    int64_t time_s;  /* changed or begun; 0: not said */
    char *id, *etag; /* "" when not there */
    unsigned number; /* of a part */
    size_t at;       /* its place in the answer */
};

struct hf_s3_page {
    struct hf_s3_entry *items;
    size_t n;
    bool is_cut; /* more follow */
};

enum hf_s3_page_kind { HF_S3_OBJECTS, HF_S3_UPLOADS, HF_S3_PARTS };

/* In the order of keys; what has the same key in that of the answer. *out is to be freed in any case. */
int hf_s3_page_parse(enum hf_s3_page_kind kind, const char *xml, size_t len, struct hf_s3_page *out,
                     struct hf_err *err) HF_CHECKED;
void hf_s3_page_free(struct hf_s3_page *p);
HF_DEFINE_AUTO_VALUE(hf_s3_page, hf_s3_page_free)

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/http_document.h - a text that is kept small (gzip) and given to many at a time: with 10,000 VMs the metrics have 20 MB, and a
 * daemon that idles has no use for them.
 */
#ifndef HF_DAEMON_HTTP_DOCUMENT_H
#define HF_DAEMON_HTTP_DOCUMENT_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <microhttpd.h>
#include <stdbool.h>

struct hf_document;

/* With one share, to be released. */
struct hf_document *hf_document_new(const char *text, size_t len, struct hf_err *err) HF_CHECKED;
void hf_document_release(struct hf_document *d); /* threads: any */
HF_DEFINE_AUTO(hf_document, hf_document_release)

/* It has a share of its own. As it is kept, which is for those who ask for gzip, or the text, a piece at a time. NULL: no memory. */
struct MHD_Response *hf_document_answer(struct hf_document *d, bool as_gzip);
/* Adds the text. */
int hf_document_text(const struct hf_document *d, struct hf_buf *out, struct hf_err *err)
    HF_CHECKED;

#endif

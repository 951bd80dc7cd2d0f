/* SPDX-License-Identifier: Apache-2.0
 *
 * base/base64.h - RFC 4648, with '=' at the end.
 */
#ifndef HF_BASE_BASE64_H
#define HF_BASE_BASE64_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

void hf_base64_encode(struct hf_buf *out, const void *data, size_t len);
/* At most max bytes; more: *out_cut. -1: not base64. */
int hf_base64_decode(struct hf_buf *out, const char *text, size_t max, bool *out_cut);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_LIBVIRT_BASE64_H
#define HF_LIBVIRT_BASE64_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* RFC 4648, padded. */
void lv_base64_encode(struct hf_buf *out, const void *data, size_t len);
/* At most max bytes; more: *out_cut. -1: not base64. */
int lv_base64_decode(struct hf_buf *out, const char *text, size_t max, bool *out_cut);

#endif

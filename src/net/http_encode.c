/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include <ctype.h>
#include <string.h>

void hf_http_encode_bytes(struct hf_buf *out, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 0x80 && (isalnum(p[i]) || strchr("-._~", p[i])) && p[i])
            hf_buf_add(out, p + i, 1);
        else
            hf_buf_printf(out, "%%%02X", p[i]);
    }
}

void hf_http_encode(struct hf_buf *out, const char *text)
{
    hf_http_encode_bytes(out, text, strlen(text));
}

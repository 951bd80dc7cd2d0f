/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void hf_base64_encode(struct hf_buf *out, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v =
            (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
        char four[4] = {letters[v >> 18], letters[v >> 12 & 63], n > 1 ? letters[v >> 6 & 63] : '=',
                        n > 2 ? letters[v & 63] : '='};
        hf_buf_add(out, four, sizeof four);
    }
}

/* Three bytes (fewer at the end) of four letters; 0: not base64. */
static size_t decode_four(const char *four, unsigned char out[3])
{
    uint32_t v = 0;
    size_t pad = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *at = four[i] ? strchr(letters, four[i]) : NULL;
        if (four[i] == '=' && i >= 2)
            pad++;
        else if (!at || pad)
            return 0;
        v = v << 6 | (four[i] == '=' ? 0 : (uint32_t)(at - letters));
    }
    out[0] = (unsigned char)(v >> 16);
    out[1] = (unsigned char)(v >> 8);
    out[2] = (unsigned char)v;
    return 3 - pad;
}

int hf_base64_decode(struct hf_buf *out, const char *text, size_t max, bool *out_cut)
{
    size_t len = strlen(text);
    if (len % 4)
        return -1;
    for (size_t i = 0; i < len; i += 4) {
        unsigned char three[3];
        size_t n = decode_four(text + i, three);
        if (!n || (n < 3 && i + 4 < len))
            return -1;
        size_t room = max - out->len;
        if (n > room)
            *out_cut = true;
        hf_buf_add(out, three, n < room ? n : room);
        if (!room)
            break;
    }
    return 0;
}

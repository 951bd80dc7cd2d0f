/* SPDX-License-Identifier: Apache-2.0 */
#include "net/urlcode.h"

#include <ctype.h>
#include <string.h>

static bool is_plain(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._~", c));
}

/* Once, upper-case hex, and nothing that needs it not: libcurl signs it as it stands, an S3 store as it should be. */
void hf_url_encode(struct hf_buf *out, const char *text, bool is_path)
{
    for (; *text; text++) {
        if (is_plain(*text) || (is_path && *text == '/'))
            hf_buf_add(out, text, 1);
        else
            hf_buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

static int digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10
                                        : -1;
}

int hf_url_decode(char *text, bool plus_is_blank)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        char c = *p == '+' && plus_is_blank ? ' ' : *p;
        if (c == '%') {
            int high = digit(p[1]), low = high < 0 ? -1 : digit(p[2]);
            if (low < 0 || (high == 0 && low == 0))
                return -1;
            c = (char)(high << 4 | low);
            p += 2;
        }
        *to++ = c;
    }
    *to = '\0';
    return 0;
}

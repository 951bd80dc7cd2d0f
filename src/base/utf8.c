/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

/* Neither surrogates nor longer forms than needed, nor beyond U+10FFFF. */
static bool begins_well(const unsigned char *s)
{
    return !((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
             (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f));
}

size_t hf_utf8_character(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n < 2 || begins_well(s) ? n : 0;
}

size_t hf_utf8_fit(const char *text, size_t max)
{
    size_t len = 0;
    for (size_t n; text[len] && (n = hf_utf8_character(text + len)) && len + n <= max; len += n)
        ;
    return len;
}

/* U+FFFE and U+FFFF are the only ones that hf_utf8_character lets through besides the controls. */
bool hf_utf8_is_xml(const char *s, size_t len)
{
    if (len == 1)
        return (unsigned char)*s >= ' ' || *s == '\t' || *s == '\n' || *s == '\r';
    return len &&
           !(len == 3 && memcmp(s, "\xef\xbf", 2) == 0 && ((unsigned char)s[2] & 0xfe) == 0xbe);
}

void hf_replace_controls(char *text, char by)
{
    for (; *text; text++)
        if (hf_is_control(*text))
            *text = by;
}

void hf_utf8_add_line(struct hf_buf *out, const char *text)
{
    while (*text) {
        size_t n = hf_utf8_character(text);
        if (hf_is_control(*text))
            hf_buf_str_add(out, " ");
        else if (hf_utf8_is_xml(text, n))
            hf_buf_add(out, text, n);
        else
            hf_buf_str_add(out, "?");
        text += n ? n : 1;
    }
}

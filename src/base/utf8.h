/* SPDX-License-Identifier: Apache-2.0
 *
 * base/utf8.h - text from anywhere, made fit for what has to be UTF-8, one line, or XML.
 */
#ifndef HF_BASE_UTF8_H
#define HF_BASE_UTF8_H

#include "base/buf.h"

/* U+0000 to U+001F, and U+007F: none of a line, and some drive the reader's terminal. */
static inline bool hf_is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

/* Each control character of the text becomes `by`. */
void hf_replace_controls(char *text, char by);

/* Bytes of the UTF-8 character there (RFC 3629: no surrogates, nothing longer than needed); 0: none. */
size_t hf_utf8_character(const char *s);
/* Bytes of the characters at its begin that fit into max bytes; up to what is none. */
size_t hf_utf8_fit(const char *text, size_t max);
/* Whether XML 1.0 has the character of len bytes there; with 0 (hf_utf8_character) it has not. */
bool hf_utf8_is_xml(const char *s, size_t len);
/* Adds the text as one line, fit for XML, too: each control character as a blank, as '?' each byte that
 * is no UTF-8 and each character that XML has not. */
void hf_utf8_add_line(struct hf_buf *out, const char *text);

#endif

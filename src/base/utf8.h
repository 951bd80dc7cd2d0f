/* SPDX-License-Identifier: Apache-2.0
 *
 * base/utf8.h - text from anywhere, made fit for what has to be UTF-8.
 */
#ifndef HF_BASE_UTF8_H
#define HF_BASE_UTF8_H

#include "base/buf.h"

/* Bytes of the UTF-8 character there (RFC 3629: no surrogates, nothing longer than needed); 0: none. */
size_t hf_utf8_character(const char *s);
/* Bytes of the characters at its begin that fit into max bytes; up to what is none. */
size_t hf_utf8_fit(const char *text, size_t max);
/* Adds the text as one line: each control character as a blank, each byte that is no UTF-8 as '?'. */
void hf_utf8_add_line(struct hf_buf *out, const char *text);

#endif

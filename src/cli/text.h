/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/text.h - text for terminals: display width and line breaks; private to cli/.
 */
#ifndef HF_CLI_TEXT_H
#define HF_CLI_TEXT_H

#include "base/buf.h"

#include <stddef.h>

#define HF_TEXT_WIDTH 80

/* Characters of a UTF-8 string (each is taken for one column wide). */
size_t hf_text_columns(const char *s);

/* Appends the paragraphs of text, broken between words, each line behind `prefix`; blank lines
 * separate paragraphs, a line that begins with two blanks is kept as it is. The first line's prefix
 * is the caller's when at is not 0: that many columns are written already. Ends with a newline. */
void hf_text_wrap(struct hf_buf *out, const char *prefix, size_t at, const char *text);

/* Appends s and blanks up to `columns`. */
void hf_text_pad(struct hf_buf *out, const char *s, size_t columns);

#endif

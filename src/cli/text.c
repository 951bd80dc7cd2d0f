/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include <string.h>

static size_t columns_of(const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xC0) != 0x80; /* all but the continuation bytes of UTF-8 */
    return n;
}

size_t hf_text_columns(const char *s)
{
    return columns_of(s, strlen(s));
}

void hf_text_pad(struct hf_buf *out, const char *s, size_t columns)
{
    size_t width = hf_text_columns(s);
    hf_buf_printf(out, "%s%*s", s, width < columns ? (int)(columns - width) : 0, "");
}

/* A line without the blanks at its end, so that an empty paragraph line has none. */
static void prefix_only(struct hf_buf *out, const char *prefix)
{
    size_t len = strlen(prefix);
    while (len > 0 && prefix[len - 1] == ' ')
        len--;
    hf_buf_add(out, prefix, len);
    hf_buf_str_add(out, "\n");
}

/* One line of the source: its words, or as it stands. Returns the column reached. */
static size_t wrap_line(struct hf_buf *out, const char *prefix, size_t at, const char *line,
                        size_t len)
{
    size_t indent = hf_text_columns(prefix);
    bool is_fixed = len > 2 && strncmp(line, "  ", 2) == 0;
    while (len > 0) {
        size_t skip = is_fixed ? 0 : strspn(line, " ");
        if (skip >= len)
            break;
        line += skip;
        len -= skip;
        size_t word = is_fixed ? len : strcspn(line, " \n");
        size_t width = columns_of(line, word);
        if (at > indent && at + 1 + width > HF_TEXT_WIDTH) {
            hf_buf_str_add(out, "\n");
            at = 0;
        }
        if (at == 0) {
            hf_buf_str_add(out, prefix);
            at = indent;
        } else if (at > indent) {
            hf_buf_str_add(out, " ");
            at++;
        }
        hf_buf_add(out, line, word);
        at += width;
        line += word;
        len -= word;
    }
    return at;
}

void hf_text_wrap(struct hf_buf *out, const char *prefix, size_t at, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        bool ends_line = len == 0 || strncmp(text, "  ", 2) == 0;
        if (ends_line && at > 0) {
            hf_buf_str_add(out, "\n");
            at = 0;
        }
        if (len == 0)
            prefix_only(out, prefix);
        else
            at = wrap_line(out, prefix, at, text, len);
        if (ends_line && at > 0) {
            hf_buf_str_add(out, "\n");
            at = 0;
        }
        text += len + (text[len] == '\n');
    }
    if (at > 0)
        hf_buf_str_add(out, "\n");
}

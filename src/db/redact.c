/* SPDX-License-Identifier: Apache-2.0 */
#include "db/redact.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* After the closing quote; a doubled quote and a backslash pair belong to the string. */
static const char *skip_string(const char *s)
{
    char quote = *s++;
    while (*s) {
        if (*s == '\\' && s[1] != '\0') {
            s += 2;
        } else if (*s == quote && s[1] == quote) {
            s += 2;
        } else if (*s++ == quote) {
            break;
        }
    }
    return s;
}

/* NULL when no comment begins here. MySQL's "--" needs a blank behind it. Version comments
 * are code that is not worth showing. */
static const char *skip_comment(const char *s)
{
    const char *end = NULL;
    if (!strncmp(s, "/*", 2)) {
        end = strstr(s + 2, "*/");
        return end ? end + 2 : s + strlen(s);
    }
    if (*s != '#' && (strncmp(s, "--", 2) != 0 || (s[2] != '\0' && !isspace((unsigned char)s[2]))))
        return NULL;
    return s + strcspn(s, "\n");
}

static bool is_word(char ch)
{
    return isalnum((unsigned char)ch) || ch == '_' || ch == '$' || (ch & 0x80);
}

/* 12, 1.5e-3, 0xFF, 0b01 */
static const char *skip_number(const char *s)
{
    while (is_word(*s) || *s == '.' || ((*s == '-' || *s == '+') && (s[-1] == 'e' || s[-1] == 'E')))
        s++;
    return s;
}

static const char *skip_word(const char *s)
{
    while (is_word(*s))
        s++;
    return s;
}

/* x'41', b'01', n'text', _utf8mb4'text': the letters in front are part of the literal. */
static const char *end_of_word_or_literal(const char *s, bool *is_literal)
{
    const char *end = skip_word(s);
    *is_literal = *end == '\'' && (end - s == 1 || *s == '_');
    return *is_literal ? skip_string(end) : end;
}

static const char *add_token(struct hf_buf *b, const char *s)
{
    bool is_literal = true;
    const char *end = NULL;
    if (*s == '\'' || *s == '"')
        end = skip_string(s);
    else if (isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1])))
        end = skip_number(s);
    else if (is_word(*s))
        end = end_of_word_or_literal(s, &is_literal);
    else
        is_literal = false;
    if (!end)
        end = s + 1;
    if (is_literal)
        hf_buf_str_add(b, "?");
    else
        hf_buf_add(b, s, (size_t)(end - s));
    return end;
}

/* Blanks, control characters and comments: one blank. */
static const char *skip_blank(const char *s)
{
    for (;;) {
        const char *end = skip_comment(s);
        if (end)
            s = end;
        else if (*s && (isspace((unsigned char)*s) || iscntrl((unsigned char)*s)))
            s++;
        else
            return s;
    }
}

/* Never in the middle of a UTF-8 character. */
static void cut(struct hf_buf *b)
{
    size_t chars = 0;
    for (size_t i = 0; i < b->len; i++) {
        chars += (b->data[i] & 0xc0) != 0x80;
        if (chars <= HF_DB_REDACTED_MAX)
            continue;
        b->len = i;
        b->data[i] = '\0';
        hf_buf_str_add(b, "…");
        return;
    }
}

char *hf_db_redact(const char *sql)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    const char *s = skip_blank(sql);
    /* Six bytes per character at the most: beyond that nothing will be shown. */
    while (*s && hf_buf_ok(&b) && b.len <= (size_t)6 * HF_DB_REDACTED_MAX) {
        s = add_token(&b, s);
        const char *next = skip_blank(s);
        if (next != s && *next)
            hf_buf_str_add(&b, " ");
        s = next;
    }
    if (!hf_buf_ok(&b))
        return NULL;
    cut(&b);
    return b.len ? hf_buf_steal(&b) : strdup("");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/infile.h"

#include "db/load/lex.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

int hf_infile_head(const char *text, size_t len, struct hf_infile_head *out)
{
    struct hf_sql_lex lex = {text, text + len};
    *out = (struct hf_infile_head){0};
    if (!hf_sql_accept(&lex, "INSERT") || !hf_sql_accept(&lex, "INTO"))
        return 1;
    struct hf_sql_token t = hf_sql_lex_next(&lex);
    if (t.kind != HF_SQL_NAME && t.kind != HF_SQL_WORD)
        return 1;
    t = hf_sql_lex_peek(&lex);
    if (hf_sql_is_char(&t, '(')) {
        out->columns = t.text;
        while (t.kind != HF_SQL_END && !hf_sql_is_char(&t, ')'))
            t = hf_sql_lex_next(&lex);
        out->columns_len = (size_t)(lex.at - out->columns);
    }
    if (!hf_sql_accept(&lex, "VALUES"))
        return 1;
    t = hf_sql_lex_peek(&lex);
    out->values_at = (size_t)(t.text - text);
    return hf_sql_is_char(&t, '(') ? 0 : 1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Behind the string that begins at p, or NULL. */
static const char *skip_string(const char *p, const char *end, char quote)
{
    for (p++; p < end;) {
        while (p < end && *p != quote && *p != '\\')
            p++;
        if (end - p < 2)
            return p < end && *p == quote ? p + 1 : NULL;
        if (*p == '\\' && !strchr("0'\"bnrtZ\\", p[1]))
            return NULL; /* "\%" keeps its backslash in SQL; a NUL byte matches strchr's end: "\<NUL>" is rare */
        if (*p == '\\' || p[1] == quote)
            p += 2;
        else
            return p + 1;
    }
    return NULL;
}

/* A number, or NULL. */
static const char *skip_bare(const char *p, const char *end)
{
    if (end - p >= 4 && strncasecmp(p, "NULL", 4) == 0)
        return memcmp(p, "NULL", 4) == 0 ? p + 4 : NULL;
    const char *from = p;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (end - p >= 2 && p[0] == '0' && (p[1] | 0x20) == 'x')
        return NULL;
    while (p < end && ((*p >= '0' && *p <= '9') || *p == '.' || *p == 'e' || *p == 'E' ||
                       ((*p == '-' || *p == '+') && (p[-1] | 0x20) == 'e')))
        p++;
    return p > from && (from[0] != 'e' && from[0] != 'E') ? p : NULL;
}

/* Behind "_binary " at p, or p: among bytes that are binary all over it changes nothing. */
static const char *skip_introducer(const char *p, const char *end)
{
    static const char word[] = "_binary";
    const size_t n = sizeof word - 1;
    if ((size_t)(end - p) <= n || memcmp(p, word, n) != 0)
        return p;
    p += n;
    return *p == ' ' ? p + 1 : p;
}

/* Appends the row that begins at p ('('); returns its closing parenthesis, or NULL. */
static const char *add_row(const char *p, const char *end, char *quote, struct hf_buf *out)
{
    const char *from = p + 1; /* what is not copied yet */
    do {
        const char *value = skip_introducer(++p, end);
        if (value != p) {
            hf_buf_add(out, from, (size_t)(p - from));
            from = p = value;
        }
        if (p < end && (*p == '\'' || *p == '"')) {
            if (*quote && *p != *quote)
                return NULL;
            *quote = *p;
            p = skip_string(p, end, *quote);
        } else {
            p = skip_bare(p, end);
        }
        if (!p || p >= end)
            return NULL;
    } while (*p == ',');
    if (*p != ')')
        return NULL;
    hf_buf_add(out, from, (size_t)(p - from));
    hf_buf_add(out, "\n", 1);
    return p;
}

int hf_infile_rows(const char *values, size_t len, char *quote, struct hf_buf *out, uint64_t *rows,
                   struct hf_err *err)
{
    const char *p = values, *end = values + len;
    for (;;) {
        if (p >= end || *p != '(')
            return 1;
        p = add_row(p, end, quote, out);
        if (!p)
            return 1;
        (*rows)++;
        for (p++; p < end && is_blank(*p);)
            p++;
        if (p == end)
            return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
        if (*p++ != ',')
            return 1;
        while (p < end && is_blank(*p))
            p++;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/lex.h"

#include "base/cleanup.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word_char(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '_' ||
           u == '$' || u >= 0x80;
}

/* Behind the comment; to the end when it does not end. */
static const char *behind(const char *p, const char *end, const char *mark)
{
    const char *hit = memmem(p, (size_t)(end - p), mark, strlen(mark));
    return hit ? hit + strlen(mark) : end;
}

/* "!50003", "M!100300": the opening mark of an executable comment behind its slash and star, or NULL. */
static const char *executable(const char *p, const char *end)
{
    if (p < end && *p == 'M')
        p++;
    if (p >= end || *p != '!')
        return NULL;
    for (p++; p < end && *p >= '0' && *p <= '9';)
        p++;
    return p;
}

static bool is_line_comment(const char *p, const char *end)
{
    if (*p == '#')
        return true;
    return end - p >= 2 && p[0] == '-' && p[1] == '-' && (end - p == 2 || is_blank(p[2]));
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end) {
        if (is_blank(*p)) {
            p++;
        } else if (is_line_comment(p, end)) {
            p = behind(p, end, "\n");
        } else if (end - p >= 2 && p[0] == '/' && p[1] == '*') {
            const char *inside = executable(p + 2, end);
            p = inside ? inside : behind(p + 2, end, "*/");
        } else if (end - p >= 2 && p[0] == '*' && p[1] == '/') {
            p += 2;
        } else {
            break;
        }
    }
    return p;
}

static const char *skip_quoted(const char *p, const char *end)
{
    char quote = *p++;
    while (p < end) {
        if (*p == '\\' && quote != '`' && end - p >= 2)
            p += 2;
        else if (*p != quote)
            p++;
        else if (end - p >= 2 && p[1] == quote)
            p += 2;
        else
            return p + 1;
    }
    return end;
}

struct hf_sql_token hf_sql_lex_next(struct hf_sql_lex *lex)
{
    const char *p = skip_space(lex->at, lex->end), *from = p;
    struct hf_sql_token t = {HF_SQL_END, p, 0};
    if (p < lex->end) {
        if (*p == '`' || *p == '\'' || *p == '"') {
            t.kind = *p == '`' ? HF_SQL_NAME : HF_SQL_STRING;
            p = skip_quoted(p, lex->end);
        } else if (is_word_char(*p)) {
            t.kind = HF_SQL_WORD;
            while (p < lex->end && is_word_char(*p))
                p++;
        } else {
            t.kind = HF_SQL_OTHER;
            p++;
        }
    }
    t.len = (size_t)(p - from);
    lex->at = p;
    return t;
}

struct hf_sql_token hf_sql_lex_peek(const struct hf_sql_lex *lex)
{
    struct hf_sql_lex copy = *lex;
    return hf_sql_lex_next(&copy);
}

bool hf_sql_is(const struct hf_sql_token *t, const char *keyword)
{
    return t->kind == HF_SQL_WORD && t->len == strlen(keyword) &&
           strncasecmp(t->text, keyword, t->len) == 0;
}

bool hf_sql_is_char(const struct hf_sql_token *t, char c)
{
    return t->kind == HF_SQL_OTHER && *t->text == c;
}

bool hf_sql_accept(struct hf_sql_lex *lex, const char *keyword)
{
    struct hf_sql_lex before = *lex;
    struct hf_sql_token t = hf_sql_lex_next(lex);
    if (hf_sql_is(&t, keyword))
        return true;
    *lex = before;
    return false;
}

bool hf_sql_accept_char(struct hf_sql_lex *lex, char c)
{
    struct hf_sql_lex before = *lex;
    struct hf_sql_token t = hf_sql_lex_next(lex);
    if (hf_sql_is_char(&t, c))
        return true;
    *lex = before;
    return false;
}

char *hf_sql_name(const struct hf_sql_token *t)
{
    if (t->kind == HF_SQL_WORD)
        return strndup(t->text, t->len);
    if (t->kind != HF_SQL_NAME || t->len < 2)
        return NULL;
    char *out = malloc(t->len);
    size_t n = 0;
    for (size_t i = 1; out && i + 1 < t->len; i++) {
        out[n++] = t->text[i];
        if (t->text[i] == t->text[0])
            i++;
    }
    if (out)
        out[n] = '\0';
    return out;
}

/* ---- CREATE … -------------------------------------------------------------------------------- */

/* user@host, 'user'@'host', CURRENT_USER, CURRENT_USER(), role */
static void skip_account(struct hf_sql_lex *lex)
{
    (void)hf_sql_lex_next(lex);
    if (hf_sql_accept_char(lex, '('))
        (void)hf_sql_accept_char(lex, ')');
    if (hf_sql_accept_char(lex, '@'))
        (void)hf_sql_lex_next(lex);
}

bool hf_sql_skip_create(struct hf_sql_lex *lex)
{
    if (!hf_sql_accept(lex, "CREATE"))
        return false;
    for (;;) {
        if (hf_sql_accept(lex, "DEFINER")) {
            (void)hf_sql_accept_char(lex, '=');
            skip_account(lex);
        } else if (hf_sql_accept(lex, "ALGORITHM")) {
            (void)hf_sql_accept_char(lex, '=');
            (void)hf_sql_lex_next(lex);
        } else if (hf_sql_accept(lex, "SQL")) {
            (void)hf_sql_lex_next(lex); /* SECURITY */
            (void)hf_sql_lex_next(lex);
        } else if (!hf_sql_accept(lex, "OR") && !hf_sql_accept(lex, "REPLACE") &&
                   !hf_sql_accept(lex, "AGGREGATE") && !hf_sql_accept(lex, "TEMPORARY")) {
            return true;
        }
    }
}

bool hf_sql_is_program(const char *text, size_t len)
{
    static const char *const words[] = {"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"};
    struct hf_sql_lex lex = {text, text + len};
    if (!hf_sql_skip_create(&lex))
        return false;
    struct hf_sql_token t = hf_sql_lex_next(&lex);
    for (size_t i = 0; i < HF_ARRAY_SIZE(words); i++)
        if (hf_sql_is(&t, words[i]))
            return true;
    return false;
}

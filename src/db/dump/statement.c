/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/statement.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct hf_statement_mode hf_statement_mode(const char *sql_mode, const char *charset)
{
    static const char *const low[] = {"big5", "cp932", "gb18030", "gbk", "sjis"};
    struct hf_statement_mode mode = {
        .no_backslash_escapes = sql_mode && strstr(sql_mode, "NO_BACKSLASH_ESCAPES") != NULL,
    };
    for (size_t i = 0; charset && i < HF_ARRAY_SIZE(low); i++)
        mode.has_low_bytes |= !strcmp(charset, low[i]);
    return mode;
}

/* How many bytes belong together at p. */
static size_t step(const char *p, struct hf_statement_mode mode)
{
    return mode.has_low_bytes && (unsigned char)*p > 0x80 && p[1] ? 2 : 1;
}

/* Behind the closing quote of the string or name that begins at p; NULL: it is not closed. */
static const char *skip_quoted(const char *p, struct hf_statement_mode mode)
{
    char quote = *p++;
    while (*p) {
        if (*p == '\\' && quote != '`' && !mode.no_backslash_escapes) {
            if (!*++p)
                return NULL;
        } else if (*p == quote) {
            if (p[1] != quote)
                return p + 1;
            p++;
        }
        p += step(p, mode);
    }
    return NULL;
}

/* A comment that the server executes is text like any other: only its marks are passed. */
static const char *skip_comment(const char *p)
{
    if (p[0] == '#' || (p[0] == '-' && p[1] == '-' && (isspace((unsigned char)p[2]) || !p[2])))
        return p + strcspn(p, "\n");
    if (p[0] == '/' && p[1] == '*' && (p[2] == '!' || (p[2] == 'M' && p[3] == '!')))
        return p + 3;
    if (p[0] == '/' && p[1] == '*') {
        const char *end = strstr(p + 2, "*/");
        return end ? end + 2 : NULL;
    }
    return p;
}

static int refuse(struct hf_err *err, const char *what)
{
    hf_fail(err, HF_E_CORRUPT, "the server's text of it has %s", what);
    return hf_hint(
        err, "Look at what SHOW CREATE says: a client could take more than one statement from it.");
}

int hf_statement_check(const char *text, struct hf_statement_mode mode, bool *out_semicolons,
                       struct hf_err *err)
{
    if (out_semicolons)
        *out_semicolons = false;
    for (const char *p = text; *p;) {
        const char *next = skip_comment(p);
        if (!next)
            return refuse(err, "a comment that does not end");
        if (next == p && strchr("'\"`", *p))
            next = skip_quoted(p, mode);
        if (!next)
            return refuse(err, "a quote that is not closed");
        if (next == p && *p == '\\')
            return refuse(err, "a backslash outside of strings");
        if (next == p && *p == ';') {
            if (!out_semicolons)
                return refuse(err, "a semicolon outside of strings");
            *out_semicolons = true;
        }
        p = next == p ? p + step(p, mode) : next;
    }
    return 0;
}

/* One that does not occur in the text. Behind the semicolon is a comment to a server that gets it sent along. */
static void choose_delimiter(const char *text, char out[16])
{
    snprintf(out, 16, ";#");
    for (unsigned n = 1; strstr(text, out) && n < 1000000; n++)
        snprintf(out, 16, ";#%u", n);
}

/* A line comment at the very end would swallow what follows. */
static bool ends_in_comment(const char *text)
{
    const char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    return strchr(line, '#') || strstr(line, "--");
}

int hf_statement_add(struct hf_buf *b, const char *text, struct hf_statement_mode mode,
                     struct hf_err *err)
{
    bool has_semicolons = false;
    char delimiter[16];
    if (hf_statement_check(text, mode, &has_semicolons, err) < 0)
        return -1;
    const char *gap = ends_in_comment(text) ? "\n" : "";
    /* A line that ends with a semicolon ends the statement for myloader, in a string or not. */
    if (!has_semicolons && !strstr(text, ";\n")) {
        hf_buf_printf(b, "%s%s;\n", text, gap);
        return 0;
    }
    choose_delimiter(text, delimiter);
    hf_buf_printf(b, "DELIMITER %s\n%s%s%s\nDELIMITER ;\n", delimiter, text, gap, delimiter);
    return 0;
}

static const char *skip_word(const char *p, const char *word)
{
    size_t n = strlen(word);
    if (strncasecmp(p, word, n) != 0)
        return p;
    p += n;
    return p + strspn(p, " ");
}

/* A user or role, quoted or not, with or without @host. */
static const char *skip_account(const char *p)
{
    for (int part = 0; part < 2; part++) {
        if (strchr("'\"`", *p) && *p) {
            const char *end =
                skip_quoted(p, (struct hf_statement_mode){.no_backslash_escapes = true});
            if (!end)
                return p;
            p = end;
        } else {
            p += strcspn(p, " @\n\t");
        }
        if (*p != '@')
            return p;
        p++;
    }
    return p;
}

void hf_statement_strip_definer(char *text)
{
    const char *p = skip_word(text, "CREATE ");
    p = skip_word(p, "OR REPLACE ");
    if (!strncasecmp(p, "ALGORITHM", 9)) {
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    if (strncasecmp(p, "DEFINER", 7) != 0)
        return;
    const char *end = p + 7;
    end += strspn(end, " =");
    end = skip_account(end);
    end += strspn(end, " ");
    memmove((char *)p, end, strlen(end) + 1);
}

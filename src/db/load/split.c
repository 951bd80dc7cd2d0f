/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/split.h"

#include "db/load/lex.h"

#include <string.h>
#include <strings.h>

#define FILL_BYTES ((size_t)256 << 10)
#define DELIMITER_MAX 16
#define COMMAND_MAX 32

struct hf_sql_split {
    hf_sql_fill fill;
    void *ctx;
    size_t max_bytes;
    char *data; /* what was read and is not done with */
    size_t begin, at, end,
        cap;       /* the statement's first byte, the scanner, the end of what was read */
    uint64_t base; /* offset of data[0] in the stream */
    bool at_eof;
    bool no_backslash, ansi_quotes;
    char delimiter[DELIMITER_MAX + 1];
    size_t delimiter_len;
};

struct hf_sql_split *hf_sql_split_new(hf_sql_fill fill, void *ctx, size_t max_bytes,
                                      struct hf_err *err)
{
    struct hf_sql_split *s = calloc(1, sizeof *s);
    if (!s) {
        hf_fail_nomem(err);
        return NULL;
    }
    *s = (struct hf_sql_split){
        .fill = fill, .ctx = ctx, .max_bytes = max_bytes, .delimiter = ";", .delimiter_len = 1};
    return s;
}

void hf_sql_split_free(struct hf_sql_split *s)
{
    if (!s)
        return;
    free(s->data);
    free(s);
}

void hf_sql_split_modes(struct hf_sql_split *s, bool no_backslash, bool ansi_quotes)
{
    s->no_backslash = no_backslash;
    s->ansi_quotes = ansi_quotes;
}

static uint64_t offset_of(const struct hf_sql_split *s, size_t at)
{
    return s->base + at;
}

static int fail_at(const struct hf_sql_split *s, size_t at, const char *what, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "byte %llu: %s", (unsigned long long)offset_of(s, at), what);
}

static int fail_too_long(const struct hf_sql_split *s, struct hf_err *err)
{
    fail_at(s, s->begin, "the statement that begins here is longer than max_allowed_packet", err);
    return hf_hint(err, "Raise max_allowed_packet on the server (%zu bytes now) and start again.",
                   s->max_bytes);
}

/* ---- the buffer -------------------------------------------------------------------------- */

static void drop_done(struct hf_sql_split *s)
{
    if (s->begin == 0)
        return;
    memmove(s->data, s->data + s->begin, s->end - s->begin);
    s->base += s->begin;
    s->at -= s->begin;
    s->end -= s->begin;
    s->begin = 0;
}

static int make_room(struct hf_sql_split *s, struct hf_err *err)
{
    drop_done(s);
    if (s->cap - s->end >= FILL_BYTES)
        return 0;
    size_t cap = s->cap ? 2 * s->cap : 4 * FILL_BYTES;
    char *data = realloc(s->data, cap);
    if (!data)
        return hf_fail_nomem(err);
    s->data = data;
    s->cap = cap;
    return 0;
}

static int read_more(struct hf_sql_split *s, struct hf_err *err)
{
    size_t n = 0;
    if (s->end - s->begin > s->max_bytes + DELIMITER_MAX)
        return fail_too_long(s, err);
    if (make_room(s, err) || s->fill(s->ctx, s->data + s->end, FILL_BYTES, &n, err))
        return -1;
    s->at_eof = n == 0;
    s->end += n;
    return 0;
}

/* Sees to it that n bytes lie ahead of the scanner, if the stream has them. */
static int look_ahead(struct hf_sql_split *s, size_t n, struct hf_err *err)
{
    while (s->end - s->at < n && !s->at_eof)
        if (read_more(s, err))
            return -1;
    return 0;
}

static int peek(const struct hf_sql_split *s, size_t ahead)
{
    return s->at + ahead < s->end ? (unsigned char)s->data[s->at + ahead] : -1;
}

static bool is_blank(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- comments and strings ------------------------------------------------------------------ */

/* Moves behind the next `mark` (1 or 2 bytes). must: the stream may not end before it. */
static int skip_to(struct hf_sql_split *s, const char *mark, const char *must, struct hf_err *err)
{
    size_t n = strlen(mark);
    for (;;) {
        char *hit = s->end - s->at >= n ? memmem(s->data + s->at, s->end - s->at, mark, n) : NULL;
        if (hit) {
            s->at = (size_t)(hit - s->data) + n;
            return 0;
        }
        if (s->end - s->at >= n)
            s->at = s->end - (n - 1); /* the mark may have begun here */
        if (s->at_eof) {
            s->at = s->end;
            return must ? fail_at(s, s->begin, must, err) : 0;
        }
        if (read_more(s, err))
            return -1;
    }
}

static bool is_line_comment(const struct hf_sql_split *s)
{
    return peek(s, 0) == '#' ||
           (peek(s, 0) == '-' && peek(s, 1) == '-' && (peek(s, 2) < 0 || is_blank(peek(s, 2))));
}

static bool is_plain_comment(const struct hf_sql_split *s)
{
    return peek(s, 0) == '/' && peek(s, 1) == '*' && peek(s, 2) != '!' &&
           !(peek(s, 2) == 'M' && peek(s, 3) == '!');
}

/* 1: a comment was skipped. */
static int skip_comment(struct hf_sql_split *s, struct hf_err *err)
{
    if (look_ahead(s, 4, err))
        return -1;
    if (is_line_comment(s))
        return skip_to(s, "\n", NULL, err) ? -1 : 1;
    if (!is_plain_comment(s))
        return 0;
    s->at += 2;
    return skip_to(s, "*/", "the comment that begins here does not end", err) ? -1 : 1;
}

/* From behind the opening quote to behind the closing one; a doubled one is two strings to us, which comes to the same. */
static int skip_quoted(struct hf_sql_split *s, char quote, struct hf_err *err)
{
    bool escapes = quote != '`' && !s->no_backslash && !(quote == '"' && s->ansi_quotes);
    for (;;) {
        while (s->at < s->end && s->data[s->at] != quote && !(escapes && s->data[s->at] == '\\'))
            s->at++;
        if (s->at < s->end && s->data[s->at] == quote) {
            s->at++;
            return 0;
        }
        if (look_ahead(s, 2, err))
            return -1;
        if (s->end - s->at < 2 && s->at_eof && peek(s, 0) != quote)
            return fail_at(s, s->begin, "a string in the statement that begins here does not end",
                           err);
        if (s->at < s->end && s->data[s->at] == '\\' && escapes)
            s->at += 2;
    }
}

/* ---- between statements -------------------------------------------------------------------- */

static int read_delimiter(struct hf_sql_split *s, struct hf_err *err)
{
    s->begin = s->at;
    if (skip_to(s, "\n", NULL, err))
        return -1;
    size_t from = s->begin + strlen("delimiter"), to = s->at;
    while (from < to && is_blank(s->data[from]))
        from++;
    while (to > from && is_blank(s->data[to - 1]))
        to--;
    size_t n = to - from;
    if (n == 0 || n > DELIMITER_MAX || memchr(s->data + from, '\\', n) ||
        memchr(s->data + from, '\0', n))
        return fail_at(s, s->begin, "a DELIMITER line without a usable delimiter", err);
    memcpy(s->delimiter, s->data + from, n);
    s->delimiter[n] = '\0';
    s->delimiter_len = n;
    return 0;
}

/* Does the text ahead begin with this word? */
static bool is_word(const struct hf_sql_split *s, const char *word)
{
    size_t n = strlen(word);
    if (s->end - s->at < n || strncasecmp(s->data + s->at, word, n) != 0)
        return false;
    int next = peek(s, n);
    return next < 0 || is_blank(next) || next == ';';
}

static int refuse_command(const struct hf_sql_split *s, struct hf_err *err)
{
    static const char *const words[] = {"system", "source",  "tee",     "notee", "pager", "nopager",
                                        "edit",   "connect", "charset", "print", "rehash"};
    bool is_command = peek(s, 0) == '\\';
    for (size_t i = 0; i < HF_ARRAY_SIZE(words); i++)
        is_command = is_command || is_word(s, words[i]);
    if (!is_command)
        return 0;
    fail_at(s, s->at, "a command of the mysql client where a statement should be", err);
    return hf_hint(err,
                   "Such a command can start programs; remove it from the file if it is meant.");
}

/* To the first byte of the next statement. 1: there is one, 0: the end. */
static int find_begin(struct hf_sql_split *s, struct hf_err *err)
{
    for (;;) {
        s->begin = s->at;
        if (look_ahead(s, COMMAND_MAX, err))
            return -1;
        while (s->at < s->end && is_blank(s->data[s->at]))
            s->at++;
        s->begin = s->at;
        if (s->at == s->end && s->at_eof)
            return 0;
        if (look_ahead(s, COMMAND_MAX, err))
            return -1;
        int rc = skip_comment(s, err);
        if (rc < 0)
            return -1;
        if (rc == 0 && is_word(s, "delimiter"))
            rc = read_delimiter(s, err) ? -1 : 1;
        if (rc < 0)
            return -1;
        if (rc == 0 && s->at < s->end && !is_blank(s->data[s->at]))
            return refuse_command(s, err) ? -1 : 1;
    }
}

/* ---- one statement ------------------------------------------------------------------------- */

static bool is_delimiter(const struct hf_sql_split *s)
{
    return s->end - s->at >= s->delimiter_len &&
           memcmp(s->data + s->at, s->delimiter, s->delimiter_len) == 0;
}

/* Is the ';' at the scanner the end of its statement, or one inside a program's body? */
static bool ends_here(const struct hf_sql_split *s)
{
    if (strcmp(s->delimiter, ";") != 0)
        return true;
    int next = peek(s, 1);
    if (next < 0 || next == '\n' || (next == '\r' && peek(s, 2) == '\n'))
        return true;
    return !hf_sql_is_program(s->data + s->begin, s->at - s->begin);
}

/* One step of the scanner inside a statement. 1: the delimiter lies ahead. */
static int step(struct hf_sql_split *s, struct hf_err *err)
{
    char c = s->data[s->at];
    if (c == s->delimiter[0]) {
        if (look_ahead(s, s->delimiter_len + 2, err))
            return -1;
        if (is_delimiter(s) && ends_here(s))
            return 1;
    }
    if (c == '\'' || c == '"' || c == '`') {
        s->at++;
        return skip_quoted(s, c, err);
    }
    if (c == '#' || c == '-' || c == '/') {
        int rc = skip_comment(s, err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
    }
    s->at++;
    return 0;
}

static int find_end(struct hf_sql_split *s, struct hf_err *err)
{
    bool is_special[256] = {
        ['\''] = true, ['"'] = true, ['`'] = true, ['#'] = true, ['-'] = true, ['/'] = true};
    is_special[(unsigned char)s->delimiter[0]] = true;
    for (;;) {
        while (s->at < s->end && !is_special[(unsigned char)s->data[s->at]])
            s->at++;
        if (s->at == s->end) {
            if (s->at_eof)
                return 0;
            if (read_more(s, err))
                return -1;
            continue;
        }
        int rc = step(s, err);
        if (rc != 0)
            return rc < 0 ? -1 : 1;
    }
}

int hf_sql_split_next(struct hf_sql_split *s, struct hf_sql_statement *out, struct hf_err *err)
{
    for (;;) {
        int rc = find_begin(s, err);
        if (rc <= 0)
            return rc;
        int found = find_end(s, err);
        if (found < 0)
            return -1;
        size_t len = s->at - s->begin;
        *out = (struct hf_sql_statement){s->data + s->begin, len, offset_of(s, s->begin)};
        while (out->len > 0 && is_blank(out->text[out->len - 1]))
            out->len--;
        if (out->len > s->max_bytes)
            return fail_too_long(s, err);
        s->at += found ? s->delimiter_len : 0;
        if (out->len > 0) {
            s->begin = s->at;
            return 1;
        }
    }
}

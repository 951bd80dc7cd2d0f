/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/lex.h - the words of one statement: to know what it is, and to change a name in it.
 *
 * White space and comments are skipped, and the marks of executable comments: what is inside counts as words. Nothing is
 * copied; a token points into the statement.
 */
#ifndef HF_DB_LOAD_LEX_H
#define HF_DB_LOAD_LEX_H

#include <stdbool.h>
#include <stddef.h>

enum hf_sql_token_kind { HF_SQL_END, HF_SQL_WORD, HF_SQL_NAME, HF_SQL_STRING, HF_SQL_OTHER };

struct hf_sql_token {
    enum hf_sql_token_kind kind; /* NAME: in backquotes; OTHER: one character */
    const char *text;            /* with its quotes */
    size_t len;
};

struct hf_sql_lex {
    const char *at, *end;
};

struct hf_sql_token hf_sql_lex_next(struct hf_sql_lex *lex);
/* Without moving on. */
struct hf_sql_token hf_sql_lex_peek(const struct hf_sql_lex *lex);
/* Is it this keyword (not in quotes), whatever the case? */
bool hf_sql_is(const struct hf_sql_token *t, const char *keyword);
bool hf_sql_is_char(const struct hf_sql_token *t, char c);
/* If the next is this keyword, moves behind it. */
bool hf_sql_accept(struct hf_sql_lex *lex, const char *keyword);
bool hf_sql_accept_char(struct hf_sql_lex *lex, char c);
/* A name or word without its quotes, to be freed; NULL: no memory, or neither. */
char *hf_sql_name(const struct hf_sql_token *t);
/* Does the statement create a procedure, function, trigger, event or package? */
bool hf_sql_is_program(const char *text, size_t len);
/* Behind CREATE [OR REPLACE] [DEFINER = …] [ALGORITHM = …] [SQL SECURITY …] [AGGREGATE] …; false: no CREATE. */
bool hf_sql_skip_create(struct hf_sql_lex *lex);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/statement.h - CREATE statements as the server tells them, made into text that a client reads back.
 *
 * The text comes from a server that may lie. Outside of quotes and comments it must hold no backslash (a client would take
 * `\!` for a command of its own), and, unless it is a body, no semicolon; quotes and comments must be closed. So it stays one
 * statement, whatever is in it.
 */
#ifndef HF_DB_DUMP_STATEMENT_H
#define HF_DB_DUMP_STATEMENT_H

#include "base/buf.h"

#include <stdbool.h>

/* How the text is to be read: by the sql_mode it was made in, and its character set (NULL: UTF-8). */
struct hf_statement_mode {
    bool no_backslash_escapes;
    bool has_low_bytes; /* second bytes of a character can be quotes and backslashes */
};
struct hf_statement_mode hf_statement_mode(const char *sql_mode, const char *charset);

/* CORRUPT: not one whole statement. *out_semicolons: has one outside of quotes and comments (NULL: must not have). */
int hf_statement_check(const char *text, struct hf_statement_mode mode, bool *out_semicolons,
                       struct hf_err *err) HF_CHECKED;

/* Appends the statement and its end: ";\n", or between DELIMITER lines where semicolons are inside. */
int hf_statement_add(struct hf_buf *b, const char *text, struct hf_statement_mode mode,
                     struct hf_err *err) HF_CHECKED;

/* Takes `DEFINER=…` out of the head of a CREATE statement, in place; nothing when there is none. */
void hf_statement_strip_definer(char *text);

#endif

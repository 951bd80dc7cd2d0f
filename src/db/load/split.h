/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/split.h - a stream of bytes to statements, as the server will read them.
 *
 * Knows quotes ('…', "…", `…`, doubled or behind a backslash), comments (--, #, C style; executable ones are part of the
 * statement), and DELIMITER lines. A stored program may hold ';' in its body: under the plain delimiter it ends
 * only at a ';' that ends its line, which is how mydumper writes it (it puts a blank behind the others). Commands of the
 * client (\!, system, source …) are refused: they are no SQL, and some start programs.
 * A statement is never longer than max_bytes; the error names where it begins. Threads: one at a time.
 */
#ifndef HF_DB_LOAD_SPLIT_H
#define HF_DB_LOAD_SPLIT_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_sql_split;

/* The next bytes; *out_n 0: the end. */
typedef int (*hf_sql_fill)(void *ctx, void *buf, size_t len, size_t *out_n, struct hf_err *err);

struct hf_sql_statement {
    const char
        *text; /* without delimiter and without comments in front; valid until the next call */
    size_t len;
    uint64_t offset; /* of its first byte in the stream */
};

struct hf_sql_split *hf_sql_split_new(hf_sql_fill fill, void *ctx, size_t max_bytes,
                                      struct hf_err *err) HF_CHECKED;
void hf_sql_split_free(struct hf_sql_split *s);
HF_DEFINE_AUTO(hf_sql_split, hf_sql_split_free)

/* As sql_mode says from here on: a backslash is an ordinary character; "…" is a name (no backslash in it either). */
void hf_sql_split_modes(struct hf_sql_split *s, bool no_backslash, bool ansi_quotes);

/* 1: a statement, 0: the end, -1: failed (CORRUPT: ends inside a string or comment, too long, a client's command). */
int hf_sql_split_next(struct hf_sql_split *s, struct hf_sql_statement *out, struct hf_err *err)
    HF_CHECKED;

#endif

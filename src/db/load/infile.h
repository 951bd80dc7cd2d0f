/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/infile.h - INSERT statements of a dump as input of LOAD DATA LOCAL.
 *
 * Half of what an INSERT costs a server is reading its text as SQL. LOAD DATA reads the same rows as fields: "(1,'x',NULL)" without its
 * parentheses is a line with FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY ''' ESCAPED BY '\', and means the same. What
 * would not mean the same (another literal than a plain number, string or NULL, an escape that LOAD DATA reads otherwise) is not
 * converted, and the file is loaded by its own statements.
 */
#ifndef HF_DB_LOAD_INFILE_H
#define HF_DB_LOAD_INFILE_H

#include "base/buf.h"

#include <stdint.h>

struct hf_infile_head {
    const char *columns; /* "(`a`,`b`)", or NULL */
    size_t columns_len;
    size_t values_at; /* the first row's parenthesis */
};

/* 0: INSERT INTO name [(columns)] VALUES (…; 1: something else. */
int hf_infile_head(const char *text, size_t len, struct hf_infile_head *out);

/* All rows of "(…),(…)" as lines, appended. *quote: the character around strings, 0 while none was seen. 0: done, 1: not
 * convertible (what was appended is of no use), -1: no memory. */
int hf_infile_rows(const char *values, size_t len, char *quote, struct hf_buf *out, uint64_t *rows,
                   struct hf_err *err) HF_CHECKED;

#endif

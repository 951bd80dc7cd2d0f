/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/rows.h - rows of a result as the tuples of INSERT statements, and their checksum.
 *
 * The form is that of docs/dump-format.md, "Data files"; a loader that compares reads the same select list from the other
 * server and writes the same tuples, so this module is all that both need. What the server calls a number is only written bare if it
 * looks like one: nothing that a row holds can end the tuple.
 */
#ifndef HF_DB_DUMP_ROWS_H
#define HF_DB_DUMP_ROWS_H

#include "base/buf.h"
#include "base/strv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hf_row_kind {
    HF_ROW_TEXT,   /* 'escaped' */
    HF_ROW_NUMBER, /* bare */
    HF_ROW_REAL,   /* bare; -0 keeps its sign */
    HF_ROW_BIT,    /* bytes from the server, a decimal number here */
    HF_ROW_UTF8,   /* _utf8mb4'escaped': JSON of MySQL, addresses of MariaDB */
};

struct hf_row_plan {
    unsigned n;
    unsigned char *kinds; /* enum hf_row_kind */
    struct hf_buf select; /* "`id`,`f`*1e0": read this */
    struct hf_buf names;  /* "`id`,`f`": insert into these */
};

/* type: as information_schema.COLUMNS.DATA_TYPE names it. */
int hf_row_plan_add(struct hf_row_plan *p, const char *column, const char *type, bool is_mariadb,
                    struct hf_err *err) HF_CHECKED;
void hf_row_plan_free(struct hf_row_plan *p);

struct hf_row_buffer {
    char *data;
    size_t len, cap;
};

/* Appends "(1,'x',NULL)"; *checksum grows by its hash. -1: no memory. */
int hf_row_add(struct hf_row_buffer *b, const struct hf_row_plan *p, char *const *values,
               const unsigned long *lengths, uint64_t *checksum, struct hf_err *err) HF_CHECKED;
int hf_row_buffer_add(struct hf_row_buffer *b, const void *data, size_t len, struct hf_err *err)
    HF_CHECKED;
/* Gives back what a giant row needed. */
void hf_row_buffer_clear(struct hf_row_buffer *b);
void hf_row_buffer_free(struct hf_row_buffer *b);

#endif

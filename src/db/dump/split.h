/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/split.h - a large table in ranges of its primary key's first column.
 *
 * An integer column is halved between its smallest and largest value for as long as the server estimates more rows than a
 * piece shall have: estimates are looked up in the index, so gaps and outliers cost nothing. Any other column that
 * can be compared with a literal is walked along in the index, a piece's rows at a time. Ranges are half open, begin and end
 * without a bound: no row is lost or doubled whatever the estimates were worth.
 */
#ifndef HF_DB_DUMP_SPLIT_H
#define HF_DB_DUMP_SPLIT_H

#include "db/conn.h"

#include <stdbool.h>
#include <stdint.h>

struct hf_split {
    const char *schema, *table;
    const char *column;  /* first of the primary key */
    const char *type;    /* its DATA_TYPE */
    const char *charset; /* of a text column, else NULL */
    uint64_t rows;       /* of the table, as estimated */
    uint64_t piece_rows;
    bool is_mariadb;
};

/* Can its table be split by it? */
bool hf_split_can(const char *type);

/* where: NULL for all rows; owned by emit. */
typedef int (*hf_split_cb)(void *ctx, char *where, uint64_t rows, struct hf_err *err);
int hf_split_run(struct hf_db_conn *c, const struct hf_split *s, hf_split_cb emit, void *ctx,
                 struct hf_err *err) HF_CHECKED;

/* The halves' arithmetic, without overflow: low <= middle < high for low < high. */
int64_t hf_split_middle(int64_t low, int64_t high);

#endif

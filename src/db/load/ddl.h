/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/ddl.h - a CREATE TABLE without what is better added when the rows are in.
 *
 * Foreign keys come last of all: the table they point to, and its index, must be there. Secondary indexes are built by sorting then,
 * which costs half of what it costs to keep them up row by row (docs/performance.md). They are left where that would change
 * the table or buy nothing: no primary key (a unique one may be the table's order), an AUTO_INCREMENT column that needs one,
 * FULLTEXT and SPATIAL (another way of building), system versioning, an engine other than InnoDB.
 */
#ifndef HF_DB_LOAD_DDL_H
#define HF_DB_LOAD_DDL_H

#include "base/buf.h"

struct hf_sql_ddl {
    struct hf_buf create; /* the statement without them */
    struct hf_buf keys;   /* "ADD KEY …, ADD …" for ALTER TABLE, empty: none */
    struct hf_buf fks;    /* the same */
    bool is_innodb;
    bool is_sequence; /* CREATE TABLE … SEQUENCE=1, as older mydumpers write one */
};

#define HF_SQL_DDL_INIT                                                                            \
    {                                                                                              \
        .create = HF_BUF_INIT                                                                      \
    }

void hf_sql_ddl_free(struct hf_sql_ddl *d);
HF_DEFINE_AUTO_VALUE(hf_sql_ddl, hf_sql_ddl_free)

/* default_innodb: what a table without ENGINE is. with_keys: they stay in create. */
int hf_sql_ddl_split(const char *text, size_t len, bool default_innodb, bool with_keys,
                     struct hf_sql_ddl *out, struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/columns.h - the columns of a table that are dumped, and the one it can be split by.
 */
#ifndef HF_DB_DUMP_COLUMNS_H
#define HF_DB_DUMP_COLUMNS_H

#include "db/conn.h"
#include "db/dump/rows.h"

struct hf_columns {
    struct hf_row_plan plan;
    struct hf_strv names;
    char *key, *key_type,
        *key_charset; /* first column of the primary key; NULL: none that ranges can be made of */
    bool
        is_versioned; /* in: history wanted. out: rows carry their period, and history can be read */
};

#define HF_COLUMNS_INIT                                                                            \
    {                                                                                              \
        0                                                                                          \
    }

/* NOT_FOUND: the table is gone. */
int hf_columns_read(struct hf_db_conn *c, const char *schema, const char *table,
                    struct hf_columns *out, struct hf_err *err) HF_CHECKED;
/* key, key_type, key_charset: for tables large enough to be split. */
int hf_columns_read_key(struct hf_db_conn *c, const char *schema, const char *table,
                        struct hf_columns *out, struct hf_err *err) HF_CHECKED;
/* Does an engine show rows of other tables (MERGE, FEDERATED)? They would be loaded twice, or into somebody else's server. */
bool hf_columns_of_others(const char *engine);
void hf_columns_free(struct hf_columns *c);
HF_DEFINE_AUTO_VALUE(hf_columns, hf_columns_free)

#endif

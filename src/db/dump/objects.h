/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/objects.h - everything that is not rows: files with CREATE statements.
 *
 * Each takes a session of the dump and writes the files of docs/dump-format.md, filling in the names of d's structs. What the
 * server will not show (a missing right shows as NULL, not as an error) is AUTH, naming the object.
 */
#ifndef HF_DB_DUMP_OBJECTS_H
#define HF_DB_DUMP_OBJECTS_H

#include "db/dump/state.h"

/* CREATE DATABASE, and functions, procedures, packages, events. */
int hf_dump_schema_objects(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_schema *s,
                           struct hf_err *err) HF_CHECKED;
int hf_dump_table_definition(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                             struct hf_err *err) HF_CHECKED;
int hf_dump_triggers(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                     struct hf_err *err) HF_CHECKED;
/* Stand-in and view. */
int hf_dump_view(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                 struct hf_err *err) HF_CHECKED;
int hf_dump_sequence(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                     struct hf_err *err) HF_CHECKED;

/* What a file of definitions begins with. */
void hf_dump_add_head(struct hf_buf *b);
/* The first row of a SHOW CREATE statement, all columns as texts ("" for NULL) into row; NULL in column `text`: AUTH. */
int hf_dump_show(struct hf_db_conn *c, const char *sql, unsigned text, struct hf_strv *row,
                 struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/table.h - one table: what is read of it, in which pieces, and each piece into its file.
 *
 * plan makes the pieces while others may already be reading the first ones. A table's definition is kept from being
 * changed by the sessions that read it: from its planning until the last piece some session has touched it in its
 * transaction, so an ALTER waits, or the server says that the table was changed after the snapshot.
 */
#ifndef HF_DB_DUMP_TABLE_H
#define HF_DB_DUMP_TABLE_H

#include "db/dump/state.h"

/* Definition, triggers, columns, pieces (put into the queue). For views and sequences: all of it. */
int hf_dump_table_begin(struct hf_dump_worker *w, struct hf_dump_table *t, struct hf_err *err)
    HF_CHECKED;
int hf_dump_piece_read(struct hf_dump_worker *w, struct hf_dump_piece *p, struct hf_err *err)
    HF_CHECKED;

#endif

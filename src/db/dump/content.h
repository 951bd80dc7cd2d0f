/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/content.h - what a table holds, as a dump sums it up: rows, and the checksum of docs/dump-format.md ("The checksum of a
 * table"). The whole table goes over the session's way. Nothing of the server is changed.
 */
#ifndef HF_DB_DUMP_CONTENT_H
#define HF_DB_DUMP_CONTENT_H

#include "db/conn.h"

#include <inttypes.h>

struct hf_content {
    int64_t rows;
    uint64_t sum; /* "%016" PRIx64 in a manifest */
};

/* Modes of the session that the checksum depends on; it stays in them. */
int hf_content_prepare(struct hf_db_conn *c, struct hf_err *err) HF_CHECKED;
/* After that. with_history: where the table has one that can be read. NOT_FOUND: there is no such table. */
int hf_content_read(struct hf_db_conn *c, const char *schema, const char *table, bool with_history,
                    struct hf_content *out, struct hf_err *err) HF_CHECKED;

#endif

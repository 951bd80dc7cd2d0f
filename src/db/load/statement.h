/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/statement.h - what a statement of a dump is, and whether it belongs where it stands.
 *
 * A file of a dump holds few kinds of statements: a data file sets session variables and inserts into its own table. Everything else
 * in it (a DROP DATABASE among the rows) is refused with file and place: somebody put it there.
 */
#ifndef HF_DB_LOAD_STATEMENT_H
#define HF_DB_LOAD_STATEMENT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum hf_sql_kind {
    HF_SQL_OTHERWISE = 0,
    HF_SQL_NOTHING = 1 << 0,     /* comments only */
    HF_SQL_SET = 1 << 1,         /* of the session; SET GLOBAL is OTHERWISE */
    HF_SQL_SET_SKIPPED = 1 << 2, /* sql_log_bin, gtid_purged: ours to decide */
    HF_SQL_USE = 1 << 3,
    HF_SQL_CREATE_SCHEMA = 1 << 4,
    HF_SQL_CREATE_TABLE = 1 << 5,
    HF_SQL_CREATE_SEQUENCE = 1 << 6,
    HF_SQL_CREATE_VIEW = 1 << 7,
    HF_SQL_CREATE_ROUTINE = 1 << 8, /* procedure, function, package */
    HF_SQL_CREATE_TRIGGER = 1 << 9,
    HF_SQL_CREATE_EVENT = 1 << 10,
    HF_SQL_DROP = 1 << 11,   /* of a table, view, sequence, routine, trigger, event */
    HF_SQL_INSERT = 1 << 12, /* INSERT [IGNORE], REPLACE */
    HF_SQL_SETVAL = 1 << 13, /* DO/SELECT SETVAL, ALTER SEQUENCE */
    HF_SQL_TABLE_KEYS =
        1 << 14, /* LOCK, UNLOCK, ALTER TABLE … DISABLE|ENABLE KEYS: needless here */
    HF_SQL_TRANSACTION = 1 << 15, /* START TRANSACTION, COMMIT: ours to decide */
    HF_SQL_ACCOUNT = 1 << 16,     /* CREATE or ALTER USER or ROLE */
    HF_SQL_GRANT = 1 << 17,       /* GRANT, REVOKE, SET DEFAULT ROLE */
};

struct hf_sql_what {
    enum hf_sql_kind kind;
    const char
        *name; /* of the object as written, quotes included; behind a dot when it was qualified */
    size_t name_len;
    const char *schema; /* in front of the dot, or NULL */
    size_t schema_len;
    bool has_sql_mode; /* a SET that changes sql_mode */
    bool has_charset;  /* a SET NAMES or character_set_client */
};

struct hf_sql_what hf_sql_look(const char *text, size_t len);

#endif

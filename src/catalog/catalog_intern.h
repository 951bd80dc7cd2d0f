/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog/catalog_intern.h - the few SQLite calls that the catalog is written with.
 *
 * Statements are prepared per call: a row's callback may ask the catalog again, and a cached
 * statement would be reset under it. Those that a list asks for each of its rows are kept between
 * calls, and taken out while they are in use.
 */
#ifndef HF_CATALOG_CATALOG_INTERN_H
#define HF_CATALOG_CATALOG_INTERN_H

#include "catalog/catalog.h"

#include <sqlite3.h>

enum hf_sql_kept { HF_SQL_COPIES, HF_SQL_DRILLS, HF_SQL_KEPT };

struct hf_catalog {
    sqlite3 *db;
    sqlite3_stmt *kept[HF_SQL_KEPT]; /* NULL: none, or in use */
    char *path;
    const struct hf_clock *clock;
    unsigned depth; /* of transactions within another: only the first is one */
};

static inline void hf_auto_stmt_(sqlite3_stmt **s)
{
    int saved = errno;
    sqlite3_finalize(*s);
    errno = saved;
}
#define HF_AUTOSTMT __attribute__((cleanup(hf_auto_stmt_)))

/* The connection's last error as an error object: what was done, and in which file. */
int hf_sql_fail(const struct hf_catalog *c, const char *what, struct hf_err *err);
int hf_sql_exec(struct hf_catalog *c, const char *sql, const char *what, struct hf_err *err)
    HF_CHECKED;

/* To be finalized; NULL: failed. `args` says how to bind what follows, one letter each:
 * s string or NULL, t string where NULL becomes "", i int64_t, d double. */
sqlite3_stmt *hf_sql_prepare(struct hf_catalog *c, struct hf_err *err, const char *sql,
                             const char *args, ...) HF_CHECKED;
/* The same, of one that is kept; sql is always the same for it. After its last row it is given back; finalized, it is only lost. */
sqlite3_stmt *hf_sql_take(struct hf_catalog *c, enum hf_sql_kept which, struct hf_err *err,
                          const char *sql, const char *args, ...) HF_CHECKED;
void hf_sql_give_back(struct hf_catalog *c, enum hf_sql_kept which, sqlite3_stmt *s);
/* 1: a row, 0: no more rows, -1: failed. */
int hf_sql_step(struct hf_catalog *c, sqlite3_stmt *s, const char *what, struct hf_err *err)
    HF_CHECKED;
/* For a statement without rows; NULL (prepare failed) fails. */
int hf_sql_run(struct hf_catalog *c, sqlite3_stmt *s, const char *what, struct hf_err *err)
    HF_CHECKED;
/* A text column, NULL where the database has NULL; valid until the next step. */
const char *hf_sql_text(sqlite3_stmt *s, int column);

/* The write lock is taken at the start: a transaction that began by reading could find the
 * database changed when it comes to write, and no waiting helps there. */
int hf_sql_begin(struct hf_catalog *c, struct hf_err *err) HF_CHECKED;
/* One within another is part of that: where it fails, the outer one has to fail as well. */
/* Commits when rc is 0, else (or when that fails) rolls back. Returns -1 unless committed. */
int hf_sql_end(struct hf_catalog *c, int rc, struct hf_err *err) HF_CHECKED;

/* schema.c: brings the database to the schema of this program, or refuses a newer one. */
int hf_schema_migrate(struct hf_catalog *c, struct hf_err *err) HF_CHECKED;

/* runs.c: the update-or-insert of hf_catalog_run_end, inside the caller's transaction. */
int hf_catalog_run_store_end(struct hf_catalog *c, const struct hf_catalog_run *run,
                             struct hf_err *err) HF_CHECKED;

/* stalls.c: counts the stall of a run that ends now, inside the caller's transaction, before its duty's row says that it has ended. */
struct hf_duty;
int hf_stalls_count(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err) HF_CHECKED;

#endif

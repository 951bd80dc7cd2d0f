/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog_intern.h"

#include <errno.h>
#include <stdarg.h>

/* SQLite names a full disk only where it met ENOSPC itself; a quota or a file size limit hides
 * behind "disk I/O error" and the errno. */
static bool is_no_space(sqlite3 *db, int code)
{
    if (code == SQLITE_FULL)
        return true;
    if (code != SQLITE_IOERR && code != SQLITE_CANTOPEN)
        return false;
    int sys = sqlite3_system_errno(db);
    return sys == ENOSPC || sys == EDQUOT || sys == EFBIG;
}

static enum hf_err_class class_of(sqlite3 *db)
{
    int extended = sqlite3_extended_errcode(db), code = extended & 0xff;
    if (is_no_space(db, code))
        return HF_E_NOSPACE;
    if (extended == SQLITE_CONSTRAINT_PRIMARYKEY)
        return HF_E_CONFLICT;
    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return HF_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return HF_E_CORRUPT;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return HF_E_AUTH;
    default:
        return HF_E_INTERNAL;
    }
}

int hf_sql_fail(const struct hf_catalog *c, const char *what, struct hf_err *err)
{
    enum hf_err_class cls = class_of(c->db);
    hf_fail(err, cls, "catalog '%s': %s: %s", c->path, what, sqlite3_errmsg(c->db));
    if (cls == HF_E_CORRUPT)
        return hf_hint(err, "Move the file aside with its -wal and -shm and run again: the history "
                            "in it is lost, what is needed to undo a run is not kept there.");
    if (cls == HF_E_BUSY)
        err->retryable = 1;
    if (cls == HF_E_NOSPACE)
        return hf_hint(err, "Make room on the file system of the state directory.");
    return -1;
}

int hf_sql_exec(struct hf_catalog *c, const char *sql, const char *what, struct hf_err *err)
{
    if (sqlite3_exec(c->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return hf_sql_fail(c, what, err);
    return 0;
}

static int bind_text(sqlite3_stmt *s, int i, const char *text, const char *otherwise)
{
    return sqlite3_bind_text(s, i, text ? text : otherwise, -1, SQLITE_TRANSIENT);
}

static int bind_all(struct hf_catalog *c, sqlite3_stmt *s, const char *args, va_list ap,
                    struct hf_err *err)
{
    int rc = SQLITE_OK;
    for (int i = 1; rc == SQLITE_OK && args[i - 1]; i++) {
        switch (args[i - 1]) {
        case 's':
            rc = bind_text(s, i, va_arg(ap, const char *), NULL);
            break;
        case 't':
            rc = bind_text(s, i, va_arg(ap, const char *), "");
            break;
        case 'i':
            rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
            break;
        case 'd':
            rc = sqlite3_bind_double(s, i, va_arg(ap, double));
            break;
        default:
            rc = SQLITE_MISUSE;
        }
    }
    return rc == SQLITE_OK ? 0 : hf_sql_fail(c, "bind", err);
}

static int prepare(struct hf_catalog *c, const char *sql, sqlite3_stmt **out, struct hf_err *err)
{
    return sqlite3_prepare_v2(c->db, sql, -1, out, NULL) == SQLITE_OK
               ? 0
               : hf_sql_fail(c, "prepare", err);
}

sqlite3_stmt *hf_sql_prepare(struct hf_catalog *c, struct hf_err *err, const char *sql,
                             const char *args, ...)
{
    HF_AUTOSTMT sqlite3_stmt *s = NULL;
    if (prepare(c, sql, &s, err) < 0)
        return NULL;
    va_list ap;
    va_start(ap, args);
    int rc = bind_all(c, s, args, ap, err);
    va_end(ap);
    return rc < 0 ? NULL : HF_STEAL(s);
}

sqlite3_stmt *hf_sql_take(struct hf_catalog *c, enum hf_sql_kept which, struct hf_err *err,
                          const char *sql, const char *args, ...)
{
    HF_AUTOSTMT sqlite3_stmt *s = HF_STEAL(c->kept[which]);
    if (!s && prepare(c, sql, &s, err) < 0)
        return NULL;
    va_list ap;
    va_start(ap, args);
    int rc = bind_all(c, s, args, ap, err);
    va_end(ap);
    return rc < 0 ? NULL : HF_STEAL(s);
}

void hf_sql_give_back(struct hf_catalog *c, enum hf_sql_kept which, sqlite3_stmt *s)
{
    sqlite3_reset(s);
    if (c->kept[which])
        sqlite3_finalize(s);
    else
        c->kept[which] = s;
}

int hf_sql_step(struct hf_catalog *c, sqlite3_stmt *s, const char *what, struct hf_err *err)
{
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : hf_sql_fail(c, what, err);
}

int hf_sql_run(struct hf_catalog *c, sqlite3_stmt *s, const char *what, struct hf_err *err)
{
    return s && hf_sql_step(c, s, what, err) == 0 ? 0 : -1;
}

const char *hf_sql_text(sqlite3_stmt *s, int column)
{
    return (const char *)sqlite3_column_text(s, column);
}

int hf_sql_begin(struct hf_catalog *c, struct hf_err *err)
{
    if (c->depth == 0 && hf_sql_exec(c, "BEGIN IMMEDIATE", "begin", err) < 0)
        return -1;
    c->depth++;
    return 0;
}

int hf_sql_end(struct hf_catalog *c, int rc, struct hf_err *err)
{
    if (--c->depth > 0)
        return rc ? -1 : 0; /* whoever began first ends it */
    if (!rc && !hf_sql_exec(c, "COMMIT", "commit", err))
        return 0;
    /* After some errors (disk full) SQLite has rolled back by itself, and says so here. */
    (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

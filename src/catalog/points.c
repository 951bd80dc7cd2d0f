/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "catalog/catalog_intern.h"

#define POINT_COLUMNS "id, vm, hypervisor, vm_id, grade, taken_us, stall_ms, checkpoint, bytes"
#define COPY_COLUMNS                                                                               \
    "point_id, store_id, store, objects, bytes, is_protected, verified_us, is_damaged, off_host"

static int check_point(const struct hf_catalog_point *p, struct hf_err *err)
{
    if (p->grade[0] < 'A' || p->grade[0] > 'E' || p->grade[1])
        return hf_fail(err, HF_E_INTERNAL, "'%s' is no grade", p->grade);
    return 0;
}

static int insert_point(struct hf_catalog *c, const struct hf_catalog_point *p, struct hf_err *err)
{
    if (check_point(p, err) < 0)
        return -1;
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err,
        "INSERT INTO points (" POINT_COLUMNS ", report) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "stttsidsis", p->id, p->vm, p->hypervisor, p->vm_id, p->grade, p->taken_us, p->stall_ms,
        p->checkpoint, (int64_t)p->bytes, p->report);
    return hf_sql_run(c, s, "record the point", err);
}

static int insert_copy(struct hf_catalog *c, const struct hf_catalog_copy *k, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err, "INSERT INTO copies (" COPY_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "sstiiiiis", k->point_id, k->store_id, k->store, (int64_t)k->objects, (int64_t)k->bytes,
        (int64_t)k->is_protected, k->verified_us, (int64_t)k->is_damaged, k->off_host);
    return hf_sql_run(c, s, "record a copy of the point", err);
}

static int insert_all(struct hf_catalog *c, const struct hf_catalog_point *p,
                      const struct hf_catalog_copy *copies, size_t n, struct hf_err *err)
{
    if (insert_point(c, p, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (insert_copy(c, &copies[i], err) < 0)
            return -1;
    return 0;
}

int hf_catalog_point_commit(struct hf_catalog *c, const struct hf_catalog_point *p,
                            const struct hf_catalog_copy *copies, size_t n_copies,
                            const struct hf_catalog_run *run, struct hf_err *err)
{
    if (HF_POINT_ERR("catalog.before_point_commit", err) || hf_sql_begin(c, err))
        return -1;
    int rc = insert_all(c, p, copies, n_copies, err);
    if (!rc && run)
        rc = hf_catalog_run_store_end(c, run, err);
    if (hf_sql_end(c, rc, err))
        return -1;
    HF_POINT("catalog.after_point_commit");
    return 0;
}

/* ---- rebuilding ------------------------------------------------------------------------- */

/* 1: it was known, 0: not, -1: failed. */
static int update_point(struct hf_catalog *c, const struct hf_catalog_point *p, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "UPDATE points SET vm = ?, hypervisor = ?, vm_id = ?, grade = ?,"
                       " taken_us = ?, stall_ms = ?, checkpoint = ?, bytes = ? WHERE id = ?",
                       "tttsidsis", p->vm, p->hypervisor, p->vm_id, p->grade, p->taken_us,
                       p->stall_ms, p->checkpoint, (int64_t)p->bytes, p->id);
    if (check_point(p, err) < 0 || hf_sql_run(c, s, "record the point", err) < 0)
        return -1;
    return sqlite3_changes(c->db) > 0;
}

static int update_copy(struct hf_catalog *c, const struct hf_catalog_copy *k, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err,
        "UPDATE copies SET store = ?, objects = ?, bytes = ?"
        " WHERE point_id = ? AND store_id = ?",
        "tiiss", k->store, (int64_t)k->objects, (int64_t)k->bytes, k->point_id, k->store_id);
    if (hf_sql_run(c, s, "record a copy of the point", err) < 0)
        return -1;
    return sqlite3_changes(c->db) > 0;
}

static int learn(struct hf_catalog *c, const struct hf_catalog_point *p,
                 const struct hf_catalog_copy *k, struct hf_err *err)
{
    int known = update_point(c, p, err);
    if (known < 0 || (!known && insert_point(c, p, err) < 0))
        return -1;
    known = update_copy(c, k, err);
    if (known < 0 || (!known && insert_copy(c, k, err) < 0))
        return -1;
    /* What was found; what is left unmarked is gone. */
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "INSERT INTO found (point_id) VALUES (?)", "s", k->point_id);
    return hf_sql_run(c, s, "rebuild", err);
}

static int forget_orphans(struct hf_catalog *c, struct hf_err *err)
{
    return hf_sql_exec(c,
                       "DELETE FROM points WHERE NOT EXISTS"
                       " (SELECT 1 FROM copies WHERE copies.point_id = points.id)",
                       "forget points without a copy", err);
}

static int forget_unfound(struct hf_catalog *c, const char *store_id, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "DELETE FROM copies WHERE store_id = ?"
                       " AND point_id NOT IN (SELECT point_id FROM found)",
                       "s", store_id);
    return hf_sql_run(c, s, "forget copies", err) < 0 ? -1 : forget_orphans(c, err);
}

static int rebuild(struct hf_catalog *c, const char *store_id,
                   const struct hf_catalog_point *points, const struct hf_catalog_copy *copies,
                   size_t n, struct hf_err *err)
{
    if (hf_sql_exec(c, "CREATE TEMPORARY TABLE found (point_id VARCHAR(32) NOT NULL PRIMARY KEY)",
                    "rebuild", err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (learn(c, &points[i], &copies[i], err) < 0)
            return -1;
    if (forget_unfound(c, store_id, err) < 0)
        return -1;
    return hf_sql_exec(c, "DROP TABLE found", "rebuild", err);
}

int hf_catalog_points_rebuild(struct hf_catalog *c, const char *store_id,
                              const struct hf_catalog_point *points,
                              const struct hf_catalog_copy *copies, size_t n, struct hf_err *err)
{
    if (HF_POINT_ERR("catalog.before_points_rebuild", err) || hf_sql_begin(c, err))
        return -1;
    return hf_sql_end(c, rebuild(c, store_id, points, copies, n, err), err);
}

/* ---- copies ----------------------------------------------------------------------------- */

int hf_catalog_copy_verified(struct hf_catalog *c, const char *point_id, const char *store_id,
                             int64_t at_us, bool is_damaged, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "UPDATE copies SET verified_us = ?, is_damaged = ?"
                       " WHERE point_id = ? AND store_id = ?",
                       "iiss", at_us, (int64_t)is_damaged, point_id, store_id);
    if (hf_sql_run(c, s, "record the verification", err) < 0)
        return -1;
    return sqlite3_changes(c->db) > 0
               ? 0
               : hf_fail(err, HF_E_NOT_FOUND, "point '%s' has no copy on store %s in the catalog",
                         point_id, store_id);
}

static int forget(struct hf_catalog *c, const char *point_id, const char *store_id,
                  struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err, "DELETE FROM copies WHERE point_id = ? AND store_id = ?", "ss", point_id, store_id);
    return hf_sql_run(c, s, "forget a copy", err) < 0 ? -1 : forget_orphans(c, err);
}

int hf_catalog_copy_forget(struct hf_catalog *c, const char *point_id, const char *store_id,
                           struct hf_err *err)
{
    if (HF_POINT_ERR("catalog.before_copy_forget", err) || hf_sql_begin(c, err))
        return -1;
    return hf_sql_end(c, forget(c, point_id, store_id, err), err);
}

/* ---- lists ------------------------------------------------------------------------------ */

static int emit_point(sqlite3_stmt *s, hf_catalog_point_cb emit, void *ctx, struct hf_err *err)
{
    const struct hf_catalog_point p = {
        .id = hf_sql_text(s, 0),
        .vm = hf_sql_text(s, 1),
        .hypervisor = hf_sql_text(s, 2),
        .vm_id = hf_sql_text(s, 3),
        .grade = hf_sql_text(s, 4),
        .taken_us = sqlite3_column_int64(s, 5),
        .stall_ms = sqlite3_column_double(s, 6),
        .checkpoint = hf_sql_text(s, 7),
        .bytes = (uint64_t)sqlite3_column_int64(s, 8),
    };
    return emit(ctx, &p, err) ? -1 : 0;
}

int hf_catalog_points(struct hf_catalog *c, const char *vm, int64_t since_us,
                      hf_catalog_point_cb emit, void *ctx, struct hf_err *err)
{
    return hf_catalog_points_newest(c, vm, since_us, SIZE_MAX, emit, ctx, err);
}

int hf_catalog_points_count(struct hf_catalog *c, const char *vm, int64_t *out, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "SELECT COUNT(*) FROM points WHERE vm = ?", "s", vm);
    int rc = s ? hf_sql_step(c, s, "count the points", err) : -1;
    *out = rc > 0 ? sqlite3_column_int64(s, 0) : 0;
    return rc < 0 ? -1 : 0;
}

int hf_catalog_points_newest(struct hf_catalog *c, const char *vm, int64_t since_us, size_t limit,
                             hf_catalog_point_cb emit, void *ctx, struct hf_err *err)
{
    int64_t rows = limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
    const char *sql = vm ? "SELECT " POINT_COLUMNS " FROM points WHERE taken_us >= ? AND vm = ?3"
                           " ORDER BY taken_us DESC, id DESC LIMIT ?2"
                         : "SELECT " POINT_COLUMNS " FROM points WHERE taken_us >= ?"
                           " ORDER BY taken_us DESC, id DESC LIMIT ?2";
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, sql, vm ? "iis" : "ii", since_us, rows, vm);
    if (!s)
        return -1;
    int rc;
    while ((rc = hf_sql_step(c, s, "list the points", err)) > 0)
        if (emit_point(s, emit, ctx, err))
            return -1;
    return rc;
}

static int emit_copy(sqlite3_stmt *s, hf_catalog_copy_cb emit, void *ctx, struct hf_err *err)
{
    const struct hf_catalog_copy k = {
        .point_id = hf_sql_text(s, 0),
        .store_id = hf_sql_text(s, 1),
        .store = hf_sql_text(s, 2),
        .objects = (uint64_t)sqlite3_column_int64(s, 3),
        .bytes = (uint64_t)sqlite3_column_int64(s, 4),
        .is_protected = sqlite3_column_int64(s, 5) != 0,
        .verified_us = sqlite3_column_int64(s, 6),
        .is_damaged = sqlite3_column_int64(s, 7) != 0,
        .off_host = hf_sql_text(s, 8),
    };
    return emit(ctx, &k, err) ? -1 : 0;
}

int hf_catalog_copies(struct hf_catalog *c, const char *point_id, hf_catalog_copy_cb emit,
                      void *ctx, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_take(c, HF_SQL_COPIES, err,
                    "SELECT " COPY_COLUMNS " FROM copies WHERE point_id = ?"
                    " ORDER BY store, store_id",
                    "s", point_id);
    if (!s)
        return -1;
    int rc;
    while ((rc = hf_sql_step(c, s, "list the copies", err)) > 0)
        if (emit_copy(s, emit, ctx, err))
            return -1;
    if (rc == 0)
        hf_sql_give_back(c, HF_SQL_COPIES, HF_STEAL(s));
    return rc;
}

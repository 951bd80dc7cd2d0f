/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "catalog/catalog_intern.h"

#define COLUMNS                                                                                    \
    "run_id, point_id, vm, store_id, store, has_passed, recovery_ms, duration_ms, started_us, why"

static int insert(struct hf_catalog *c, const struct hf_catalog_drill *d, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err, "INSERT INTO drills (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "sstttiiiis", d->run_id, d->point_id, d->vm, d->store_id, d->store, (int64_t)d->has_passed,
        d->recovery_ms, d->duration_ms, d->started_us, d->why);
    return hf_sql_run(c, s, "record the drill", err);
}

static int doubt_copy(struct hf_catalog *c, const struct hf_catalog_drill *d, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err,
        "UPDATE copies SET verified_us = 0, is_damaged = CASE WHEN ? THEN 1 ELSE is_damaged END"
        " WHERE point_id = ? AND store_id = ?",
        "iss", (int64_t)d->found_damage, d->point_id, d->store_id);
    return hf_sql_run(c, s, "record what the drill found", err);
}

static int store_all(struct hf_catalog *c, const struct hf_catalog_drill *d,
                     const struct hf_catalog_run *run, struct hf_err *err)
{
    if (insert(c, d, err) < 0 || (!d->has_passed && doubt_copy(c, d, err) < 0))
        return -1;
    return hf_catalog_run_store_end(c, run, err);
}

int hf_catalog_drill_commit(struct hf_catalog *c, const struct hf_catalog_drill *d,
                            const struct hf_catalog_run *run, struct hf_err *err)
{
    if (HF_POINT_ERR("catalog.before_drill_commit", err) || hf_sql_begin(c, err))
        return -1;
    return hf_sql_end(c, store_all(c, d, run, err), err);
}

static int emit_row(sqlite3_stmt *s, hf_catalog_drill_cb emit, void *ctx, struct hf_err *err)
{
    const struct hf_catalog_drill d = {
        .run_id = hf_sql_text(s, 0),
        .point_id = hf_sql_text(s, 1),
        .vm = hf_sql_text(s, 2),
        .store_id = hf_sql_text(s, 3),
        .store = hf_sql_text(s, 4),
        .has_passed = sqlite3_column_int64(s, 5) != 0,
        .recovery_ms = sqlite3_column_int64(s, 6),
        .duration_ms = sqlite3_column_int64(s, 7),
        .started_us = sqlite3_column_int64(s, 8),
        .why = hf_sql_text(s, 9),
    };
    return emit(ctx, &d, err) ? -1 : 0;
}

int hf_catalog_drills(struct hf_catalog *c, const char *point_id, const char *vm, size_t limit,
                      hf_catalog_drill_cb emit, void *ctx, struct hf_err *err)
{
    int64_t rows = limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
    HF_AUTOSTMT sqlite3_stmt *s =
        point_id ? hf_sql_take(c, HF_SQL_DRILLS, err,
                               "SELECT " COLUMNS " FROM drills WHERE point_id = ?2"
                               " ORDER BY started_us DESC, run_id DESC LIMIT ?1",
                               "is", rows, point_id)
                 : hf_sql_prepare(c, err,
                                  "SELECT " COLUMNS " FROM drills WHERE vm = ?2"
                                  " ORDER BY started_us DESC, run_id DESC LIMIT ?1",
                                  "is", rows, vm);
    if (!s)
        return -1;
    int rc;
    while ((rc = hf_sql_step(c, s, "list the drills", err)) > 0)
        if (emit_row(s, emit, ctx, err))
            return -1;
    if (rc == 0 && point_id)
        hf_sql_give_back(c, HF_SQL_DRILLS, HF_STEAL(s));
    return rc;
}

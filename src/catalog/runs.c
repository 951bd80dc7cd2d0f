/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"
#include "base/point.h"
#include "catalog/catalog_intern.h"

#include <stdio.h>
#include <string.h>

#define PREFIX_MIN 4
#define COLUMNS "id, verb, vm, hypervisor, vm_id, outcome, report, started_us, ended_us"

static int64_t or_now(const struct hf_catalog *c, int64_t us)
{
    return us ? us : hf_clock_wall_us(c->clock);
}

static int insert(struct hf_catalog *c, const struct hf_catalog_run *run, int64_t started_us,
                  int64_t ended_us, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "INSERT INTO runs (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       "sttttssii", run->id, run->verb, run->vm, run->hypervisor, run->vm_id,
                       run->outcome, run->report, started_us, ended_us);
    return hf_sql_run(c, s, "record the run", err);
}

int hf_catalog_run_begin(struct hf_catalog *c, const struct hf_catalog_run *run, struct hf_err *err)
{
    struct hf_catalog_run fresh = *run;
    fresh.outcome = fresh.report = NULL;
    if (HF_POINT_ERR("catalog.before_run_begin", err) ||
        insert(c, &fresh, or_now(c, run->started_us), 0, err))
        return -1;
    HF_POINT("catalog.after_run_begin");
    return 0;
}

static int check_outcome(const struct hf_catalog_run *run, struct hf_err *err)
{
    static const char *const known[] = {"done",        "degraded",    "failed",    "undone",
                                        "rolled-back", "failed-kept", "unfinished"};
    for (size_t i = 0; run->outcome && i < HF_ARRAY_SIZE(known); i++)
        if (!strcmp(run->outcome, known[i]))
            return 0;
    return hf_fail(err, HF_E_INTERNAL, "run '%s' cannot end as '%s'", run->id,
                   run->outcome ? run->outcome : "(null)");
}

int hf_catalog_run_store_end(struct hf_catalog *c, const struct hf_catalog_run *run,
                             struct hf_err *err)
{
    int64_t ended = or_now(c, run->ended_us);
    if (check_outcome(run, err))
        return -1;
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "UPDATE runs SET outcome = ?, report = coalesce(?, report),"
                       " ended_us = ? WHERE id = ?",
                       "ssis", run->outcome, run->report, ended, run->id);
    if (hf_sql_run(c, s, "record the run's end", err))
        return -1;
    if (sqlite3_changes(c->db) > 0)
        return 0;
    return insert(c, run, run->started_us ? run->started_us : ended, ended, err);
}

int hf_catalog_run_end(struct hf_catalog *c, const struct hf_catalog_run *run, struct hf_err *err)
{
    if (HF_POINT_ERR("catalog.before_run_end", err) || hf_sql_begin(c, err))
        return -1;
    int rc = hf_catalog_run_store_end(c, run, err);
    if (hf_sql_end(c, rc, err))
        return -1;
    HF_POINT("catalog.after_run_end");
    return 0;
}

static int emit_row(sqlite3_stmt *s, hf_catalog_run_cb emit, void *ctx, struct hf_err *err)
{
    const struct hf_catalog_run run = {
        .id = hf_sql_text(s, 0),
        .verb = hf_sql_text(s, 1),
        .vm = hf_sql_text(s, 2),
        .hypervisor = hf_sql_text(s, 3),
        .vm_id = hf_sql_text(s, 4),
        .outcome = hf_sql_text(s, 5),
        .report = hf_sql_text(s, 6),
        .started_us = sqlite3_column_int64(s, 7),
        .ended_us = sqlite3_column_int64(s, 8),
    };
    return emit(ctx, &run, err) ? -1 : 0;
}

int hf_catalog_runs(struct hf_catalog *c, const char *vm, size_t limit, hf_catalog_run_cb emit,
                    void *ctx, struct hf_err *err)
{
    int64_t rows = limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
    const char *sql = vm ? "SELECT " COLUMNS " FROM runs WHERE vm = ?2"
                           " ORDER BY started_us DESC, id DESC LIMIT ?1"
                         : "SELECT " COLUMNS " FROM runs"
                           " ORDER BY started_us DESC, id DESC LIMIT ?1";
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(c, err, sql, vm ? "is" : "i", rows, vm);
    if (!s)
        return -1;
    int rc;
    while ((rc = hf_sql_step(c, s, "list the runs", err)) > 0)
        if (emit_row(s, emit, ctx, err))
            return -1;
    return rc;
}

int hf_catalog_last_run_but(struct hf_catalog *c, const char *vm, const char *verb,
                            hf_catalog_run_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "SELECT " COLUMNS " FROM runs WHERE vm = ? AND verb <> ?"
                       " ORDER BY started_us DESC, id DESC LIMIT 1",
                       "ss", vm, verb);
    int rc = s ? hf_sql_step(c, s, "find the last run", err) : -1;
    return rc > 0 ? emit_row(s, emit, ctx, err) : rc;
}

int hf_catalog_first_backup(struct hf_catalog *c, const char *vm, int64_t *out_us,
                            struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "SELECT MIN(at) FROM (SELECT MIN(started_us) AS at FROM runs WHERE vm = ?1"
                       " AND verb = 'backup' AND outcome IN ('done', 'degraded')"
                       " UNION ALL SELECT MIN(taken_us) FROM points WHERE vm = ?1) AS firsts",
                       "s", vm);
    int rc = s ? hf_sql_step(c, s, "find the first backup", err) : -1;
    *out_us = rc > 0 ? sqlite3_column_int64(s, 0) : 0;
    return rc < 0 ? -1 : 0;
}

/* The one id that begins with `prefix`; a whole id is a prefix of itself. */
static int resolve(struct hf_catalog *c, const char *prefix, char out[HF_ID_MAX],
                   struct hf_err *err)
{
    size_t len = strlen(prefix);
    char above[HF_ID_MAX + 1]; /* sorts behind every id that begins with prefix */
    if (len < PREFIX_MIN || len >= HF_ID_MAX)
        return hf_fail(err, HF_E_NOT_FOUND,
                       "no run '%.40s': at least %d characters of its id are needed", prefix,
                       PREFIX_MIN);
    snprintf(above, sizeof(above), "%s~", prefix);
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 2",
                       "ss", prefix, above);
    int rc = s ? hf_sql_step(c, s, "find a run", err) : -1;
    if (rc < 0)
        return -1;
    if (rc == 0)
        return hf_fail(err, HF_E_NOT_FOUND, "no run '%s'", prefix);
    snprintf(out, HF_ID_MAX, "%s", hf_sql_text(s, 0));
    rc = hf_sql_step(c, s, "find a run", err);
    if (rc > 0)
        return hf_fail(err, HF_E_CONFLICT, "several runs begin with '%s', as %s and %s", prefix,
                       out, hf_sql_text(s, 0));
    return rc;
}

int hf_catalog_find_run(struct hf_catalog *c, const char *id, hf_catalog_run_cb emit, void *ctx,
                        struct hf_err *err)
{
    char whole[HF_ID_MAX];
    if (resolve(c, id, whole, err))
        return -1;
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "SELECT " COLUMNS " FROM runs WHERE id = ?", "s", whole);
    int rc = s ? hf_sql_step(c, s, "find a run", err) : -1;
    if (rc == 0)
        return hf_fail(err, HF_E_NOT_FOUND, "no run '%s'", whole);
    return rc > 0 ? emit_row(s, emit, ctx, err) : -1;
}

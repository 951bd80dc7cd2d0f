/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "catalog/catalog_intern.h"
#include "catalog/duty.h"

#include <math.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "policy, vm, kind, served_s, attempts, began_us, ended_us, pid, pid_start, outcome, run_id, "  \
    "error, message, success_us, grade, stall_ms, duration_ms, bytes, is_protected, datastores"
#define WHICH " WHERE policy = ? AND vm = ? AND kind = ?"

int hf_duty_follow(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(c, err,
                                                 "INSERT OR IGNORE INTO duties (" COLUMNS
                                                 ") VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0, NULL, NULL,"
                                                 " NULL, NULL, 0, NULL, -1, 0, 0, 0, NULL)",
                                                 "sssi", d->policy, d->vm, d->kind, d->served_s);
    return hf_sql_run(c, s, "record the duty", err);
}

static int follow_each(struct hf_catalog *c, const struct hf_duty *d, size_t n, struct hf_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (hf_duty_follow(c, &d[i], err) < 0)
            return -1;
    return 0;
}

int hf_duty_follow_all(struct hf_catalog *c, const struct hf_duty *d, size_t n, struct hf_err *err)
{
    if (hf_sql_begin(c, err) < 0)
        return -1;
    return hf_sql_end(c, follow_each(c, d, n, err), err);
}

/* A statement that has to find its duty. */
static int change(struct hf_catalog *c, sqlite3_stmt *s, const struct hf_duty *d,
                  struct hf_err *err)
{
    if (hf_sql_run(c, s, "record the duty", err) < 0)
        return -1;
    if (sqlite3_changes(c->db) > 0)
        return 0;
    return hf_fail(err, HF_E_NOT_FOUND, "catalog '%s': no %s of policy %s is owed to %s", c->path,
                   d->kind, d->policy, d->vm);
}

int hf_duty_begin(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    if (HF_POINT_ERR("catalog.before_duty_begin", err))
        return -1;
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err,
        "UPDATE duties SET served_s = ?, attempts = ?, began_us = ?, ended_us = 0, pid = 0,"
        " pid_start = 0" WHICH,
        "iiisss", d->served_s, (int64_t)d->attempts, d->began_us, d->policy, d->vm, d->kind);
    return change(c, s, d, err);
}

int hf_duty_child(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "UPDATE duties SET pid = ?, pid_start = ?" WHICH, "iisss", d->pid,
                       d->pid_start, d->policy, d->vm, d->kind);
    return change(c, s, d, err);
}

static int store_end(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err,
        "UPDATE duties SET ended_us = ?, pid = 0, pid_start = 0, outcome = ?, run_id = ?,"
        " error = ?, message = ?, datastores = COALESCE(?, datastores)" WHICH,
        "issssssss", d->ended_us, d->outcome, d->run_id, d->error, d->message, d->datastores,
        d->policy, d->vm, d->kind);
    return change(c, s, d, err);
}

static int store_success(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err,
        "UPDATE duties SET success_us = ?, grade = ?, stall_ms = ?, duration_ms = ?, bytes = ?,"
        " is_protected = ?" WHICH,
        "isdiiisss", d->success_us, d->grade, isfinite(d->stall_ms) ? d->stall_ms : -1.0,
        d->duration_ms, d->bytes, (int64_t)d->is_protected, d->policy, d->vm, d->kind);
    return change(c, s, d, err);
}

int hf_duty_end(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    if (HF_POINT_ERR("catalog.before_duty_end", err) || hf_sql_begin(c, err))
        return -1;
    int rc = hf_stalls_count(c, d, err);
    if (rc == 0)
        rc = store_end(c, d, err);
    if (rc == 0 && strcmp(d->outcome, "done") == 0)
        rc = store_success(c, d, err);
    return hf_sql_end(c, rc, err);
}

static int store_good(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "UPDATE duties SET outcome = 'done', error = NULL, message = NULL" WHICH
                       " AND ended_us > 0 AND outcome IN ('failed', 'degraded')",
                       "sss", d->policy, d->vm, d->kind);
    if (hf_sql_run(c, s, "record the duty", err) < 0)
        return -1;
    return sqlite3_changes(c->db) > 0;
}

int hf_duty_make_good(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    if (hf_sql_begin(c, err))
        return -1;
    const int was_bad = store_good(c, d, err);
    const int rc = was_bad > 0 ? store_success(c, d, err) : was_bad;
    return hf_sql_end(c, rc < 0 ? -1 : 0, err) < 0 ? -1 : was_bad;
}

int hf_duty_withdraw(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "UPDATE duties SET served_s = ?, attempts = ?, pid = 0, pid_start = 0, "
                       "ended_us = began_us" WHICH,
                       "iisss", d->served_s, (int64_t)d->attempts, d->policy, d->vm, d->kind);
    return change(c, s, d, err);
}

static int emit_row(sqlite3_stmt *s, hf_duty_cb emit, void *ctx, struct hf_err *err)
{
    const struct hf_duty d = {
        .policy = hf_sql_text(s, 0),
        .vm = hf_sql_text(s, 1),
        .kind = hf_sql_text(s, 2),
        .served_s = sqlite3_column_int64(s, 3),
        .attempts = (uint32_t)sqlite3_column_int64(s, 4),
        .began_us = sqlite3_column_int64(s, 5),
        .ended_us = sqlite3_column_int64(s, 6),
        .pid = sqlite3_column_int64(s, 7),
        .pid_start = sqlite3_column_int64(s, 8),
        .outcome = hf_sql_text(s, 9),
        .run_id = hf_sql_text(s, 10),
        .error = hf_sql_text(s, 11),
        .message = hf_sql_text(s, 12),
        .success_us = sqlite3_column_int64(s, 13),
        .grade = hf_sql_text(s, 14),
        .stall_ms = sqlite3_column_double(s, 15),
        .duration_ms = sqlite3_column_int64(s, 16),
        .bytes = sqlite3_column_int64(s, 17),
        .is_protected = sqlite3_column_int64(s, 18) != 0,
        .datastores = hf_sql_text(s, 19),
    };
    return emit(ctx, &d, err) ? -1 : 0;
}

int hf_duties(struct hf_catalog *c, hf_duty_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "SELECT " COLUMNS " FROM duties ORDER BY policy, vm, kind", "");
    if (!s)
        return -1;
    int rc;
    while ((rc = hf_sql_step(c, s, "list the duties", err)) > 0)
        if (emit_row(s, emit, ctx, err))
            return -1;
    return rc;
}

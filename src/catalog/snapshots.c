/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "catalog/catalog_intern.h"

#include <string.h>

#define COLUMNS                                                                                    \
    "name, run_id, vm, hypervisor, vm_id, label, grade, state, taken_us, expires_us, stall_ms, "   \
    "report"

static int check_state(const char *state, struct hf_err *err)
{
    static const char *const known[] = {"present", "deleting", "deleted"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(known); i++)
        if (!strcmp(state, known[i]))
            return 0;
    return hf_fail(err, HF_E_INTERNAL, "a snapshot cannot be '%s'", state);
}

static int check_snapshot(const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    if (s->grade[0] < 'A' || s->grade[0] > 'E' || s->grade[1])
        return hf_fail(err, HF_E_INTERNAL, "'%s' is no grade", s->grade);
    return check_state(s->state, err);
}

static int insert(struct hf_catalog *c, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *stmt = hf_sql_prepare(
        c, err, "INSERT INTO snapshots (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "sstttsssiids", s->name, s->run_id, s->vm, s->hypervisor, s->vm_id, s->label, s->grade,
        s->state, s->taken_us, s->expires_us, s->stall_ms, s->report);
    return hf_sql_run(c, stmt, "record the snapshot", err);
}

int hf_catalog_snapshot_commit(struct hf_catalog *c, const struct hf_catalog_snapshot *s,
                               const struct hf_catalog_run *run, struct hf_err *err)
{
    if (check_snapshot(s, err) || HF_POINT_ERR("catalog.before_snapshot_commit", err) ||
        hf_sql_begin(c, err))
        return -1;
    /* The run first: the snapshot's row refers to it. */
    int rc = hf_catalog_run_store_end(c, run, err) || insert(c, s, err) ? -1 : 0;
    if (hf_sql_end(c, rc, err))
        return -1;
    HF_POINT("catalog.after_snapshot_commit");
    return 0;
}

static int set_state(struct hf_catalog *c, const char *vm_id, const char *name, const char *state,
                     struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "UPDATE snapshots SET state = ? WHERE vm_id = ? AND name = ?", "sss",
                       state, vm_id, name);
    if (hf_sql_run(c, s, "record the snapshot's state", err))
        return -1;
    int rows = sqlite3_changes(c->db);
    if (rows == 0)
        return hf_fail(err, HF_E_NOT_FOUND, "no snapshot '%s' of vm '%s' in the catalog", name,
                       vm_id);
    /* Two hypervisors may count their VMs alike (vmid 100); names come from run ids, so this is a
     * name that somebody chose by hand. */
    if (rows > 1)
        return hf_fail(err, HF_E_CONFLICT, "snapshot '%s' of vm '%s' exists on %d hypervisors",
                       name, vm_id, rows);
    return 0;
}

int hf_catalog_snapshot_set_state(struct hf_catalog *c, const char *vm_id, const char *name,
                                  const char *state, struct hf_err *err)
{
    if (check_state(state, err) || HF_POINT_ERR("catalog.before_snapshot_state", err) ||
        hf_sql_begin(c, err))
        return -1;
    int rc = set_state(c, vm_id, name, state, err);
    if (hf_sql_end(c, rc, err))
        return -1;
    HF_POINT("catalog.after_snapshot_state");
    return 0;
}

static int emit_row(sqlite3_stmt *s, hf_catalog_snapshot_cb emit, void *ctx, struct hf_err *err)
{
    const struct hf_catalog_snapshot snapshot = {
        .name = hf_sql_text(s, 0),
        .run_id = hf_sql_text(s, 1),
        .vm = hf_sql_text(s, 2),
        .hypervisor = hf_sql_text(s, 3),
        .vm_id = hf_sql_text(s, 4),
        .label = hf_sql_text(s, 5),
        .grade = hf_sql_text(s, 6),
        .state = hf_sql_text(s, 7),
        .taken_us = sqlite3_column_int64(s, 8),
        .expires_us = sqlite3_column_int64(s, 9),
        .stall_ms = sqlite3_column_double(s, 10),
        .report = hf_sql_text(s, 11),
    };
    return emit(ctx, &snapshot, err) ? -1 : 0;
}

int hf_catalog_snapshots(struct hf_catalog *c, const char *vm, bool with_deleted,
                         hf_catalog_snapshot_cb emit, void *ctx, struct hf_err *err)
{
    const char *sql = vm ? "SELECT " COLUMNS " FROM snapshots WHERE (?1 OR state <> 'deleted')"
                           " AND vm = ?2 ORDER BY taken_us DESC, name DESC"
                         : "SELECT " COLUMNS " FROM snapshots WHERE (?1 OR state <> 'deleted')"
                           " ORDER BY taken_us DESC, name DESC";
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, sql, vm ? "is" : "i", (int64_t)with_deleted, vm);
    if (!s)
        return -1;
    int rc;
    while ((rc = hf_sql_step(c, s, "list the snapshots", err)) > 0)
        if (emit_row(s, emit, ctx, err))
            return -1;
    return rc;
}

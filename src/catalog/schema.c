/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog_intern.h"

#include <stdio.h>

/* Step i brings version i to i + 1. A step that was released is never changed: what comes next
 * (leases) is a further step. Types and keys are in the words that MariaDB shares. */
static const char *const steps[] = {
    "CREATE TABLE runs ("
    "  id VARCHAR(32) NOT NULL PRIMARY KEY,"
    "  verb VARCHAR(64) NOT NULL,"
    "  vm VARCHAR(255) NOT NULL,"
    "  hypervisor VARCHAR(255) NOT NULL,"
    "  vm_id VARCHAR(255) NOT NULL,"
    "  outcome VARCHAR(16),"
    "  report TEXT,"
    "  started_us BIGINT NOT NULL,"
    "  ended_us BIGINT NOT NULL);"
    "CREATE INDEX runs_started ON runs (started_us, id);"
    "CREATE INDEX runs_vm_started ON runs (vm, started_us, id);"
    "CREATE TABLE snapshots ("
    "  hypervisor VARCHAR(255) NOT NULL,"
    "  vm_id VARCHAR(255) NOT NULL,"
    "  name VARCHAR(255) NOT NULL,"
    "  run_id VARCHAR(32) NOT NULL,"
    "  vm VARCHAR(255) NOT NULL,"
    "  label VARCHAR(255),"
    "  grade CHAR(1) NOT NULL,"
    "  state VARCHAR(16) NOT NULL,"
    "  taken_us BIGINT NOT NULL,"
    "  expires_us BIGINT NOT NULL,"
    "  stall_ms DOUBLE NOT NULL,"
    "  report TEXT,"
    "  PRIMARY KEY (hypervisor, vm_id, name),"
    "  FOREIGN KEY (run_id) REFERENCES runs (id));"
    "CREATE INDEX snapshots_taken ON snapshots (taken_us, name);"
    "CREATE INDEX snapshots_vm_taken ON snapshots (vm, taken_us, name);"
    "CREATE INDEX snapshots_run ON snapshots (run_id);",
    /* Points may come from a store: their runs need not be known. */
    "CREATE TABLE points ("
    "  id VARCHAR(32) NOT NULL PRIMARY KEY,"
    "  vm VARCHAR(255) NOT NULL,"
    "  hypervisor VARCHAR(255) NOT NULL,"
    "  vm_id VARCHAR(255) NOT NULL,"
    "  grade CHAR(1) NOT NULL,"
    "  taken_us BIGINT NOT NULL,"
    "  stall_ms DOUBLE NOT NULL,"
    "  checkpoint VARCHAR(64),"
    "  report TEXT);"
    "CREATE INDEX points_taken ON points (taken_us, id);"
    "CREATE INDEX points_vm_taken ON points (vm, taken_us, id);"
    "CREATE TABLE copies ("
    "  point_id VARCHAR(32) NOT NULL,"
    "  store_id VARCHAR(32) NOT NULL,"
    "  store VARCHAR(255) NOT NULL,"
    "  objects BIGINT NOT NULL,"
    "  bytes BIGINT NOT NULL,"
    "  is_protected INTEGER NOT NULL,"
    "  verified_us BIGINT NOT NULL,"
    "  is_damaged INTEGER NOT NULL,"
    "  PRIMARY KEY (point_id, store_id),"
    "  FOREIGN KEY (point_id) REFERENCES points (id));"
    "CREATE INDEX copies_store ON copies (store_id);",
    /* A drill outlives its point: that the last one passed is known also when the point has expired. */
    "CREATE TABLE drills ("
    "  run_id VARCHAR(32) NOT NULL PRIMARY KEY,"
    "  point_id VARCHAR(32) NOT NULL,"
    "  vm VARCHAR(255) NOT NULL,"
    "  store_id VARCHAR(32) NOT NULL,"
    "  store VARCHAR(255) NOT NULL,"
    "  has_passed INTEGER NOT NULL,"
    "  recovery_ms BIGINT NOT NULL,"
    "  duration_ms BIGINT NOT NULL,"
    "  started_us BIGINT NOT NULL,"
    "  why TEXT);"
    "CREATE INDEX drills_point ON drills (point_id, started_us);"
    "CREATE INDEX drills_vm ON drills (vm, started_us);",
    /* What holdfastd owes whom (duty.h), what is wrong, and who has still to hear of it (alarm.h). */
    "CREATE TABLE duties ("
    "  policy VARCHAR(255) NOT NULL,"
    "  vm VARCHAR(255) NOT NULL,"
    "  kind VARCHAR(16) NOT NULL,"
    "  served_s BIGINT NOT NULL,"
    "  attempts BIGINT NOT NULL,"
    "  began_us BIGINT NOT NULL,"
    "  ended_us BIGINT NOT NULL,"
    "  pid BIGINT NOT NULL,"
    "  pid_start BIGINT NOT NULL,"
    "  outcome VARCHAR(16),"
    "  run_id VARCHAR(32),"
    "  error VARCHAR(32),"
    "  message TEXT,"
    "  success_us BIGINT NOT NULL,"
    "  grade CHAR(1),"
    "  stall_ms DOUBLE NOT NULL,"
    "  duration_ms BIGINT NOT NULL,"
    "  bytes BIGINT NOT NULL,"
    "  is_protected INTEGER NOT NULL,"
    "  datastores TEXT,"
    "  PRIMARY KEY (policy, vm, kind));"
    "CREATE TABLE alarms ("
    "  kind VARCHAR(32) NOT NULL,"
    "  policy VARCHAR(255) NOT NULL,"
    "  vm VARCHAR(255) NOT NULL,"
    "  since_us BIGINT NOT NULL,"
    "  text TEXT NOT NULL,"
    "  PRIMARY KEY (kind, policy, vm));"
    "CREATE TABLE messages ("
    "  id INTEGER NOT NULL PRIMARY KEY,"
    "  target VARCHAR(255) NOT NULL,"
    "  is_recovery INTEGER NOT NULL,"
    "  kind VARCHAR(32) NOT NULL,"
    "  policy VARCHAR(255) NOT NULL,"
    "  vm VARCHAR(255) NOT NULL,"
    "  since_us BIGINT NOT NULL,"
    "  text TEXT NOT NULL,"
    "  at_us BIGINT NOT NULL,"
    "  tries BIGINT NOT NULL,"
    "  next_us BIGINT NOT NULL);"
    /* How many runs held writers up so long at the most, each bucket without those below it; counted when a duty ends. */
    "CREATE TABLE stalls ("
    "  policy VARCHAR(255) NOT NULL,"
    "  vm VARCHAR(255) NOT NULL,"
    "  bucket INTEGER NOT NULL,"
    "  runs BIGINT NOT NULL,"
    "  sum_ms DOUBLE NOT NULL,"
    "  PRIMARY KEY (policy, vm, bucket));",
    /* What lists show of a report, so that they need not read it: a million of them are gigabytes. */
    "ALTER TABLE points ADD COLUMN bytes BIGINT;"
    "ALTER TABLE copies ADD COLUMN off_host VARCHAR(16);"
    "UPDATE points SET bytes = (SELECT SUM(json_extract(a.value, '$.bytes'))"
    "  FROM json_each(points.report, '$.artifacts') AS a) WHERE json_valid(report);"
    "UPDATE copies SET off_host = (SELECT json_extract(s.value, '$.off_host')"
    "  FROM points, json_each(points.report, '$.stores') AS s"
    "  WHERE points.id = copies.point_id AND json_extract(s.value, '$.name') = copies.store)"
    "  WHERE EXISTS (SELECT 1 FROM points WHERE id = copies.point_id AND json_valid(report));",
};

static int version_get(struct hf_catalog *c, int64_t *out, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(c, err, "PRAGMA user_version", "");
    if (!s || hf_sql_step(c, s, "read the version", err) < 0)
        return -1;
    *out = sqlite3_column_int64(s, 0);
    return 0;
}

static int refuse(const struct hf_catalog *c, int64_t version, struct hf_err *err)
{
    hf_fail(err, HF_E_UNSUPPORTED, "catalog '%s': schema %lld is not one of this program (%zu)",
            c->path, (long long)version, HF_ARRAY_SIZE(steps));
    return hf_hint(err, "A newer holdfast has worked here; use that one.");
}

static int migrate_from(struct hf_catalog *c, int64_t version, struct hf_err *err)
{
    char pragma[64];
    for (size_t i = (size_t)version; i < HF_ARRAY_SIZE(steps); i++)
        if (hf_sql_exec(c, steps[i], "migrate", err))
            return -1;
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %zu", HF_ARRAY_SIZE(steps));
    return hf_sql_exec(c, pragma, "migrate", err);
}

int hf_schema_migrate(struct hf_catalog *c, struct hf_err *err)
{
    int64_t version = 0;
    const int64_t ours = HF_ARRAY_SIZE(steps);
    if (version_get(c, &version, err))
        return -1;
    if (version == ours)
        return 0;
    if (version < 0 || version > ours)
        return refuse(c, version, err);
    /* Asked again under the write lock: another process may have migrated meanwhile. */
    if (hf_sql_begin(c, err))
        return -1;
    int rc = version_get(c, &version, err);
    if (!rc)
        rc = version > ours ? refuse(c, version, err) : migrate_from(c, version, err);
    return hf_sql_end(c, rc, err);
}

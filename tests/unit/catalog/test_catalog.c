/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/strv.h"
#include "catalog/catalog.h"
#include "catalog/catalog_intern.h"
#include "harness/hf_test.h"
#include "harness/small_fs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN "20261123T030000Z-7f3a9c21"
#define NOW INT64_C(1795402800000000) /* of the fake clock */

static struct hf_catalog *open_in(void **state, const char *dir)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog *c = hf_catalog_open(dir, &hf_test_clock(state)->clock, &err);
    assert_hf_got(c, &err);
    return c;
}

static struct hf_catalog *open_here(void **state)
{
    return open_in(state, hf_test_dir(state));
}

static struct hf_catalog_run run_of(const char *id)
{
    return (struct hf_catalog_run){.id = id,
                                   .verb = "snapshot create",
                                   .vm = "web01",
                                   .hypervisor = "lab",
                                   .vm_id = "5d1c",
                                   .outcome = "done",
                                   .report = "{\"run\":1}",
                                   .started_us = NOW,
                                   .ended_us = NOW + 5};
}

static struct hf_catalog_snapshot snapshot_of(const char *name, const char *run_id)
{
    return (struct hf_catalog_snapshot){.name = name,
                                        .run_id = run_id,
                                        .vm = "web01",
                                        .hypervisor = "lab",
                                        .vm_id = "5d1c",
                                        .label = "before the upgrade",
                                        .grade = "B",
                                        .state = "present",
                                        .taken_us = NOW + 1,
                                        .expires_us = NOW + 100,
                                        .stall_ms = 61.25,
                                        .report = "{}"};
}

static void begin_run(struct hf_catalog *c, const char *id)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_catalog_run run = run_of(id);
    assert_hf_ok(hf_catalog_run_begin(c, &run, &err), &err);
}

static void commit(struct hf_catalog *c, const struct hf_catalog_snapshot *s)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_catalog_run run = run_of(s->run_id);
    assert_hf_ok(hf_catalog_snapshot_commit(c, s, &run, &err), &err);
}

/* ---- what the callbacks gather ---------------------------------------------------------- */

static int add_run(void *ctx, const struct hf_catalog_run *r, struct hf_err *err)
{
    HF_AUTOFREE char *line = hf_asprintf(
        "%s|%s|%s|%s|%s|%s|%s|%lld|%lld", r->id, r->verb, r->vm, r->hypervisor, r->vm_id,
        r->outcome ? r->outcome : "-", r->report ? r->report : "-",
        (long long)(r->started_us - NOW), (long long)(r->ended_us ? r->ended_us - NOW : -1));
    return line && !hf_strv_add(ctx, line) ? 0 : hf_fail_nomem(err);
}

static int add_run_id(void *ctx, const struct hf_catalog_run *r, struct hf_err *err)
{
    return hf_strv_add(ctx, r->id) ? hf_fail_nomem(err) : 0;
}

static int add_snapshot(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    HF_AUTOFREE char *line = hf_asprintf(
        "%s|%s|%s|%s|%s|%s|%s|%s|%lld|%lld|%.2f|%s", s->name, s->run_id, s->vm, s->hypervisor,
        s->vm_id, s->label ? s->label : "-", s->grade, s->state, (long long)(s->taken_us - NOW),
        (long long)s->expires_us, s->stall_ms, s->report ? s->report : "-");
    return line && !hf_strv_add(ctx, line) ? 0 : hf_fail_nomem(err);
}

static int add_snapshot_name(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    return hf_strv_add(ctx, s->name) ? hf_fail_nomem(err) : 0;
}

static void assert_found(struct hf_catalog *c, const char *id, const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv got = HF_STRV_INIT;
    assert_hf_ok(hf_catalog_find_run(c, id, add_run, &got, &err), &err);
    assert_int_equal(got.n, 1);
    assert_string_equal(got.items[0], expected);
}

static size_t count_runs(struct hf_catalog *c)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv got = HF_STRV_INIT;
    assert_hf_ok(hf_catalog_runs(c, NULL, SIZE_MAX, add_run_id, &got, &err), &err);
    return got.n;
}

/* Names, or what `emit` makes of them, joined by blanks; to be freed. */
static char *snapshots(struct hf_catalog *c, const char *vm, bool with_deleted,
                       hf_catalog_snapshot_cb emit)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv got = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    assert_hf_ok(hf_catalog_snapshots(c, vm, with_deleted, emit, &got, &err), &err);
    for (size_t i = 0; i < got.n; i++)
        hf_buf_printf(&text, "%s%s", i ? " " : "", got.items[i]);
    return strdup(hf_buf_str(&text));
}

static int64_t pragma(struct hf_catalog *c, const char *sql)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(c, &err, sql, "");
    assert_hf_got(s, &err);
    assert_int_equal(hf_sql_step(c, s, sql, &err), 1);
    return sqlite3_column_int64(s, 0);
}

/* ---- the file --------------------------------------------------------------------------- */

static void assert_mode(const char *path, mode_t mode)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void is_private_whatever_the_umask_says(void **state)
{
    const char *dir = hf_test_path(state, "state");
    mode_t before = umask(0);
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_in(state, dir);
    begin_run(c, RUN);
    umask(before);
    assert_mode(dir, 0700);
    assert_mode(hf_test_path(state, "state/catalog.sqlite"), 0600);
    assert_mode(hf_test_path(state, "state/catalog.sqlite-wal"), 0600);
    assert_mode(hf_test_path(state, "state/catalog.sqlite-shm"), 0600);
}

static void syncs_each_commit_and_checks_references(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    assert_int_equal(pragma(c, "PRAGMA synchronous"), 2);
    assert_int_equal(pragma(c, "PRAGMA foreign_keys"), 1);
    assert_int_equal(pragma(c, "PRAGMA busy_timeout"), 5000);
    assert_int_equal(pragma(c, "PRAGMA user_version"), 5);
    assert_int_equal(pragma(c, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
}

static void opens_again_with_its_content(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    begin_run(c, RUN);
    hf_catalog_close(HF_STEAL(c));
    hf_catalog_close(NULL);
    c = open_here(state);
    assert_int_equal(count_runs(c), 1);
}

static void set_version(void **state, const char *sql)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    assert_hf_ok(hf_sql_exec(c, sql, "prepare the test", &err), &err);
}

static void refuses_a_newer_schema_and_leaves_it_alone(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    set_version(state, "PRAGMA user_version = 99");
    for (int i = 0; i < 2; i++) {
        assert_null(hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err));
        assert_hf_err(&err, HF_E_UNSUPPORTED, "schema 99");
        assert_hf_err(&err, HF_E_UNSUPPORTED, "newer holdfast");
    }
}

static void a_migration_that_fails_changes_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    /* As version 0, but one of the tables is there: the step fails in its middle. */
    set_version(state, "DROP TABLE snapshots; DROP TABLE runs; CREATE TABLE snapshots (x);"
                       "PRAGMA user_version = 0");
    assert_null(hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err));
    assert_hf_err(&err, HF_E_INTERNAL, "migrate: table snapshots already exists");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(hf_test_path(state, "catalog.sqlite"), &db), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(db, "SELECT 1 FROM runs", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_file_that_is_no_database_is_corrupt_with_a_way_out(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    hf_test_file(state, "catalog.sqlite",
                 "This is not a database at all, but it is long enough to have a header: "
                 "0123456789012345678901234567890123456789",
                 0600);
    assert_null(hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "catalog.sqlite");
    assert_hf_err(&err, HF_E_CORRUPT, "Move the file aside");
}

static void fill(struct hf_catalog *c, int n)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_sql_begin(c, &err), &err);
    for (int i = 0; i < n; i++) {
        char id[40], name[40];
        snprintf(id, sizeof(id), "20261123T030000Z-%08x", (unsigned)i);
        snprintf(name, sizeof(name), "hf-%04d", i);
        struct hf_catalog_snapshot s = snapshot_of(name, id);
        /* Neither inserted nor named in the order of the captures. */
        s.taken_us = NOW + (i * 7919) % n;
        s.vm = i % 2 ? "web01" : "web02";
        struct hf_catalog_run run = run_of(id);
        assert_hf_ok(hf_catalog_run_store_end(c, &run, &err), &err);
        HF_AUTOSTMT sqlite3_stmt *stmt = hf_sql_prepare(
            c, &err,
            "INSERT INTO snapshots VALUES ('lab', ?, ?, ?, ?, NULL, 'B', ?, ?, 0, "
            "0, NULL)",
            "sssssi", s.vm_id, s.name, s.run_id, s.vm, i % 10 ? "present" : "deleted", s.taken_us);
        assert_hf_ok(hf_sql_run(c, stmt, "fill", &err), &err);
    }
    assert_hf_ok(hf_sql_end(c, 0, &err), &err);
}

static void overwrite(const char *path, off_t from, off_t to)
{
    HF_AUTOFD int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (off_t at = from; at < to; at++)
        assert_int_equal(pwrite(fd, "\xa5", 1, at), 1);
}

/* The pages that a catalog without rows does not have. */
static void damaged_pages_are_corrupt_and_never_wrong_rows(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct stat empty, st;
    HF_AUTO(hf_strv) struct hf_strv got = HF_STRV_INIT;
    const char *path = hf_test_path(state, "catalog.sqlite");
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    hf_catalog_close(HF_STEAL(c));
    assert_int_equal(stat(path, &empty), 0);
    c = open_here(state);
    fill(c, 300);
    hf_catalog_close(HF_STEAL(c));
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > empty.st_size);
    overwrite(path, empty.st_size, st.st_size);
    c = open_here(state);
    assert_int_equal(hf_catalog_snapshots(c, NULL, true, add_snapshot, &got, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "Move the file aside");
}

static void a_catalog_cut_short_is_corrupt(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv got = HF_STRV_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    fill(c, 300);
    hf_catalog_close(HF_STEAL(c));
    assert_int_equal(truncate(hf_test_path(state, "catalog.sqlite"), 4096 * 3), 0);
    c = hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err);
    if (c)
        assert_int_equal(hf_catalog_runs(c, NULL, SIZE_MAX, add_run_id, &got, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "Move the file aside");
}

/* ---- runs ------------------------------------------------------------------------------- */

static void a_run_has_no_outcome_until_it_ends(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct hf_catalog_run run = run_of(RUN);
    assert_hf_ok(hf_catalog_run_begin(c, &run, &err), &err);
    assert_found(c, RUN, RUN "|snapshot create|web01|lab|5d1c|-|-|0|-1");
    run.outcome = "degraded";
    assert_hf_ok(hf_catalog_run_end(c, &run, &err), &err);
    assert_found(c, RUN, RUN "|snapshot create|web01|lab|5d1c|degraded|{\"run\":1}|0|5");
}

static void fills_in_times_and_empty_names(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_catalog_run begun = {.id = RUN};
    assert_hf_ok(hf_catalog_run_begin(c, &begun, &err), &err);
    hf_fake_clock_advance_ms(hf_test_clock(state), 2);
    const struct hf_catalog_run ended = {.id = RUN, .outcome = "failed"};
    assert_hf_ok(hf_catalog_run_end(c, &ended, &err), &err);
    assert_found(c, RUN, RUN "|||||failed|-|0|2000");
}

static void refuses_a_second_run_of_the_same_id(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_catalog_run run = run_of(RUN);
    begin_run(c, RUN);
    assert_int_equal(hf_catalog_run_begin(c, &run, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "record the run");
}

static void ends_a_run_that_was_lost(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct hf_catalog_run run = run_of(RUN);
    run.outcome = "undone";
    run.started_us = 0;
    assert_hf_ok(hf_catalog_run_end(c, &run, &err), &err);
    assert_found(c, RUN, RUN "|snapshot create|web01|lab|5d1c|undone|{\"run\":1}|5|5");
}

static void knows_only_the_documented_outcomes(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    begin_run(c, RUN);
    struct hf_catalog_run run = run_of(RUN);
    run.outcome = "splendid";
    assert_int_equal(hf_catalog_run_end(c, &run, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "splendid");
    run.outcome = NULL;
    assert_int_equal(hf_catalog_run_end(c, &run, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "(null)");
    assert_found(c, RUN, RUN "|snapshot create|web01|lab|5d1c|-|-|0|-1");
}

static void lists_the_newest_runs_first_and_no_more_than_asked(void **state)
{
    static const char *const ids[] = {"20261123T030000Z-00000001", "20261123T030000Z-00000003",
                                      "20261123T030000Z-00000002", "20261123T030001Z-00000000"};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    for (size_t i = 0; i < HF_ARRAY_SIZE(ids); i++) {
        struct hf_catalog_run run = run_of(ids[i]);
        run.started_us = NOW + (i == 3);
        run.vm = i == 1 ? "db01" : "web01";
        assert_hf_ok(hf_catalog_run_begin(c, &run, &err), &err);
    }
    HF_AUTO(hf_strv) struct hf_strv got = HF_STRV_INIT;
    assert_hf_ok(hf_catalog_runs(c, NULL, 3, add_run_id, &got, &err), &err);
    assert_int_equal(got.n, 3);
    assert_string_equal(got.items[0], ids[3]);
    assert_string_equal(got.items[1], ids[1]);
    assert_string_equal(got.items[2], ids[2]);
    hf_strv_free(&got);
    assert_hf_ok(hf_catalog_runs(c, "web01", SIZE_MAX, add_run_id, &got, &err), &err);
    assert_int_equal(got.n, 3);
    assert_string_equal(got.items[1], ids[2]);
    hf_strv_free(&got);
    assert_hf_ok(hf_catalog_runs(c, "nobody", SIZE_MAX, add_run_id, &got, &err), &err);
    assert_hf_ok(hf_catalog_runs(c, NULL, 0, add_run_id, &got, &err), &err);
    assert_int_equal(got.n, 0);
}

static void assert_not_found(struct hf_catalog *c, const char *id, enum hf_err_class cls,
                             const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv got = HF_STRV_INIT;
    assert_int_equal(hf_catalog_find_run(c, id, add_run, &got, &err), -1);
    assert_hf_err(&err, cls, piece);
    assert_int_equal(got.n, 0);
}

static void finds_a_run_by_any_prefix_that_is_unique(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    begin_run(c, "20261123T030000Z-7f3a9c21");
    begin_run(c, "20261123T030000Z-7f3b0000");
    begin_run(c, "20250101T000000Z-ffffffff");
    assert_found(c, "2025", "20250101T000000Z-ffffffff|snapshot create|web01|lab|5d1c|-|-|0|-1");
    assert_found(c, "20261123T030000Z-7f3b",
                 "20261123T030000Z-7f3b0000|snapshot create|web01|lab|5d1c|-|-|0|-1");
    assert_found(c, "20261123T030000Z-7f3a9c21",
                 "20261123T030000Z-7f3a9c21|snapshot create|web01|lab|5d1c|-|-|0|-1");
    assert_not_found(c, "20261123T030000Z-7f3", HF_E_CONFLICT, "7f3a9c21 and 20261123");
    assert_not_found(c, "2027", HF_E_NOT_FOUND, "2027");
    assert_not_found(c, "202", HF_E_NOT_FOUND, "4 characters");
    assert_not_found(c, "", HF_E_NOT_FOUND, "4 characters");
    assert_not_found(c, "20%%", HF_E_NOT_FOUND, "20%%");
    assert_not_found(c, "20261123T030000Z-7f3a9c21-and-much-more", HF_E_NOT_FOUND, "no run");
}

/* ---- snapshots -------------------------------------------------------------------------- */

static void commits_a_snapshot_with_its_runs_end(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    begin_run(c, RUN);
    const struct hf_catalog_snapshot s = snapshot_of("hf-1", RUN);
    commit(c, &s);
    HF_AUTOFREE char *listed = snapshots(c, NULL, false, add_snapshot);
    assert_string_equal(listed, "hf-1|" RUN "|web01|lab|5d1c|before the upgrade|B|present|1|"
                                "1795402800000100|61.25|{}");
    assert_found(c, RUN, RUN "|snapshot create|web01|lab|5d1c|done|{\"run\":1}|0|5");
}

static void a_snapshot_that_is_refused_does_not_end_its_run(void **state)
{
    static const char *const other = "20261123T030000Z-00000002";
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_catalog_snapshot first = snapshot_of("hf-1", RUN);
    commit(c, &first);
    begin_run(c, other);
    const struct hf_catalog_snapshot same = snapshot_of("hf-1", other);
    const struct hf_catalog_run run = run_of(other);
    assert_int_equal(hf_catalog_snapshot_commit(c, &same, &run, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "record the snapshot");
    assert_found(c, other, "20261123T030000Z-00000002|snapshot create|web01|lab|5d1c|-|-|0|-1");
    /* And the connection is usable: nothing was left half open. */
    begin_run(c, "20261123T030000Z-00000003");
}

static void refuses_what_is_no_grade_or_state(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_catalog_run run = run_of(RUN);
    static const char *const grades[] = {"F", "", "AB", "b"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(grades); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_catalog_snapshot s = snapshot_of("hf-1", RUN);
        s.grade = grades[i];
        assert_int_equal(hf_catalog_snapshot_commit(c, &s, &run, &err), -1);
        assert_hf_err(&err, HF_E_INTERNAL, "no grade");
    }
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog_snapshot s = snapshot_of("hf-1", RUN);
    s.state = "gone";
    assert_int_equal(hf_catalog_snapshot_commit(c, &s, &run, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "'gone'");
    assert_int_equal(hf_catalog_snapshot_set_state(c, "5d1c", "hf-1", "gone", &err), -1);
    assert_int_equal(count_runs(c), 0);
}

static void a_deleted_snapshot_is_listed_only_when_asked_for(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_catalog_snapshot first = snapshot_of("hf-1", RUN);
    struct hf_catalog_snapshot second = snapshot_of("hf-2", "20261123T030000Z-00000002");
    second.label = second.report = NULL;
    second.expires_us = 0;
    commit(c, &first);
    commit(c, &second);
    assert_hf_ok(hf_catalog_snapshot_set_state(c, "5d1c", "hf-1", "deleting", &err), &err);
    HF_AUTOFREE char *deleting = snapshots(c, "web01", false, add_snapshot_name);
    assert_string_equal(deleting, "hf-2 hf-1");
    assert_hf_ok(hf_catalog_snapshot_set_state(c, "5d1c", "hf-1", "deleted", &err), &err);
    HF_AUTOFREE char *present = snapshots(c, "web01", false, add_snapshot);
    assert_string_equal(present, "hf-2|20261123T030000Z-00000002|web01|lab|5d1c|-|B|present|1|0|"
                                 "61.25|-");
    HF_AUTOFREE char *all = snapshots(c, NULL, true, add_snapshot_name);
    assert_string_equal(all, "hf-2 hf-1");
    assert_int_equal(hf_catalog_snapshot_set_state(c, "5d1c", "hf-3", "deleted", &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "hf-3");
}

static void does_not_guess_between_two_hypervisors(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct hf_catalog_snapshot s = snapshot_of("mine", RUN);
    s.vm_id = "100";
    commit(c, &s);
    s.hypervisor = "prod";
    s.run_id = "20261123T030000Z-00000002";
    commit(c, &s);
    assert_int_equal(hf_catalog_snapshot_set_state(c, "100", "mine", "deleted", &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "2 hypervisors");
    HF_AUTOFREE char *present = snapshots(c, NULL, false, add_snapshot_name);
    assert_string_equal(present, "mine mine");
}

struct order {
    int64_t last_us;
    size_t n;
    const char *vm;
};

static int check_order(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    struct order *o = ctx;
    if (s->taken_us > o->last_us || (o->vm && strcmp(o->vm, s->vm)))
        return hf_fail(err, HF_E_INTERNAL, "%s is out of place", s->name);
    o->last_us = s->taken_us;
    o->n++;
    return 0;
}

static void lists_a_thousand_snapshots_newest_first(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    fill(c, 1000);
    struct order all = {.last_us = INT64_MAX}, present = all, web02 = all;
    web02.vm = "web02";
    assert_hf_ok(hf_catalog_snapshots(c, NULL, true, check_order, &all, &err), &err);
    assert_int_equal(all.n, 1000);
    assert_hf_ok(hf_catalog_snapshots(c, NULL, false, check_order, &present, &err), &err);
    assert_int_equal(present.n, 900);
    assert_hf_ok(hf_catalog_snapshots(c, "web02", true, check_order, &web02, &err), &err);
    assert_int_equal(web02.n, 500);
}

static int stop_at_second(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    return ++*(int *)ctx == 2 ? hf_fail(err, HF_E_CANCELLED, "enough at %s", s->name) : 0;
}

static void a_callback_can_stop_the_listing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    int n = 0;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    fill(c, 5);
    assert_int_equal(hf_catalog_snapshots(c, NULL, true, stop_at_second, &n, &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "enough at hf-");
    assert_int_equal(n, 2);
}

static int find_its_run(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv inner = HF_STRV_INIT;
    return hf_catalog_snapshots(ctx, NULL, true, add_snapshot_name, &inner, err) ||
           hf_catalog_find_run(ctx, s->run_id, add_run_id, &inner, err);
}

static void a_callback_may_ask_the_catalog_again(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    fill(c, 20);
    assert_hf_ok(hf_catalog_snapshots(c, NULL, true, find_its_run, c, &err), &err);
}

/* ---- several processes, full disks, sudden death ------------------------------------------ */

static void waits_for_another_writer_and_then_says_busy(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *holder = open_here(state);
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    assert_hf_ok(hf_sql_begin(holder, &err), &err);
    /* The real 5 s would make this case slow, and nothing else. */
    sqlite3_busy_timeout(c->db, 20);
    const struct hf_catalog_run run = run_of(RUN);
    assert_int_equal(hf_catalog_run_begin(c, &run, &err), -1);
    assert_hf_err(&err, HF_E_BUSY, "locked");
    assert_true(err.retryable);
    assert_int_equal(count_runs(c), 0); /* readers do not wait */
    assert_hf_ok(hf_sql_end(holder, 0, &err), &err);
    begin_run(c, RUN);
}

/* Runs of this process, each with a snapshot, until the number is reached; the number of each
 * that is committed is reported. */
static _Noreturn void keep_writing(const char *dir, int process, int n, int report)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog *c = hf_catalog_open(dir, hf_clock_system(), &err);
    for (int i = 0; c && i < n; i++) {
        char id[32], name[32];
        snprintf(id, sizeof(id), "20261123T030000Z-%04x%04x", (unsigned)process & 0xffff,
                 (unsigned)i & 0xffff);
        snprintf(name, sizeof(name), "hf-%d-%d", process, i);
        const struct hf_catalog_run run = run_of(id);
        const struct hf_catalog_snapshot s = snapshot_of(name, id);
        if (hf_catalog_run_begin(c, &run, &err) || hf_catalog_snapshot_commit(c, &s, &run, &err))
            break;
        if (report >= 0 && write(report, "+", 1) != 1)
            break;
    }
    hf_catalog_close(c);
    if (err.cls)
        fprintf(stderr, "process %d: %s\n", process, err.message);
    _exit(err.cls ? 1 : 0);
}

static void share_from_the_first_start_on(void **state, const char *dir, int processes, int runs)
{
    for (int i = 0; i < processes; i++)
        if (!fork())
            keep_writing(dir, i, runs, -1);
    for (int i = 0; i < processes; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_in(state, dir);
    assert_int_equal(count_runs(c), processes * runs);
}

static void processes_share_it_from_the_first_start_on(void **state)
{
    share_from_the_first_start_on(state, hf_test_path(state, "long"), 4, 15);
    /* Many that only meet at the start, and again. */
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "short-%d", i);
        share_from_the_first_start_on(state, hf_test_path(state, name), 12, 1);
    }
}

static void waits_for_another_process_that_sets_it_up(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *dir = hf_test_dir(state);
    HF_AUTOFD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_null(hf_catalog_open(dir, &hf_test_clock(state)->clock, &err));
    assert_hf_err(&err, HF_E_BUSY, "setting it up");
    assert_true(err.retryable);
    assert_true(hf_test_clock(state)->slept_us >= 5000000);
}

static void what_was_committed_survives_a_kill(void **state)
{
    size_t committed = 0;
    const char *dir = hf_test_dir(state); /* made here, not in the child */
    for (int i = 0; i < 10; i++) {
        int fds[2];
        char c;
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (!pid)
            keep_writing(dir, i, 60000, fds[1]);
        close(fds[1]);
        for (int n = 0; n < 3; n++, committed++)
            assert_int_equal(read(fds[0], &c, 1), 1);
        usleep((useconds_t)(i * 211));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(fds[0], &c, 1) == 1)
            committed++;
        close(fds[0]);
        HF_AUTO(hf_catalog) struct hf_catalog *catalog = open_here(state);
        HF_AUTO(hf_strv) struct hf_strv got = HF_STRV_INIT;
        struct hf_err err = HF_ERR_INIT;
        assert_hf_ok(hf_catalog_snapshots(catalog, NULL, true, add_snapshot_name, &got, &err),
                     &err);
        /* Each kill may leave one that was committed and not yet reported. */
        assert_in_range(got.n, committed, committed + 1);
        committed = got.n;
    }
}

static void a_full_disk_is_no_space_and_loses_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *dir = small_fs_mount(state, 512);
    struct hf_catalog *c = open_in(state, dir);
    begin_run(c, RUN);
    small_fs_fill(dir);
    struct hf_catalog_run run = run_of(RUN);
    HF_AUTOFREE char *report = hf_asprintf("%0100000d", 0);
    run.report = report;
    assert_int_equal(hf_catalog_run_end(c, &run, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "Make room");
    assert_found(c, RUN, RUN "|snapshot create|web01|lab|5d1c|-|-|0|-1");
    small_fs_relieve(dir);
    assert_hf_ok(hf_catalog_run_end(c, &run, &err), &err);
    hf_catalog_close(c);
    small_fs_umount(dir);
}

static void a_catalog_that_cannot_be_made_says_why(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *file = hf_test_file(state, "file", "", 0600);
    assert_null(hf_catalog_open(file, &hf_test_clock(state)->clock, &err));
    assert_contains(err.message, "file");
    /* A directory where the file should be. */
    assert_int_equal(mkdir(hf_test_path(state, "catalog.sqlite"), 0700), 0);
    assert_null(hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err));
    assert_contains(err.message, "catalog.sqlite");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(is_private_whatever_the_umask_says),
        HF_TEST(syncs_each_commit_and_checks_references),
        HF_TEST(opens_again_with_its_content),
        HF_TEST(refuses_a_newer_schema_and_leaves_it_alone),
        HF_TEST(a_migration_that_fails_changes_nothing),
        HF_TEST(a_file_that_is_no_database_is_corrupt_with_a_way_out),
        HF_TEST(damaged_pages_are_corrupt_and_never_wrong_rows),
        HF_TEST(a_catalog_cut_short_is_corrupt),
        HF_TEST(a_run_has_no_outcome_until_it_ends),
        HF_TEST(fills_in_times_and_empty_names),
        HF_TEST(refuses_a_second_run_of_the_same_id),
        HF_TEST(ends_a_run_that_was_lost),
        HF_TEST(knows_only_the_documented_outcomes),
        HF_TEST(lists_the_newest_runs_first_and_no_more_than_asked),
        HF_TEST(finds_a_run_by_any_prefix_that_is_unique),
        HF_TEST(commits_a_snapshot_with_its_runs_end),
        HF_TEST(a_snapshot_that_is_refused_does_not_end_its_run),
        HF_TEST(refuses_what_is_no_grade_or_state),
        HF_TEST(a_deleted_snapshot_is_listed_only_when_asked_for),
        HF_TEST(does_not_guess_between_two_hypervisors),
        HF_TEST(lists_a_thousand_snapshots_newest_first),
        HF_TEST(a_callback_can_stop_the_listing),
        HF_TEST(a_callback_may_ask_the_catalog_again),
        HF_TEST(waits_for_another_writer_and_then_says_busy),
        HF_TEST(processes_share_it_from_the_first_start_on),
        HF_TEST(waits_for_another_process_that_sets_it_up),
        HF_TEST(what_was_committed_survives_a_kill),
        HF_TEST(a_full_disk_is_no_space_and_loses_nothing),
        HF_TEST(a_catalog_that_cannot_be_made_says_why),
    };
    return HF_RUN_TESTS("catalog.catalog", tests);
}

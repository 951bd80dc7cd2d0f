/* SPDX-License-Identifier: Apache-2.0
 *
 * The lock on a real server with a writer: commits stop, the position stands still, and all go on
 * afterwards.
 */
#include "base/cancel.h"
#include "integration/db/case.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An insert with two syncs on a busy disk. */
#define OWN_TIME_MS 150

static void no_commit_passes_while_it_is_held(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    static struct hf_writer w, plain; /* a failed assertion leaves them running */
    hf_writer_start(&w, &server, "t.a");
    hf_writer_start(&plain, &server, "t.m");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_string_equal(hf_db_lock_get_plan(lock)->method,
                        is_mysql() ? "instance+ftwrl" : "backup-stage");

    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    long acknowledged = w.acknowledged, plain_acknowledged = plain.acknowledged;
    sleep_ms(400);
    assert_in_range(w.acknowledged - acknowledged, 0,
                    1); /* the answer to one may have been under way */
    assert_in_range(plain.acknowledged - plain_acknowledged, 0, 1);
    assert_true(hf_db_lock_position(lock)->has_binlog);
    int64_t begin_us = hf_clock_mono_us(hf_clock_system());
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_true(hf_db_lock_released_us(lock) >= begin_us);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    acknowledged = w.acknowledged;
    sleep_ms(200);
    assert_true(w.acknowledged > acknowledged);

    int64_t stall_ms = (hf_db_lock_released_us(lock) - timing.begin_us) / 1000;
    printf("  held %" PRId64 " us after begin, stall %" PRId64 " ms, longest insert %" PRId64
           " ms, MyISAM %" PRId64 " ms\n",
           timing.held_us - timing.begin_us, stall_ms, hf_writer_longest_ms(&w),
           hf_writer_longest_ms(&plain));
    /* What we say the writers waited is what they did; an insert's own syncs come on top. */
    assert_in_range(hf_writer_longest_ms(&w), 380, stall_ms + OWN_TIME_MS);
    assert_in_range(hf_writer_longest_ms(&plain), 380, stall_ms + OWN_TIME_MS);
    hf_writer_stop(&w);
    hf_writer_stop(&plain);
    assert_int_equal(w.failed + plain.failed, 0);
    assert_nothing_is_held();
}

static void a_lock_can_be_taken_again_after_release(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    for (int i = 0; i < 20; i++) {
        assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    }
    assert_nothing_is_held();
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The figures of docs/notes-mysql.md. */
static void tells_how_long_each_step_takes_under_load(void **state)
{
    (void)state;
    enum { ROUNDS = 50 };
    static int64_t granted[ROUNDS], unlocked[ROUNDS];
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    static struct hf_writer w[4];
    for (int i = 0; i < 4; i++)
        hf_writer_start(&w[i], &server, i % 2 ? "t.a" : "t.b");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    for (int i = 0; i < ROUNDS; i++) {
        assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
        int64_t unlock_us = hf_clock_mono_us(hf_clock_system());
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
        granted[i] = timing.held_us - timing.begin_us;
        unlocked[i] = hf_db_lock_released_us(lock) - unlock_us;
        sleep_ms(20);
    }
    for (int i = 0; i < 4; i++)
        hf_writer_stop(&w[i]);
    qsort(granted, ROUNDS, sizeof granted[0], by_number);
    qsort(unlocked, ROUNDS, sizeof unlocked[0], by_number);
    printf("  p50/max of 50 in us, readings included: lock %" PRId64 "/%" PRId64 ", unlock %" PRId64
           "/%" PRId64 "\n",
           granted[ROUNDS / 2], granted[ROUNDS - 1], unlocked[ROUNDS / 2], unlocked[ROUNDS - 1]);
    assert_in_range(unlocked[ROUNDS / 2], 0, 20000);
}

static void verify_fails_when_the_session_was_killed(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    HF_AUTO(hf_db_conn) struct hf_db_conn *other = hf_test_open(&server);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_hf_ok(hf_db_lock_kill(other, RUN_ID, &err), &err);
    assert_nothing_is_held();
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "the session that held the lock is gone");
    assert_int_equal(hf_db_lock_released_us(lock), 0);
    struct hf_err why = HF_ERR_INIT;
    assert_int_equal(hf_db_lock_verify(lock, &why), -1);
    assert_hf_err(&why, HF_E_UNREACHABLE, "the session that held the lock is gone");
    /* Nothing to kill: also fine. */
    assert_hf_ok(hf_db_lock_kill(other, RUN_ID, &err), &err);
}

static void verify_fails_when_the_position_moved(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    HF_AUTO(hf_db_conn) struct hf_db_conn *other = hf_test_open(&server);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    /* Both methods let it pass: a new binlog file is no commit, and yet the proof is void. */
    hf_test_sql(other, "FLUSH LOCAL BINARY LOGS");
    assert_int_equal(hf_db_lock_verify(lock, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "not released yet");
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_nothing_is_held();
    struct hf_err why = HF_ERR_INIT;
    assert_int_equal(hf_db_lock_verify(lock, &why), -1);
    assert_hf_err(&why, HF_E_CONFLICT, "the position moved under the lock");
}

static void an_abandoned_lock_is_released_by_the_server(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    hf_db_lock_free(lock);
    assert_nothing_is_held();
}

static void the_mark_finds_a_session_that_waits_for_the_lock(void **state)
{
    (void)state;
    struct hf_blocker in_the_way, holder;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_blocker_start(&in_the_way, &server, "LOCK TABLES t.a WRITE", NULL);
    hf_blocker_start(&holder, &server, "SELECT GET_LOCK('" MARK "', 0)",
                     "FLUSH TABLES WITH READ LOCK");
    sleep_ms(300);
    assert_int_equal(hf_test_number(c, "SELECT IS_USED_LOCK('" MARK "')"), holder.id);
    assert_hf_ok(hf_db_lock_kill(c, RUN_ID, &err), &err);
    assert_int_equal(hf_test_number(c, "SELECT IS_USED_LOCK('" MARK "')"), -1);
    pthread_join(holder.thread, NULL);
    hf_db_close(holder.conn);
    hf_blocker_end(&in_the_way, &server);
    assert_nothing_is_held();
}

static void a_second_lock_of_the_same_run_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    HF_AUTO(hf_db_lock) struct hf_db_lock *first = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(first, &err);
    assert_null(hf_db_lock_prepare(&opts, &err));
    assert_hf_err(&err, HF_E_BUSY, "another session carries the mark");
}

#define FLUSH_LOG "innodb_flush_log_at_trx_commit"

/* What was written, and what the server had at that moment. */
struct journal {
    struct hf_db_conn *conn;
    const char *refuses; /* name of a variable */
    char text[400];
};

static int write_journal(void *ctx, const char *name, const char *old_value, const char *new_value,
                         struct hf_err *err)
{
    struct journal *j = ctx;
    size_t len = strlen(j->text);
    snprintf(j->text + len, sizeof j->text - len, "%s %s %s (%lld)\n", name, old_value, new_value,
             hf_test_number(j->conn, "SELECT @@global.%s", name));
    return j->refuses && !strcmp(j->refuses, name) ? hf_fail(err, HF_E_NOSPACE, "journal is full")
                                                   : 0;
}

static void relax(struct hf_db_conn *c, int flush_log, int sync_binlog)
{
    hf_test_sql(c, "SET GLOBAL " FLUSH_LOG " = %d", flush_log);
    hf_test_sql(c, "SET GLOBAL sync_binlog = %d", sync_binlog);
}

static void assert_variables(struct hf_db_conn *c, int flush_log, int sync_binlog)
{
    assert_int_equal(hf_test_number(c, "SELECT @@global." FLUSH_LOG), flush_log);
    assert_int_equal(hf_test_number(c, "SELECT @@global.sync_binlog"), sync_binlog);
}

static struct hf_db_lock *prepare_relaxed(const struct hf_db_target *target,
                                          struct journal *journal)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_opts opts = lock_opts(target);
    opts.on_variable = write_journal;
    opts.on_variable_ctx = journal;
    struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_true(hf_db_lock_get_plan(lock)->hardens);
    assert_false(hf_db_lock_get_plan(lock)->settles_log);
    assert_false(hf_db_lock_get_plan(lock)->lacks_variable_right);
    /* Only the tables are a reason. */
    assert_contains(hf_db_lock_get_plan(lock)->needs_sync_why, "2 non-transactional tables");
    assert_lacks(hf_db_lock_get_plan(lock)->needs_sync_why, " = ");
    return lock;
}

static void a_relaxed_server_is_durable_for_the_time_of_the_lock(void **state)
{
    (void)state;
    struct hf_db_target target = hf_test_target(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    for (int flush_log = 0; flush_log <= 2; flush_log++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_db_lock_timing timing;
        struct journal journal = {.conn = c};
        wait_for_mark();
        relax(c, flush_log, 7);
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(&target, &journal);
        assert_variables(c, flush_log, 7);
        assert_string_equal(journal.text, "");
        assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
        assert_variables(c, 1, 1);
        assert_string_equal(journal.text,
                            flush_log == 0   ? FLUSH_LOG " 0 1 (0)\nsync_binlog 7 1 (7)\n"
                            : flush_log == 1 ? "sync_binlog 7 1 (7)\n"
                                             : FLUSH_LOG " 2 1 (2)\nsync_binlog 7 1 (7)\n");
        assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
        assert_hf_ok(hf_db_lock_settle_log(lock, &err), &err);
        assert_variables(c, 1, 1);
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        assert_variables(c, flush_log, 7);
        assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    }
    relax(c, 1, 1);
}

static void a_full_journal_leaves_the_variable_alone(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_timing timing;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    struct journal journal = {.conn = c, .refuses = "sync_binlog"};
    relax(c, 0, 0);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(&target, &journal);
    assert_int_equal(hf_db_lock_harden(lock, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "sync_binlog stays 0: journal is full");
    assert_variables(c, 1, 0);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_variables(c, 0, 0);
    relax(c, 1, 1);
}

static void a_killed_holder_does_not_keep_the_variables(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_timing timing;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    struct journal journal = {.conn = c};
    relax(c, 2, 0);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(&target, &journal);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_hf_ok(hf_db_lock_kill(c, RUN_ID, &err), &err);
    assert_variables(c, 1, 1);
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "the session that held the lock is gone");
    assert_string_equal(err.left, "");
    assert_variables(c, 2, 0);
    relax(c, 1, 1);
}

/* How often a file of the binlog, by its number, was synced since the history was emptied. */
static long long syncs_of(struct hf_db_conn *c, long long number)
{
    return hf_test_number(c,
                          "SELECT COUNT(*) FROM performance_schema.events_waits_history_long WHERE "
                          "operation = 'sync' AND object_name LIKE '%%binlog.%06lld'",
                          number);
}

static long long binlog_number(const struct hf_db_target *target)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(target, &err);
    HF_AUTO(hf_db_position) struct hf_db_position p = HF_DB_POSITION_INIT;
    assert_hf_got(c, &err);
    assert_hf_ok(hf_db_position_read(c, &p, &err), &err);
    return atoll(strchr(p.file, '.') + 1);
}

/* The server's own account of it: with sync_binlog = 0 nothing syncs the file, until it is closed. */
static void what_was_committed_before_goes_down_with_a_new_binlog(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    struct journal journal = {.conn = c};
    relax(c, 1, 0);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(&target, &journal);
    long long number = binlog_number(&target);
    hf_test_sql(c, "TRUNCATE performance_schema.events_waits_history_long");
    hf_test_sql(c, "INSERT INTO t.b (sent) VALUES (1)");
    assert_int_equal(syncs_of(c, number), 0);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_int_equal(syncs_of(c, number), 0);
    assert_hf_ok(hf_db_lock_flush_binlog(lock, &err), &err);
    assert_true(syncs_of(c, number) > 0);
    assert_int_equal(binlog_number(&target), number + 1);
    hf_db_lock_free(HF_STEAL(lock));

    /* Whatever sync_binlog says: also while it is 0. */
    relax(c, 1, 0);
    number++;
    hf_test_sql(c, "TRUNCATE performance_schema.events_waits_history_long");
    hf_test_sql(c, "INSERT INTO t.b (sent) VALUES (1)");
    assert_int_equal(syncs_of(c, number), 0);
    hf_test_sql(c, "FLUSH LOCAL BINARY LOGS");
    assert_true(syncs_of(c, number) > 0);

    /* A server that syncs its binlog keeps its file. */
    relax(c, 2, 1);
    number = binlog_number(&target);
    lock = prepare_relaxed(&target, &journal);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_hf_ok(hf_db_lock_flush_binlog(lock, &err), &err);
    assert_int_equal(binlog_number(&target), number);
    relax(c, 1, 1);
}

static void a_dead_runs_variable_is_restored_once(void **state)
{
    (void)state;
    static const char name[] = "innodb_flush_log_at_trx_commit";
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    assert_hf_ok(hf_db_variable_restore(c, name, "0", "1", &err), &err);
    assert_int_equal(hf_test_number(c, "SELECT @@global.innodb_flush_log_at_trx_commit"), 0);
    /* Somebody chose 2 meanwhile. */
    hf_test_sql(c, "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    assert_hf_ok(hf_db_variable_restore(c, name, "0", "1", &err), &err);
    assert_int_equal(hf_test_number(c, "SELECT @@global.innodb_flush_log_at_trx_commit"), 2);
    hf_test_sql(c, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
    assert_int_equal(hf_db_variable_restore(c, "max_connections", "1", "1", &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "max_connections");
    assert_int_equal(hf_db_variable_restore(c, name, "0; DROP DATABASE t", "1", &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "DROP");
    assert_hf_ok(hf_db_variable_restore(c, "sync_binlog", "4294967295", "1", &err), &err);
    assert_int_equal(hf_test_number(c, "SELECT @@global.sync_binlog"), 4294967295);
    assert_hf_ok(hf_db_variable_restore(c, "sync_binlog", "1", "4294967295", &err), &err);
    assert_int_equal(hf_test_number(c, "SELECT @@global.sync_binlog"), 1);
}

static void plain_tables_are_named_and_system_tables_are_not(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(lock);
    assert_true(plan->needs_sync);
    assert_contains(plan->needs_sync_why, "2 non-transactional tables (");
    assert_contains(plan->needs_sync_why, "t.m");
    assert_lacks(plan->needs_sync_why, "mysql.");
    assert_false(plan->is_replica);
    assert_false(plan->lacks_variable_right);
}

static void aria_tables_count_as_not_transactional(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    if (is_mysql())
        return;
    hf_test_sql(c, "DROP TABLE t.m, t.n");
    hf_test_sql(c, "CREATE TABLE t.aria (i INT) ENGINE = Aria TRANSACTIONAL = 1");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_contains(hf_db_lock_get_plan(lock)->needs_sync_why,
                    "1 non-transactional table (t.aria)");
    hf_test_sql(c, "DROP TABLE t.aria");
    make_tables();
}

/* MariaDB lists them as other kinds of tables. */
static void versioned_tables_and_sequences_count_as_well(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    if (is_mysql())
        return;
    hf_test_sql(c, "DROP TABLE t.m, t.n");
    hf_test_sql(c, "CREATE TABLE t.v (i INT) ENGINE = MyISAM WITH SYSTEM VERSIONING");
    hf_test_sql(c, "CREATE SEQUENCE t.s ENGINE = Aria");
    hf_test_sql(c, "CREATE VIEW t.w AS SELECT * FROM t.v");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_true(hf_db_lock_get_plan(lock)->needs_sync);
    assert_contains(hf_db_lock_get_plan(lock)->needs_sync_why, "2 non-transactional tables (");
    hf_test_sql(c, "DROP VIEW t.w");
    hf_test_sql(c, "DROP SEQUENCE t.s");
    hf_test_sql(c, "DROP TABLE t.v");
    make_tables();
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(no_commit_passes_while_it_is_held),
        DB_TEST(a_lock_can_be_taken_again_after_release),
        DB_TEST(tells_how_long_each_step_takes_under_load),
        DB_TEST(verify_fails_when_the_session_was_killed),
        DB_TEST(verify_fails_when_the_position_moved),
        DB_TEST(an_abandoned_lock_is_released_by_the_server),
        DB_TEST(the_mark_finds_a_session_that_waits_for_the_lock),
        DB_TEST(a_second_lock_of_the_same_run_is_refused),
        DB_TEST(a_relaxed_server_is_durable_for_the_time_of_the_lock),
        DB_TEST(a_full_journal_leaves_the_variable_alone),
        DB_TEST(a_killed_holder_does_not_keep_the_variables),
        DB_TEST(what_was_committed_before_goes_down_with_a_new_binlog),
        DB_TEST(a_dead_runs_variable_is_restored_once),
        DB_TEST(plain_tables_are_named_and_system_tables_are_not),
        DB_TEST(aria_tables_count_as_not_transactional),
        DB_TEST(versioned_tables_and_sequences_count_as_well),
    };
    /* What the server itself says of its syncs: MariaDB has that switched off, MySQL in part. */
    static const char *const args[] = {"--sync-binlog=1",
                                       "--performance-schema=ON",
                                       "--performance-schema-instrument=wait/io/file/sql/binlog=ON",
                                       "--performance-schema-consumer-events-waits-current=ON",
                                       "--performance-schema-consumer-events-waits-history-long=ON",
                                       NULL};
    struct hf_test_server_opts opts = {.flavour = hf_test_flavour(argc, argv), .args = args};
    hf_test_server_start(&server, &opts);
    make_tables();
    int failed = HF_RUN_TESTS("db.lock", tests);
    hf_test_server_stop(&server);
    return failed;
}

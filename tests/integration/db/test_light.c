/* SPDX-License-Identifier: Apache-2.0
 *
 * quiesce = light on a real server with writers: DDL waits, commits do not, and where it is not possible it is the lock.
 */
#include "integration/db/case.h"

#include <inttypes.h>
#include <stdio.h>

#define HOLD_MS 800

static struct hf_db_lock_opts light_opts(const struct hf_db_target *target)
{
    struct hf_db_lock_opts opts = lock_opts(target);
    opts.mode = HF_DB_MODE_LIGHT;
    return opts;
}

static struct hf_db_lock *prepare(const struct hf_db_target *target)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_opts opts = light_opts(target);
    struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    return lock;
}

static void make_innodb_tables(void)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "CREATE DATABASE IF NOT EXISTS t");
    for (const char *name = "ab"; *name; name++)
        hf_test_sql(
            c,
            "CREATE TABLE t.%c (id BIGINT PRIMARY KEY AUTO_INCREMENT, sent BIGINT) ENGINE = InnoDB",
            *name);
}

static long long tables_named(struct hf_db_conn *c, const char *name)
{
    return hf_test_number(
        c,
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 't' AND "
        "table_name = '%s'",
        name);
}

static void ddl_waits_and_commits_go_on(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_timing timing;
    static struct hf_writer w[2]; /* a failed assertion leaves them running */
    static struct hf_blocker ddl;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_writer_start(&w[0], &server, "t.a");
    hf_writer_start(&w[1], &server, "t.b");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&target);
    assert_true(hf_db_lock_get_plan(lock)->is_light);
    assert_string_equal(hf_db_lock_get_plan(lock)->method,
                        is_mysql() ? "instance" : "backup-stage-ddl");
    assert_false(hf_db_lock_get_plan(lock)->needs_sync);

    hf_writer_reset(&w[0]);
    hf_writer_reset(&w[1]);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    long before = w[0].acknowledged + w[1].acknowledged;
    hf_blocker_start(&ddl, &server, NULL, "CREATE TABLE t.made_meanwhile (i INT)");
    sleep_ms(HOLD_MS);
    long during = w[0].acknowledged + w[1].acknowledged - before;
    assert_int_equal(tables_named(c, "made_meanwhile"), 0);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    pthread_join(ddl.thread, NULL);
    hf_db_close(ddl.conn);
    assert_int_equal(tables_named(c, "made_meanwhile"), 1);
    hf_test_sql(c, "DROP TABLE t.made_meanwhile");

    for (int i = 0; i < 2; i++)
        hf_writer_stop(&w[i]);
    int64_t longest_ms = hf_writer_longest_ms(&w[0]) > hf_writer_longest_ms(&w[1])
                             ? hf_writer_longest_ms(&w[0])
                             : hf_writer_longest_ms(&w[1]);
    printf("  granted after %" PRId64 " us, %ld commits while it was held, longest %" PRId64
           " ms\n",
           timing.held_us - timing.begin_us, during, longest_ms);
    assert_true(during > 10);
    /* One insert and its syncs on a busy disk, not the hold. */
    assert_true(longest_ms < HOLD_MS / 2);
    assert_int_equal(w[0].failed + w[1].failed, 0);
    /* The bracket: what was committed in it moved the position. */
    const struct hf_db_position *min = hf_db_lock_position(lock),
                                *max = hf_db_lock_position_after(lock);
    assert_true(min->has_binlog && max->has_binlog);
    assert_true(max->offset > min->offset);
    assert_true(hf_db_position_can_follow(max, min));
    assert_false(hf_db_position_can_follow(min, max));
}

static void a_new_binlog_file_in_between_is_no_way_back(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_timing timing;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&target);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    hf_test_sql(c, "FLUSH LOCAL BINARY LOGS");
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    assert_string_not_equal(hf_db_lock_position(lock)->file, hf_db_lock_position_after(lock)->file);
}

static void a_killed_session_voids_it(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_timing timing;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&target);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_hf_ok(hf_db_lock_kill(c, RUN_ID, &err), &err);
    hf_test_sql(c, "CREATE TABLE t.made_after (i INT)");
    hf_test_sql(c, "DROP TABLE t.made_after");
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    struct hf_err why = HF_ERR_INIT;
    assert_int_equal(hf_db_lock_verify(lock, &why), -1);
    assert_hf_err(&why, HF_E_UNREACHABLE, "the session that held the lock is gone");
}

static void a_relaxed_server_is_hardened_and_stays_light(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_timing timing;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "SET GLOBAL sync_binlog = 0");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&target);
    assert_true(hf_db_lock_get_plan(lock)->is_light && hf_db_lock_get_plan(lock)->hardens);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_hf_ok(hf_db_lock_flush_binlog(lock, &err), &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_int_equal(hf_test_number(c, "SELECT @@global.sync_binlog"), 1);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    assert_int_equal(hf_test_number(c, "SELECT @@global.sync_binlog"), 0);
    hf_test_sql(c, "SET GLOBAL sync_binlog = 1");
}

/* The lock it falls back to is a whole one. */
static void assert_falls_back(const struct hf_db_target *target, const char *why)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing timing;
    static struct hf_writer w;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(target);
    assert_false(hf_db_lock_get_plan(lock)->is_light);
    assert_contains(hf_db_lock_get_plan(lock)->light_refused_why, why);
    assert_string_equal(hf_db_lock_get_plan(lock)->method,
                        is_mysql() ? "instance+ftwrl" : "backup-stage");
    hf_writer_start(&w, &server, "t.a");
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    long before = w.acknowledged;
    sleep_ms(200);
    assert_in_range(w.acknowledged - before, 0, 1);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    hf_writer_stop(&w);
}

static void with_plain_tables_it_is_the_lock(void **state)
{
    (void)state;
    struct hf_db_target target = hf_test_target(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "CREATE TABLE t.m (id BIGINT) ENGINE = MyISAM");
    assert_falls_back(&target, "1 non-transactional table (t.m)");
    hf_test_sql(c, "DROP TABLE t.m");
}

static void without_the_right_to_harden_it_is_the_lock(void **state)
{
    (void)state;
    HF_AUTOFREE char *file =
        hf_test_option_file(&server, "account.cnf", "[client]\nuser = poor\npassword = p\n");
    struct hf_db_target target = {.host = "127.0.0.1", .port = server.port, .defaults_file = file};
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "CREATE USER poor@localhost IDENTIFIED BY 'p'");
    hf_test_sql(c, is_mysql()
                       ? "GRANT BACKUP_ADMIN, FLUSH_TABLES, SELECT ON *.* TO poor@localhost"
                       : "GRANT RELOAD, BINLOG MONITOR, PROCESS, SELECT ON *.* TO poor@localhost");
    hf_test_sql(c, "SET GLOBAL sync_binlog = 0");
    assert_falls_back(&target, "sync_binlog = 0, which the account may not change");
    hf_test_sql(c, "SET GLOBAL sync_binlog = 1");
    hf_test_sql(c, "DROP USER poor@localhost");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(ddl_waits_and_commits_go_on),
        DB_TEST(a_new_binlog_file_in_between_is_no_way_back),
        DB_TEST(a_killed_session_voids_it),
        DB_TEST(a_relaxed_server_is_hardened_and_stays_light),
        DB_TEST(with_plain_tables_it_is_the_lock),
        DB_TEST(without_the_right_to_harden_it_is_the_lock),
    };
    static const char *const args[] = {"--sync-binlog=1", NULL};
    struct hf_test_server_opts opts = {.flavour = hf_test_flavour(argc, argv), .args = args};
    hf_test_server_start(&server, &opts);
    make_innodb_tables();
    int failed = HF_RUN_TESTS("db.light", tests);
    hf_test_server_stop(&server);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * A replica: under the lock its applier stands still, and where it stands in its source's history is known.
 */
#include "integration/db/case.h"

#include <stdio.h>
#include <string.h>

#define CATCH_UP_MS 20000

static struct hf_test_server source;

static void connect_replica(void)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *s = hf_test_open(&source);
    HF_AUTO(hf_db_conn) struct hf_db_conn *r = hf_test_open(&server);
    hf_test_sql(s, "CREATE USER copy@localhost IDENTIFIED BY 'p'");
    hf_test_sql(s, "GRANT REPLICATION SLAVE ON *.* TO copy@localhost");
    hf_test_sql(s, "CREATE DATABASE t");
    hf_test_sql(
        s, "CREATE TABLE t.a (id BIGINT PRIMARY KEY AUTO_INCREMENT, sent BIGINT) ENGINE = InnoDB");
    if (is_mysql()) {
        hf_test_sql(r,
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %u, "
                    "SOURCE_USER = "
                    "'copy', SOURCE_PASSWORD = 'p', SOURCE_SSL = 0, GET_SOURCE_PUBLIC_KEY = 1, "
                    "SOURCE_AUTO_POSITION = 1",
                    source.port);
        hf_test_sql(r, "START REPLICA");
        return;
    }
    hf_test_sql(
        r,
        "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = %u, MASTER_USER = 'copy', "
        "MASTER_PASSWORD = 'p', MASTER_USE_GTID = slave_pos",
        source.port);
    hf_test_sql(r, "START SLAVE");
}

/* Waits until the replica has row id. */
static void wait_for_row(struct hf_db_conn *r, long long id)
{
    int64_t until_ms = now_ms() + CATCH_UP_MS;
    for (;;) {
        bool is_made =
            hf_test_number(
                r, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 't'") > 0;
        if (is_made && hf_test_number(r, "SELECT COALESCE(MAX(id), 0) FROM t.a") >= id)
            return;
        assert_true(now_ms() < until_ms);
        sleep_ms(50);
    }
}

static struct hf_db_lock *hold(const struct hf_db_target *target, enum hf_db_mode mode)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing timing;
    struct hf_db_lock_opts opts = lock_opts(target);
    opts.mode = mode;
    struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_true(hf_db_lock_get_plan(lock)->is_replica);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    return lock;
}

static void the_applier_stands_still_where_the_lock_says(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    static struct hf_writer w;
    HF_AUTO(hf_db_conn) struct hf_db_conn *r = hf_test_open(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *s = hf_test_open(&source);
    HF_AUTO(hf_db_sources) struct hf_db_sources later = HF_DB_SOURCES_INIT;
    hf_writer_start(&w, &source, "t.a");
    wait_for_row(r, 20);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(&target, HF_DB_MODE_LOCK);
    const struct hf_db_sources *at = hf_db_lock_sources(lock);
    assert_int_equal(at->n, 1);
    long long last = hf_test_number(r, "SELECT MAX(id) FROM t.a");
    long acknowledged = w.acknowledged;
    sleep_ms(600);
    assert_true(w.acknowledged > acknowledged);

    assert_hf_ok(hf_db_sources_read(r, &later, &err), &err);
    assert_int_equal(later.n, 1);
    printf("  %s:%u at %s:%llu, %s; %ld rows behind\n", at->items[0].host, at->items[0].port,
           at->items[0].file, (unsigned long long)at->items[0].offset, at->items[0].gtid,
           w.acknowledged - acknowledged);
    assert_string_equal(at->items[0].host, "127.0.0.1");
    assert_int_equal(at->items[0].port, source.port);
    assert_string_equal(at->items[0].file, later.items[0].file);
    /* MySQL's is a checkpoint's, and has caught up by now. */
    if (is_mysql())
        assert_true(at->items[0].offset <= later.items[0].offset);
    else
        assert_int_equal(at->items[0].offset, later.items[0].offset);
    assert_string_equal(at->items[0].gtid, later.items[0].gtid);
    assert_true(later.items[0].offset > 4 && at->items[0].gtid[0]);
    assert_int_equal(hf_test_number(r, "SELECT MAX(id) FROM t.a"), last);

    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    at = hf_db_lock_sources(lock);
    assert_int_equal(at->n, 1);
    assert_string_equal(at->items[0].file, later.items[0].file);
    assert_int_equal(at->items[0].offset, later.items[0].offset);
    assert_string_equal(at->items[0].gtid, later.items[0].gtid);
    hf_writer_stop(&w);
    wait_for_row(r, hf_test_number(s, "SELECT MAX(id) FROM t.a"));
    hf_db_sources_free(&later);
    assert_hf_ok(hf_db_sources_read(r, &later, &err), &err);
    assert_true(later.items[0].offset > at->items[0].offset);
}

static void a_light_lock_tells_it_too(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(&target, HF_DB_MODE_LIGHT);
    assert_true(hf_db_lock_get_plan(lock)->is_light);
    assert_int_equal(hf_db_lock_sources(lock)->n, 1);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
}

/* Somebody who stops the applier while it waits for our lock must not keep us from asking. */
static void a_stop_of_the_applier_does_not_hold_up_the_lock(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *s = hf_test_open(&source);
    HF_AUTO(hf_db_conn) struct hf_db_conn *r = hf_test_open(&server);
    HF_AUTO(hf_db_sources) struct hf_db_sources later = HF_DB_SOURCES_INIT;
    static struct hf_blocker stop;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(&target, HF_DB_MODE_LOCK);
    hf_test_sql(s, "INSERT INTO t.a (sent) VALUES (0)");
    sleep_ms(300);
    hf_blocker_start(&stop, &server, NULL, is_mysql() ? "STOP REPLICA" : "STOP SLAVE");
    sleep_ms(300);
    int64_t begin_ms = now_ms();
    assert_hf_ok(hf_db_sources_read(r, &later, &err), &err);
    assert_in_range(now_ms() - begin_ms, 0, 1000);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    pthread_join(stop.thread, NULL);
    hf_db_close(stop.conn);

    /* A replica that stands still is one all the same. */
    hf_test_sql(r, is_mysql() ? "STOP REPLICA" : "STOP SLAVE");
    hf_db_lock_free(HF_STEAL(lock));
    wait_for_mark();
    lock = hold(&target, HF_DB_MODE_LOCK);
    assert_int_equal(hf_db_lock_sources(lock)->n, 1);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    hf_test_sql(r, is_mysql() ? "START REPLICA" : "START SLAVE");
}

static void the_right_is_asked_for_on_a_replica_alone(void **state)
{
    (void)state;
    const struct hf_test_server *servers[] = {&server, &source};
    for (int i = 0; i < 2; i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTOFREE char *file =
            hf_test_option_file(servers[i], "poor.cnf", "[client]\nuser = poor\npassword = p\n");
        struct hf_db_target target = {
            .host = "127.0.0.1", .port = servers[i]->port, .defaults_file = file};
        HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(servers[i]);
        HF_AUTO(hf_strv) struct hf_strv grants = HF_STRV_INIT;
        hf_test_sql(root, "SET sql_log_bin = 0");
        hf_test_sql(root, "CREATE USER poor@localhost IDENTIFIED BY 'p'");
        hf_test_sql(root,
                    is_mysql()
                        ? "GRANT BACKUP_ADMIN, FLUSH_TABLES, SELECT ON *.* TO poor@localhost"
                        : "GRANT RELOAD, BINLOG MONITOR, PROCESS, SELECT ON *.* TO poor@localhost");
        HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
        assert_hf_got(c, &err);
        assert_hf_ok(hf_db_missing_grants(c, &grants, &err), &err);
        if (i == 1) {
            assert_int_equal(grants.n, 0);
            continue;
        }
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(&target, HF_DB_MODE_LOCK);
        assert_int_equal(hf_db_lock_sources(lock)->n, 0);
        assert_int_equal(hf_db_lock_get_plan(lock)->warnings.n, 1);
        assert_contains(hf_db_lock_get_plan(lock)->warnings.items[0],
                        is_mysql() ? "REPLICATION CLIENT" : "SLAVE MONITOR");
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        hf_db_lock_free(HF_STEAL(lock));
        wait_for_mark();
        assert_int_equal(grants.n, 1);
        hf_test_sql(root, "%s", grants.items[0]);
        lock = hold(&target, HF_DB_MODE_LOCK);
        assert_int_equal(hf_db_lock_sources(lock)->n, 1);
        assert_int_equal(hf_db_lock_get_plan(lock)->warnings.n, 0);
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(the_applier_stands_still_where_the_lock_says),
        DB_TEST(a_light_lock_tells_it_too),
        DB_TEST(a_stop_of_the_applier_does_not_hold_up_the_lock),
        DB_TEST(the_right_is_asked_for_on_a_replica_alone),
    };
    static const char *const mysql_args[] = {"--server-id=2", "--sync-binlog=1", "--gtid-mode=ON",
                                             "--enforce-gtid-consistency=ON", NULL};
    static const char *const mariadb_args[] = {"--server-id=2", "--sync-binlog=1", NULL};
    enum hf_db_flavour flavour = hf_test_flavour(argc, argv);
    const char *const *args = flavour == HF_DB_MYSQL ? mysql_args : mariadb_args;
    struct hf_test_server_opts replica_opts = {.flavour = flavour, .args = args};
    struct hf_test_server_opts source_opts = {.flavour = flavour, .args = args + 1};
    hf_test_server_start(&source, &source_opts);
    hf_test_server_start(&server, &replica_opts);
    connect_replica();
    int failed = HF_RUN_TESTS("db.replica", tests);
    hf_test_server_stop(&server);
    hf_test_server_stop(&source);
    return failed;
}

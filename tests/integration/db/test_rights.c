/* SPDX-License-Identifier: Apache-2.0
 *
 * Rights: what `check` prints is executed word for word, and then it is enough.
 */
#include "base/buf.h"
#include "db/position.h"
#include "integration/db/case.h"

#include <stdio.h>
#include <string.h>

static struct hf_db_target account_target(void)
{
    static char path[400];
    HF_AUTOFREE char *file =
        hf_test_option_file(&server, "account.cnf", "[client]\nuser = hf backup\npassword = p\n");
    snprintf(path, sizeof path, "%s", file);
    return (struct hf_db_target){.host = "127.0.0.1", .port = server.port, .defaults_file = path};
}

/* An account with a blank in its name and nothing but the right to connect. */
static void make_account(struct hf_db_conn *root)
{
    hf_test_sql(root, "DROP USER IF EXISTS 'hf backup'@'localhost'");
    hf_test_sql(root, "CREATE USER 'hf backup'@'localhost' IDENTIFIED BY 'p'");
}

static void grant_what_is_missing(struct hf_db_conn *root, const struct hf_db_target *target)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv grants = HF_STRV_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(target, &err);
    assert_hf_got(c, &err);
    assert_hf_ok(hf_db_missing_grants(c, &grants, &err), &err);
    assert_true(grants.n > 0);
    for (size_t i = 0; i < grants.n; i++) {
        printf("  %s\n", grants.items[i]);
        assert_hf_ok(hf_db_exec(root, grants.items[i], &err), &err);
    }
}

static void assert_nothing_is_missing(const struct hf_db_target *target)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv grants = HF_STRV_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(target, &err);
    assert_hf_got(c, &err);
    assert_hf_ok(hf_db_missing_grants(c, &grants, &err), &err);
    assert_int_equal(grants.n, 0);
}

/* What the plan says of a server that is not durable at commit. */
enum durability { LEFT_TO_THE_SYNC, HARDENED, SETTLED };

/* Everything a run does, with no more than was granted. */
static void assert_lock_works(const struct hf_db_target *target, enum durability durability)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_opts opts = lock_opts(target);
    struct hf_db_lock_timing timing;
    static struct hf_blocker writing;
    HF_AUTO(hf_strv) struct hf_strv blockers = HF_STRV_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(target, &err);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    HF_AUTO(hf_db_position) struct hf_db_position position = HF_DB_POSITION_INIT;
    assert_hf_ok(hf_db_position_read(c, &position, &err), &err);
    assert_true(position.has_binlog);
    assert_int_equal(hf_db_lock_get_plan(lock)->warnings.n, 0);
    assert_int_equal(hf_db_lock_get_plan(lock)->settles_log, durability == SETTLED);
    assert_int_equal(hf_db_lock_get_plan(lock)->hardens, durability == HARDENED);
    assert_false(hf_db_lock_get_plan(lock)->lacks_variable_right);
    assert_contains(hf_db_lock_get_plan(lock)->needs_sync_why, "t.m");
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_hf_ok(hf_db_lock_flush_binlog(lock, &err), &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_hf_ok(hf_db_lock_settle_log(lock, &err), &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    /* Another account's sessions are seen. */
    hf_blocker_start(&writing, &server, NULL, "INSERT INTO t.m (sent) SELECT SLEEP(30)");
    sleep_ms(2100);
    assert_hf_ok(hf_db_blockers(c, &blockers, &err), &err);
    assert_int_equal(blockers.n, 1);
    assert_contains(blockers.items[0], "(root@localhost): INSERT INTO t.m");
    hf_blocker_end(&writing, &server);
    /* Its own sessions it may end. */
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_hf_ok(hf_db_lock_kill(c, RUN_ID, &err), &err);
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    assert_int_equal(hf_db_lock_verify(lock, &err), -1);
}

static void the_printed_grants_are_enough(void **state)
{
    (void)state;
    struct hf_db_target target = account_target();
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    make_account(root);
    grant_what_is_missing(root, &target);
    assert_nothing_is_missing(&target);
    assert_lock_works(&target, LEFT_TO_THE_SYNC);
}

static void and_for_a_server_with_a_lazy_log(void **state)
{
    (void)state;
    struct hf_db_target target = account_target();
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    make_account(root);
    hf_test_sql(root, "SET GLOBAL innodb_flush_log_at_trx_commit = 0");
    grant_what_is_missing(root, &target);
    assert_nothing_is_missing(&target);
    /* MySQL needs no more than RELOAD: the log is settled under the lock. */
    long long sync_binlog = hf_test_number(root, "SELECT @@global.sync_binlog");
    assert_lock_works(&target, is_mysql() ? SETTLED : HARDENED);
    assert_int_equal(hf_test_number(root, "SELECT @@global.innodb_flush_log_at_trx_commit"), 0);
    assert_int_equal(hf_test_number(root, "SELECT @@global.sync_binlog"), sync_binlog);
    hf_test_sql(root, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
}

/* More than is asked for, and of use: nothing is left to be done under the lock. */
static void with_a_right_to_the_variables_the_server_is_hardened(void **state)
{
    (void)state;
    struct hf_db_target target = account_target();
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    long long sync_binlog = hf_test_number(root, "SELECT @@global.sync_binlog");
    make_account(root);
    grant_what_is_missing(root, &target);
    hf_test_sql(root, is_mysql()
                          ? "GRANT RELOAD, SYSTEM_VARIABLES_ADMIN ON *.* TO 'hf backup'@localhost"
                          : "GRANT SUPER ON *.* TO 'hf backup'@localhost");
    for (int flush_log = 0; flush_log <= 2; flush_log++) {
        hf_test_sql(root, "SET GLOBAL innodb_flush_log_at_trx_commit = %d", flush_log);
        hf_test_sql(root, "SET GLOBAL sync_binlog = 3");
        assert_nothing_is_missing(&target);
        assert_lock_works(&target, HARDENED);
        assert_int_equal(hf_test_number(root, "SELECT @@global.innodb_flush_log_at_trx_commit"),
                         flush_log);
        assert_int_equal(hf_test_number(root, "SELECT @@global.sync_binlog"), 3);
    }
    hf_test_sql(root, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
    hf_test_sql(root, "SET GLOBAL sync_binlog = %lld", sync_binlog);
}

static void without_rights_prepare_tells_the_statement(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = account_target();
    struct hf_db_lock_opts opts = lock_opts(&target);
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    make_account(root);
    assert_null(hf_db_lock_prepare(&opts, &err));
    assert_hf_err(&err, HF_E_AUTH, "the account hf backup@localhost may not take the lock");
    assert_contains(err.hint,
                    is_mysql()
                        ? "GRANT BACKUP_ADMIN, FLUSH_TABLES ON *.* TO 'hf backup'@'localhost';"
                        : "GRANT RELOAD, REPLICATION CLIENT ON *.* TO 'hf backup'@'localhost';");
}

/* A right through a role counts. */
static void a_role_will_do(void **state)
{
    (void)state;
    struct hf_db_target target = account_target();
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    make_account(root);
    hf_test_sql(root, "DROP ROLE IF EXISTS keeper");
    hf_test_sql(root, "CREATE ROLE keeper");
    if (is_mysql()) {
        hf_test_sql(root, "GRANT BACKUP_ADMIN, FLUSH_TABLES, SHOW VIEW ON *.* TO keeper");
        hf_test_sql(root, "GRANT SELECT ON performance_schema.* TO keeper");
        hf_test_sql(root, "GRANT keeper TO 'hf backup'@'localhost'");
        hf_test_sql(root, "SET DEFAULT ROLE keeper TO 'hf backup'@'localhost'");
    } else {
        hf_test_sql(root, "GRANT RELOAD, BINLOG MONITOR, PROCESS, SHOW VIEW ON *.* TO keeper");
        hf_test_sql(root, "GRANT keeper TO 'hf backup'@'localhost'");
        hf_test_sql(root, "SET DEFAULT ROLE keeper FOR 'hf backup'@'localhost'");
    }
    assert_nothing_is_missing(&target);
    assert_lock_works(&target, LEFT_TO_THE_SYNC);
}

/* Tables that the account cannot see may be there: the careful answer is to sync. */
static void what_cannot_be_seen_is_taken_to_be_there(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = account_target();
    struct hf_db_lock_opts opts = lock_opts(&target);
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    make_account(root);
    hf_test_sql(root, is_mysql()
                          ? "GRANT BACKUP_ADMIN, FLUSH_TABLES ON *.* TO 'hf backup'@localhost"
                          : "GRANT RELOAD, BINLOG MONITOR ON *.* TO 'hf backup'@localhost");
    if (is_mysql())
        hf_test_sql(root, "GRANT SELECT ON performance_schema.* TO 'hf backup'@localhost");
    hf_test_sql(root, "SET GLOBAL innodb_flush_log_at_trx_commit = 0");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = NULL;
    struct hf_db_lock_plan seen = {0};
    if (!is_mysql()) {
        lock = hf_db_lock_prepare(&opts, &err);
        assert_hf_got(lock, &err);
        seen = *hf_db_lock_get_plan(lock);
        assert_contains(seen.needs_sync_why, "perhaps non-transactional tables");
        assert_true(seen.lacks_variable_right);
        assert_false(seen.settles_log);
        assert_false(seen.hardens);
        assert_contains(seen.needs_sync_why, "innodb_flush_log_at_trx_commit = 0");
        assert_int_equal(seen.warnings.n, 3); /* PROCESS, SUPER, SHOW VIEW */
    } else {
        /* FLUSH ENGINE LOGS wants RELOAD, and MySQL can grant it. */
        assert_null(hf_db_lock_prepare(&opts, &err));
        assert_hf_err(&err, HF_E_AUTH, "GRANT RELOAD ON *.* TO");
    }
    hf_test_sql(root, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(the_printed_grants_are_enough),
        DB_TEST(and_for_a_server_with_a_lazy_log),
        DB_TEST(with_a_right_to_the_variables_the_server_is_hardened),
        DB_TEST(without_rights_prepare_tells_the_statement),
        DB_TEST(a_role_will_do),
        DB_TEST(what_cannot_be_seen_is_taken_to_be_there),
    };
    struct hf_test_server_opts opts = {.flavour = hf_test_flavour(argc, argv)};
    hf_test_server_start(&server, &opts);
    make_tables();
    int failed = HF_RUN_TESTS("db.rights", tests);
    hf_test_server_stop(&server);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Somebody is in the way. Writers may wait for one stall budget per attempt and no longer, the
 * message says who it is, and after giving up nothing is held.
 */
#include "base/cancel.h"
#include "integration/db/case.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BUDGET_MS 300
/* The kill, the unlock, and two syncs of the writer's own on a busy disk. */
#define MARGIN_MS 200

/* One case: who is in the way, and what becomes of the attempts. */
struct contention {
    const char *earlier; /* an idle session before that one, or NULL */
    const char *setup, *sql;
    bool is_granted;
    bool is_old;           /* it runs for more than a second before the lock is wanted */
    const char *who;       /* in the message when it is not granted; %d is the connection */
    const char *writes_to; /* a table that is not the locked one itself */
};

static void assert_named(const struct hf_err *err, const struct contention *c, uint64_t id)
{
    char piece[160];
    assert_hf_err(err, HF_E_TIMEOUT, "no lock within 1.5 s");
    if (!strncmp(c->who, "connection", 10))
        snprintf(piece, sizeof piece, "connection %" PRIu64 " (root@", id);
    else
        snprintf(piece, sizeof piece, "%s", c->who);
    assert_contains(err->message, piece);
    if (c->sql && !strncmp(c->who, "connection", 10))
        assert_contains(err->message, c->who + strlen("connection: "));
}

static void run_case(const struct contention *c)
{
    static struct hf_writer w;
    static struct hf_blocker earlier, in_the_way;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    opts.stall_budget_ms = BUDGET_MS;
    if (c->earlier)
        hf_blocker_start(&earlier, &server, c->earlier, NULL);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    hf_blocker_start(&in_the_way, &server, c->setup, c->sql);
    sleep_ms(c->is_old ? 1300 : 200);
    hf_writer_start(&w, &server, c->writes_to);
    hf_writer_reset(&w);

    int64_t begin_ms = now_ms();
    int rc = hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err);
    int64_t took_ms = now_ms() - begin_ms, longest_ms = hf_writer_longest_ms(&w);
    printf("  %s after %" PRId64 " ms and %" PRIu32 " attempts; writers waited %" PRId64
           " ms, as told %" PRId64 " ms\n  %s\n",
           rc ? "refused" : "granted", took_ms, timing.attempts, longest_ms,
           timing.worst_failed_us / 1000, rc ? err.message : "");
    if (c->is_granted) {
        assert_hf_ok(rc, &err);
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    } else {
        assert_int_equal(rc, -1);
        assert_named(&err, c, in_the_way.id);
        assert_in_range(took_ms, 0, opts.quiesce_timeout_ms + MARGIN_MS);
        assert_in_range(timing.worst_failed_us / 1000, 0, BUDGET_MS + MARGIN_MS);
        assert_nothing_is_held();
    }
    assert_in_range(longest_ms, 0, BUDGET_MS + MARGIN_MS);
    hf_writer_stop(&w);
    hf_blocker_end(&in_the_way, &server);
    if (c->earlier)
        hf_blocker_end(&earlier, &server);
    assert_nothing_is_held();
}

static void a_long_select(void **state)
{
    (void)state;
    run_case(&(struct contention){.sql = "SELECT *, SLEEP(60) FROM t.a LIMIT 1",
                                  .is_old = true,
                                  .is_granted = !is_mysql(),
                                  .who = "connection: SELECT *, SLEEP(?) FROM t.a LIMIT ?",
                                  .writes_to = "t.b"});
}

/* SET timestamp hides its age, so the look before sees nothing: each attempt is killed, and on
 * MySQL half of the lock would stay held. */
static void a_select_of_unknown_age(void **state)
{
    (void)state;
    run_case(&(struct contention){.setup = "SET timestamp = UNIX_TIMESTAMP() + 3600",
                                  .sql = "SELECT *, SLEEP(60) FROM t.a LIMIT 1",
                                  .is_granted = !is_mysql(),
                                  .who = "connection: SELECT *, SLEEP(?) FROM t.a LIMIT ?",
                                  .writes_to = "t.b"});
}

static void an_idle_transaction_with_changes(void **state)
{
    (void)state;
    run_case(&(struct contention){
        .setup = "BEGIN; INSERT INTO t.a (sent) VALUES (1); SELECT COUNT(*) FROM t.b",
        .is_old = true,
        .is_granted = true,
        .writes_to = "t.b"});
}

/* It waits for somebody's transaction with the locks of a table's last moment in its hands:
 * MariaDB's START waits too, and while it does only DDL waits behind it. */
static void an_alter_that_waits_itself(void **state)
{
    (void)state;
    run_case(
        &(struct contention){.earlier = "BEGIN; SELECT COUNT(*) FROM t.a",
                             .sql = "ALTER TABLE t.a ADD COLUMN j INT DEFAULT 7, ALGORITHM = COPY",
                             .is_old = true,
                             .who = "connection: ALTER TABLE t.a ADD COLUMN j INT DEFAULT ?",
                             .writes_to = "t.b"});
    make_tables();
}

/* Enough rows to copy and sort for a few seconds. */
static void make_big_table(void)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "CREATE TABLE t.big (id INT PRIMARY KEY AUTO_INCREMENT, p CHAR(120))");
    hf_test_sql(c, "INSERT INTO t.big (p) VALUES (RAND()), (RAND()), (RAND()), (RAND())");
    for (int i = 0; i < 16; i++)
        hf_test_sql(c, "INSERT INTO t.big (p) SELECT RAND() FROM t.big");
}

static void an_alter_that_copies(void **state)
{
    (void)state;
    make_big_table();
    run_case(&(struct contention){.sql = "ALTER TABLE t.big ADD INDEX (p), ADD INDEX (p, id), ADD "
                                         "INDEX (id, p), ALGORITHM = COPY",
                                  .is_granted = !is_mysql(),
                                  .who = "connection: ALTER TABLE t.big ADD INDEX (p), ADD INDEX",
                                  .writes_to = "t.b"});
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "DROP TABLE t.big");
}

static void an_idle_session_with_a_locked_table(void **state)
{
    (void)state;
    run_case(&(struct contention){.setup = "LOCK TABLES t.a WRITE",
                                  .who = is_mysql() ? "connection" : "tables in use: t.a",
                                  .writes_to = "t.b"});
}

static void an_idle_session_with_a_table_locked_for_reading(void **state)
{
    (void)state;
    run_case(&(struct contention){.setup = "LOCK TABLES t.a READ",
                                  .is_granted = !is_mysql(),
                                  .who = "connection",
                                  .writes_to = "t.b"});
}

/* Transactional writers do not notice; those of MyISAM tables wait for one budget. */
static void a_write_to_a_myisam_table(void **state)
{
    (void)state;
    struct contention c = {.sql = "INSERT INTO t.m (sent) SELECT SLEEP(60)",
                           .is_old = true,
                           .who = "connection: INSERT INTO t.m (sent) SELECT SLEEP(?)",
                           .writes_to = "t.b"};
    run_case(&c);
    c.writes_to = "t.n";
    run_case(&c);
}

static void the_metadata_lock_plugin_names_the_idle_session(void **state)
{
    (void)state;
    if (is_mysql())
        return;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "INSTALL SONAME 'metadata_lock_info'");
    run_case(&(struct contention){
        .setup = "LOCK TABLES t.a WRITE", .who = "connection", .writes_to = "t.b"});
    run_case(&(struct contention){.sql = "INSERT INTO t.m (sent) SELECT SLEEP(60)",
                                  .is_old = true,
                                  .who = "connection: INSERT INTO t.m (sent) SELECT SLEEP(?)",
                                  .writes_to = "t.b"});
    hf_test_sql(c, "UNINSTALL SONAME 'metadata_lock_info'");
}

static void another_backup_stage_is_waited_for(void **state)
{
    (void)state;
    if (is_mysql())
        return;
    run_case(&(struct contention){
        .setup = "BACKUP STAGE START", .who = "or another backup", .writes_to = "t.b"});
}

static void who_blocks_is_told_before_a_lock_is_wanted(void **state)
{
    (void)state;
    static struct hf_blocker writing, reading;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    assert_hf_ok(hf_db_blockers(c, &v, &err), &err);
    assert_int_equal(v.n, 0);
    hf_blocker_start(&writing, &server, "USE t",
                     "INSERT INTO m (sent) SELECT SLEEP(60) WHERE 'secret' <> ''");
    hf_blocker_start(&reading, &server, NULL, "SELECT *, SLEEP(60) FROM t.a");
    sleep_ms(2100);
    assert_hf_ok(hf_db_blockers(c, &v, &err), &err);
    for (size_t i = 0; i < v.n; i++)
        printf("  %s\n", v.items[i]);
    assert_int_equal(v.n, is_mysql() ? 2 : 1);
    assert_contains(v.items[0], ", db t): INSERT INTO m (sent) SELECT SLEEP(?) WHERE ? <> ?, ");
    assert_lacks(v.items[0], "secret");
    hf_blocker_end(&writing, &server);
    hf_blocker_end(&reading, &server);
}

struct cancelling {
    struct hf_cancel *cancel;
    int64_t after_ms;
};

static void *cancel_later(void *arg)
{
    struct cancelling *c = arg;
    sleep_ms(c->after_ms);
    hf_cancel_set(c->cancel);
    return NULL;
}

static void a_cancelled_attempt_ends_at_once(void **state)
{
    (void)state;
    static struct hf_blocker in_the_way;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    struct cancelling later = {.cancel = cancel, .after_ms = 300};
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    pthread_t thread;
    opts.cancel = cancel;
    opts.stall_budget_ms = 10000;
    opts.quiesce_timeout_ms = 30000;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    hf_blocker_start(&in_the_way, &server, NULL, "INSERT INTO t.m (sent) SELECT SLEEP(60)");
    sleep_ms(100);
    pthread_create(&thread, NULL, cancel_later, &later);
    int64_t begin_ms = now_ms();
    assert_int_equal(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), -1);
    assert_in_range(now_ms() - begin_ms, 250, 300 + MARGIN_MS);
    pthread_join(thread, NULL);
    assert_int_equal(err.cls, HF_E_CANCELLED);
    assert_nothing_is_held();
    hf_blocker_end(&in_the_way, &server);
}

static void the_lock_is_granted_when_the_blocker_ends(void **state)
{
    (void)state;
    static struct hf_blocker in_the_way;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    opts.quiesce_timeout_ms = 10000;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    hf_blocker_start(&in_the_way, &server, NULL, "INSERT INTO t.m (sent) SELECT SLEEP(2.5)");
    sleep_ms(100);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_true(timing.attempts > 1);
    assert_in_range(timing.worst_failed_us / 1000, 0, BUDGET_MS + MARGIN_MS);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    hf_blocker_end(&in_the_way, &server);
    assert_nothing_is_held();
}

static void a_session_lost_before_the_attempt_is_opened_anew(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *other = hf_test_open(&server);
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    opts.quiesce_timeout_ms = 5000;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    /* Between prepare and acquire: the first statement finds the session gone. */
    assert_hf_ok(hf_db_lock_kill(other, RUN_ID, &err), &err);
    int rc = hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err);
    assert_hf_ok(rc, &err);
    assert_int_equal(timing.attempts, 2);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    assert_nothing_is_held();
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(a_long_select),
        DB_TEST(a_select_of_unknown_age),
        DB_TEST(an_idle_transaction_with_changes),
        DB_TEST(an_alter_that_waits_itself),
        DB_TEST(an_alter_that_copies),
        DB_TEST(an_idle_session_with_a_locked_table),
        DB_TEST(an_idle_session_with_a_table_locked_for_reading),
        DB_TEST(a_write_to_a_myisam_table),
        DB_TEST(the_metadata_lock_plugin_names_the_idle_session),
        DB_TEST(another_backup_stage_is_waited_for),
        DB_TEST(who_blocks_is_told_before_a_lock_is_wanted),
        DB_TEST(a_cancelled_attempt_ends_at_once),
        DB_TEST(the_lock_is_granted_when_the_blocker_ends),
        DB_TEST(a_session_lost_before_the_attempt_is_opened_anew),
    };
    struct hf_test_server_opts opts = {.flavour = hf_test_flavour(argc, argv)};
    hf_test_server_start(&server, &opts);
    make_tables();
    int failed = HF_RUN_TESTS("db.contention", tests);
    hf_test_server_stop(&server);
    return failed;
}

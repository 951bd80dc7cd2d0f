/* SPDX-License-Identifier: Apache-2.0
 *
 * A Galera node, a cluster of one: out of flow control for the run, refused while it is out of step.
 */
#include "integration/db/case.h"
#include "integration/need.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROVIDER "/usr/lib/galera/libgalera_smm.so"

struct journal {
    char text[200];
};

static int write_journal(void *ctx, const char *name, const char *old_value, const char *new_value,
                         struct hf_err *err)
{
    struct journal *j = ctx;
    size_t len = strlen(j->text);
    (void)err;
    snprintf(j->text + len, sizeof j->text - len, "%s %s %s\n", name, old_value, new_value);
    return 0;
}

static struct hf_db_lock *prepare(const struct hf_db_target *target, enum hf_db_mode mode,
                                  struct journal *journal)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_opts opts = lock_opts(target);
    opts.mode = mode;
    opts.on_variable = write_journal;
    opts.on_variable_ctx = journal;
    struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_true(hf_db_lock_get_plan(lock)->is_galera);
    return lock;
}

static int take_second(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    (void)err;
    if (n >= 2 && values[1])
        snprintf(ctx, 64, "%s", values[1]);
    return 0;
}

static void assert_state(struct hf_db_conn *c, const char *wanted, int desync)
{
    struct hf_err err = HF_ERR_INIT;
    char text[64] = "";
    int64_t until_ms = now_ms() + 5000;
    do {
        sleep_ms(20);
        assert_hf_ok(hf_db_query(c, "SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'",
                                 take_second, text, &err),
                     &err);
    } while (strcmp(text, wanted) != 0 && now_ms() < until_ms);
    assert_string_equal(text, wanted);
    assert_int_equal(hf_test_number(c, "SELECT @@global.wsrep_desync"), desync);
}

/* It takes connections before it is in step with its cluster of one. */
static void wait_until_ready(void)
{
    int64_t until_ms = now_ms() + 20000;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    struct hf_err err = HF_ERR_INIT;
    while (hf_db_exec(c, "CREATE DATABASE IF NOT EXISTS t", &err) && now_ms() < until_ms)
        sleep_ms(50);
}

static void the_node_is_desynced_for_the_run_and_no_commit_passes(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_timing timing;
    struct journal journal = {0};
    static struct hf_writer w;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_writer_start(&w, &server, "t.a");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&target, HF_DB_MODE_LOCK, &journal);
    assert_true(hf_db_lock_get_plan(lock)->desyncs);
    assert_state(c, "Synced", 0);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_string_equal(journal.text, "wsrep_desync OFF ON\n");
    assert_state(c, "Donor/Desynced", 1);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    long before = w.acknowledged;
    sleep_ms(400);
    assert_in_range(w.acknowledged - before, 0, 1);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    assert_state(c, "Synced", 0);
    int64_t stall_ms = (hf_db_lock_released_us(lock) - timing.begin_us) / 1000;
    printf("  held %" PRId64 " us after begin, stall %" PRId64 " ms, longest insert %" PRId64
           " ms\n",
           timing.held_us - timing.begin_us, stall_ms, hf_writer_longest_ms(&w));
    /* What we say the writers waited is what they did, BLOCK_DDL included. */
    assert_in_range(hf_writer_longest_ms(&w), 380, stall_ms + 150);
    hf_writer_stop(&w);
    assert_int_equal(w.failed, 0);
    assert_nothing_is_held();
}

/* On a node BLOCK_DDL alone stops the writers: what light promises, it cannot have. */
static void writers_wait_from_block_ddl_on_so_light_is_the_lock(void **state)
{
    (void)state;
    struct hf_db_target target = hf_test_target(&server);
    struct journal journal = {0};
    static struct hf_writer w;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&target, HF_DB_MODE_LIGHT, &journal);
    assert_false(hf_db_lock_get_plan(lock)->is_light);
    assert_contains(hf_db_lock_get_plan(lock)->light_refused_why,
                    "a Galera node stops its writers");
    hf_writer_start(&w, &server, "t.a");
    hf_test_sql(c, "BACKUP STAGE START");
    hf_test_sql(c, "BACKUP STAGE FLUSH");
    long before = w.acknowledged;
    sleep_ms(200);
    assert_true(w.acknowledged > before + 1);
    hf_test_sql(c, "BACKUP STAGE BLOCK_DDL");
    before = w.acknowledged;
    sleep_ms(300);
    assert_in_range(w.acknowledged - before, 0, 1);
    hf_test_sql(c, "BACKUP STAGE END");
    hf_writer_stop(&w);
}

static void a_desync_by_somebody_else_stays(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_timing timing;
    struct journal journal = {0};
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "SET GLOBAL wsrep_desync = ON");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&target, HF_DB_MODE_LOCK, &journal);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_string_equal(journal.text, "");
    assert_state(c, "Donor/Desynced", 1);
    hf_test_sql(c, "SET GLOBAL wsrep_desync = OFF");
    assert_state(c, "Synced", 0);
}

static void a_dead_runs_desync_is_ended_once(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_timing timing;
    struct journal journal = {0};
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    struct hf_db_lock *lock = prepare(&target, HF_DB_MODE_LOCK, &journal);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    hf_db_lock_free(lock);
    assert_state(c, "Donor/Desynced", 1);
    for (int i = 0; i < 2; i++) {
        assert_hf_ok(hf_db_variable_restore(c, "wsrep_desync", "OFF", "ON", &err), &err);
        assert_state(c, "Synced", 0);
    }
    assert_nothing_is_held();
}

static void the_printed_right_desyncs(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct journal journal = {0};
    struct hf_db_lock_timing timing;
    HF_AUTOFREE char *file =
        hf_test_option_file(&server, "poor.cnf", "[client]\nuser = poor\npassword = p\n");
    struct hf_db_target target = {.host = "127.0.0.1", .port = server.port, .defaults_file = file};
    HF_AUTO(hf_strv) struct hf_strv grants = HF_STRV_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    hf_test_sql(root, "CREATE USER poor@localhost IDENTIFIED BY 'p'");
    hf_test_sql(root, "GRANT RELOAD, BINLOG MONITOR, PROCESS, SELECT ON *.* TO poor@localhost");
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&target, HF_DB_MODE_LOCK, &journal);
    assert_false(hf_db_lock_get_plan(lock)->desyncs);
    assert_int_equal(hf_db_lock_get_plan(lock)->warnings.n, 2);
    assert_contains(hf_db_lock_get_plan(lock)->warnings.items[1], "flow control");
    hf_db_lock_free(HF_STEAL(lock));
    wait_for_mark();

    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
    assert_hf_got(c, &err);
    assert_hf_ok(hf_db_missing_grants(c, &grants, &err), &err);
    assert_int_equal(grants.n, 1);
    assert_contains(grants.items[0], "GRANT SUPER ON *.* TO");
    hf_test_sql(root, "%s", grants.items[0]);
    lock = prepare(&target, HF_DB_MODE_LOCK, &journal);
    assert_int_equal(hf_db_lock_get_plan(lock)->warnings.n, 0);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_state(root, "Donor/Desynced", 1);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_state(root, "Synced", 0);
}

/* The last case: the node is of no use afterwards. */
static void a_node_without_its_cluster_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    static struct hf_blocker leaving; /* it ends with the server */
    hf_blocker_start(&leaving, &server, NULL,
                     "SET GLOBAL wsrep_cluster_address = 'gcomm://127.0.0.1:1'");
    /* It closes all sessions when it leaves. */
    int64_t until_ms = now_ms() + 10000;
    while (hf_db_exec(c, "SELECT SLEEP(0.05)", &err) == 0 && now_ms() < until_ms)
        continue;
    HF_AUTO(hf_db_conn) struct hf_db_conn *again = hf_test_open(&server);
    assert_state(again, "Initialized", 0);
    assert_null(hf_db_lock_prepare(&opts, &err));
    printf("  %s\n", err.message);
    assert_hf_err(&err, HF_E_BUSY, "not in the primary component, wsrep_ready = OFF");
    assert_true(err.retryable);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(the_node_is_desynced_for_the_run_and_no_commit_passes),
        DB_TEST(writers_wait_from_block_ddl_on_so_light_is_the_lock),
        DB_TEST(a_desync_by_somebody_else_stays),
        DB_TEST(a_dead_runs_desync_is_ended_once),
        DB_TEST(the_printed_right_desyncs),
        DB_TEST(a_node_without_its_cluster_is_refused),
    };
    static char address[100], provider[200];
    const char *const args[] = {"--wsrep-on=ON",
                                "--wsrep-new-cluster",
                                "--wsrep-provider=" PROVIDER,
                                "--wsrep-cluster-address=gcomm://",
                                "--binlog-format=ROW",
                                "--sync-binlog=1",
                                "--innodb-autoinc-lock-mode=2",
                                address,
                                provider,
                                NULL};
    if (access(PROVIDER, R_OK))
        hf_need_missing("galera", PROVIDER " is not there");
    unsigned port = hf_test_free_port();
    snprintf(address, sizeof address, "--wsrep-node-address=127.0.0.1:%u", port);
    snprintf(
        provider, sizeof provider,
        "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:%u;ist.recv_addr=127.0.0.1:%u;"
        "gcache.size=8M",
        port, hf_test_free_port());
    struct hf_test_server_opts opts = {.flavour = hf_test_flavour(argc, argv), .args = args};
    hf_test_server_start(&server, &opts);
    wait_until_ready();
    make_tables();
    int failed = HF_RUN_TESTS("db.galera", tests);
    hf_test_server_stop(&server);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * quiesce = light against a scripted server: DDL stops, commits go on, two positions are the bracket.
 */
#include "db/lock.h"
#include "unit/db/script.h"

#define RUN_ID "20261123T030000Z-7f3a9c21"

static const char mariadb[] = "10.11.19-MariaDB-0+deb12u1", mysql[] = "9.7.4-2";
static const struct hf_db_target target = {.socket = "/scripted/sock"};

static struct hf_db_lock *prepare(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_opts o = {.mode = HF_DB_MODE_LIGHT,
                                .target = &target,
                                .run_id = RUN_ID,
                                .stall_budget_ms = 40,
                                .quiesce_timeout_ms = 250,
                                .hold_limit_ms = 5000};
    struct hf_db_lock *lock = hf_db_lock_prepare(&o, &err);
    assert_hf_got(lock, &err);
    return lock;
}

static void ddl_alone_is_blocked_and_both_positions_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *version, *method, *said;
    } cases[] = {
        {mariadb, "backup-stage-ddl",
         "1:BACKUP STAGE START\n1:BACKUP STAGE FLUSH\n1:BACKUP STAGE BLOCK_DDL; SHOW MASTER "
         "STATUS; "},
        {mysql, "instance", "1:LOCK INSTANCE FOR BACKUP; SELECT CONNECTION_ID(), "},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_db_lock_timing t;
        script_begin(cases[i].version);
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare();
        const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(lock);
        assert_true(plan->is_light);
        assert_null(plan->light_refused_why);
        assert_string_equal(plan->method, cases[i].method);
        assert_int_equal(plan->warnings.n, 0);
        int64_t before_us = hf_clock_mono_us(hf_clock_system());
        assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
        assert_true(t.begin_us >= before_us && t.held_us >= t.begin_us);
        assert_null(hf_db_lock_position_after(lock)->file);
        script.offset = 170;
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
        assert_int_equal(hf_db_lock_position(lock)->offset, 100);
        assert_int_equal(hf_db_lock_position_after(lock)->offset, 170);
        ASSERT_SAID(cases[i].said, i ? "; UNLOCK INSTANCE\n" : "; BACKUP STAGE END\n");
        assert_int_equal(script_count("BLOCK_COMMIT"), 0);
        assert_int_equal(script_count("FLUSH TABLES"), 0);
        /* No look at readers: nobody queues behind it. */
        assert_int_equal(script_count("metadata_locks"), 0);
    }
}

static void what_would_lose_commits_falls_back_to_the_lock(void **state)
{
    (void)state;
    static const char poor[] =
        "GRANT RELOAD, PROCESS, BINLOG MONITOR, SELECT ON *.* TO `hf`@`localhost`";
    static const struct {
        const char *version, *tables, *flush_log, *sync_binlog, *grants, *why, *method;
        bool is_galera;
    } cases[] = {
        {mariadb, "shop.log", "1", "1", NULL, "1 non-transactional table (shop.log)",
         "backup-stage", false},
        {mysql, "shop.log", "1", "1", NULL, "1 non-transactional table (shop.log)",
         "instance+ftwrl", false},
        {mariadb, "", "1", "0", poor, "sync_binlog = 0, which the account may not change",
         "backup-stage", false},
        {mariadb, "", "2", "1", poor,
         "innodb_flush_log_at_trx_commit = 2, which the account may not change", "backup-stage",
         false},
        {mariadb, "", "1", "1", NULL, "a Galera node stops its writers under any of its locks",
         "backup-stage", true},
        {"5.7.44-log", "", "1", "1", NULL, "MySQL 5.7.44 has no lock that lets commits go on",
         "ftwrl", false},
        {"10.3.39-MariaDB", "", "1", "1", NULL,
         "MariaDB 10.3.39 has no lock that lets commits go on", "ftwrl", false},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        script_begin(cases[i].version);
        script.tables = cases[i].tables;
        script.flush_log = cases[i].flush_log;
        script.sync_binlog = cases[i].sync_binlog;
        script.is_galera = cases[i].is_galera;
        if (cases[i].grants)
            script.grants = cases[i].grants;
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare();
        const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(lock);
        assert_false(plan->is_light);
        assert_string_equal(plan->light_refused_why, cases[i].why);
        assert_string_equal(plan->method, cases[i].method);
        assert_int_equal(plan->warnings.n, 1);
        assert_contains(plan->warnings.items[0],
                        "quiesce = light is not possible, commits will be blocked: ");
        assert_contains(plan->warnings.items[0], cases[i].why);
    }
}

/* MariaDB's default is sync_binlog = 0: a fallback there would make light the exception. */
static void a_relaxed_server_is_hardened_and_stays_light(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    script.sync_binlog = "0";
    script.flush_log = "0";
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare();
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(lock);
    assert_true(plan->is_light && plan->hardens);
    assert_false(plan->needs_sync || plan->settles_log || plan->lacks_variable_right);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_hf_ok(hf_db_lock_flush_binlog(lock, &err), &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    ASSERT_SAID("SET GLOBAL sync_binlog = 1", "1:FLUSH LOCAL ENGINE LOGS",
                "1:FLUSH LOCAL BINARY LOGS", "1:BACKUP STAGE START", "; BACKUP STAGE END",
                "2:SET GLOBAL sync_binlog = 0");
}

static void a_bracket_that_runs_backwards_proves_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *after;
        bool is_good;
    } cases[] = {
        {"binlog.000001|100||\n--\n0-1-5|1|1", true},
        {"binlog.000001|101||\n--\n0-1-6|1|1", true},
        {"binlog.000001|99||\n--\n0-1-5|1|1", false},
        {"binlog.000002|4||\n--\n0-1-7|1|1", true},
        {"binlog.1000000|4||\n--\n0-1-7|1|1", true},
        {"binlog.000000|4000||\n--\n0-1-7|1|1", false},
        {"other.000002|4||\n--\n0-1-7|1|1", false},
        {"binlog.of.000002|4||\n--\n0-1-7|1|1", false},
        {"binlog|400||\n--\n0-1-7|1|1", false},
        {"|0||\n--\n|1|1", false},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_db_lock_timing t;
        script_begin(mariadb);
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare();
        assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
        script_add((struct rule){.piece = "SHOW MASTER STATUS", .rows = cases[i].after});
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        if (cases[i].is_good) {
            assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
            continue;
        }
        assert_int_equal(hf_db_lock_verify(lock, &err), -1);
        assert_hf_err(&err, HF_E_CONFLICT,
                      "the position went back under the light lock: from binlog.000001:100");
    }
}

static void another_session_that_answers_voids_a_light_hold(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare();
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    script_add((struct rule){.piece = "SHOW MASTER STATUS",
                             .rows = "binlog.000001|200||\n--\n0-1-6|77|77"});
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_int_equal(hf_db_lock_verify(lock, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "the lock was taken by session 1");
}

/* ---- the other deadline --------------------------------------------------------------------- */

static void somebody_elses_deadline_ends_the_attempts(void **state)
{
    (void)state;
    const struct hf_clock *clock = hf_clock_system();
    for (int is_past = 0; is_past < 2; is_past++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_db_lock_timing t;
        script_begin(mysql);
        script_add((struct rule){.piece = "LOCK INSTANCE FOR BACKUP", .waits = true});
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare();
        int64_t begin_ms = hf_clock_mono_ms(clock);
        assert_int_equal(hf_db_lock_acquire(lock, begin_ms + (is_past ? -5 : 60), &t, &err), -1);
        assert_in_range(hf_clock_mono_ms(clock) - begin_ms, 0, 200);
        assert_hf_err(&err, HF_E_TIMEOUT,
                      is_past ? "no lock within 0.0 s (0 attempts)" : "no lock within 0.1 s");
        assert_true(err.retryable);
        assert_contains(err.hint, "No more time was left");
        assert_int_equal(script_count("LOCK INSTANCE FOR BACKUP"), is_past ? 0 : (int)t.attempts);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(ddl_alone_is_blocked_and_both_positions_are_kept),
        HF_TEST(what_would_lose_commits_falls_back_to_the_lock),
        HF_TEST(a_relaxed_server_is_hardened_and_stays_light),
        HF_TEST(a_bracket_that_runs_backwards_proves_nothing),
        HF_TEST(another_session_that_answers_voids_a_light_hold),
        HF_TEST(somebody_elses_deadline_ends_the_attempts),
    };
    return HF_RUN_TESTS("db.light", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Each branch of the lock's sequence against a scripted server.
 */
#include "base/cancel.h"
#include "db/lock.h"
#include "unit/db/script.h"

#define RUN_ID "20261123T030000Z-7f3a9c21"
/* MariaDB's; MySQL's begins with SELECT CONNECTION_ID(). */
#define READING                                                                                    \
    "SHOW MASTER STATUS; SELECT @@global.gtid_binlog_pos, CONNECTION_ID(), "                       \
    "IS_USED_LOCK('holdfast." RUN_ID "')"
#define LOG_STATUS "FROM performance_schema.log_status"
#define FLUSH_LOG "innodb_flush_log_at_trx_commit"

static const char mariadb[] = "10.11.19-MariaDB-0+deb12u1", mysql[] = "9.7.4-2";
static const struct hf_db_target target = {.socket = "/scripted/sock"};

static struct hf_db_lock_opts opts(void)
{
    return (struct hf_db_lock_opts){.target = &target,
                                    .run_id = RUN_ID,
                                    .stall_budget_ms = 40,
                                    .quiesce_timeout_ms = 250,
                                    .hold_limit_ms = 5000};
}

static struct hf_db_lock *prepare(const struct hf_db_lock_opts *o)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock *lock = hf_db_lock_prepare(o, &err);
    assert_hf_got(lock, &err);
    return lock;
}

/* ---- the sequence ------------------------------------------------------------------------------
 */

static void stages_are_taken_in_order_and_ended(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    assert_int_equal(hf_db_lock_position(lock)->offset, 100);
    assert_string_equal(hf_db_lock_position(lock)->gtid, "0-1-5");
    assert_hf_ok(hf_db_lock_settle_log(lock, &err), &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_true(hf_db_lock_released_us(lock) > 0);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    ASSERT_SAID("GET_LOCK('holdfast." RUN_ID "', 0)", "wait_timeout = 8, lock_wait_timeout = 2",
                "1:BACKUP STAGE START\n1:BACKUP STAGE FLUSH\n1:BACKUP STAGE BLOCK_DDL\n"
                "1:BACKUP STAGE BLOCK_COMMIT; " READING "\n"
                "1:" READING "; BACKUP STAGE END\n");
    assert_int_equal(t.attempts, 1);
    assert_int_equal(script_count("FLUSH LOCAL"), 0);
    assert_int_equal(script_count("SET GLOBAL"), 0);
}

static void mysql_looks_who_works_before_each_lock(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mysql);
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    assert_true(hf_db_lock_position(lock)->has_lsn);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    ASSERT_SAID("metadata_locks", "1:LOCK INSTANCE FOR BACKUP", "metadata_locks",
                "1:FLUSH TABLES WITH READ LOCK; SELECT CONNECTION_ID(), IS_USED_LOCK(",
                LOG_STATUS "\n1:SELECT CONNECTION_ID(), IS_USED_LOCK(",
                LOG_STATUS "; UNLOCK TABLES\n1:UNLOCK INSTANCE");
}

static void older_servers_get_the_global_read_lock(void **state)
{
    (void)state;
    static const char *const versions[] = {"10.3.39-MariaDB", "5.7.44-log"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(versions); i++) {
        script_begin(versions[i]);
        struct hf_db_lock_opts o = opts();
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
        assert_string_equal(hf_db_lock_get_plan(lock)->method, "ftwrl");
    }
}

/* Without non-transactional tables only BLOCK_COMMIT stalls; with some, everything from FLUSH on.
 */
static void the_stall_begins_where_somebody_has_to_wait(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    for (int plain = 0; plain < 2; plain++) {
        script_begin(mariadb);
        script.tables = plain ? "shop.log" : "";
        script_add((struct rule){.piece = "BLOCK_DDL", .waits = true, .times = 1});
        struct hf_db_lock_opts o = opts();
        o.quiesce_timeout_ms = plain ? 1000 : 60;
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
        int rc = hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err);
        if (plain) {
            /* Killed at the budget, and granted the second time. */
            assert_hf_ok(rc, &err);
            assert_in_range(t.worst_failed_us, 30000, 400000);
            assert_contains(hf_db_lock_get_plan(lock)->needs_sync_why,
                            "1 non-transactional table (shop.log)");
        } else {
            /* Nobody waits for it: only quiesce-timeout ends it. */
            assert_int_equal(rc, -1);
            assert_int_equal(t.worst_failed_us, 0);
        }
    }
}

/* What FLUSH and BLOCK_DDL cost is gone when BLOCK_COMMIT begins. */
static void the_stages_share_one_budget(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    script.tables = "shop.log";
    script_add((struct rule){.piece = "BLOCK_DDL", .delay_ms = 300, .times = 1});
    script_add((struct rule){.piece = "BLOCK_COMMIT", .waits = true, .times = 1});
    struct hf_db_lock_opts o = opts();
    o.stall_budget_ms = 400;
    o.quiesce_timeout_ms = 3000;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    assert_in_range(t.worst_failed_us, 350000, 690000); /* two budgets: 700000 */
}

/* ---- attempts that fail
 * -------------------------------------------------------------------------- */

static void a_wait_beyond_the_budget_is_killed_and_undone(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    script_add((struct rule){.piece = "BLOCK_COMMIT", .waits = true});
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_int_equal(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "no lock within 0.2 s (2 attempts)");
    assert_true(err.retryable);
    ASSERT_SAID("1:BACKUP STAGE BLOCK_COMMIT", "2:KILL QUERY 1", "1:BACKUP STAGE END",
                "1:BACKUP STAGE START", "1:BACKUP STAGE BLOCK_COMMIT", "2:KILL QUERY 1",
                "1:BACKUP STAGE END");
    /* Counted from where writers wait, which is a little after the budget began. */
    assert_in_range(t.worst_failed_us, 30000, 200000);
}

static void a_lock_that_is_granted_and_killed_at_once_does_not_count(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mysql);
    script_add(
        (struct rule){.piece = "FLUSH TABLES WITH READ LOCK", .waits_and_wins = true, .times = 1});
    struct hf_db_lock_opts o = opts();
    o.quiesce_timeout_ms = 2000;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    assert_int_equal(t.attempts, 2);
    ASSERT_SAID("FLUSH TABLES WITH READ LOCK", "KILL QUERY 1", "1:UNLOCK TABLES\n1:UNLOCK INSTANCE",
                "1:FLUSH TABLES WITH READ LOCK");
}

static void the_unlock_is_sent_after_any_failed_attempt(void **state)
{
    (void)state;
    static const unsigned codes[] = {1205, 1213, 1317, 1227, 1064, 3024};
    for (size_t i = 0; i < HF_ARRAY_SIZE(codes); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_db_lock_timing t;
        script_begin(mysql);
        script_add((struct rule){.piece = "FLUSH TABLES WITH READ LOCK", .code = codes[i]});
        struct hf_db_lock_opts o = opts();
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
        assert_int_equal(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), -1);
        assert_int_equal(script_count("1:UNLOCK TABLES"), t.attempts);
        assert_int_equal(script_count("1:UNLOCK INSTANCE"), t.attempts);
        /* A missing right or an unknown statement does not get better. */
        bool is_final = codes[i] == 1227 || codes[i] == 1064;
        assert_int_equal(t.attempts == 1, is_final);
        assert_int_equal(err.cls, codes[i] == 1227   ? HF_E_AUTH
                                  : codes[i] == 1064 ? HF_E_UNSUPPORTED
                                                     : HF_E_TIMEOUT);
    }
}

static void a_session_that_refuses_the_unlock_is_closed_and_replaced(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mysql);
    script_add((struct rule){.piece = "FLUSH TABLES WITH READ LOCK", .waits = true, .times = 1});
    script_add((struct rule){.piece = "UNLOCK TABLES", .code = 1064, .times = 1});
    struct hf_db_lock_opts o = opts();
    o.quiesce_timeout_ms = 2000;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    ASSERT_SAID("1:UNLOCK TABLES", "1:close", "3:connect", "3:SELECT GET_LOCK(",
                "3:FLUSH TABLES WITH READ LOCK");
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
}

static void a_session_lost_in_the_attempt_is_replaced(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    script_add((struct rule){.piece = "BLOCK_DDL", .code = 2013, .times = 1});
    struct hf_db_lock_opts o = opts();
    o.quiesce_timeout_ms = 2000;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    ASSERT_SAID("1:BACKUP STAGE BLOCK_DDL", "1:close", "3:connect", "3:BACKUP STAGE BLOCK_COMMIT");
}

static void a_server_that_is_gone_ends_the_attempts(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    script_add((struct rule){.piece = "BLOCK_DDL", .code = 2013});
    script_add((struct rule){.piece = "connect", .code = 2002, .skip = 2});
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_int_equal(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "database /scripted/sock");
}

/* lock_wait_timeout ends the wait then. */
static void without_the_second_session_the_server_ends_the_wait(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    script_add((struct rule){.piece = "KILL QUERY", .code = 2013});
    script_add((struct rule){.piece = "BLOCK_COMMIT", .waits = true});
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_int_equal(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "(1 attempt)");
    ASSERT_SAID("2:KILL QUERY 1", "1:BACKUP STAGE END");
}

static void a_position_that_cannot_be_read_unlocks(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    script_add((struct rule){.piece = "SHOW MASTER STATUS", .code = 1227});
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_int_equal(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), -1);
    assert_int_equal(err.cls, HF_E_AUTH);
    ASSERT_SAID("1:BACKUP STAGE BLOCK_COMMIT; SHOW MASTER STATUS", "\n1:BACKUP STAGE END\n");
    assert_false(hf_db_lock_position(lock)->has_binlog);
}

/* ---- who is in the way
 * ------------------------------------------------------------------------------ */

static void nothing_is_locked_while_somebody_is_in_the_way(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mysql);
    script_add(
        (struct rule){.piece = "metadata_locks",
                      .rows = "42|app|10.0.0.7:5511|shop|13|\\N|UPDATE orders SET total = 5"});
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_int_equal(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT,
                  "connection 42 (app@10.0.0.7, db shop): UPDATE orders SET total = ?, 13 s");
    assert_true(t.attempts >= 2);
    assert_int_equal(script_count(":FLUSH TABLES"), 0);
    assert_int_equal(script_count(":LOCK INSTANCE"), 0);
    assert_int_equal(t.worst_failed_us, 0);
}

static void who_was_seen_while_it_waited_is_named(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mariadb);
    script_add((struct rule){.piece = "BLOCK_COMMIT", .waits = true});
    script_add((struct rule){
        .piece = "FROM information_schema.processlist",
        .rows = "7|job|db1|\\N|90|\\N|LOAD DATA INFILE 'x' INTO TABLE t\n8|a|b|c|1|\\N|x\n"
                "9|a|b|c|1|\\N|x\n10|a|b|c|1|\\N|x"});
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_int_equal(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), -1);
    assert_contains(err.message, "connection 7 (job@db1): LOAD DATA INFILE ? INTO TABLE t, 90 s; ");
    assert_contains(err.message, "; and 1 more");
}

static void a_server_too_busy_to_say_is_asked_again(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(mysql);
    script_add((struct rule){.piece = "metadata_locks", .code = 3024, .times = 1});
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    assert_int_equal(t.attempts, 2);
}

static void a_cancelled_run_takes_no_lock(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    script_begin(mariadb);
    struct hf_db_lock_opts o = opts();
    o.cancel = cancel;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    hf_cancel_set(cancel);
    assert_int_equal(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), -1);
    assert_int_equal(err.cls, HF_E_CANCELLED);
    assert_int_equal(script_count("BACKUP STAGE"), 0);
}

/* ---- held
 * ------------------------------------------------------------------------------------------- */

static struct hf_db_lock *hold(const char *version)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    script_begin(version);
    struct hf_db_lock_opts o = opts();
    struct hf_db_lock *lock = prepare(&o);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    return lock;
}

static void a_moved_position_voids_the_hold(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mariadb);
    script.offset = 101;
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_int_equal(hf_db_lock_verify(lock, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "from binlog.000001:100 to binlog.000001:101");
}

static void another_session_that_answers_voids_the_hold(void **state)
{
    (void)state;
    static const char *const answers[] = {"binlog.000001|100||\n--\n0-1-5|77|77",
                                          "binlog.000001|100||\n--\n0-1-5|1|\\N"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(answers); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mariadb);
        script_add((struct rule){.piece = "SHOW MASTER STATUS", .rows = answers[i]});
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        assert_int_equal(hf_db_lock_verify(lock, &err), -1);
        assert_hf_err(&err, HF_E_CONFLICT, "the lock was taken by session 1");
    }
}

/* Lost before the packet was heard, or between its two halves: nobody knows since when. */
static void a_session_lost_while_it_holds_is_told(void **state)
{
    (void)state;
    static const struct rule losses[] = {{.piece = "SHOW MASTER STATUS", .code = 2013},
                                         {.piece = "SHOW MASTER STATUS", .late_code = 2013}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(losses); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mariadb);
        script_add(losses[i]);
        assert_int_equal(hf_db_lock_release(lock, &err), -1);
        assert_hf_err(&err, HF_E_UNREACHABLE,
                      "the session that held the lock is gone: database /scripted/sock");
        assert_int_equal(hf_db_lock_released_us(lock), 0);
        assert_int_equal(hf_db_lock_verify(lock, &err), -1);
        assert_hf_err(&err, HF_E_UNREACHABLE, "the session that held the lock is gone");
        /* No second try behind our back. */
        assert_int_equal(script_count("connect"), 2);
        assert_int_equal(script_count("BACKUP STAGE END"), 1);
    }
}

static void a_reading_that_is_refused_does_not_keep_the_lock(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mysql);
    script_add((struct rule){.piece = "log_status", .code = 1227});
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_true(hf_db_lock_released_us(lock) > 0);
    ASSERT_SAID(LOG_STATUS "; UNLOCK TABLES\n1:UNLOCK TABLES\n1:UNLOCK INSTANCE\n");
    assert_int_equal(hf_db_lock_verify(lock, &err), -1);
    assert_hf_err(&err, HF_E_AUTH, "database /scripted/sock: scripted error 1227");
}

/* The answer makes no sense, but the unlock behind it was heard: there is no stage left to end. */
static void an_unlock_that_was_heard_already_is_no_failure(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mariadb);
    script_add((struct rule){.piece = "SHOW MASTER STATUS", .rows = "a|b"});
    script_add((struct rule){.piece = "BACKUP STAGE END", .code = 4146});
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    ASSERT_SAID("; BACKUP STAGE END\n1:BACKUP STAGE END\n");
    assert_int_equal(hf_db_lock_verify(lock, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "2 columns");
}

static void an_unlock_that_is_refused_closes_the_session(void **state)
{
    (void)state;
    static const struct rule refusals[] = {
        {.piece = "UNLOCK TABLES", .code = 1064},
        {.piece = "UNLOCK TABLES", .late_code = 1064},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(refusals); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mysql);
        script_add(refusals[i]);
        assert_int_equal(hf_db_lock_release(lock, &err), -1);
        assert_contains(err.message, "the unlock was refused and the session closed");
        ASSERT_SAID("; UNLOCK TABLES\n1:UNLOCK TABLES\n1:close\n");
        assert_int_equal(hf_db_lock_released_us(lock), 0);
        struct hf_err why = HF_ERR_INIT;
        assert_int_equal(hf_db_lock_verify(lock, &why), -1);
        assert_hf_err(&why, HF_E_UNSUPPORTED, "scripted error 1064");
    }
}

static void a_session_lost_at_the_second_unlock_is_gone_too(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mysql);
    script_add((struct rule){.piece = "log_status", .code = 1227});
    script_add((struct rule){.piece = "UNLOCK TABLES", .code = 2013});
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "the session that held the lock is gone");
    assert_int_equal(hf_db_lock_verify(lock, &err), -1);
}

/* Writers go on; the session, which would keep DDL waiting, is closed. */
static void ddl_that_is_not_let_go_closes_the_session(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mysql);
    script_add((struct rule){.piece = "UNLOCK INSTANCE", .code = 1064});
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    ASSERT_SAID("1:UNLOCK INSTANCE\n1:close\n");
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
}

static void nothing_works_without_the_lock(void **state)
{
    (void)state;
    script_begin(mariadb);
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(hf_db_lock_verify(lock, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "not released yet");
    assert_int_equal(hf_db_lock_settle_log(lock, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "not held");
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "not held");
    hf_db_lock_free(NULL);
}

static void there_is_no_verdict_before_the_release(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mariadb);
    assert_int_equal(hf_db_lock_verify(lock, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "not released yet");
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "not held");
}

/* Neither a good verdict nor a bad one is that of the next hold. */
static void each_hold_has_its_own_verdict(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold(mariadb);
    for (int moves = 1; moves >= 0; moves--) {
        script.offset += (unsigned)moves;
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        assert_int_equal(hf_db_lock_verify(lock, &err), -moves);
        assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
        assert_int_equal(hf_db_lock_released_us(lock), 0);
        assert_int_equal(hf_db_lock_verify(lock, &err), -1);
        assert_hf_err(&err, HF_E_INTERNAL, "not released yet");
    }
}

/* ---- the variables */

static int journal_call(void *ctx, const char *name, const char *old_value, const char *new_value,
                        struct hf_err *err)
{
    const char *refused = ctx;
    hf_buf_printf(&script.log, "journal:%s %s %s\n", name, old_value, new_value);
    return refused && !strcmp(refused, name) ? hf_fail(err, HF_E_NOSPACE, "full") : 0;
}

/* refused: the variable whose journal entry cannot be written, or NULL. */
static struct hf_db_lock *prepare_relaxed(const char *version, const char *flush_log,
                                          const char *sync_binlog, char *refused)
{
    struct hf_db_lock_opts o = opts();
    script_begin(version);
    script.flush_log = flush_log;
    script.sync_binlog = sync_binlog;
    o.on_variable = journal_call;
    o.on_variable_ctx = refused;
    struct hf_db_lock *lock = prepare(&o);
    assert_true(hf_db_lock_get_plan(lock)->hardens);
    return lock;
}

static void acquire(struct hf_db_lock *lock)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
}

static void a_relaxed_server_is_made_durable_before_the_lock_and_set_back_after_it(void **state)
{
    (void)state;
    static const char *const versions[] = {mariadb, mysql};
    for (size_t i = 0; i < HF_ARRAY_SIZE(versions); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(versions[i], "0", "7", NULL);
        const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(lock);
        assert_false(plan->needs_sync || plan->settles_log || plan->lacks_variable_right);
        assert_null(plan->needs_sync_why);
        assert_int_equal(script_count("SET GLOBAL"), 0);
        assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
        assert_string_equal(script.flush_log, "1");
        assert_string_equal(script.sync_binlog, "1");
        acquire(lock);
        assert_hf_ok(hf_db_lock_settle_log(lock, &err), &err);
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
        ASSERT_SAID("journal:" FLUSH_LOG " 0 1\n1:SET GLOBAL " FLUSH_LOG " = 1\n"
                    "journal:sync_binlog 7 1\n1:SET GLOBAL sync_binlog = 1\n"
                    "1:FLUSH LOCAL ENGINE LOGS\n",
                    i ? "1:LOCK INSTANCE" : "1:BACKUP STAGE START",
                    i ? "; UNLOCK TABLES\n" : "; BACKUP STAGE END\n",
                    "2:SET GLOBAL " FLUSH_LOG " = 0\n", "2:SET GLOBAL sync_binlog = 7\n");
        /* Nothing of it under the lock. */
        assert_int_equal(script_count("ENGINE LOGS"), 1);
        assert_int_equal(script_count("SET GLOBAL"), 4);
    }
}

static void only_what_is_relaxed_is_set(void **state)
{
    (void)state;
    static const struct {
        const char *flush_log, *sync_binlog;
        int sets, rotates;
    } cases[] = {
        {"2", "1", 1, 0}, {"0", "1", 1, 0}, {"1", "0", 1, 1}, {"3", "0", 1, 1}, {"2", "0", 2, 1}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_lock)
        struct hf_db_lock *lock =
            prepare_relaxed(mariadb, cases[i].flush_log, cases[i].sync_binlog, NULL);
        assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
        assert_hf_ok(hf_db_lock_flush_binlog(lock, &err), &err);
        assert_int_equal(script_count("SET GLOBAL"), cases[i].sets);
        assert_int_equal(script_count("journal:"), cases[i].sets);
        /* What lay in the redo buffer, and what lay in the page cache. */
        assert_int_equal(script_count("1:FLUSH LOCAL ENGINE LOGS\n"),
                         cases[i].sets - cases[i].rotates);
        assert_int_equal(script_count("1:FLUSH LOCAL BINARY LOGS\n"), cases[i].rotates);
        acquire(lock);
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        assert_string_equal(script.flush_log, cases[i].flush_log);
        assert_string_equal(script.sync_binlog, cases[i].sync_binlog);
    }
}

static void a_durable_server_is_left_as_it_is(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    for (int has_binlog = 0; has_binlog < 2; has_binlog++) {
        script_begin(mariadb);
        script.log_bin = has_binlog ? "ON" : "OFF";
        script.sync_binlog = has_binlog ? "1" : "0";
        struct hf_db_lock_opts o = opts();
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
        assert_false(hf_db_lock_get_plan(lock)->hardens);
        assert_false(hf_db_lock_get_plan(lock)->needs_sync);
        assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
        assert_hf_ok(hf_db_lock_flush_binlog(lock, &err), &err);
        assert_int_equal(script_count("SET GLOBAL"), 0);
        assert_int_equal(script_count("FLUSH LOCAL"), 0);
    }
}

/* Plain tables are no matter of settings: their rows go down by a sync, hardened or not. */
static void a_hardened_server_with_plain_tables_needs_the_sync_all_the_same(void **state)
{
    (void)state;
    script_begin(mariadb);
    script.tables = "shop.log";
    script.sync_binlog = "0";
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_true(hf_db_lock_get_plan(lock)->hardens);
    assert_string_equal(hf_db_lock_get_plan(lock)->needs_sync_why,
                        "1 non-transactional table (shop.log)");
}

static void without_a_journal_entry_the_variable_stays(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char first[] = FLUSH_LOG, second[] = "sync_binlog";
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(mariadb, "0", "0", first);
    assert_int_equal(hf_db_lock_harden(lock, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "innodb_flush_log_at_trx_commit stays 0: full");
    assert_int_equal(script_count("SET GLOBAL"), 0);
    assert_int_equal(script_count("ENGINE LOGS"), 0);
    acquire(lock);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_int_equal(script_count("SET GLOBAL"), 0);

    /* The one before it had been set, and goes back. */
    HF_AUTO(hf_db_lock) struct hf_db_lock *other = prepare_relaxed(mariadb, "0", "0", second);
    assert_int_equal(hf_db_lock_harden(other, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "sync_binlog stays 0: full");
    assert_hf_ok(hf_db_lock_flush_binlog(other, &err), &err);
    assert_int_equal(script_count("BINARY LOGS"), 0);
    acquire(other);
    assert_hf_ok(hf_db_lock_release(other, &err), &err);
    assert_int_equal(script_count("SET GLOBAL sync_binlog"), 0);
    assert_string_equal(script.flush_log, "0");
}

static void a_variable_that_was_refused_is_not_set_back(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(mariadb, "1", "0", NULL);
    script_add((struct rule){.piece = "SET GLOBAL sync_binlog = 1", .code = 1227});
    assert_int_equal(hf_db_lock_harden(lock, &err), -1);
    assert_int_equal(err.cls, HF_E_AUTH);
    acquire(lock);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_int_equal(script_count("SET GLOBAL"), 1);
}

/* No answer to SET GLOBAL: it may have been done, so it is undone. */
static void a_variable_in_doubt_is_restored_by_the_second_session(void **state)
{
    (void)state;
    for (int was_done = 0; was_done < 2; was_done++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(mariadb, "1", "0", NULL);
        script_add((struct rule){.piece = "SET GLOBAL sync_binlog = 1",
                                 .code = was_done ? 0 : 2013,
                                 .late_code = was_done ? 2013 : 0,
                                 .times = 1});
        assert_int_equal(hf_db_lock_harden(lock, &err), -1);
        assert_int_equal(err.cls, HF_E_UNREACHABLE);
        assert_string_equal(script.sync_binlog, was_done ? "1" : "0");
        /* A new session takes the lock. */
        acquire(lock);
        assert_hf_ok(hf_db_lock_release(lock, &err), &err);
        ASSERT_SAID("3:connect", "2:SELECT @@global.sync_binlog\n");
        assert_int_equal(script_count("2:SET GLOBAL sync_binlog = 0\n"), was_done);
        assert_string_equal(script.sync_binlog, "0");
        assert_string_equal(err.left, "");
    }
}

static void a_redo_log_that_is_not_flushed_is_not_durable(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(mariadb, "2", "1", NULL);
    script_add((struct rule){.piece = "FLUSH LOCAL ENGINE LOGS", .code = 1227});
    assert_int_equal(hf_db_lock_harden(lock, &err), -1);
    assert_int_equal(err.cls, HF_E_AUTH);
    acquire(lock);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_string_equal(script.flush_log, "2");
}

static void a_variable_that_somebody_else_has_set_stays_theirs(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(mariadb, "1", "0", NULL);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    acquire(lock);
    script.sync_binlog = "5";
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_string_equal(script.sync_binlog, "5");
    assert_int_equal(script_count("2:SET GLOBAL"), 0);
}

static void variables_that_stay_are_named(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(mariadb, "0", "7", NULL);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    acquire(lock);
    script_add((struct rule){.piece = "SET GLOBAL " FLUSH_LOG " = 0", .code = 1227});
    script_add((struct rule){.piece = "SET GLOBAL sync_binlog = 7", .code = 1227});
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    assert_contains(err.left,
                    "innodb_flush_log_at_trx_commit of database /scripted/sock is 1, was 0");
    assert_contains(err.left, "sync_binlog of database /scripted/sock is 1, was 7");
    assert_true(hf_db_lock_released_us(lock) > 0);
    /* The picture is as good as it was. */
    struct hf_err why = HF_ERR_INIT;
    assert_hf_ok(hf_db_lock_verify(lock, &why), &why);
}

/* The holder is gone and the second session still sets back; what it cannot is told besides. */
static void a_lost_holder_does_not_keep_the_variables(void **state)
{
    (void)state;
    for (int is_back = 0; is_back < 2; is_back++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_relaxed(mariadb, "0", "0", NULL);
        assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
        acquire(lock);
        script_add((struct rule){.piece = "BACKUP STAGE END", .code = 2013});
        if (!is_back)
            script_add((struct rule){.piece = "SET GLOBAL sync_binlog = 0", .code = 2013});
        assert_int_equal(hf_db_lock_release(lock, &err), -1);
        assert_hf_err(&err, HF_E_UNREACHABLE, "the session that held the lock is gone");
        assert_string_equal(script.flush_log, "0");
        assert_string_equal(script.sync_binlog, is_back ? "0" : "1");
        assert_string_equal(err.left,
                            is_back ? "" : "sync_binlog of database /scripted/sock is 1, was 0");
    }
}

static void without_the_right_the_guest_must_sync(void **state)
{
    (void)state;
    static const struct {
        const char *version, *grants;
    } cases[] = {
        {mariadb, "GRANT RELOAD, PROCESS, BINLOG MONITOR, SELECT ON *.* TO `hf`@`localhost`"},
        {mysql, "GRANT SELECT, RELOAD ON *.* TO `hf`@`localhost`\n"
                "GRANT BACKUP_ADMIN ON *.* TO `hf`@`localhost`"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        script_begin(cases[i].version);
        script.flush_log = "2";
        script.sync_binlog = "0";
        script.grants = cases[i].grants;
        struct hf_db_lock_opts o = opts();
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
        const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(lock);
        assert_false(plan->hardens || plan->settles_log || plan->lacks_variable_right);
        assert_string_equal(plan->needs_sync_why, FLUSH_LOG " = 2; sync_binlog = 0");
        assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
        assert_hf_ok(hf_db_lock_flush_binlog(lock, &err), &err);
        assert_int_equal(script_count("SET GLOBAL"), 0);
        assert_int_equal(script_count("FLUSH LOCAL"), 0);
    }
}

/* MySQL flushes a lazy log without the variable: under the lock then. */
static void mysql_settles_a_lazy_log_without_the_right(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    script_begin(mysql);
    script.flush_log = "0";
    script.grants = "GRANT SELECT, RELOAD ON *.* TO `hf`@`localhost`\n"
                    "GRANT BACKUP_ADMIN ON *.* TO `hf`@`localhost`";
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(lock);
    assert_true(plan->settles_log && plan->needs_sync);
    assert_false(plan->hardens || plan->lacks_variable_right);
    assert_hf_ok(hf_db_lock_harden(lock, &err), &err);
    assert_int_equal(script_count("FLUSH LOCAL"), 0);
    acquire(lock);
    assert_hf_ok(hf_db_lock_settle_log(lock, &err), &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    ASSERT_SAID("FLUSH TABLES WITH READ LOCK", "1:FLUSH LOCAL ENGINE LOGS\n", "; UNLOCK TABLES");
    assert_int_equal(script_count("SET GLOBAL"), 0);
}

static void without_the_right_the_log_is_not_settled_and_that_is_told(void **state)
{
    (void)state;
    script_begin(mariadb);
    script.flush_log = "0";
    script.grants = "GRANT RELOAD, PROCESS, BINLOG MONITOR, SELECT ON *.* TO `hf`@`localhost`";
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_true(hf_db_lock_get_plan(lock)->lacks_variable_right);
    assert_false(hf_db_lock_get_plan(lock)->settles_log);
    assert_false(hf_db_lock_get_plan(lock)->hardens);
    assert_true(hf_db_lock_get_plan(lock)->needs_sync);
    assert_int_equal(hf_db_lock_get_plan(lock)->warnings.n, 1);
    assert_contains(hf_db_lock_get_plan(lock)->warnings.items[0], "SUPER");
}

/* ---- prepare
 * ------------------------------------------------------------------------------------------- */

static void missing_rights_are_refused_with_the_statement(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    script_begin(mysql);
    script.grants = "GRANT USAGE ON *.* TO `hf`@`localhost`";
    struct hf_db_lock_opts o = opts();
    assert_null(hf_db_lock_prepare(&o, &err));
    assert_hf_err(&err, HF_E_AUTH, "the account hf@localhost may not take the lock");
    assert_string_equal(err.hint, "GRANT BACKUP_ADMIN, FLUSH_TABLES ON *.* TO 'hf'@'localhost'; "
                                  "GRANT SELECT ON performance_schema.* TO 'hf'@'localhost';");
}

static void a_mark_that_is_taken_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    script_begin(mariadb);
    script_add((struct rule){.piece = "GET_LOCK", .rows = "0"});
    struct hf_db_lock_opts o = opts();
    assert_null(hf_db_lock_prepare(&o, &err));
    assert_hf_err(&err, HF_E_BUSY, "another session carries the mark of run " RUN_ID);
}

static void tables_that_cannot_be_listed_in_time_are_taken_to_be_there(void **state)
{
    (void)state;
    script_begin(mariadb);
    script_add((struct rule){.piece = "information_schema.tables", .code = 1969});
    struct hf_db_lock_opts o = opts();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&o);
    assert_contains(hf_db_lock_get_plan(lock)->needs_sync_why, "could not be listed");
}

/* ---- from outside
 * --------------------------------------------------------------------------------------- */

static void a_dead_runs_session_is_killed_and_awaited(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    script_begin(mariadb);
    script_add(
        (struct rule){.piece = "IS_USED_LOCK('holdfast." RUN_ID "')", .rows = "42", .times = 3});
    script_add((struct rule){.piece = "IS_USED_LOCK", .rows = "\\N"});
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
    assert_hf_ok(hf_db_lock_kill(c, RUN_ID, &err), &err);
    assert_int_equal(script_count("1:KILL 42\n"), 1);
    assert_int_equal(script_count("IS_USED_LOCK"), 4);
    /* Again: nothing there. */
    assert_hf_ok(hf_db_lock_kill(c, RUN_ID, &err), &err);
    assert_int_equal(script_count("1:KILL "), 1);
}

static void a_kill_that_is_refused_names_the_session(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    script_begin(mariadb);
    script_add((struct rule){.piece = "IS_USED_LOCK", .rows = "42"});
    script_add((struct rule){.piece = "KILL 42", .code = 1227});
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
    assert_int_equal(hf_db_lock_kill(c, RUN_ID, &err), -1);
    assert_contains(err.left, "session 42 on database /scripted/sock holds the lock");
}

static void only_what_a_lock_sets_is_set_back(void **state)
{
    (void)state;
    static const struct {
        const char *name, *old_value;
        bool is_known;
    } cases[] = {
        {FLUSH_LOG, "0", true},
        {"sync_binlog", "4294967295", true},
        {"sync_binlog", "42949672950", false},
        {"sync_binlog", "", false},
        {"sync_binlog", "-1", false},
        {"sync_binlog", "0; DROP DATABASE shop", false},
        {"max_connections", "1", false},
        {"", "1", false},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        script_begin(mariadb);
        HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
        int rc = hf_db_variable_restore(c, cases[i].name, cases[i].old_value, "1", &err);
        HF_AUTOFREE char *wanted =
            hf_asprintf("1:SET GLOBAL %s = %s\n", cases[i].name, cases[i].old_value);
        assert_int_equal(script_count(wanted), cases[i].is_known);
        assert_int_equal(script_count("SET GLOBAL"), cases[i].is_known);
        if (cases[i].is_known)
            assert_hf_ok(rc, &err);
        else
            assert_hf_err(&err, HF_E_CORRUPT, cases[i].name);
    }
    /* Somebody else has set it since. */
    struct hf_err err = HF_ERR_INIT;
    script_begin(mariadb);
    script.sync_binlog = "7";
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
    assert_hf_ok(hf_db_variable_restore(c, "sync_binlog", "0", "1", &err), &err);
    assert_int_equal(script_count("SET GLOBAL"), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(stages_are_taken_in_order_and_ended),
        HF_TEST(mysql_looks_who_works_before_each_lock),
        HF_TEST(older_servers_get_the_global_read_lock),
        HF_TEST(the_stall_begins_where_somebody_has_to_wait),
        HF_TEST(the_stages_share_one_budget),
        HF_TEST(a_wait_beyond_the_budget_is_killed_and_undone),
        HF_TEST(a_lock_that_is_granted_and_killed_at_once_does_not_count),
        HF_TEST(the_unlock_is_sent_after_any_failed_attempt),
        HF_TEST(a_session_that_refuses_the_unlock_is_closed_and_replaced),
        HF_TEST(a_session_lost_in_the_attempt_is_replaced),
        HF_TEST(a_server_that_is_gone_ends_the_attempts),
        HF_TEST(without_the_second_session_the_server_ends_the_wait),
        HF_TEST(a_position_that_cannot_be_read_unlocks),
        HF_TEST(nothing_is_locked_while_somebody_is_in_the_way),
        HF_TEST(who_was_seen_while_it_waited_is_named),
        HF_TEST(a_server_too_busy_to_say_is_asked_again),
        HF_TEST(a_cancelled_run_takes_no_lock),
        HF_TEST(a_moved_position_voids_the_hold),
        HF_TEST(another_session_that_answers_voids_the_hold),
        HF_TEST(a_session_lost_while_it_holds_is_told),
        HF_TEST(a_reading_that_is_refused_does_not_keep_the_lock),
        HF_TEST(an_unlock_that_was_heard_already_is_no_failure),
        HF_TEST(an_unlock_that_is_refused_closes_the_session),
        HF_TEST(a_session_lost_at_the_second_unlock_is_gone_too),
        HF_TEST(ddl_that_is_not_let_go_closes_the_session),
        HF_TEST(nothing_works_without_the_lock),
        HF_TEST(there_is_no_verdict_before_the_release),
        HF_TEST(each_hold_has_its_own_verdict),
        HF_TEST(a_relaxed_server_is_made_durable_before_the_lock_and_set_back_after_it),
        HF_TEST(only_what_is_relaxed_is_set),
        HF_TEST(a_durable_server_is_left_as_it_is),
        HF_TEST(a_hardened_server_with_plain_tables_needs_the_sync_all_the_same),
        HF_TEST(without_a_journal_entry_the_variable_stays),
        HF_TEST(a_variable_that_was_refused_is_not_set_back),
        HF_TEST(a_variable_in_doubt_is_restored_by_the_second_session),
        HF_TEST(a_redo_log_that_is_not_flushed_is_not_durable),
        HF_TEST(a_variable_that_somebody_else_has_set_stays_theirs),
        HF_TEST(variables_that_stay_are_named),
        HF_TEST(a_lost_holder_does_not_keep_the_variables),
        HF_TEST(without_the_right_the_guest_must_sync),
        HF_TEST(mysql_settles_a_lazy_log_without_the_right),
        HF_TEST(without_the_right_the_log_is_not_settled_and_that_is_told),
        HF_TEST(missing_rights_are_refused_with_the_statement),
        HF_TEST(a_mark_that_is_taken_is_refused),
        HF_TEST(tables_that_cannot_be_listed_in_time_are_taken_to_be_there),
        HF_TEST(a_dead_runs_session_is_killed_and_awaited),
        HF_TEST(a_kill_that_is_refused_names_the_session),
        HF_TEST(only_what_a_lock_sets_is_set_back),
    };
    return HF_RUN_TESTS("db.lock", tests);
}

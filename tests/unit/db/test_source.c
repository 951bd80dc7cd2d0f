/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a replica stands, in the packet that is granted the lock.
 */
#include "db/lock.h"
#include "unit/db/script.h"

#define RUN_ID "20261123T030000Z-7f3a9c21"
#define MARIADB_COLUMNS                                                                            \
    "#Connection_name|Master_Host|Master_Port|Read_Master_Log_Pos|Relay_Master_Log_File|"          \
    "Exec_Master_Log_Pos|Gtid_Slave_Pos\n"
#define MYSQL_COLUMNS                                                                              \
    "#Source_Host|Source_Port|Relay_Source_Log_File|Exec_Source_Log_Pos|Executed_Gtid_Set|"        \
    "Channel_Name\n"

static const char mariadb[] = "10.11.19-MariaDB-0+deb12u1", mysql[] = "9.7.4-2";
static const struct hf_db_target target = {.socket = "/scripted/sock"};

static struct hf_db_lock *prepare(struct hf_err *err)
{
    struct hf_db_lock_opts o = {.target = &target,
                                .run_id = RUN_ID,
                                .stall_budget_ms = 40,
                                .quiesce_timeout_ms = 250,
                                .hold_limit_ms = 5000};
    return hf_db_lock_prepare(&o, err);
}

static struct hf_db_lock *hold(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing t;
    struct hf_db_lock *lock = prepare(&err);
    assert_hf_got(lock, &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
    return lock;
}

static void mariadb_tells_each_of_its_connections(void **state)
{
    (void)state;
    script_begin(mariadb);
    script_add((struct rule){.piece = "BLOCK_COMMIT",
                             .rows = "binlog.000001|100||\n--\n0-1-5|1|1\n--\n" MARIADB_COLUMNS
                                     "|db1|3306|999|m.000003|700|0-1-5,1-2-9\n"
                                     "west|db2|3307|800|w.000009|4|0-1-5,1-2-9"});
    script_add((struct rule){.piece = "BACKUP STAGE END",
                             .rows = "binlog.000001|100||\n--\n0-1-5|1|1\n--\n" MARIADB_COLUMNS
                                     "|db1|3306|1|m.000001|4|\\N"});
    script_add((struct rule){.piece = "SHOW ALL SLAVES STATUS",
                             .rows = MARIADB_COLUMNS "|db1|3306|1|m.000001|4|\\N"});
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold();
    struct hf_err err = HF_ERR_INIT;
    assert_true(hf_db_lock_get_plan(lock)->is_replica);
    const struct hf_db_sources *s = hf_db_lock_sources(lock);
    assert_int_equal(s->n, 2);
    assert_false(s->more);
    assert_string_equal(s->items[0].channel, "");
    assert_string_equal(s->items[0].host, "db1");
    assert_int_equal(s->items[0].port, 3306);
    assert_string_equal(s->items[0].file, "m.000003");
    assert_int_equal(s->items[0].offset, 700);
    assert_string_equal(s->items[1].channel, "west");
    assert_string_equal(s->items[1].file, "w.000009");
    assert_string_equal(s->items[1].gtid, "0-1-5,1-2-9");
    assert_int_equal(hf_db_lock_position(lock)->offset, 100);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    /* In the packets of the lock and of the unlock. */
    assert_int_equal(script_count("BLOCK_COMMIT; SHOW MASTER STATUS"), 1);
    assert_int_equal(script_count("; SHOW ALL SLAVES STATUS; BACKUP STAGE END\n"), 1);
    /* What stood there last counts: MySQL's offset can only have become more exact. */
    assert_int_equal(hf_db_lock_sources(lock)->n, 1);
    assert_string_equal(hf_db_lock_sources(lock)->items[0].file, "m.000001");
}

static void mysql_tells_its_channels_under_their_new_names(void **state)
{
    (void)state;
    script_begin(mysql);
    script_add((struct rule){.piece = "FLUSH TABLES WITH READ LOCK",
                             .rows = "1|1|binlog.000001|100|u:1-5|77\n--\n" MYSQL_COLUMNS
                                     "db1|3306|m.000003|700|u:1-5|\n"
                                     "<NULL>|0||0|u:1-5|group_replication_applier"});
    script_add(
        (struct rule){.piece = "SHOW REPLICA STATUS", .rows = MYSQL_COLUMNS "db1|3306|m.1|4||"});
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold();
    const struct hf_db_sources *s = hf_db_lock_sources(lock);
    assert_int_equal(s->n, 1);
    assert_string_equal(s->items[0].file, "m.000003");
    assert_int_equal(s->items[0].offset, 700);
    assert_string_equal(s->items[0].gtid, "u:1-5");
}

static void a_server_that_is_no_replica_is_not_asked_under_the_lock(void **state)
{
    (void)state;
    static const char *const versions[] = {mariadb, mysql, "8.0.20", "5.7.44-log"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(versions); i++) {
        script_begin(versions[i]);
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold();
        assert_false(hf_db_lock_get_plan(lock)->is_replica);
        assert_int_equal(hf_db_lock_sources(lock)->n, 0);
        assert_int_equal(script_count("SHOW ALL SLAVES STATUS") +
                             script_count("SHOW REPLICA STATUS") +
                             script_count("SHOW SLAVE STATUS"),
                         1);
    }
}

static void without_the_right_it_is_a_warning_and_not_a_failure(void **state)
{
    (void)state;
    static const struct {
        const char *version, *asks, *tells, *rows, *grants, *lacks;
    } cases[] = {
        {mariadb, "SHOW ALL SLAVES STATUS", "Slave_running", "Slave_running|ON",
         "GRANT RELOAD, PROCESS, BINLOG MONITOR, SELECT ON *.* TO `hf`@`localhost`",
         "SLAVE MONITOR"},
        {mysql, "SHOW REPLICA STATUS", "replication_connection_configuration", "1",
         "GRANT SELECT, RELOAD ON *.* TO `hf`@`localhost`\nGRANT BACKUP_ADMIN ON *.* TO "
         "`hf`@`localhost`",
         "REPLICATION CLIENT"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        script_begin(cases[i].version);
        script.grants = cases[i].grants;
        script_add((struct rule){.piece = cases[i].asks, .code = 1227});
        script_add((struct rule){.piece = cases[i].tells, .rows = cases[i].rows});
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hold();
        assert_true(hf_db_lock_get_plan(lock)->is_replica);
        assert_int_equal(hf_db_lock_get_plan(lock)->warnings.n, 1);
        assert_contains(hf_db_lock_get_plan(lock)->warnings.items[0], cases[i].lacks);
        assert_int_equal(hf_db_lock_sources(lock)->n, 0);
        assert_int_equal(script_count(cases[i].asks), 1);
    }
}

static void a_source_that_is_no_text_is_refused(void **state)
{
    (void)state;
    static char long_name[700];
    memset(long_name, 'x', 600);
    HF_AUTOFREE char *too_long = hf_asprintf(MARIADB_COLUMNS "|db1|3306|1|%s|4|", long_name);
    const char *const answers[] = {MARIADB_COLUMNS "|db1\x1b[2J|3306|1|m.1|4|", too_long};
    for (size_t i = 0; i < HF_ARRAY_SIZE(answers); i++) {
        struct hf_err err = HF_ERR_INIT;
        script_begin(mariadb);
        script_add((struct rule){.piece = "SHOW ALL SLAVES STATUS", .rows = answers[i]});
        assert_null(prepare(&err));
        assert_hf_err(&err, HF_E_CORRUPT, "replication source is not understood");
    }
}

static void no_more_than_so_many_channels_are_kept(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf rows = HF_BUF_INIT;
    HF_AUTO(hf_db_sources) struct hf_db_sources s = HF_DB_SOURCES_INIT;
    hf_buf_str_add(&rows, MARIADB_COLUMNS);
    for (int i = 0; i < HF_DB_SOURCES_MAX + 3; i++)
        hf_buf_printf(&rows, "c%d|db|3306|1|m.1|4|\n", i);
    script_begin(mariadb);
    script_add((struct rule){.piece = "SHOW ALL SLAVES STATUS", .rows = hf_buf_str(&rows)});
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
    assert_hf_ok(hf_db_sources_read(c, &s, &err), &err);
    assert_int_equal(s.n, HF_DB_SOURCES_MAX);
    assert_true(s.more);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(mariadb_tells_each_of_its_connections),
        HF_TEST(mysql_tells_its_channels_under_their_new_names),
        HF_TEST(a_server_that_is_no_replica_is_not_asked_under_the_lock),
        HF_TEST(without_the_right_it_is_a_warning_and_not_a_failure),
        HF_TEST(a_source_that_is_no_text_is_refused),
        HF_TEST(no_more_than_so_many_channels_are_kept),
    };
    return HF_RUN_TESTS("db.source", tests);
}

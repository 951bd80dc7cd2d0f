/* SPDX-License-Identifier: Apache-2.0
 *
 * What is read from a server without a lock: its version, its errors, its position, its settings.
 */
#include "db/dberr.h"
#include "db/facts.h"
#include "db/position.h"
#include "db/reading.h"
#include "db/server.h"
#include "unit/db/script.h"

static const struct hf_db_target target = {.socket = "/scripted/sock"};

static void versions_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
        enum hf_db_flavour flavour;
        unsigned version;
    } cases[] = {
        {"10.11.19-MariaDB-0+deb12u1-log", "MariaDB 10.11.19", HF_DB_MARIADB, 101119},
        {"5.5.5-10.6.7-MariaDB", "MariaDB 10.6.7", HF_DB_MARIADB, 100607},
        {"11.8.2-MariaDB", "MariaDB 11.8.2", HF_DB_MARIADB, 110802},
        {"9.7.4-2", "MySQL 9.7.4", HF_DB_MYSQL, 90704},
        {"8.0.36-28", "MySQL 8.0.36", HF_DB_MYSQL, 80036},
        {"5.7.44-log", "MySQL 5.7.44", HF_DB_MYSQL, 50744},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_db_server s = {0};
        assert_hf_ok(hf_db_server_parse(cases[i].text, &s, &err), &err);
        assert_string_equal(s.text, cases[i].name);
        assert_int_equal(s.flavour, cases[i].flavour);
        assert_int_equal(s.version, cases[i].version);
    }
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_server s = {0};
    assert_int_equal(hf_db_server_parse("unknown", &s, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "'unknown'");
}

static void errors_get_their_class_and_their_remedy(void **state)
{
    (void)state;
    static const struct {
        unsigned code;
        enum hf_err_class cls;
    } cases[] = {{1044, HF_E_AUTH},        {1045, HF_E_AUTH},        {1142, HF_E_AUTH},
                 {1227, HF_E_AUTH},        {2026, HF_E_AUTH},        {2002, HF_E_UNREACHABLE},
                 {2003, HF_E_UNREACHABLE}, {2005, HF_E_UNREACHABLE}, {2006, HF_E_UNREACHABLE},
                 {2013, HF_E_UNREACHABLE}, {1927, HF_E_UNREACHABLE}, {4031, HF_E_UNREACHABLE},
                 {1205, HF_E_TIMEOUT},     {3024, HF_E_TIMEOUT},     {1969, HF_E_TIMEOUT},
                 {1040, HF_E_BUSY},        {1317, HF_E_CANCELLED},   {1146, HF_E_NOT_FOUND},
                 {1064, HF_E_UNSUPPORTED}, {1021, HF_E_NOSPACE},     {1, HF_E_INTERNAL},
                 {0, HF_E_INTERNAL}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++)
        assert_int_equal(hf_db_errno_class(cases[i].code), cases[i].cls);
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(hf_db_fail(&err, "127.0.0.1:3306", 1040, "Too many connections"), -1);
    assert_hf_err(&err, HF_E_BUSY, "database 127.0.0.1:3306: Too many connections");
    assert_contains(err.hint, "max_connections");
    assert_true(err.retryable);
    assert_true(hf_db_errno_is_lost(2013) && !hf_db_errno_is_lost(1205));
    assert_true(hf_db_errno_is_interrupted(1317) && !hf_db_errno_is_interrupted(2013));
}

static void positions_are_compared_without_the_lsn(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    static char file[] = "b.1", other_file[] = "b.2", gtid[] = "0-1-5", other_gtid[] = "0-1-6";
    struct hf_db_position a = {
        .has_binlog = true, .file = file, .offset = 4, .gtid = gtid, .has_lsn = true, .lsn = 7};
    HF_AUTO(hf_db_position) struct hf_db_position b = HF_DB_POSITION_INIT;
    assert_hf_ok(hf_db_position_copy(&b, &a, &err), &err);
    b.lsn = 8;
    assert_true(hf_db_position_equal(&a, &b));
    b.offset = 5;
    assert_false(hf_db_position_equal(&a, &b));
    b.offset = 4;
    b.has_binlog = false;
    assert_false(hf_db_position_equal(&a, &b));
    b.has_binlog = true;
    a.gtid = other_gtid;
    assert_false(hf_db_position_equal(&a, &b));
    a.gtid = gtid;
    a.file = other_file;
    assert_false(hf_db_position_equal(&a, &b));
    struct hf_db_position none = HF_DB_POSITION_INIT, none2 = HF_DB_POSITION_INIT;
    assert_true(hf_db_position_equal(&none, &none2));
}

static void each_server_is_asked_in_its_own_words(void **state)
{
    (void)state;
    static const struct {
        const char *version, *wanted;
        bool has_binlog, has_log_status;
    } cases[] = {
        {"10.11.19-MariaDB", "SHOW MASTER STATUS; SELECT @@global.gtid_binlog_pos, ", true, false},
        {"8.0.36", "SHOW MASTER STATUS; SELECT @@global.gtid_executed, ", true, false},
        {"8.4.2", "SHOW BINARY LOG STATUS; SELECT @@global.gtid_executed, ", true, false},
        {"9.7.4", "FROM performance_schema.log_status", true, true},
        {"10.11.19-MariaDB", "SELECT '', CONNECTION_ID(), IS_USED_LOCK('m')", false, false},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_db_server s = {0};
        struct hf_db_reading_opts o = {.has_binlog = cases[i].has_binlog,
                                       .has_log_status = cases[i].has_log_status,
                                       .mark = "'m'"};
        assert_hf_ok(hf_db_server_parse(cases[i].version, &s, &err), &err);
        HF_AUTOFREE char *sql = hf_db_reading_sql(&s, &o);
        assert_contains(sql, cases[i].wanted);
        assert_contains(sql, "IS_USED_LOCK('m')");
    }
}

static void a_reading_takes_what_came(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    script_begin("9.7.4");
    script_add((struct rule){.piece = "five columns",
                             .rows = "binlog.7|155|||uuid:1-9\n--\nuuid:1-9|12|12"});
    script_add((struct rule){.piece = "binlog off", .rows = "12|12||0|uuid:1-9|99"});
    script_add((struct rule){.piece = "odd", .rows = "a|b"});
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
    HF_AUTO(hf_db_reading) struct hf_db_reading r = HF_DB_READING_INIT, off = HF_DB_READING_INIT;
    assert_hf_ok(hf_db_reading_run(c, "five columns", &r, &err), &err);
    assert_string_equal(r.position.file, "binlog.7");
    assert_int_equal(r.position.offset, 155);
    assert_string_equal(r.position.gtid, "uuid:1-9");
    assert_int_equal(r.connection, 12);
    assert_int_equal(r.mark_owner, 12);
    assert_hf_ok(hf_db_reading_run(c, "binlog off", &off, &err), &err);
    assert_false(off.position.has_binlog);
    assert_string_equal(off.position.gtid, "");
    assert_int_equal(off.position.lsn, 99);
    assert_int_equal(hf_db_reading_run(c, "odd", &off, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "2 columns");
}

static void durable_settings_need_no_sync(void **state)
{
    (void)state;
    static const struct {
        int flush_log, sync_binlog;
        bool has_binlog;
        const char *why;
    } cases[] = {{1, 1, true, NULL},
                 {3, 0, false, NULL},
                 {2, 1, true, "innodb_flush_log_at_trx_commit = 2"},
                 {1, 0, true, "sync_binlog = 0"},
                 {0, 100, true, "innodb_flush_log_at_trx_commit = 0; sync_binlog = 100"}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_db_facts f = {.flush_log = cases[i].flush_log,
                                .sync_binlog = cases[i].sync_binlog,
                                .has_binlog = cases[i].has_binlog};
        HF_AUTOFREE char *why = NULL;
        assert_hf_ok(hf_db_facts_why_sync(&f, false, &why, &err), &err);
        if (cases[i].why)
            assert_string_equal(why, cases[i].why);
        else
            assert_null(why);
        /* Made durable for the run, the settings are no reason. */
        HF_AUTOFREE char *hardened = NULL;
        assert_hf_ok(hf_db_facts_why_sync(&f, true, &hardened, &err), &err);
        assert_null(hardened);
    }
}

static void many_plain_tables_are_named_in_part(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    script_begin("10.11.19-MariaDB");
    script.tables = "a.a\na.b\na.c\na.d";
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
    HF_AUTO(hf_db_facts) struct hf_db_facts f = HF_DB_FACTS_INIT;
    HF_AUTOFREE char *why = NULL;
    assert_hf_ok(hf_db_facts_find_tables(c, true, &f, &err), &err);
    f.sync_binlog = 0;
    f.has_binlog = true;
    /* Tables are a reason in any case. */
    assert_hf_ok(hf_db_facts_why_sync(&f, true, &why, &err), &err);
    assert_string_equal(why, "more than 3 non-transactional tables (a.a, a.b, a.c, …)");
    ASSERT_SAID("SET STATEMENT max_statement_time = 10 FOR SELECT");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(versions_are_read),
        HF_TEST(errors_get_their_class_and_their_remedy),
        HF_TEST(positions_are_compared_without_the_lsn),
        HF_TEST(each_server_is_asked_in_its_own_words),
        HF_TEST(a_reading_takes_what_came),
        HF_TEST(durable_settings_need_no_sync),
        HF_TEST(many_plain_tables_are_named_in_part),
    };
    return HF_RUN_TESTS("db.server", tests);
}

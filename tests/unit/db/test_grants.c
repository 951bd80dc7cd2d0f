/* SPDX-License-Identifier: Apache-2.0 */
#include "db/grants.h"
#include "harness/hf_test.h"

#include <stdio.h>
#include <string.h>

static const struct hf_db_server mariadb = {.flavour = HF_DB_MARIADB, .version = 101119},
                                 old_mariadb = {.flavour = HF_DB_MARIADB, .version = 100339},
                                 mysql = {.flavour = HF_DB_MYSQL, .version = 90704},
                                 old_mysql = {.flavour = HF_DB_MYSQL, .version = 50744};

/* The statements that `lines` (NULL-terminated) leave to be granted, joined with a blank. */
static const char *missing(const char *const *lines, const struct hf_db_server *s,
                           struct hf_db_facts f, bool hard_only)
{
    static char out[600];
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_grants) struct hf_grants g = HF_GRANTS_INIT;
    HF_AUTO(hf_grants_missing) struct hf_grants_missing m = {0};
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    for (; *lines; lines++)
        assert_hf_ok(hf_grants_add_line(&g, *lines, &err), &err);
    assert_hf_ok(hf_grants_find_missing(&g, s, &f, &m, &err), &err);
    assert_hf_ok(hf_grants_statements(&m, "o'b@x@10.%", hard_only, &v, &err), &err);
    out[0] = '\0';
    for (size_t i = 0; i < v.n; i++)
        strcat(strcat(out, i ? " " : ""), v.items[i]);
    return out;
}
#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})
static struct hf_db_facts facts(bool has_binlog, int flush_log)
{
    return (struct hf_db_facts){.has_binlog = has_binlog, .sync_binlog = 1, .flush_log = flush_log};
}

static void each_server_wants_its_own(void **state)
{
    (void)state;
    static const char nothing[] = "GRANT USAGE ON *.* TO `a`@`b`";
    assert_string_equal(
        missing(LINES(nothing), &mariadb, facts(true, 1), false),
        "GRANT RELOAD, REPLICATION CLIENT, PROCESS, SHOW VIEW ON *.* TO 'o''b@x'@'10.%';");
    assert_string_equal(missing(LINES(nothing), &mariadb, facts(false, 1), true),
                        "GRANT RELOAD ON *.* TO 'o''b@x'@'10.%';");
    assert_string_equal(missing(LINES(nothing), &old_mariadb, facts(false, 1), true),
                        "GRANT RELOAD, PROCESS ON *.* TO 'o''b@x'@'10.%';");
    assert_string_equal(missing(LINES(nothing), &mysql, facts(true, 1), false),
                        "GRANT BACKUP_ADMIN, FLUSH_TABLES, SHOW VIEW ON *.* TO 'o''b@x'@'10.%'; "
                        "GRANT SELECT ON performance_schema.* TO 'o''b@x'@'10.%';");
    assert_string_equal(missing(LINES(nothing), &old_mysql, facts(true, 1), true),
                        "GRANT RELOAD, REPLICATION CLIENT, PROCESS ON *.* TO 'o''b@x'@'10.%';");
}

static void a_lazy_log_wants_more(void **state)
{
    (void)state;
    assert_string_equal(missing(LINES("GRANT SELECT, RELOAD, PROCESS ON *.* TO `a`@`b`"), &mariadb,
                                facts(false, 0), false),
                        "GRANT SUPER ON *.* TO 'o''b@x'@'10.%';");
    assert_string_equal(missing(LINES("GRANT SELECT ON *.* TO `a`@`b`",
                                      "GRANT BACKUP_ADMIN,FLUSH_TABLES ON *.* TO `a`@`b`"),
                                &mysql, facts(false, 0), true),
                        "GRANT RELOAD ON *.* TO 'o''b@x'@'10.%';");
}

/* RELOAD is needed besides, for FLUSH ENGINE LOGS. */
static void who_may_make_a_server_durable(void **state)
{
    (void)state;
    static const struct hf_db_server new_mariadb = {.flavour = HF_DB_MARIADB, .version = 110402};
    static const struct {
        const struct hf_db_server *server;
        const char *privileges;
        bool may, may_without_binlog; /* with sync_binlog = 0 and without a binlog */
    } cases[] = {
        {&mariadb, "RELOAD, SUPER", true, true},
        {&mariadb, "ALL PRIVILEGES", true, true},
        {&mariadb, "RELOAD, BINLOG ADMIN", false, false},
        {&mariadb, "SUPER", false, false},
        {&new_mariadb, "RELOAD, SUPER", false, true},
        {&new_mariadb, "RELOAD, SUPER, BINLOG ADMIN", true, true},
        {&new_mariadb, "ALL PRIVILEGES", true, true},
        {&mysql, "RELOAD, SUPER", true, true},
        {&mysql, "RELOAD,SYSTEM_VARIABLES_ADMIN", true, true},
        {&mysql, "SYSTEM_VARIABLES_ADMIN,FLUSH_TABLES", false, false},
        {&mysql, "RELOAD", false, false},
        {&mariadb, "RELOAD,SYSTEM_VARIABLES_ADMIN", false, false},
    };
    struct hf_db_facts f = facts(true, 0), none = facts(false, 0);
    f.sync_binlog = none.sync_binlog = 0;
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        char line[100];
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_grants) struct hf_grants g = HF_GRANTS_INIT;
        snprintf(line, sizeof line, "GRANT %s ON *.* TO `a`@`b`", cases[i].privileges);
        assert_hf_ok(hf_grants_add_line(&g, line, &err), &err);
        assert_int_equal(hf_grants_sets_variables(&g, cases[i].server, &f), cases[i].may);
        assert_int_equal(hf_grants_sets_variables(&g, cases[i].server, &none),
                         cases[i].may_without_binlog);
    }
    /* Where all or nothing is set, all is asked for. */
    assert_string_equal(missing(LINES("GRANT SELECT, RELOAD, PROCESS, SUPER ON *.* TO `a`@`b`"),
                                &new_mariadb, f, false),
                        "GRANT BINLOG ADMIN ON *.* TO 'o''b@x'@'10.%';");
    assert_string_equal(missing(LINES("GRANT SELECT, RELOAD, PROCESS, SUPER ON *.* TO `a`@`b`"),
                                &mariadb, f, false),
                        "");
}

static void what_is_there_is_not_asked_for(void **state)
{
    (void)state;
    assert_string_equal(
        missing(LINES("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"),
                &mariadb, facts(true, 0), false),
        "");
    assert_string_equal(missing(LINES("GRANT RELOAD, PROCESS, BINLOG MONITOR, SHOW VIEW ON *.* TO "
                                      "`a`@`b` IDENTIFIED BY PASSWORD '*7B'"),
                                &mariadb, facts(true, 1), false),
                        "");
    assert_string_equal(missing(LINES("GRANT SHOW VIEW, RELOAD ON *.* TO `a`@`b`",
                                      "GRANT BACKUP_ADMIN ON *.* TO `a`@`b`",
                                      "GRANT SELECT ON `performance_schema`.* TO `a`@`b`"),
                                &mysql, facts(true, 0), false),
                        "");
}

/* ON one schema is not ON all; a role's name is no privilege. */
static void narrow_grants_do_not_count(void **state)
{
    (void)state;
    assert_string_equal(
        missing(LINES("GRANT ALL PRIVILEGES ON `shop`.* TO `a`@`b`", "GRANT `RELOAD` TO `a`@`b`",
                      "GRANT PROXY ON ``@`` TO `a`@`b`", "SET DEFAULT ROLE x FOR `a`@`b`"),
                &mariadb, facts(false, 1), true),
        "GRANT RELOAD ON *.* TO 'o''b@x'@'10.%';");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_server_wants_its_own),     HF_TEST(a_lazy_log_wants_more),
        HF_TEST(who_may_make_a_server_durable), HF_TEST(what_is_there_is_not_asked_for),
        HF_TEST(narrow_grants_do_not_count),
    };
    return HF_RUN_TESTS("db.grants", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What a loader reads out of statements: their kind, keys, rows, names.
 */
#include "db/load/ddl.h"
#include "db/load/infile.h"
#include "db/load/rewrite.h"
#include "db/load/statement.h"
#include "harness/hf_test.h"

#include <string.h>

static enum hf_sql_kind kind(const char *text)
{
    return hf_sql_look(text, strlen(text)).kind;
}

static void each_statement_is_known_for_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(kind("/*!40101 SET NAMES binary*/"), HF_SQL_SET);
    assert_int_equal(kind("SET @PREV=@@CHARACTER_SET_CLIENT"), HF_SQL_SET);
    assert_int_equal(kind("SET SESSION sql_mode='', @@foreign_key_checks=0"), HF_SQL_SET);
    assert_int_equal(kind("SET @@SESSION.SQL_LOG_BIN=0"), HF_SQL_SET_SKIPPED);
    assert_int_equal(kind("SET @@GLOBAL.GTID_PURGED='x'"), HF_SQL_SET_SKIPPED);
    assert_int_equal(kind("INSERT IGNORE INTO `t` VALUES (1)"), HF_SQL_INSERT);
    assert_int_equal(kind("CREATE DEFINER=`a`@`b` SQL SECURITY INVOKER VIEW v AS SELECT 1"),
                     HF_SQL_CREATE_VIEW);
    assert_int_equal(kind("/*!50003 CREATE*/ /*!50017 DEFINER=a@b*/ /*!50003 TRIGGER t x */"),
                     HF_SQL_CREATE_TRIGGER);
    assert_int_equal(kind("CREATE OR REPLACE PACKAGE BODY p AS x"), HF_SQL_CREATE_ROUTINE);
    assert_int_equal(kind("DROP TABLE IF EXISTS `v1`"), HF_SQL_DROP);
    assert_int_equal(kind("DO SETVAL(`sq`, 100, 0, 0)"), HF_SQL_SETVAL);
    assert_int_equal(kind("/*!40000 ALTER TABLE `a` DISABLE KEYS */"), HF_SQL_TABLE_KEYS);
    assert_int_equal(kind("SET DEFAULT ROLE r FOR u"), HF_SQL_GRANT);
    assert_int_equal(kind(" /* nothing */ "), HF_SQL_NOTHING);
}

static void what_changes_more_than_it_should_is_nothing_known(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "SET GLOBAL max_connections = 1",
        "SET @@global.read_only = 1",
        "SET PERSIST x = 1",
        "SET PASSWORD = 'x'",
        "SET @a = 1, GLOBAL x = 2",
        "SET @a = (SELECT f(1, 2)), GLOBAL x = 2",
        "SET STATEMENT max_statement_time = 1 FOR DROP TABLE t",
        "DROP DATABASE shop",
        "DROP USER u",
        "DROP TABLE a, b",
        "DELETE FROM t",
        "LOAD DATA INFILE 'x' INTO TABLE t",
        "SELECT SETVAL(s, 1), f(2)",
        "SELECT * FROM t INTO OUTFILE '/tmp/x'",
        "ALTER TABLE t ADD c INT",
        "CALL p()",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++)
        assert_int_equal(kind(bad[i]), HF_SQL_OTHERWISE);
}

/* ---- CREATE TABLE ------------------------------------------------------------------------ */

static void check_ddl(const char *text, const char *create, const char *keys, const char *fks)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_sql_ddl) struct hf_sql_ddl d = HF_SQL_DDL_INIT;
    assert_hf_ok(hf_sql_ddl_split(text, strlen(text), true, false, &d, &err), &err);
    assert_string_equal(hf_buf_str(&d.create), create);
    assert_string_equal(hf_buf_str(&d.keys), keys);
    assert_string_equal(hf_buf_str(&d.fks), fks);
}

static void keys_and_foreign_keys_are_taken_out(void **state)
{
    (void)state;
    check_ddl("CREATE TABLE `t` (`id` int, `key` enum('a,(','KEY'), PRIMARY KEY (`id`), UNIQUE KEY "
              "`u` (`key`(3)), "
              "KEY `k` (`key`), CONSTRAINT `f` FOREIGN KEY (`key`) REFERENCES `p` (`id`), "
              "CONSTRAINT `c` CHECK (`id` > 0)) ENGINE=InnoDB COMMENT='ENGINE=x'",
              "CREATE TABLE `t` (`id` int, `key` enum('a,(','KEY'), PRIMARY KEY (`id`), CONSTRAINT "
              "`c` CHECK (`id` > 0)) "
              "ENGINE=InnoDB COMMENT='ENGINE=x'",
              "ADD UNIQUE KEY `u` (`key`(3)), ADD KEY `k` (`key`)",
              "ADD CONSTRAINT `f` FOREIGN KEY (`key`) REFERENCES `p` (`id`)");
}

static void keys_stay_where_taking_them_out_would_change_the_table(void **state)
{
    (void)state;
    static const char *const stay[] = {
        "CREATE TABLE t (a int NOT NULL, UNIQUE KEY u (a),\nKEY k (a)\n) ENGINE=InnoDB",
        "CREATE TABLE t (a int, b int AUTO_INCREMENT, PRIMARY KEY (a), KEY b (b)\n) ENGINE=InnoDB",
        "CREATE TABLE t (a int, b text, PRIMARY KEY (a), FULLTEXT KEY b (b), KEY k (b(3))\n)",
        "CREATE TABLE t (a int, PRIMARY KEY (a), KEY b (a)\n) ENGINE=InnoDB WITH SYSTEM VERSIONING",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(stay); i++)
        check_ddl(stay[i], stay[i], "", "");
    check_ddl("CREATE TABLE t (a int, KEY (a), FOREIGN KEY (a) REFERENCES x (a)) ENGINE = MyISAM",
              "CREATE TABLE t (a int, KEY (a), FOREIGN KEY (a) REFERENCES x (a)) ENGINE = MyISAM",
              "", "");
    check_ddl("CREATE TABLE t LIKE x", "CREATE TABLE t LIKE x", "", "");
}

/* ---- rows ------------------------------------------------------------------------------ */

static void check_rows(const char *text, int wanted, const char *lines)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_infile_head head;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    char quote = 0;
    uint64_t rows = 0;
    assert_int_equal(hf_infile_head(text, strlen(text), &head), 0);
    assert_int_equal(hf_infile_rows(text + head.values_at, strlen(text) - head.values_at, &quote,
                                    &out, &rows, &err),
                     wanted);
    if (wanted == 0)
        assert_string_equal(hf_buf_str(&out), lines);
}

static void rows_become_lines(void **state)
{
    (void)state;
    check_rows("INSERT INTO `t` (`a`,`b`) VALUES\n(1,'x'),\n(NULL,'\\'),(''y\\\\')", 0,
               "1,'x'\nNULL,'\\'),(''y\\\\'\n");
    check_rows("INSERT INTO t VALUES(-1.5e-7,_binary \"a\")\n,(2,\"\")\n", 0,
               "-1.5e-7,\"a\"\n2,\"\"\n");
}

static void what_load_data_reads_otherwise_is_left_to_sql(void **state)
{
    (void)state;
    static const char *const odd[] = {"INSERT INTO t VALUES (0x41)",
                                      "INSERT INTO t VALUES (b'1')",
                                      "INSERT INTO t VALUES (_utf8mb4'x')",
                                      "INSERT INTO t VALUES (now())",
                                      "INSERT INTO t VALUES ('a\\%')",
                                      "INSERT INTO t VALUES ('a',\"b\")",
                                      "INSERT INTO t VALUES (1 + 1)",
                                      "INSERT INTO t VALUES ('a' 'b')",
                                      "INSERT INTO t VALUES (null)",
                                      "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1",
                                      "INSERT INTO t VALUES (DEFAULT)",
                                      "INSERT INTO t VALUES ('a",
                                      "INSERT INTO t VALUES (1),",
                                      "INSERT INTO t VALUES (- 1)"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(odd); i++)
        check_rows(odd[i], 1, NULL);
}

/* ---- names ------------------------------------------------------------------------------- */

static void check_rewrite(const char *schemas, const char *definers, const char *text,
                          const char *wanted)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_sql_rename r = {.schemas = HF_STRV_INIT};
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    if (schemas)
        assert_hf_ok(hf_sql_rename_schemas(&r, schemas, &err), &err);
    if (definers)
        assert_hf_ok(hf_sql_rename_definers(&r, definers, &err), &err);
    assert_hf_ok(hf_sql_rewrite(&r, text, strlen(text), &out, &err), &err);
    assert_string_equal(hf_buf_str(&out), wanted);
    hf_sql_rename_free(&r);
}

static void schemas_and_definers_get_other_names(void **state)
{
    (void)state;
    check_rewrite("a=b`", NULL, "CREATE TABLE `t` (REFERENCES `a`.`a` (`a`)) COMMENT '`a`.x'",
                  "CREATE TABLE `t` (REFERENCES `b```.`a` (`a`)) COMMENT '`a`.x'");
    check_rewrite("a=b", NULL, "SELECT `x`.`a`.`c`", "SELECT `x`.`a`.`c`");
    check_rewrite(NULL, "me@here", "CREATE DEFINER=`x`@`%` VIEW v AS SELECT 'DEFINER=`x`@`%`'",
                  "CREATE DEFINER=`me`@`here` VIEW v AS SELECT 'DEFINER=`x`@`%`'");
    check_rewrite(NULL, "none", "CREATE DEFINER=`x`@`%` VIEW v", "CREATE  VIEW v");
    check_rewrite(NULL, "x@%=y@h,z@h=q", "CREATE /*!50017 DEFINER='x'@'%'*/ TRIGGER t",
                  "CREATE /*!50017 DEFINER=`y`@`h`*/ TRIGGER t");
    check_rewrite(NULL, "z@h=q", "CREATE DEFINER=`x`@`%` EVENT e DO SET @definer = 1",
                  "CREATE DEFINER=`x`@`%` EVENT e DO SET @definer = 1");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_statement_is_known_for_what_it_is),
        HF_TEST(what_changes_more_than_it_should_is_nothing_known),
        HF_TEST(keys_and_foreign_keys_are_taken_out),
        HF_TEST(keys_stay_where_taking_them_out_would_change_the_table),
        HF_TEST(rows_become_lines),
        HF_TEST(what_load_data_reads_otherwise_is_left_to_sql),
        HF_TEST(schemas_and_definers_get_other_names),
    };
    return HF_RUN_TESTS("db.load_text", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "db/blockers.h"
#include "db/redact.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>

static void check(const char *sql, const char *wanted)
{
    HF_AUTOFREE char *got = hf_db_redact(sql);
    assert_non_null(got);
    assert_string_equal(got, wanted);
}

static void literals_become_question_marks(void **state)
{
    (void)state;
    check("SELECT * FROM t WHERE name = 'O''Brien' AND pin=1234",
          "SELECT * FROM t WHERE name = ? AND pin=?");
    check("SET @a = \"se\\\"cret\"", "SET @a = ?");
    check("VALUES (1,2.5,.5,-3,1e-9,0xCAFE,x'41',b'01',_utf8mb4'x',N'y')",
          "VALUES (?,?,?,-?,?,?,?,?,?,?)");
    check("UPDATE t1 SET c2 = c2 + 1", "UPDATE t1 SET c2 = c2 + ?");
    check("SELECT `odd 'name`", "SELECT `odd ?");
}

static void comments_go_and_blanks_are_joined(void **state)
{
    (void)state;
    check("  SELECT /* secret */ 1\n\tFROM -- secret\n t # secret\n", "SELECT ? FROM t");
    check("SELECT a--1", "SELECT a--?");
    check("/*! code */ DO 1", "DO ?");
    check("-- only\n", "");
    check("", "");
}

/* The server cuts statements anywhere. */
static void what_does_not_end_swallows_the_rest(void **state)
{
    (void)state;
    check("INSERT INTO t VALUES ('secret and so", "INSERT INTO t VALUES (?");
    check("SELECT 1 /* secret and so", "SELECT ?");
    check("SELECT 'a\\", "SELECT ?");
    check("SELECT 'a''", "SELECT ?");
}

static void long_statements_are_cut_between_characters(void **state)
{
    (void)state;
    HF_AUTOFREE char *plain =
        hf_db_redact("SELECT aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg");
    assert_string_equal(plain, "SELECT aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffffff…");
    char wide[400] = "";
    for (int i = 0; i < 100; i++)
        strcat(wide, "ä");
    HF_AUTOFREE char *got = hf_db_redact(wide);
    assert_int_equal(strlen(got), 2 * 64 + strlen("…"));
    char many[4000] = "SELECT ";
    for (int i = 0; i < 900; i++)
        strcat(many, "1, ");
    HF_AUTOFREE char *list = hf_db_redact(many);
    assert_int_equal(strlen(list), 64 + strlen("…"));
}

static void a_blocker_is_told_in_one_line(void **state)
{
    (void)state;
    const char *const row[] = {"42",
                               "app",
                               "10.0.0.7:53122",
                               "shop",
                               "13",
                               NULL,
                               "ALTER TABLE orders ADD c INT DEFAULT 5"};
    HF_AUTOFREE char *text = hf_db_blocker_text((char *const *)row);
    assert_string_equal(
        text,
        "connection 42 (app@10.0.0.7, db shop): ALTER TABLE orders ADD c INT DEFAULT ?, 13 s");
    const char *const idle[] = {
        "7", "root", "localhost", NULL, "90", "holds SHARED_READ_ONLY on shop.a", NULL};
    HF_AUTOFREE char *held = hf_db_blocker_text((char *const *)idle);
    assert_string_equal(held,
                        "connection 7 (root@localhost): holds SHARED_READ_ONLY on shop.a, 90 s");
    const char *const bare[] = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    HF_AUTOFREE char *nothing = hf_db_blocker_text((char *const *)bare);
    assert_string_equal(nothing, "connection ? (): no statement, ? s");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(literals_become_question_marks),
        HF_TEST(comments_go_and_blanks_are_joined),
        HF_TEST(what_does_not_end_swallows_the_rest),
        HF_TEST(long_statements_are_cut_between_characters),
        HF_TEST(a_blocker_is_told_in_one_line),
    };
    return HF_RUN_TESTS("db.redact", tests);
}

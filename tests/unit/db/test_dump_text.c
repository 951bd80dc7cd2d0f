/* SPDX-License-Identifier: Apache-2.0
 *
 * Escaping, names of files, tuples, statements: everything of a dump that needs no server.
 */
#include "db/dump/escape.h"
#include "db/dump/names.h"
#include "db/dump/rows.h"
#include "db/dump/split.h"
#include "db/dump/statement.h"
#include "db/dump/users.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>

/* ---- escaping --------------------------------------------------------------------------- */

static size_t escape_plainly(char *to, const char *from, size_t len)
{
    static const char special[] = "\0\n\r\x1a\\'", code[] = "0nrZ\\'";
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const char *at = memchr(special, from[i], sizeof special - 1);
        if (at)
            to[n++] = '\\';
        to[n++] = at ? code[at - special] : from[i];
    }
    return n;
}

/* Every length around the size of a block, each byte at each place in it. */
static void every_byte_at_every_place_is_escaped(void **state)
{
    char text[40], got[HF_SQL_ESCAPE_ROOM(40)], want[80];
    (void)state;
    for (size_t len = 0; len <= sizeof text; len++)
        for (size_t at = 0; at < len; at++)
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'x', sizeof text);
                text[at] = (char)byte;
                size_t n = (size_t)(hf_sql_escape(got, text, len) - got);
                size_t m = escape_plainly(want, text, len);
                assert_int_equal(n, m);
                assert_memory_equal(got, want, m);
            }
}

static void an_escaped_text_has_no_line_break_and_no_bare_quote(void **state)
{
    char got[HF_SQL_ESCAPE_ROOM(64)];
    (void)state;
    char *end = hf_sql_escape(got, "'; DROP TABLE x; -- \n\r\0\\", 24);
    *end = '\0';
    assert_string_equal(got, "\\'; DROP TABLE x; -- \\n\\r\\0\\\\");
}

static void quotes_in_names_are_doubled(void **state)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    (void)state;
    hf_sql_add_names(&b, "a`b", "``");
    assert_string_equal(hf_buf_str(&b), "`a``b`.``````");
}

static void long_texts_are_quoted_whole(void **state)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    char text[1001];
    (void)state;
    memset(text, '\'', 1000);
    text[1000] = '\0';
    hf_sql_add_text(&b, text);
    assert_int_equal(b.len, 2002);
    assert_string_equal(hf_buf_str(&b) + 1998, "\\'\\''" + 1);
}

/* ---- file names ------------------------------------------------------------------------- */

static void harmless_names_stay_and_all_others_get_a_number(void **state)
{
    static const char *const hostile[] = {
        "",
        ".",
        "..",
        "a.b",
        "../../etc/passwd",
        "a/b",
        "a b",
        "a\nb",
        "`",
        "mydumper_0",
        "x-schema",
        "-rf",
        "gr\xc3\xbc\xc3\x9f",
        "a'b",
        "a\"b",
        "a\\b",
        "\xf0\x9f\x98\x80",
        "0123456789012345678901234567890123456789012345678901234567890123x"};
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    HF_AUTO(hf_dump_names) struct hf_dump_names *n = hf_dump_names_new(&err);
    assert_hf_got(n, &err);
    assert_string_equal(hf_dump_names_get(n, "Orders_2-b"), "Orders_2-b");
    for (size_t i = 0; i < HF_ARRAY_SIZE(hostile); i++) {
        char want[32];
        snprintf(want, sizeof want, "mydumper_%zu", i);
        assert_string_equal(hf_dump_names_get(n, hostile[i]), want);
    }
    assert_string_equal(hf_dump_names_get(n, ".."), "mydumper_2");
}

/* ---- tuples ----------------------------------------------------------------------------- */

static const char *row_of(struct hf_row_buffer *b, const char *type, const char *value, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_row_plan p = {0};
    char *values[] = {(char *)value};
    unsigned long lengths[] = {len};
    uint64_t checksum = 0;
    b->len = 0;
    assert_hf_ok(hf_row_plan_add(&p, "c", type, false, &err), &err);
    assert_hf_ok(hf_row_add(b, &p, values, lengths, &checksum, &err), &err);
    assert_hf_ok(hf_row_buffer_add(b, "", 1, &err), &err);
    hf_row_plan_free(&p);
    return b->data;
}

static void each_type_is_written_in_its_form(void **state)
{
    struct hf_row_buffer b = {0};
    (void)state;
    assert_string_equal(row_of(&b, "int", "-42", 3), "(-42)");
    assert_string_equal(row_of(&b, "decimal", "0000.10", 7), "(0000.10)");
    assert_string_equal(row_of(&b, "double", "1.5e300", 7), "(1.5e300)");
    assert_string_equal(row_of(&b, "double", "-0", 2), "(-0e0)");
    assert_string_equal(row_of(&b, "bit", "\x80\0\0\0\0\0\0\0", 8), "(9223372036854775808)");
    assert_string_equal(row_of(&b, "bit", "\0", 1), "(0)");
    assert_string_equal(row_of(&b, "json", "{\"a\":\"'\"}", 9), "(_utf8mb4'{\"a\":\"\\'\"}')");
    assert_string_equal(row_of(&b, "inet6", "::1", 3), "(_utf8mb4'::1')");
    assert_string_equal(row_of(&b, "blob", "\0\xff", 2), "('\\0\xff')");
    assert_string_equal(row_of(&b, "datetime", "0000-00-00 00:00:00", 19),
                        "('0000-00-00 00:00:00')");
    assert_string_equal(row_of(&b, "varchar", "", 0), "('')");
    assert_string_equal(row_of(&b, "varchar", NULL, 0), "(NULL)");
    hf_row_buffer_free(&b);
}

static void what_does_not_look_like_a_number_is_not_written_bare(void **state)
{
    struct hf_row_buffer b = {0};
    (void)state;
    assert_string_equal(row_of(&b, "int", "1);DROP TABLE x", 15), "('1);DROP TABLE x')");
    assert_string_equal(row_of(&b, "int", "", 0), "('')");
    assert_string_equal(row_of(&b, "double", "e1", 2), "('e1')");
    assert_string_equal(row_of(&b, "bigint", "7\n", 2), "('7\\n')");
    hf_row_buffer_free(&b);
}

static void a_float_is_read_with_all_its_digits(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_row_plan p = {0};
    (void)state;
    assert_hf_ok(hf_row_plan_add(&p, "i`d", "int", true, &err), &err);
    assert_hf_ok(hf_row_plan_add(&p, "f", "float", true, &err), &err);
    assert_string_equal(hf_buf_str(&p.select), "`i``d`,`f`*1e0");
    assert_string_equal(hf_buf_str(&p.names), "`i``d`,`f`");
    hf_row_plan_free(&p);
}

static void the_checksum_depends_on_rows_and_not_on_their_order(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_row_plan p = {0};
    struct hf_row_buffer b = {0};
    char one_text[] = "1", two_text[] = "2", a_text[] = "a", b_text[] = "b";
    char *rows[3][2] = {{one_text, a_text}, {two_text, NULL}, {one_text, b_text}};
    unsigned long lengths[] = {1, 1};
    uint64_t one = 0, two = 0, other = 0;
    (void)state;
    assert_hf_ok(hf_row_plan_add(&p, "id", "int", false, &err), &err);
    assert_hf_ok(hf_row_plan_add(&p, "v", "char", false, &err), &err);
    assert_hf_ok(hf_row_add(&b, &p, rows[0], lengths, &one, &err), &err);
    assert_hf_ok(hf_row_add(&b, &p, rows[1], lengths, &one, &err), &err);
    assert_hf_ok(hf_row_add(&b, &p, rows[1], lengths, &two, &err), &err);
    assert_hf_ok(hf_row_add(&b, &p, rows[0], lengths, &two, &err), &err);
    assert_hf_ok(hf_row_add(&b, &p, rows[2], lengths, &other, &err), &err);
    assert_hf_ok(hf_row_add(&b, &p, rows[1], lengths, &other, &err), &err);
    assert_true(one == two);
    assert_true(one != other);
    hf_row_plan_free(&p);
    hf_row_buffer_free(&b);
}

/* XXH3-64 of "(1)" and of "(2)", taken from xxhsum: docs/dump-format.md promises them to others. */
static void the_checksum_is_the_documented_one(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_row_plan p = {0};
    struct hf_row_buffer b = {0};
    char one_text[] = "1", two_text[] = "2", *one[] = {one_text}, *two[] = {two_text};
    unsigned long lengths[] = {1};
    uint64_t checksum = 0;
    (void)state;
    assert_hf_ok(hf_row_plan_add(&p, "id", "int", false, &err), &err);
    assert_hf_ok(hf_row_add(&b, &p, one, lengths, &checksum, &err), &err);
    assert_true(checksum == UINT64_C(0x42a1f3e5b21c9ac6));
    assert_hf_ok(hf_row_add(&b, &p, two, lengths, &checksum, &err), &err);
    assert_true(checksum == UINT64_C(0x42a1f3e5b21c9ac6) + UINT64_C(0x745308e9415d875d));
    hf_row_plan_free(&p);
    hf_row_buffer_free(&b);
}

/* ---- statements ------------------------------------------------------------------------- */

static const struct hf_statement_mode plain_mode = {0};

static const char *statement(struct hf_buf *b, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    hf_buf_clear(b);
    assert_hf_ok(hf_statement_add(b, text, plain_mode, &err), &err);
    return hf_buf_str(b);
}

static void a_body_with_semicolons_gets_a_delimiter_that_is_not_in_it(void **state)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    (void)state;
    assert_string_equal(statement(&b, "CREATE VIEW v AS SELECT ';'"),
                        "CREATE VIEW v AS SELECT ';';\n");
    assert_string_equal(statement(&b, "CREATE PROCEDURE p() BEGIN a; END"),
                        "DELIMITER ;#\nCREATE PROCEDURE p() BEGIN a; END;#\nDELIMITER ;\n");
    assert_string_equal(statement(&b, "BEGIN a;# c\n b;#1\n END"),
                        "DELIMITER ;#2\nBEGIN a;# c\n b;#1\n END;#2\nDELIMITER ;\n");
    assert_string_equal(statement(&b, "SELECT 1 -- last"), "SELECT 1 -- last\n;\n");
    /* myloader reads line by line. */
    assert_string_equal(statement(&b, "SELECT 'a;\nb'"),
                        "DELIMITER ;#\nSELECT 'a;\nb';#\nDELIMITER ;\n");
}

static void text_that_is_more_than_one_statement_is_refused(void **state)
{
    static const char *const bad[] = {
        "CREATE TABLE t (a int) \\! id",   "CREATE TABLE t (a int COMMENT 'x)",
        "CREATE TABLE `t (a int)",         "CREATE TABLE t (a int) /* x",
        "CREATE VIEW v AS SELECT \"a\\\"",
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        bool semicolons = false;
        assert_int_equal(hf_statement_check(bad[i], plain_mode, &semicolons, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "the server's text of it has");
    }
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(
        hf_statement_check("CREATE TABLE t (a int); DROP TABLE u", plain_mode, NULL, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "a semicolon");
}

static void backslashes_mean_what_the_mode_says(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    struct hf_statement_mode mode = hf_statement_mode("ANSI,NO_BACKSLASH_ESCAPES", "utf8mb4");
    assert_hf_ok(hf_statement_check("SELECT 'a\\'", mode, NULL, &err), &err);
    assert_int_equal(hf_statement_check("SELECT 'a\\'", plain_mode, NULL, &err), -1);
    /* In sjis the second byte of a character can be a backslash. */
    mode = hf_statement_mode("", "sjis");
    assert_hf_ok(hf_statement_check("SELECT '\x83\\'", mode, NULL, &err), &err);
}

static void stripping_takes_the_definer_and_nothing_else(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"CREATE DEFINER=`a``b`@`%` PROCEDURE `p`() SELECT 'DEFINER=`x`@`y`'",
         "CREATE PROCEDURE `p`() SELECT 'DEFINER=`x`@`y`'"},
        {"CREATE ALGORITHM=MERGE DEFINER=`a`@`b` SQL SECURITY DEFINER VIEW `v` AS select 1",
         "CREATE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW `v` AS select 1"},
        {"CREATE DEFINER=`role` FUNCTION f() RETURNS int RETURN 1",
         "CREATE FUNCTION f() RETURNS int RETURN 1"},
        {"CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @definer=1",
         "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @definer=1"},
        {"CREATE DEFINER = root@localhost EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
         "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1"},
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTOFREE char *text = strdup(cases[i].from);
        hf_statement_strip_definer(text);
        assert_string_equal(text, cases[i].to);
    }
}

static void default_roles_are_taken_out_of_an_account(void **state)
{
    char text[] =
        "CREATE USER `u`@`%` IDENTIFIED WITH 'x' DEFAULT ROLE `r`@`%`,`s`@`%` REQUIRE NONE";
    char other[] = "CREATE USER `u`@`%` REQUIRE NONE";
    (void)state;
    hf_users_strip_default_role(text);
    assert_string_equal(text, "CREATE USER `u`@`%` IDENTIFIED WITH 'x' REQUIRE NONE");
    hf_users_strip_default_role(other);
    assert_string_equal(other, "CREATE USER `u`@`%` REQUIRE NONE");
}

/* ---- ranges ----------------------------------------------------------------------------- */

static void the_middle_lies_inside_without_overflow(void **state)
{
    static const int64_t pairs[][2] = {
        {INT64_MIN, INT64_MAX}, {0, 1}, {-1, 0}, {INT64_MAX - 1, INT64_MAX}, {-5, 10}};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(pairs); i++) {
        int64_t middle = hf_split_middle(pairs[i][0], pairs[i][1]);
        assert_true(middle >= pairs[i][0] && middle < pairs[i][1]);
    }
    assert_int_equal(hf_split_middle(-4, 4), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(every_byte_at_every_place_is_escaped),
        HF_TEST(an_escaped_text_has_no_line_break_and_no_bare_quote),
        HF_TEST(quotes_in_names_are_doubled),
        HF_TEST(long_texts_are_quoted_whole),
        HF_TEST(harmless_names_stay_and_all_others_get_a_number),
        HF_TEST(each_type_is_written_in_its_form),
        HF_TEST(what_does_not_look_like_a_number_is_not_written_bare),
        HF_TEST(a_float_is_read_with_all_its_digits),
        HF_TEST(the_checksum_depends_on_rows_and_not_on_their_order),
        HF_TEST(the_checksum_is_the_documented_one),
        HF_TEST(a_body_with_semicolons_gets_a_delimiter_that_is_not_in_it),
        HF_TEST(text_that_is_more_than_one_statement_is_refused),
        HF_TEST(backslashes_mean_what_the_mode_says),
        HF_TEST(stripping_takes_the_definer_and_nothing_else),
        HF_TEST(default_roles_are_taken_out_of_an_account),
        HF_TEST(the_middle_lies_inside_without_overflow),
    };
    return HF_RUN_TESTS("db.dump_text", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "db/load/split.h"
#include "harness/hf_test.h"

#include <string.h>

struct source {
    const char *text;
    size_t len, at, step;
};

static int fill(void *ctx, void *buf, size_t len, size_t *out_n, struct hf_err *err)
{
    struct source *s = ctx;
    (void)err;
    size_t n = s->len - s->at < s->step ? s->len - s->at : s->step;
    *out_n = n < len ? n : len;
    memcpy(buf, s->text + s->at, *out_n);
    s->at += *out_n;
    return 0;
}

/* The statements, "|" behind each. */
static void split(const char *text, size_t step, bool no_backslash, bool ansi, struct hf_buf *out)
{
    struct hf_err err = HF_ERR_INIT;
    struct source src = {text, strlen(text), 0, step};
    struct hf_sql_statement st;
    HF_AUTO(hf_sql_split) struct hf_sql_split *s = hf_sql_split_new(fill, &src, 1 << 20, &err);
    assert_hf_got(s, &err);
    hf_sql_split_modes(s, no_backslash, ansi);
    int rc;
    while ((rc = hf_sql_split_next(s, &st, &err)) > 0) {
        assert_memory_equal(text + st.offset, st.text, st.len);
        hf_buf_add(out, st.text, st.len);
        hf_buf_str_add(out, "|");
    }
    if (rc < 0)
        hf_buf_printf(out, "ERROR %s", err.message);
}

/* However the stream is cut into pieces. */
static void check_modes(const char *text, bool no_backslash, bool ansi, const char *wanted)
{
    static const size_t steps[] = {1, 2, 3, 7, 4096};
    for (size_t i = 0; i < HF_ARRAY_SIZE(steps); i++) {
        HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
        split(text, steps[i], no_backslash, ansi, &got);
        assert_string_equal(hf_buf_str(&got), wanted);
    }
}

static void check(const char *text, const char *wanted)
{
    check_modes(text, false, false, wanted);
}

static void statements_end_at_the_delimiter(void **state)
{
    (void)state;
    check("", "");
    check(" \n;;; ;\n", "");
    check("SELECT 1;\nSELECT 2", "SELECT 1|SELECT 2|");
    check("a ;b;\r\n", "a|b|");
}

static void nothing_in_quotes_or_comments_ends_one(void **state)
{
    (void)state;
    check("INSERT 'a;b\\';c''d' \"x;\\\"y\" `;``;`;z",
          "INSERT 'a;b\\';c''d' \"x;\\\"y\" `;``;`|z|");
    check("a -- ;'\n b # ;\" \n /* ; ' */ c;d", "a -- ;'\n b # ;\" \n /* ; ' */ c|d|");
    check("-- x;\n# y;\n/* z; */ a;", "a|");
    check("a--1;b", "a--1|b|");
    check("'\\\\';b", "'\\\\'|b|");
    check("`\\`;b", "`\\`|b|");
    check("/*!40101 SET a = ';' */;b", "/*!40101 SET a = ';' */|b|");
    check("/*M!100100 SET a */;b", "/*M!100100 SET a */|b|");
}

static void sql_modes_change_what_a_backslash_and_a_quote_are(void **state)
{
    (void)state;
    check_modes("'\\';b", true, false, "'\\'|b|");
    check_modes("\"\\\";b", false, true, "\"\\\"|b|");
    check("'\\';b", "ERROR byte 0: a string in the statement that begins here does not end");
}

static void delimiter_lines_change_the_end(void **state)
{
    (void)state;
    check("DELIMITER ;;\nCREATE x; y;;\ndelimiter ;\nz;", "CREATE x; y|z|");
    check("DELIMITER ;#\nbegin; 'a;#b' end;#\nDELIMITER ;\nq", "begin; 'a;#b' end|q|");
    check("DELIMITER //\r\na//b//", "a|b|");
    check("DELIMITER \nx;", "ERROR byte 0: a DELIMITER line without a usable delimiter");
}

/* mydumper puts a blank behind each ';' inside a body that ends a line. */
static void programs_end_where_their_line_ends(void **state)
{
    (void)state;
    check("CREATE DEFINER=`a`@`b` PROCEDURE p() begin select 1; select 2; \n end;\nSELECT 1;",
          "CREATE DEFINER=`a`@`b` PROCEDURE p() begin select 1; select 2; \n end|SELECT 1|");
    check("CREATE trigger t before insert on c for each row begin set @a = 1; end;",
          "CREATE trigger t before insert on c for each row begin set @a = 1; end|");
    check("CREATE TABLE event (a int);x", "CREATE TABLE event (a int)|x|");
}

static void commands_of_the_client_are_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"\\! id", "system id", "SOURCE /etc/passwd", "tee /tmp/x"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++)
        check(bad[i], "ERROR byte 0: a command of the mysql client where a statement should be");
    check("a;\n \\! id",
          "a|ERROR byte 4: a command of the mysql client where a statement should be");
}

static void what_does_not_end_is_no_statement(void **state)
{
    (void)state;
    check("a;INSERT 'x", "a|ERROR byte 2: a string in the statement that begins here does not end");
    check("a;/* x", "a|ERROR byte 2: the comment that begins here does not end");
}

static void a_statement_that_is_too_long_is_told_with_its_place(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct hf_sql_statement st;
    hf_buf_str_add(&text, "a;\n");
    for (int i = 0; i < 100000; i++)
        hf_buf_str_add(&text, "0123456789");
    hf_buf_str_add(&text, ";");
    struct source src = {text.data, text.len, 0, 1000};
    HF_AUTO(hf_sql_split) struct hf_sql_split *s = hf_sql_split_new(fill, &src, 50000, &err);
    assert_int_equal(hf_sql_split_next(s, &st, &err), 1);
    assert_int_equal(hf_sql_split_next(s, &st, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT,
                  "byte 3: the statement that begins here is longer than max_allowed_packet");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(statements_end_at_the_delimiter),
        HF_TEST(nothing_in_quotes_or_comments_ends_one),
        HF_TEST(sql_modes_change_what_a_backslash_and_a_quote_are),
        HF_TEST(delimiter_lines_change_the_end),
        HF_TEST(programs_end_where_their_line_ends),
        HF_TEST(commands_of_the_client_are_refused),
        HF_TEST(what_does_not_end_is_no_statement),
        HF_TEST(a_statement_that_is_too_long_is_told_with_its_place),
    };
    return HF_RUN_TESTS("db.load_split", tests);
}

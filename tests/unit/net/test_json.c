/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "net/json.h"

#include <string.h>

static struct json_object *parse(const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct json_object *doc = hf_json_parse(text, strlen(text), &err);
    assert_hf_got(doc, &err);
    return doc;
}

static void reads_a_whole_document(void **state)
{
    (void)state;
    static const char *const good[] = {"{}",   " [1, 2]\n\t ",          "\"text\"", "12", "-1.5 ",
                                       "true", "{\"a\":{\"b\":[null]}}"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(good); i++) {
        HF_AUTOJSON struct json_object *doc = parse(good[i]);
        assert_non_null(doc);
    }
}

static void reads_no_further_than_the_given_length(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = hf_json_parse("1234", 2, &err);
    assert_hf_got(doc, &err);
    assert_int_equal(json_object_get_int64(doc), 12);
    HF_AUTOJSON struct json_object *object = hf_json_parse("{}garbage", 2, &err);
    assert_hf_got(object, &err);
}

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "  ",       "{",     "[1,",   "\"open", "tru",        "{} x",
        "{}{}",      "12 13",    "{a:1}", "['a']", "[1,]",   "{\"a\":1,}", "/*c*/{}",
        "{\"a\" 1}", "\"\xff\"", "01",    "[1 2]", "TRUE",   "nul",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTOJSON struct json_object *doc = hf_json_parse(bad[i], strlen(bad[i]), &err);
        if (doc)
            fail_msg("accepted: %s", bad[i]);
        assert_hf_err(&err, HF_E_CORRUPT, "not JSON: ");
    }
}

static void says_where_a_document_breaks(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_json_parse("{\"a\": ?}", 8, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "(byte 6)");
    assert_null(hf_json_parse("{\"a\": 1", 7, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "unexpected end of data (byte 7)");
}

static void refuses_a_nul_byte_and_absurd_lengths(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_json_parse("{}\0{}", 5, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "NUL byte");
    assert_null(hf_json_parse("{}", (size_t)1 << 31, &err)); /* refused before it is read */
    assert_hf_err(&err, HF_E_CORRUPT, "larger than 2 GiB");
}

static void null_is_no_document(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_json_parse(" null ", 6, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "JSON null");
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char text[200];
    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    HF_AUTOJSON struct json_object *deep = hf_json_parse(text, 64, &err);
    assert_hf_got(deep, &err);
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    assert_null(hf_json_parse(text, 66, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "nesting too deep");
}

static void gets_members_of_the_type_asked_for(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc =
        parse("{\"s\":\"x\",\"n\":-7,\"b\":true,\"o\":{\"k\":1},\"a\":[1,2]}");
    const char *s = NULL;
    int64_t n = 0;
    bool b = false;
    struct json_object *o = NULL, *a = NULL;
    assert_hf_ok(hf_json_get_string(doc, "s", &s, &err), &err);
    assert_hf_ok(hf_json_get_int(doc, "n", &n, &err), &err);
    assert_hf_ok(hf_json_get_bool(doc, "b", &b, &err), &err);
    assert_hf_ok(hf_json_get_object(doc, "o", &o, &err), &err);
    assert_hf_ok(hf_json_get_array(doc, "a", &a, &err), &err);
    assert_string_equal(s, "x");
    assert_int_equal(n, -7);
    assert_true(b);
    assert_int_equal(json_object_object_length(o), 1);
    assert_int_equal(json_object_array_length(a), 2);
}

static void a_missing_member_is_named(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = parse("{\"null\":null}");
    const char *s;
    int64_t n;
    bool b;
    struct json_object *o;
    assert_int_equal(hf_json_get_string(doc, "name", &s, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'name' is missing, a string was expected");
    assert_int_equal(hf_json_get_int(doc, "size", &n, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'size' is missing, an integer was expected");
    assert_int_equal(hf_json_get_bool(doc, "on", &b, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'on' is missing, a boolean was expected");
    assert_int_equal(hf_json_get_object(doc, "data", &o, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'data' is missing, an object was expected");
    assert_int_equal(hf_json_get_array(doc, "list", &o, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'list' is missing, an array was expected");
    assert_int_equal(hf_json_get_string(doc, "null", &s, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'null' is null, a string was expected");
}

static void another_type_is_named_with_both_types(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc =
        parse("{\"s\":\"7\",\"n\":7,\"f\":7.0,\"b\":false,\"o\":{},\"a\":[]}");
    const char *s = "untouched";
    int64_t n = 42;
    bool b = true;
    struct json_object *o = doc;
    assert_int_equal(hf_json_get_int(doc, "s", &n, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'s' is a string, an integer was expected");
    assert_int_equal(hf_json_get_int(doc, "f", &n, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'f' is a fraction, an integer was expected");
    assert_int_equal(hf_json_get_string(doc, "n", &s, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'n' is an integer, a string was expected");
    assert_int_equal(hf_json_get_bool(doc, "n", &b, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'n' is an integer, a boolean was expected");
    assert_int_equal(hf_json_get_object(doc, "a", &o, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'a' is an array, an object was expected");
    assert_int_equal(hf_json_get_array(doc, "o", &o, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'o' is an object, an array was expected");
    assert_int_equal(hf_json_get_array(doc, "b", &o, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'b' is a boolean, an array was expected");
    assert_string_equal(s, "untouched");
    assert_int_equal(n, 42);
    assert_true(b);
    assert_ptr_equal(o, doc);
}

static void a_member_of_something_else_than_an_object_is_an_error(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *list = parse("[1]");
    const char *s;
    int64_t n;
    assert_int_equal(hf_json_get_string(list, "name", &s, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'name' sought in an array, an object was expected");
    assert_int_equal(hf_json_get_int(NULL, "n", &n, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'n' sought in null");
    assert_int_equal(hf_json_opt_int(list, "n", &n, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "sought in an array");
}

static void integers_keep_their_full_range_and_nothing_is_cut(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc =
        parse("{\"max\":9223372036854775807,\"min\":-9223372036854775807,"
              "\"above\":9223372036854775808,\"far above\":18446744073709551616,"
              "\"below\":-9223372036854775808,\"far below\":-99999999999999999999}");
    int64_t n = 0;
    assert_hf_ok(hf_json_get_int(doc, "max", &n, &err), &err);
    assert_true(n == INT64_MAX);
    assert_hf_ok(hf_json_get_int(doc, "min", &n, &err), &err);
    assert_true(n == -INT64_MAX);
    static const char *const beyond[] = {"above", "far above", "below", "far below"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(beyond); i++) {
        assert_int_equal(hf_json_get_int(doc, beyond[i], &n, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "' is out of range: ");
        assert_int_equal(hf_json_opt_int(doc, beyond[i], &n, &err), -1);
        assert_true(n == -INT64_MAX);
    }
}

static void a_string_that_hides_something_behind_nul_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = parse("{\"s\":\"ok\\u0000hidden\"}");
    const char *s = "untouched";
    assert_int_equal(hf_json_get_string(doc, "s", &s, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'s' contains a NUL character");
    assert_int_equal(hf_json_opt_string(doc, "s", &s, &err), -1);
    assert_string_equal(s, "untouched");
}

static void optional_members_may_be_absent_or_null(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = parse("{\"s\":\"x\",\"n\":7,\"null\":null}");
    const char *s = "before";
    int64_t n = 42;
    assert_hf_ok(hf_json_opt_string(doc, "absent", &s, &err), &err);
    assert_hf_ok(hf_json_opt_string(doc, "null", &s, &err), &err);
    assert_hf_ok(hf_json_opt_int(doc, "absent", &n, &err), &err);
    assert_hf_ok(hf_json_opt_int(doc, "null", &n, &err), &err);
    assert_string_equal(s, "before");
    assert_int_equal(n, 42);
    assert_hf_ok(hf_json_opt_string(doc, "s", &s, &err), &err);
    assert_hf_ok(hf_json_opt_int(doc, "n", &n, &err), &err);
    assert_string_equal(s, "x");
    assert_int_equal(n, 7);
    assert_int_equal(hf_json_opt_string(doc, "n", &s, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'n' is an integer, a string was expected");
    assert_int_equal(hf_json_opt_int(doc, "s", &n, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'s' is a string, an integer was expected");
}

static void builds_what_it_reads(void **state)
{
    (void)state;
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    assert_int_equal(hf_json_add_string(doc, "s", "a \"b\""), 0);
    assert_int_equal(hf_json_add_string(doc, "none", NULL), 0);
    assert_int_equal(hf_json_add_int(doc, "n", INT64_MIN), 0);
    assert_int_equal(hf_json_add_bool(doc, "b", true), 0);
    assert_int_equal(hf_json_add(doc, "a", json_object_new_array()), 0);
    assert_string_equal(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN),
                        "{\"s\":\"a \\\"b\\\"\",\"none\":null,\"n\":-9223372036854775808,"
                        "\"b\":true,\"a\":[]}");
}

static void a_child_that_cannot_be_added_is_put(void **state)
{
    (void)state;
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    /* An object cannot contain itself; json-c says so, and the reference we gave away is gone. */
    assert_int_equal(hf_json_add(doc, "self", json_object_get(doc)), -1);
    assert_int_equal(json_object_object_length(doc), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_a_whole_document),
        HF_TEST(reads_no_further_than_the_given_length),
        HF_TEST(refuses_what_is_not_json),
        HF_TEST(says_where_a_document_breaks),
        HF_TEST(refuses_a_nul_byte_and_absurd_lengths),
        HF_TEST(null_is_no_document),
        HF_TEST(nesting_is_bounded),
        HF_TEST(gets_members_of_the_type_asked_for),
        HF_TEST(a_missing_member_is_named),
        HF_TEST(another_type_is_named_with_both_types),
        HF_TEST(a_member_of_something_else_than_an_object_is_an_error),
        HF_TEST(integers_keep_their_full_range_and_nothing_is_cut),
        HF_TEST(a_string_that_hides_something_behind_nul_is_refused),
        HF_TEST(optional_members_may_be_absent_or_null),
        HF_TEST(builds_what_it_reads),
        HF_TEST(a_child_that_cannot_be_added_is_put),
    };
    return HF_RUN_TESTS("net.json", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "db/optfile.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>

static int parse(const char *text, struct hf_optfile *out, struct hf_err *err)
{
    HF_AUTOFREE char *copy = strdup(text);
    return hf_optfile_parse(copy, "my.cnf", out, err);
}

static void our_groups_are_read_and_others_are_not(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_optfile) struct hf_optfile f = HF_OPTFILE_INIT;
    assert_hf_ok(
        parse("user=nobody\n[mysqld]\nuser=mysql\n[client]\nuser = hf\n password=a\n# c\n; c\n"
              "[mysqldump]\npassword=b\n[ holdfast ]\nloose-ssl_ca=/ca.pem\nno-beep\n",
              &f, &err),
        &err);
    assert_string_equal(f.user, "hf");
    assert_string_equal(f.password, "a");
    assert_string_equal(f.ssl_ca, "/ca.pem");
}

static void a_later_line_wins(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_optfile) struct hf_optfile f = HF_OPTFILE_INIT;
    assert_hf_ok(parse("[client]\nuser=a\nuser=b\npassword\n[holdfast]\nuser=c", &f, &err), &err);
    assert_string_equal(f.user, "c");
    assert_string_equal(f.password, "");
}

static void values_are_unquoted_as_mysqls_programs_do(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"plain", "plain"},   {" 'a b' ", "a b"},    {"\"#1\"", "#1"},
        {"a # comment", "a"}, {"a\\sb\\t", "a b\t"}, {"\\\\", "\\"},
        {"\\q", "\\q"},       {"'it\\'s'", "it's"},  {"\"a'b#c\"", "a'b#c"},
        {"x\r", "x"},         {"a;b", "a;b"},        {"", ""},
        {"'", "'"},           {"a\\#b", "a\\#b"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(pairs); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_optfile) struct hf_optfile f = HF_OPTFILE_INIT;
        char text[100];
        snprintf(text, sizeof text, "[client]\npassword=%s\n", pairs[i][0]);
        assert_hf_ok(parse(text, &f, &err), &err);
        assert_string_equal(f.password, pairs[i][1]);
    }
}

static void tls_is_demanded_by_what_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        enum hf_tls_demand tls;
    } cases[] = {
        {"user=a", HF_TLS_OFFERED},
        {"ssl-ca=/x", HF_TLS_IDENTITY},
        {"ssl-capath=/x", HF_TLS_IDENTITY},
        {"ssl", HF_TLS_REQUIRED},
        {"ssl=0", HF_TLS_OFFERED},
        {"ssl-verify-server-cert", HF_TLS_IDENTITY},
        {"ssl-verify-server-cert=OFF", HF_TLS_OFFERED},
        {"ssl-mode=REQUIRED", HF_TLS_REQUIRED},
        {"ssl_mode = verify_ca\nssl-ca=/x", HF_TLS_CA},
        {"ssl-mode=VERIFY_IDENTITY", HF_TLS_IDENTITY},
        {"ssl-ca=/x\nssl-mode=PREFERRED", HF_TLS_OFFERED},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_optfile) struct hf_optfile f = HF_OPTFILE_INIT;
        char text[100];
        snprintf(text, sizeof text, "[client]\n%s\n", cases[i].lines);
        assert_hf_ok(parse(text, &f, &err), &err);
        assert_int_equal(f.tls, cases[i].tls);
    }
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"[client]\n!include /etc/secret.cnf\n", "line 2: '!include /et' is not followed"},
        {"[client\n", "line 1: ']' is missing"},
        {"[client]\nssl-mode=MAYBE\n", "ssl-mode 'MAYBE' is unknown"},
        {"[client]\nssl-mode\n", "ssl-mode '' is unknown"}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_optfile) struct hf_optfile f = HF_OPTFILE_INIT;
        assert_int_equal(parse(bad[i][0], &f, &err), -1);
        assert_hf_err(&err, HF_E_CONFIG, bad[i][1]);
    }
}

static void only_a_private_file_is_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_optfile) struct hf_optfile f = HF_OPTFILE_INIT;
    const char *open_to_all = hf_test_file(state, "open.cnf", "[client]\nuser=a\n", 0644);
    assert_int_equal(hf_optfile_read(open_to_all, &f, &err), -1);
    assert_int_equal(err.cls, HF_E_CONFIG);
    const char *private = hf_test_file(state, "private.cnf", "[client]\nuser=a\n", 0600);
    assert_hf_ok(hf_optfile_read(private, &f, &err), &err);
    assert_string_equal(f.user, "a");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(our_groups_are_read_and_others_are_not),
        HF_TEST(a_later_line_wins),
        HF_TEST(values_are_unquoted_as_mysqls_programs_do),
        HF_TEST(tls_is_demanded_by_what_is_said),
        HF_TEST(what_is_not_understood_is_refused),
        HF_TEST(only_a_private_file_is_read),
    };
    return HF_RUN_TESTS("db.optfile", tests);
}

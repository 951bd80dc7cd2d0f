/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/ssh_intern.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>

static void each_argument_stands_in_single_quotes(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    const char *const argv[] = {"echo", "", "it's", "\"$HOME`\\ *!\xc3\xa9", "-", NULL};
    assert_hf_ok(hf_ssh_quote(argv, &b, &err), &err);
    assert_string_equal(hf_buf_str(&b), "'echo' '' 'it'\\''s' '\"$HOME`\\ *!\xc3\xa9' '-'");
}

static void control_characters_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"a\nb", "\t", "\x7f", "\x01"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
        const char *const argv[] = {"echo", bad[i], NULL};
        assert_int_equal(hf_ssh_quote(argv, &b, &err), -1);
        assert_hf_err(&err, HF_E_CONFIG, "argument 1 has a control character");
    }
}

static void a_command_line_has_a_limit(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    static char word[20000];
    memset(word, 'x', sizeof word - 1);
    const char *const argv[] = {"echo", word, word, NULL};
    assert_int_equal(hf_ssh_quote(argv, &b, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "longer than 32768 bytes");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_argument_stands_in_single_quotes),
        HF_TEST(control_characters_are_refused),
        HF_TEST(a_command_line_has_a_limit),
    };
    return HF_RUN_TESTS("guest.ssh", tests);
}

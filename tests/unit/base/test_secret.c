/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"
#include "harness/hf_test.h"

#include <string.h>

static void copies_the_text_and_ends_it(void **state)
{
    (void)state;
    char text[] = "s3cret-and-more";
    HF_AUTO(hf_secret) struct hf_secret *s = hf_secret_new(text, 6);
    assert_non_null(s);
    memset(text, 'x', sizeof text - 1);
    assert_string_equal(hf_secret_reveal(s), "s3cret");
    assert_int_equal(hf_secret_len(s), 6);
}

static void keeps_bytes_of_a_key_with_nul(void **state)
{
    (void)state;
    HF_AUTO(hf_secret) struct hf_secret *s = hf_secret_new("a\0b", 3);
    assert_non_null(s);
    assert_int_equal(hf_secret_len(s), 3);
    assert_memory_equal(hf_secret_reveal(s), "a\0b", 4);
}

static void an_absurd_length_is_out_of_memory(void **state)
{
    (void)state;
    assert_null(hf_secret_new("x", SIZE_MAX));
}

static void reads_the_first_line_without_its_end(void **state)
{
    static const char *const contents[] = {"pass word", "pass word\n", "pass word\r\n",
                                           "pass word\nsecond\n"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(contents); i++) {
        struct hf_err err = HF_ERR_INIT;
        const char *path = hf_test_file(state, "pw", contents[i], 0600);
        HF_AUTO(hf_secret) struct hf_secret *s = hf_secret_read(path, &err);
        assert_hf_got(s, &err);
        assert_string_equal(hf_secret_reveal(s), "pass word");
        assert_int_equal(hf_secret_len(s), 9);
    }
}

static void reads_up_to_4_kib(void **state)
{
    char text[4200];
    memset(text, 'k', sizeof text);
    static const char *const ends[] = {"", "\n", "\r\n", "\nmore lines"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(ends); i++) {
        struct hf_err err = HF_ERR_INIT;
        strcpy(text + 4096, ends[i]);
        HF_AUTO(hf_secret)
        struct hf_secret *s = hf_secret_read(hf_test_file(state, "pw", text, 0600), &err);
        assert_hf_got(s, &err);
        assert_int_equal(hf_secret_len(s), 4096);
    }
    struct hf_err err = HF_ERR_INIT;
    strcpy(text + 4096, "k");
    assert_null(hf_secret_read(hf_test_file(state, "pw", text, 0600), &err));
    assert_hf_err(&err, HF_E_CONFIG, "/pw': its first line is longer than 4096 bytes");
    assert_lacks(err.message, "kkk");
}

static void refuses_an_empty_secret(void **state)
{
    static const char *const contents[] = {"", "\n", "\r\n", "\nsecond"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(contents); i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_null(hf_secret_read(hf_test_file(state, "pw", contents[i], 0600), &err));
        assert_hf_err(&err, HF_E_CONFIG, "its first line is empty");
    }
}

static void refuses_a_file_that_others_can_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_secret_read(hf_test_file(state, "pw", "hush\n", 0644), &err));
    assert_hf_err(&err, HF_E_CONFIG, "chmod 600");
    assert_lacks(err.message, "hush");
}

static void refuses_a_file_that_is_not_there(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_secret_read(hf_test_path(state, "absent"), &err));
    assert_hf_err(&err, HF_E_CONFIG, "No such file");
}

static void wiping_leaves_zeros(void **state)
{
    (void)state;
    char text[] = "hush", zeros[sizeof text] = {0};
    hf_wipe(text, sizeof text);
    assert_memory_equal(text, zeros, sizeof text);
    hf_secret_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(copies_the_text_and_ends_it),
        HF_TEST(keeps_bytes_of_a_key_with_nul),
        HF_TEST(an_absurd_length_is_out_of_memory),
        HF_TEST(reads_the_first_line_without_its_end),
        HF_TEST(reads_up_to_4_kib),
        HF_TEST(refuses_an_empty_secret),
        HF_TEST(refuses_a_file_that_others_can_read),
        HF_TEST(refuses_a_file_that_is_not_there),
        HF_TEST(wiping_leaves_zeros),
    };
    return HF_RUN_TESTS("base.secret", tests);
}

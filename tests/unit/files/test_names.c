/* SPDX-License-Identifier: Apache-2.0 */
#include "files/names.h"
#include "harness/hf_test.h"

static void fill(struct hf_names *s, const char *const *names, size_t n)
{
    struct hf_err err = HF_ERR_INIT;
    for (size_t i = 0; i < n; i++)
        assert_hf_ok(hf_names_add(s, names[i], &err), &err);
    assert_hf_ok(hf_names_ready(s, &err), &err);
}

static void a_name_that_was_added_twice_has_one_mark(void **state)
{
    static const char *const names[] = {"b", "a", "b", "\xff", "b", "a/c"};
    HF_AUTO(hf_names) struct hf_names s = {0};
    (void)state;
    fill(&s, names, HF_ARRAY_SIZE(names));
    assert_int_equal(s.v.n, 4);
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++)
        assert_non_null(hf_names_find(&s, names[i]));
    *hf_names_find(&s, "b") = true;
    assert_true(*hf_names_find(&s, "b"));
    assert_false(*hf_names_find(&s, "a"));
    assert_null(hf_names_find(&s, "c"));
}

static void what_is_below_a_name_is_found_and_the_name_itself_is_not(void **state)
{
    static const char *const names[] = {"etc/link", "x"};
    char above[64];
    HF_AUTO(hf_names) struct hf_names s = {0};
    (void)state;
    fill(&s, names, HF_ARRAY_SIZE(names));
    assert_true(hf_names_find_above(&s, "etc/link/a/b", above, sizeof above));
    assert_string_equal(above, "etc/link");
    assert_false(hf_names_find_above(&s, "etc/link", above, sizeof above));
    assert_false(hf_names_find_above(&s, "etc/link2/a", above, sizeof above));
    assert_false(hf_names_find_above(&s, "y/x/a", above, sizeof above));
}

static void an_empty_set_has_nothing(void **state)
{
    char above[8];
    HF_AUTO(hf_names) struct hf_names s = {0};
    (void)state;
    fill(&s, NULL, 0);
    assert_null(hf_names_find(&s, "a"));
    assert_false(hf_names_find_above(&s, "a/b", above, sizeof above));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_name_that_was_added_twice_has_one_mark),
        HF_TEST(what_is_below_a_name_is_found_and_the_name_itself_is_not),
        HF_TEST(an_empty_set_has_nothing),
    };
    return HF_RUN_TESTS("files.names", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strv.h"
#include "harness/hf_test.h"

#include <string.h>

static void copies_what_is_added_and_ends_with_null(void **state)
{
    (void)state;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    char word[] = "w00";
    for (int i = 0; i < 20; i++) {
        word[1] = (char)('0' + i / 10);
        word[2] = (char)('0' + i % 10);
        assert_int_equal(hf_strv_add(&v, word), 0);
        assert_null(v.items[v.n]);
    }
    assert_int_equal(v.n, 20);
    assert_string_equal(v.items[0], "w00");
    assert_string_equal(v.items[19], "w19");
}

static void taking_null_fails(void **state)
{
    (void)state;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    assert_int_equal(hf_strv_take(&v, NULL), -1);
    assert_int_equal(v.n, 0);
    char *owned = strdup("mine");
    assert_int_equal(hf_strv_take(&v, owned), 0);
    assert_ptr_equal(v.items[0], owned);
}

static void splitting_trims_blanks_and_drops_empty_parts(void **state)
{
    (void)state;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    assert_int_equal(hf_strv_split(&v, " apache2 ,\tcron daemon\n,, ,last", ','), 0);
    assert_int_equal(v.n, 3);
    assert_string_equal(v.items[0], "apache2");
    assert_string_equal(v.items[1], "cron daemon");
    assert_string_equal(v.items[2], "last");
}

static void splitting_nothing_adds_nothing(void **state)
{
    (void)state;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    assert_int_equal(hf_strv_split(&v, "", ','), 0);
    assert_int_equal(hf_strv_split(&v, " , ,", ','), 0);
    assert_int_equal(v.n, 0);
    assert_null(v.items);
}

static void splitting_appends_to_what_is_there(void **state)
{
    (void)state;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    assert_int_equal(hf_strv_add(&v, "a"), 0);
    assert_int_equal(hf_strv_split(&v, "b:c", ':'), 0);
    assert_int_equal(v.n, 3);
    assert_string_equal(v.items[2], "c");
}

static void a_list_is_added_to_what_is_there(void **state)
{
    (void)state;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    HF_AUTO(hf_strv) struct hf_strv from = HF_STRV_INIT;
    assert_int_equal(hf_strv_add(&v, "a"), 0);
    assert_int_equal(hf_strv_add_all(&v, &from), 0);
    assert_int_equal(v.n, 1);
    assert_int_equal(hf_strv_split(&from, "b:c", ':'), 0);
    assert_int_equal(hf_strv_add_all(&v, &from), 0);
    assert_int_equal(v.n, 3);
    assert_string_equal(v.items[2], "c");
    assert_ptr_not_equal(v.items[2], from.items[1]);
}

static void finds_whole_strings_only(void **state)
{
    (void)state;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    assert_false(hf_strv_has(&v, ""));
    assert_int_equal(hf_strv_add(&v, "image"), 0);
    assert_int_equal(hf_strv_add(&v, "dump"), 0);
    assert_true(hf_strv_has(&v, "dump"));
    assert_false(hf_strv_has(&v, "dum"));
    assert_false(hf_strv_has(&v, "Dump"));
}

static void freeing_leaves_an_empty_list(void **state)
{
    (void)state;
    struct hf_strv v = HF_STRV_INIT;
    assert_int_equal(hf_strv_add(&v, "a"), 0);
    hf_strv_free(&v);
    assert_int_equal(v.n, 0);
    assert_null(v.items);
    hf_strv_free(&v);
}

static const char *near(const char *word)
{
    static const char *const keys[] = {"quiesce", "stall-budget", "stores", "store", "db"};
    return hf_nearest(word, keys, sizeof keys / sizeof keys[0]);
}

static void names_the_nearest_word(void **state)
{
    (void)state;
    assert_string_equal(near("quiese"), "quiesce");
    assert_string_equal(near("stall_budget"), "stall-budget");
    assert_string_equal(near("storse"), "stores");
    assert_string_equal(near("store"), "store");
    assert_string_equal(near("dbs"), "db");
}

static void counts_swapped_neighbours_once_and_case_not_at_all(void **state)
{
    (void)state;
    assert_string_equal(near("sotre"), "store");
    assert_string_equal(near("QUIESCE"), "quiesce");
}

static void names_nothing_when_more_than_a_third_differs(void **state)
{
    (void)state;
    static const char *const keys[] = {"abcdef"};
    assert_string_equal(hf_nearest("abcdxy", keys, 1), "abcdef");
    assert_null(hf_nearest("abcxyz", keys, 1));
    assert_null(near("frequency"));
    assert_null(hf_nearest("x", NULL, 0));
}

static void the_first_of_equally_near_words_wins(void **state)
{
    (void)state;
    static const char *const keys[] = {"cast", "cart"};
    assert_string_equal(hf_nearest("cant", keys, 2), "cast");
}

static void gives_up_on_words_of_absurd_length(void **state)
{
    (void)state;
    char longest[66];
    memset(longest, 'a', sizeof longest);
    longest[65] = '\0';
    const char *keys[] = {longest, "store"};
    assert_null(hf_nearest(longest, keys, 2));
    assert_string_equal(hf_nearest("stor", keys, 2), "store");
    longest[64] = '\0';
    assert_ptr_equal(hf_nearest(longest, keys, 2), longest);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(copies_what_is_added_and_ends_with_null),
        HF_TEST(taking_null_fails),
        HF_TEST(splitting_trims_blanks_and_drops_empty_parts),
        HF_TEST(splitting_nothing_adds_nothing),
        HF_TEST(splitting_appends_to_what_is_there),
        HF_TEST(a_list_is_added_to_what_is_there),
        HF_TEST(finds_whole_strings_only),
        HF_TEST(freeing_leaves_an_empty_list),
        HF_TEST(names_the_nearest_word),
        HF_TEST(counts_swapped_neighbours_once_and_case_not_at_all),
        HF_TEST(names_nothing_when_more_than_a_third_differs),
        HF_TEST(the_first_of_equally_near_words_wins),
        HF_TEST(gives_up_on_words_of_absurd_length),
    };
    return HF_RUN_TESTS("base.strv", tests);
}

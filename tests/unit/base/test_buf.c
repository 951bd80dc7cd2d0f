/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/hf_test.h"

#include <string.h>

static void an_empty_buffer_reads_as_an_empty_string(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    assert_string_equal(hf_buf_str(&b), "");
    assert_true(hf_buf_ok(&b));
    hf_buf_add(&b, NULL, 0);
    assert_string_equal(hf_buf_str(&b), "");
}

static void grows_with_what_is_added(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    for (int i = 0; i < 1000; i++)
        hf_buf_add(&b, "0123456789", 10);
    hf_buf_str_add(&b, "end");
    hf_buf_printf(&b, "%d-%s", 42, "x");
    assert_true(hf_buf_ok(&b));
    assert_int_equal(b.len, 10007);
    assert_int_equal(strlen(hf_buf_str(&b)), b.len);
    assert_string_equal(hf_buf_str(&b) + 10000, "end42-x");
}

static void keeps_bytes_with_nul(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_buf_add(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 4);
}

static void prints_more_than_it_has_room_for(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_buf_printf(&b, "%5000s", "x");
    assert_int_equal(b.len, 5000);
    assert_int_equal(b.data[4999], 'x');
}

static void clearing_keeps_the_memory(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_buf_str_add(&b, "something");
    size_t cap = b.cap;
    hf_buf_clear(&b);
    assert_string_equal(hf_buf_str(&b), "");
    assert_int_equal(b.len, 0);
    assert_int_equal(b.cap, cap);
    hf_buf_str_add(&b, "new");
    assert_string_equal(hf_buf_str(&b), "new");
}

static void holds_all_but_one_byte_of_the_bound(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTOFREE char *zeros = calloc(1, HF_BUF_MAX);
    assert_non_null(zeros);
    hf_buf_add(&b, zeros, HF_BUF_MAX - 1);
    assert_true(hf_buf_ok(&b));
    hf_buf_add(&b, "x", 1);
    assert_false(hf_buf_ok(&b));
}

static void a_failure_is_remembered_and_safe_to_read(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_buf_str_add(&b, "before");
    hf_buf_add(&b, "x", HF_BUF_MAX); /* refused before it is read */
    assert_false(hf_buf_ok(&b));
    hf_buf_str_add(&b, "after");
    hf_buf_printf(&b, "%d", 1);
    hf_buf_clear(&b);
    assert_false(hf_buf_ok(&b));
    assert_string_equal(hf_buf_str(&b), "");
    assert_int_equal(b.len, 0);
    assert_null(hf_buf_steal(&b));
}

static void stealing_hands_the_string_over_and_leaves_a_fresh_buffer(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_buf_str_add(&b, "mine");
    HF_AUTOFREE char *s = hf_buf_steal(&b);
    assert_string_equal(s, "mine");
    assert_int_equal(b.len, 0);
    assert_null(b.data);
    HF_AUTOFREE char *empty = hf_buf_steal(&b);
    assert_string_equal(empty, "");
    hf_buf_add(&b, "x", HF_BUF_MAX);
    assert_null(hf_buf_steal(&b));
    assert_true(hf_buf_ok(&b)); /* fresh again */
}

static void formats_a_string_of_its_own(void **state)
{
    (void)state;
    HF_AUTOFREE char *s = hf_asprintf("%s/%d", "a", 7);
    assert_string_equal(s, "a/7");
    HF_AUTOFREE char *empty = hf_asprintf("%s", "");
    assert_string_equal(empty, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(an_empty_buffer_reads_as_an_empty_string),
        HF_TEST(grows_with_what_is_added),
        HF_TEST(keeps_bytes_with_nul),
        HF_TEST(prints_more_than_it_has_room_for),
        HF_TEST(clearing_keeps_the_memory),
        HF_TEST(holds_all_but_one_byte_of_the_bound),
        HF_TEST(a_failure_is_remembered_and_safe_to_read),
        HF_TEST(stealing_hands_the_string_over_and_leaves_a_fresh_buffer),
        HF_TEST(formats_a_string_of_its_own),
    };
    return HF_RUN_TESTS("base.buf", tests);
}

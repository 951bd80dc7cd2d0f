/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "harness/hf_test.h"

static void bytes_become_digits_and_bytes_again(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {0x00, 0x1f, 0xa9, 0xff};
    unsigned char back[sizeof bytes] = {0};
    char hex[2 * sizeof bytes + 1];
    hf_hex(bytes, sizeof bytes, hex);
    assert_string_equal(hex, "001fa9ff");
    assert_int_equal(hf_unhex(hex, back, sizeof back), 0);
    assert_memory_equal(back, bytes, sizeof bytes);
}

static void what_is_not_just_so_many_digits_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "0", "001", "00112", "001f ", "001F", "0g1f", "-01f"};
    unsigned char back[2];
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++)
        assert_int_equal(hf_unhex(bad[i], back, sizeof back), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(bytes_become_digits_and_bytes_again),
        HF_TEST(what_is_not_just_so_many_digits_is_refused),
    };
    return HF_RUN_TESTS("base.hex", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "harness/hf_test.h"

static void characters_are_those_of_utf8(void **state)
{
    (void)state;
    assert_int_equal(hf_utf8_character("a"), 1);
    assert_int_equal(hf_utf8_character("\xc3\xa4"), 2);
    assert_int_equal(hf_utf8_character("\xe2\x82\xac"), 3);
    assert_int_equal(hf_utf8_character("\xf0\x9f\x98\x80"), 4);
    static const char *const bad[] = {"\x80",         "\xc0\x80",         "\xc1\xbf",
                                      "\xe0\x80\x80", "\xed\xa0\x80",     "\xf0\x80\x80\x80",
                                      "\xc3",         "\xf4\x90\x80\x80", "\xff",
                                      "\xe2\x82",     "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++)
        assert_int_equal(hf_utf8_character(bad[i]), 0);
}

static void what_is_cut_overlong_a_surrogate_or_too_high_is_none(void **state)
{
    (void)state;
    static const char *const none[] = {"\x80",         "\xc1\xbf",         "\xc3",
                                       "\xc3(",        "\xe0\x9f\xbf",     "\xe2\x82",
                                       "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf0\x9f",
                                       "\xf4\x90\x80", "\xf5\x80\x80\x80", "\xff"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(none); i++)
        if (hf_utf8_character(none[i]) != 0)
            fail_msg("%zu is a character", i);
}

static void any_text_becomes_one_line(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    hf_utf8_add_line(&line, "a\r\nb\x7f\xc3\xbc\xff\xef\xbf\xbf\xc3");
    assert_string_equal(hf_buf_str(&line), "a  b \xc3\xbc???");
}

static void what_fits_is_whole_characters(void **state)
{
    (void)state;
    assert_int_equal(hf_utf8_fit("abc", 2), 2);
    assert_int_equal(hf_utf8_fit("abc", 9), 3);
    assert_int_equal(hf_utf8_fit("a\xc3\xbc", 2), 1);
    assert_int_equal(hf_utf8_fit("a\xc3\xbc", 3), 3);
    assert_int_equal(hf_utf8_fit("a\xff", 9), 1);
    assert_int_equal(hf_utf8_fit("", 9), 0);
}

static void control_characters_are_replaced_each(void **state)
{
    (void)state;
    char text[] = "a\x1b[2J\r\n\t\x01\x1f~\x7f\xc2\x80 b";
    hf_replace_controls(text, '?');
    assert_string_equal(text, "a?[2J?????~?\xc2\x80 b");
    for (int c = 0; c < 256; c++)
        assert_int_equal(hf_is_control((char)c), c < 32 || c == 127);
}

static void characters_that_xml_has_not_are_told(void **state)
{
    (void)state;
    static const char *const none[] = {"",     "\x01",         "\x08",         "\x0b",
                                       "\x1f", "\xef\xbf\xbe", "\xef\xbf\xbf", "\xff"};
    static const char *const some[] = {"\t",
                                       "\n",
                                       "\r",
                                       " ",
                                       "~",
                                       "\x7f",
                                       "\xef\xbf\xbd",
                                       "\xee\xbf\xbe",
                                       "\xf0\x9f\xbf\xbf",
                                       "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(none); i++)
        assert_false(hf_utf8_is_xml(none[i], hf_utf8_character(none[i])));
    for (size_t i = 0; i < HF_ARRAY_SIZE(some); i++)
        assert_true(hf_utf8_is_xml(some[i], hf_utf8_character(some[i])));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(characters_are_those_of_utf8),
        HF_TEST(what_is_cut_overlong_a_surrogate_or_too_high_is_none),
        HF_TEST(what_fits_is_whole_characters),
        HF_TEST(any_text_becomes_one_line),
        HF_TEST(control_characters_are_replaced_each),
        HF_TEST(characters_that_xml_has_not_are_told),
    };
    return HF_RUN_TESTS("base.utf8", tests);
}

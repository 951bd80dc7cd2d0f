/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"
#include "harness/hf_test.h"

#include <string.h>

static void assert_wrapped(const char *prefix, size_t at, const char *text, const char *expected)
{
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    hf_text_wrap(&out, prefix, at, text);
    assert_string_equal(hf_buf_str(&out), expected);
}

#define WORDS_40 "aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd "

static void breaks_between_words(void **state)
{
    (void)state;
    assert_wrapped("", 0, "short", "short\n");
    assert_wrapped("", 0, "", "");
    assert_wrapped("", 0, WORDS_40 WORDS_40 "end",
                   WORDS_40 "aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd\nend\n");
}

static void a_line_may_be_80_columns_wide_but_not_81(void **state)
{
    (void)state;
    assert_wrapped("", 0, WORDS_40 "aaaaaaaaa bbbbbbbbb ccccccccc 0123456789",
                   WORDS_40 "aaaaaaaaa bbbbbbbbb ccccccccc 0123456789\n");
    assert_wrapped("", 0, WORDS_40 "aaaaaaaaa bbbbbbbbb ccccccccc 0123456789x",
                   WORDS_40 "aaaaaaaaa bbbbbbbbb ccccccccc\n0123456789x\n");
    /* the same width in characters of two bytes each */
    assert_wrapped("", 0, WORDS_40 "aaaaaaaaa bbbbbbbbb ccccccccc äöüäöüäöüä",
                   WORDS_40 "aaaaaaaaa bbbbbbbbb ccccccccc äöüäöüäöüä\n");
}

static void puts_the_prefix_in_front_of_each_line(void **state)
{
    (void)state;
    assert_wrapped("; ", 0, WORDS_40 WORDS_40,
                   "; " WORDS_40 "aaaaaaaaa bbbbbbbbb ccccccccc\n; ddddddddd\n");
    assert_wrapped("  ", 2, "the first prefix is there", "the first prefix is there\n");
}

static void a_word_wider_than_the_page_stands_alone(void **state)
{
    char word[101];
    char expected[128];
    (void)state;
    memset(word, 'x', 100);
    word[100] = '\0';
    snprintf(expected, sizeof(expected), "a\n%s\n", word);
    char text[128];
    snprintf(text, sizeof(text), "a %s", word);
    assert_wrapped("", 0, text, expected);
}

static void keeps_paragraphs_and_examples(void **state)
{
    (void)state;
    assert_wrapped("", 0, "one\ntwo\n\nthree", "one two\n\nthree\n");
    assert_wrapped("; ", 0, "say:\n\n  a   b\n  c\n\nend",
                   "; say:\n;\n;   a   b\n;   c\n;\n; end\n");
}

static void pads_by_characters(void **state)
{
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    (void)state;
    hf_text_pad(&out, "äö", 4);
    hf_text_pad(&out, "toolong", 4);
    assert_string_equal(hf_buf_str(&out), "äö  toolong");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(breaks_between_words),
        HF_TEST(a_line_may_be_80_columns_wide_but_not_81),
        HF_TEST(puts_the_prefix_in_front_of_each_line),
        HF_TEST(a_word_wider_than_the_page_stands_alone),
        HF_TEST(keeps_paragraphs_and_examples),
        HF_TEST(pads_by_characters),
    };
    return HF_RUN_TESTS("cli.text", tests);
}

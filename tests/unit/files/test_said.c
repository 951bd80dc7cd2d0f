/* SPDX-License-Identifier: Apache-2.0 */
#include "files/said.h"
#include "harness/hf_test.h"

#include <string.h>

static void add(struct hf_said *s, const char *text)
{
    hf_said_add(s, text, strlen(text));
}

static void sorts_what_tar_says(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum hf_said_kind kind;
    } lines[] = {
        {"tar: a/b: Cannot open: Permission denied\n", HF_SAID_UNREADABLE},
        {"tar: no: Cannot stat: No such file or directory\n", HF_SAID_UNREADABLE},
        {"tar: a: Read error at byte 0, while reading 512 bytes: Input/output error\n",
         HF_SAID_UNREADABLE},
        {"tar: a: File removed before we read it\n", HF_SAID_VANISHED},
        {"tar: a: file changed as we read it\n", HF_SAID_CHANGED},
        {"tar: a: File shrank by 12 bytes; padding with zeros\n", HF_SAID_CHANGED},
        {"tar: s: socket ignored\n", HF_SAID_SKIPPED},
        {"tar: proc/: file is on a different filesystem; not dumped\n", HF_SAID_SKIPPED},
        {"bash: tar: command not found\n", HF_SAID_OTHER},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(lines); i++) {
        HF_AUTO(hf_said) struct hf_said s = HF_SAID_INIT;
        add(&s, lines[i].line);
        for (int kind = 0; kind < HF_SAID_KINDS; kind++)
            assert_int_equal(s.n[kind], kind == (int)lines[i].kind);
    }
}

static void lines_may_come_in_pieces_and_the_last_without_its_end(void **state)
{
    (void)state;
    HF_AUTO(hf_said) struct hf_said s = HF_SAID_INIT;
    add(&s, "tar: a: file chan");
    add(&s, "ged as we read it\ntar: b: socket");
    add(&s, " ignored");
    assert_int_equal(s.n[HF_SAID_SKIPPED], 0);
    hf_said_add(&s, NULL, 0);
    assert_int_equal(s.n[HF_SAID_CHANGED], 1);
    assert_string_equal(s.kept[HF_SAID_SKIPPED].items[0], "b: socket ignored");
}

static void the_last_line_of_a_failure_says_nothing_new(void **state)
{
    (void)state;
    HF_AUTO(hf_said) struct hf_said s = HF_SAID_INIT;
    add(&s, "tar: Exiting with failure status due to previous errors\n");
    for (int kind = 0; kind < HF_SAID_KINDS; kind++)
        assert_int_equal(s.n[kind], 0);
}

static void what_a_hostile_guest_says_is_bounded_and_printable(void **state)
{
    (void)state;
    HF_AUTO(hf_said) struct hf_said s = HF_SAID_INIT;
    for (int i = 0; i < 5000; i++)
        add(&s, "tar: x: Cannot open: \033[2Jboo\n");
    assert_int_equal(s.n[HF_SAID_UNREADABLE], 5000);
    assert_int_equal(s.kept[HF_SAID_UNREADABLE].n, HF_SAID_KEPT);
    assert_string_equal(s.kept[HF_SAID_UNREADABLE].items[0], "x: Cannot open: ?[2Jboo");
    for (int i = 0; i < 100000; i++)
        add(&s, "a long line that has no end, ");
    assert_true(s.line.len <= HF_SAID_LINE_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(sorts_what_tar_says),
        HF_TEST(lines_may_come_in_pieces_and_the_last_without_its_end),
        HF_TEST(the_last_line_of_a_failure_says_nothing_new),
        HF_TEST(what_a_hostile_guest_says_is_bounded_and_printable),
    };
    return HF_RUN_TESTS("files.said", tests);
}

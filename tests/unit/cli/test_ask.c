/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"
#include "harness/hf_test.h"

#include <string.h>
#include <unistd.h>

/* What somebody types, and whether the input then ends. */
static void type(const char *text, bool ends)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
    assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
    close(fds[0]);
    if (ends)
        close(fds[1]); /* else it stays open: a read would wait */
}

static struct hf_cli new_cli(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_cli cli = {.cancel = hf_cancel_new(&err)};
    assert_hf_got(cli.cancel, &err);
    return cli;
}

static void a_line_comes_without_its_end(void **state)
{
    (void)state;
    char answer[16];
    struct hf_cli cli = new_cli();
    type("yes\n", false);
    assert_true(hf_cli_read_answer(&cli, answer, sizeof answer));
    assert_string_equal(answer, "yes");
    type("\n", false);
    assert_true(hf_cli_read_answer(&cli, answer, sizeof answer));
    assert_string_equal(answer, "");
    hf_cancel_free(cli.cancel);
}

static void what_is_too_long_is_cut(void **state)
{
    (void)state;
    char answer[5];
    struct hf_cli cli = new_cli();
    type("yes, of course\n", false);
    assert_true(hf_cli_read_answer(&cli, answer, sizeof answer));
    assert_string_equal(answer, "yes,");
    hf_cancel_free(cli.cancel);
}

static void the_end_of_input_is_no_answer(void **state)
{
    (void)state;
    char answer[16];
    struct hf_cli cli = new_cli();
    type("", true);
    assert_false(hf_cli_read_answer(&cli, answer, sizeof answer));
    hf_cancel_free(cli.cancel);
}

static void a_signal_is_no_answer_and_nobody_waits(void **state)
{
    (void)state;
    char answer[16];
    struct hf_cli cli = new_cli();
    hf_cancel_set(cli.cancel);
    type("", false);
    assert_false(hf_cli_read_answer(&cli, answer, sizeof answer));
    type("yes\n", false); /* typed together with ^C: not meant */
    assert_false(hf_cli_read_answer(&cli, answer, sizeof answer));
    hf_cancel_free(cli.cancel);
}

static void without_a_terminal_nobody_is_asked(void **state)
{
    (void)state;
    type("", true);
    assert_false(hf_cli_can_ask());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HF_TEST(a_line_comes_without_its_end),
        HF_TEST(what_is_too_long_is_cut),
        HF_TEST(the_end_of_input_is_no_answer),
        HF_TEST(a_signal_is_no_answer_and_nobody_waits),
        HF_TEST(without_a_terminal_nobody_is_asked),
    };
    return HF_RUN_TESTS("cli.ask", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run prints and says is taken in, in bounded memory, and its lines become lines of ours.
 */
#include "daemon/said.h"
#include "harness/hf_test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TIME "2026-11-23T03:00:00.123Z "

static void assert_split(const char *line, const char *text, enum hf_log_level level)
{
    enum hf_log_level got;
    assert_string_equal(hf_said_split(line, &got), text);
    assert_int_equal(got, level);
}

static void lines_of_a_log_lose_time_and_level(void **state)
{
    (void)state;
    assert_split(TIME "info   run=x hold: locked", "run=x hold: locked", HF_LOG_INFO);
    assert_split(TIME "error  a: b", "a: b", HF_LOG_ERROR);
    assert_split(TIME "detail a: b", "a: b", HF_LOG_DETAIL);
    assert_split(TIME "warning a", TIME "warning a", HF_LOG_WARN);
    assert_split("2026-99-23T03:00:00.123Z info a", "2026-99-23T03:00:00.123Z info a", HF_LOG_WARN);
    assert_split("holdfast: broken", "holdfast: broken", HF_LOG_WARN);
    assert_split("", "", HF_LOG_WARN);
}

/* A descriptor with this text behind it; belongs to the test. */
static int text_fd(const char *text, size_t len)
{
    int fd = memfd_create("said", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void say(struct hf_said *s, const char *text)
{
    HF_AUTOFD int fd = text_fd(text, strlen(text));
    assert_false(hf_said_read_err(s, fd));
}

static void its_lines_are_lines_of_ours_and_the_last_is_kept(void **state)
{
    static struct hf_said s;
    s = (struct hf_said){.log = hf_test_log(state, NULL), .source = "nightly"};
    say(&s, TIME "info   hold: loc");
    say(&s, "ked\n\nholdfast: it is brok");
    hf_said_finish(&s);
    assert_contains(hf_test_logged(state), "info   nightly: hold: locked\n");
    assert_contains(hf_test_logged(state), "warn   nightly: holdfast: it is brok\n");
    assert_string_equal(s.last, "holdfast: it is brok");
    hf_said_free(&s);
}

static void a_line_without_end_is_cut(void **state)
{
    static struct hf_said s;
    static char endless[3 * HF_SAID_LINE_MAX];
    s = (struct hf_said){.log = hf_test_log(state, NULL), .source = "nightly"};
    memset(endless, 'x', sizeof endless - 1);
    say(&s, endless);
    hf_said_finish(&s);
    assert_int_equal(strlen(s.last), HF_SAID_LINE_MAX - 1);
    hf_said_free(&s);
}

static void more_than_a_mebibyte_is_read_and_dropped(void **state)
{
    static struct hf_said s;
    static char much[HF_SAID_OUT_MAX + 5];
    (void)state;
    s = (struct hf_said){0};
    memset(much, ' ', sizeof much);
    int fd = text_fd(much, sizeof much);
    while (hf_said_read_out(&s, fd))
        ;
    close(fd);
    assert_int_equal(s.out.len, HF_SAID_OUT_MAX);
    assert_true(s.is_cut);
    hf_said_free(&s);
}

/* What is still open and empty is not at its end. */
static void an_open_pipe_is_not_waited_for(void **state)
{
    struct hf_said s = {0};
    int fds[2];
    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    assert_true(hf_said_read_out(&s, fds[0]));
    close(fds[1]);
    assert_false(hf_said_read_out(&s, fds[0]));
    close(fds[0]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(lines_of_a_log_lose_time_and_level),
        HF_TEST(its_lines_are_lines_of_ours_and_the_last_is_kept),
        HF_TEST(a_line_without_end_is_cut),
        HF_TEST(more_than_a_mebibyte_is_read_and_dropped),
        HF_TEST(an_open_pipe_is_not_waited_for),
    };
    return HF_RUN_TESTS("daemon.said", tests);
}

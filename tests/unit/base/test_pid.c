/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "base/pid.h"
#include "harness/hf_test.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* By another way: the 22nd field of all, of a name without blanks. */
static int64_t start_of(pid_t pid)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *path = hf_asprintf("/proc/%d/stat", (int)pid);
    HF_AUTOFREE char *text = hf_path_read(path, 4096, NULL, &err);
    assert_hf_got(text, &err);
    char *save = NULL, *word = strtok_r(text, " ", &save);
    for (int i = 1; i < 22; i++)
        word = strtok_r(NULL, " ", &save);
    return strtoll(word, NULL, 10);
}

static void be_called(const char *name)
{
    assert_int_equal(prctl(PR_SET_NAME, name), 0);
}

static void a_process_is_itself_and_no_other_of_its_number(void **state)
{
    (void)state;
    be_called("holdfastd");
    int64_t start = start_of(getpid());
    assert_true(start > 0 && hf_pid_start(getpid()) == start);
    assert_true(hf_pid_is(getpid(), start));
    assert_false(hf_pid_is(getpid(), start + 1));
    assert_false(hf_pid_is(0, start));
    assert_false(hf_pid_is(-1, 0));
    assert_false(hf_pid_is(INT32_MAX, 0));
}

static void another_program_is_none_of_ours(void **state)
{
    (void)state;
    be_called("cron");
    int64_t start = start_of(getpid());
    assert_true(start > 0);
    assert_int_equal(hf_pid_start(getpid()), 0);
    assert_false(hf_pid_is(getpid(), start));
}

static void a_name_with_blanks_and_brackets_changes_nothing(void **state)
{
    (void)state;
    be_called("holdfast");
    int64_t start = start_of(getpid());
    be_called("holdfast) S 1 (");
    assert_true(hf_pid_is(getpid(), start));
}

static void one_that_has_ended_is_none_also_while_nobody_waits_for_it(void **state)
{
    (void)state;
    be_called("holdfast");
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    int64_t start = start_of(pid);
    siginfo_t info;
    assert_true(hf_pid_is(pid, start));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(hf_pid_is(pid, start));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(hf_pid_is(pid, start));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_process_is_itself_and_no_other_of_its_number),
        HF_TEST(another_program_is_none_of_ours),
        HF_TEST(a_name_with_blanks_and_brackets_changes_nothing),
        HF_TEST(one_that_has_ended_is_none_also_while_nobody_waits_for_it),
    };
    return HF_RUN_TESTS("base.pid", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/path.h"
#include "base/point.h"
#include "harness/hf_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Runs `body` in a child, whose environment is read once and whose death is the result. */
static int status_of(const char *points, const char *log, int (*body)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (points)
            setenv("HOLDFAST_POINT", points, 1);
        if (log)
            setenv("HOLDFAST_POINT_LOG", log, 1);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDERR_FILENO);
        _exit(body());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* Exit status 0 when both points let pass, 1 when the second handed an error over. */
static int visit_two(void)
{
    struct hf_err err = HF_ERR_INIT;
    HF_POINT("test.first");
    if (HF_POINT_ERR("test.second", &err) < 0)
        return err.cls == HF_E_INTERNAL && strstr(err.message, "test.second") ? 1 : 2;
    return err.cls == HF_E_NONE ? 0 : 3;
}

#ifdef HF_POINTS

static void assert_exit(int status, int want)
{
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), want);
}

static void assert_signal(int status, int want)
{
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), want);
}

static void lets_pass_what_nobody_named(void **state)
{
    (void)state;
    assert_exit(status_of(NULL, NULL, visit_two), 0);
    assert_exit(status_of("", NULL, visit_two), 0);
    assert_exit(status_of("test.third=kill,test.firs=kill,test.firstly=kill", NULL, visit_two), 0);
}

static void kills_at_the_named_point(void **state)
{
    (void)state;
    assert_signal(status_of("test.first=kill", NULL, visit_two), SIGKILL);
    assert_signal(status_of("other=error,test.second=kill", NULL, visit_two), SIGKILL);
}

static void trap(void)
{
    _exit(4);
}

static int visit_with_atexit_trap(void)
{
    atexit(trap);
    return visit_two();
}

static void exits_without_destructors(void **state)
{
    (void)state;
    assert_exit(status_of("test.second=exit", NULL, visit_with_atexit_trap), HF_POINT_EXIT);
}

static void hands_an_error_to_who_can_handle_it(void **state)
{
    (void)state;
    assert_exit(status_of("test.second=error", NULL, visit_two), 1);
    assert_exit(status_of("test.first=error", NULL, visit_two), 0);
}

static void stalls_for_the_time_given(void **state)
{
    (void)state;
    const struct hf_clock *clock = hf_clock_system();
    int64_t before = hf_clock_mono_ms(clock);
    assert_exit(status_of("test.first=stall:120", NULL, visit_two), 0);
    assert_true(hf_clock_mono_ms(clock) - before >= 120);
}

static void a_mistyped_switch_aborts(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "test.first",        "test.first=kil",      "test.first=",         "test.first=stall",
        "test.first=stall:", "test.first=stall:-5", "test.first=stall:5s", "other=never"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++)
        assert_signal(status_of(bad[i], NULL, visit_two), SIGABRT);
}

static void logs_each_visit_before_it_acts(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *log = hf_test_path(state, "visits");
    assert_signal(status_of("test.second=kill", log, visit_two), SIGKILL);
    assert_exit(status_of(NULL, log, visit_two), 0);
    HF_AUTOFREE char *text = hf_path_read(log, 1000, NULL, &err);
    assert_hf_got(text, &err);
    assert_string_equal(text, "test.first\ntest.second\ntest.first\ntest.second\n");
}

static void a_log_that_cannot_be_written_aborts(void **state)
{
    assert_signal(status_of(NULL, hf_test_path(state, "no/visits"), visit_two), SIGABRT);
    assert_signal(status_of(NULL, "/dev/full", visit_two), SIGABRT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(lets_pass_what_nobody_named),    HF_TEST(kills_at_the_named_point),
        HF_TEST(exits_without_destructors),      HF_TEST(hands_an_error_to_who_can_handle_it),
        HF_TEST(stalls_for_the_time_given),      HF_TEST(a_mistyped_switch_aborts),
        HF_TEST(logs_each_visit_before_it_acts), HF_TEST(a_log_that_cannot_be_written_aborts),
    };
    return HF_RUN_TESTS("base.point", tests);
}

#else

static void a_release_knows_no_kill_points(void **state)
{
    const char *log = hf_test_path(state, "visits");
    assert_int_equal(status_of("test.first=kill,test.second=error", log, visit_two), 0);
    assert_int_equal(access(log, F_OK), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {HF_TEST(a_release_knows_no_kill_points)};
    return HF_RUN_TESTS("base.point", tests);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cancel.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/proc.h"
#include "harness/hf_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SH(script) .argv = ARGV("sh", "-c", script), .timeout_ms = 20000

static void catches_output_errors_and_status(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("echo out; echo err >&2; exit 3")};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_int_equal(r.exit_code, 3);
    assert_string_equal(hf_buf_str(&r.out), "out\n");
    assert_string_equal(hf_buf_str(&r.err), "err\n");
    assert_false(r.truncated);
}

static void a_result_can_be_used_again(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request first = {SH("echo first; exit 1")}, second = {SH("echo second")};
    assert_hf_ok(hf_proc_run(&first, &r, &err), &err);
    assert_hf_ok(hf_proc_run(&second, &r, &err), &err);
    assert_int_equal(r.exit_code, 0);
    assert_string_equal(hf_buf_str(&r.out), "second\n");
}

static void arguments_meet_no_shell(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {.argv = ARGV("printf", "%s|", "$(id) ; *", "two words"),
                                  .timeout_ms = 20000};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_string_equal(hf_buf_str(&r.out), "$(id) ; *|two words|");
}

static void a_signal_is_128_and_its_number(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("kill -TERM $$")};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_int_equal(r.exit_code, 128 + SIGTERM);
}

static void feeds_more_input_than_a_pipe_holds(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    static char text[600000];
    memset(text, 'x', sizeof text);
    struct hf_proc_request req = {SH("cat"), .input = text, .input_len = sizeof text};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_int_equal(r.out.len, sizeof text);
    assert_memory_equal(r.out.data, text, sizeof text);
}

static void survives_a_program_that_does_not_read_its_input(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    static char text[600000];
    struct hf_proc_request req = {SH("exit 0"), .input = text, .input_len = sizeof text};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_int_equal(r.exit_code, 0);
}

static void without_input_stdin_is_empty(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("cat; readlink /proc/self/fd/0")};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_string_equal(hf_buf_str(&r.out), "/dev/null\n");
}

static void speaks_the_c_locale_and_keeps_the_rest_of_the_environment(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    setenv("LC_ALL", "de_DE.UTF-8", 1);
    setenv("HOLDFAST_TEST_PROC", "kept", 1);
    struct hf_proc_request req = {SH("env | grep -c ^LC_ALL=; echo $LC_ALL $HOLDFAST_TEST_PROC")};
    int rc = hf_proc_run(&req, &r, &err);
    unsetenv("LC_ALL");
    unsetenv("HOLDFAST_TEST_PROC");
    assert_hf_ok(rc, &err);
    assert_string_equal(hf_buf_str(&r.out), "1\nC kept\n");
}

static void inherits_no_descriptor(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    HF_AUTOFD int leaky = open("/dev/null", O_RDONLY); /* a library forgot O_CLOEXEC */
    HF_AUTOFD int high = dup2(leaky, 200);
    assert_int_equal(high, 200);
    struct hf_proc_request req = {
        SH("for i in 3 4 5 6 7 8 9 11 12 200; do [ -e /proc/$$/fd/$i ] && echo fd $i; done; :")};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_string_equal(hf_buf_str(&r.out), "");
}

static void inherits_no_signal_setting(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result ignored = {0}, blocked = {0};
    struct hf_proc_request pipe = {SH("kill -PIPE $$; echo ignored")};
    struct hf_proc_request term = {SH("kill -TERM $$; echo blocked")};
    sigset_t mask, old;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &mask, &old);
    signal(SIGPIPE, SIG_IGN);
    int rc = hf_proc_run(&pipe, &ignored, &err) < 0 ? -1 : hf_proc_run(&term, &blocked, &err);
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    assert_hf_ok(rc, &err);
    assert_int_equal(ignored.exit_code, 128 + SIGPIPE);
    assert_int_equal(blocked.exit_code, 128 + SIGTERM);
}

static void says_when_there_is_no_such_program(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {.argv = ARGV("holdfast-no-such-program"), .timeout_ms = 1000};
    assert_int_equal(hf_proc_run(&req, &r, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "cannot start 'holdfast-no-such-program'");
}

static void says_when_a_program_may_not_run(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    const char *path = hf_test_file(state, "plain", "#!/bin/sh\n", 0600);
    struct hf_proc_request req = {.argv = ARGV(path), .timeout_ms = 1000};
    assert_int_equal(hf_proc_run(&req, &r, &err), -1);
    assert_hf_err(&err, HF_E_AUTH, "Permission denied");
}

static void output_beyond_the_bound_is_read_and_dropped(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("head -c 1000000 /dev/zero; head -c 99 /dev/zero >&2; exit 5"),
                                  .max_output_bytes = 1000};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_int_equal(r.exit_code, 5); /* it was not stopped by a full pipe */
    assert_int_equal(r.out.len, 1000);
    assert_int_equal(r.err.len, 99);
    assert_true(r.truncated);
}

static void output_at_the_bound_is_whole(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("head -c 1000 /dev/zero"), .max_output_bytes = 1000};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_int_equal(r.out.len, 1000);
    assert_false(r.truncated);
}

static void the_bound_is_a_mebibyte_unless_said(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("head -c 1048577 /dev/zero")};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_int_equal(r.out.len, 1048576);
    assert_true(r.truncated);
}

/* Gone, or dead and only not yet collected by whoever adopted it. */
static int is_dead(pid_t pid)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    HF_AUTOFILE FILE *f = fopen(path, "r");
    if (!f || !fgets(line, sizeof line, f))
        return 1;
    const char *after_name = strrchr(line, ')');
    return after_name && (after_name[2] == 'Z' || after_name[2] == 'X');
}

static void the_deadline_kills_the_program_and_all_it_started(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("trap '' TERM; sleep 60 & echo $!; wait")};
    req.timeout_ms = 300;
    int64_t before = hf_clock_mono_ms(hf_clock_system());
    assert_int_equal(hf_proc_run(&req, &r, &err), -1);
    int64_t took = hf_clock_mono_ms(hf_clock_system()) - before;
    assert_hf_err(&err, HF_E_TIMEOUT, "'sh' did not end within 300 ms and was killed");
    assert_in_range(took, 300, 5000);
    pid_t grandchild = (pid_t)strtol(hf_buf_str(&r.out), NULL, 10); /* said before the end */
    assert_true(grandchild > 1);
    for (int i = 0; i < 200 && !is_dead(grandchild); i++)
        hf_clock_sleep_ms(hf_clock_system(), 10);
    assert_true(is_dead(grandchild));
}

static void *want_to_stop(void *cancel)
{
    hf_clock_sleep_ms(hf_clock_system(), 200);
    hf_cancel_set(cancel);
    return NULL;
}

static void who_wants_us_to_stop_kills_the_program(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    pthread_t thread;
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("exec sleep 60"), .cancel = cancel};
    assert_hf_got(cancel, &err);
    assert_int_equal(pthread_create(&thread, NULL, want_to_stop, cancel), 0);
    assert_int_equal(hf_proc_run(&req, &r, &err), -1);
    assert_int_equal(err.cls, HF_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void no_time_left_starts_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    const char *witness = hf_test_path(state, "witness");
    struct hf_proc_request req = {.argv = ARGV("touch", witness), .timeout_ms = 0};
    assert_int_equal(hf_proc_run(&req, &r, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "no time left to start 'touch'");
    hf_clock_sleep_ms(hf_clock_system(), 50);
    assert_int_equal(access(witness, F_OK), -1);
}

static void no_deadline_is_possible(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {.argv = ARGV("true"), .timeout_ms = INT64_MAX};
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
}

static void every_child_is_collected(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request good = {SH("exit 0")}, late = {SH("sleep 60")},
                           none = {.argv = ARGV("holdfast-no-such-program"), .timeout_ms = 1000};
    late.timeout_ms = 50;
    assert_int_equal(hf_proc_run(&good, &r, &err), 0);
    assert_int_equal(hf_proc_run(&late, &r, &err), -1);
    assert_int_equal(hf_proc_run(&none, &r, &err), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void a_daemon_left_behind_neither_delays_nor_dies(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("sleep 60 & echo $!")}; /* it keeps our pipes open */
    int64_t before = hf_clock_mono_ms(hf_clock_system());
    assert_hf_ok(hf_proc_run(&req, &r, &err), &err);
    assert_true(hf_clock_mono_ms(hf_clock_system()) - before < 10000);
    pid_t left = (pid_t)strtol(hf_buf_str(&r.out), NULL, 10);
    assert_true(left > 1);
    int alive = !is_dead(left);
    kill(left, SIGKILL);
    assert_true(alive);
}

static void leaves_no_descriptor_open(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request good = {SH("cat"), .input = "x", .input_len = 1},
                           none = {.argv = ARGV("holdfast-no-such-program"), .timeout_ms = 1000};
    int first = dup(STDIN_FILENO); /* the lowest free number, before and after */
    close(first);
    assert_int_equal(hf_proc_run(&good, &r, &err), 0);
    assert_int_equal(hf_proc_run(&none, &r, &err), -1);
    int second = dup(STDIN_FILENO);
    close(second);
    assert_int_equal(first, second);
}

static void says_when_descriptors_run_out(void **state)
{
    (void)state;
    struct hf_proc_request req = {SH("echo x"), .input = "x", .input_len = 1};
    int lowest = dup(STDIN_FILENO);
    close(lowest);
    struct rlimit old;
    getrlimit(RLIMIT_NOFILE, &old);
    /* None, and then one more each time: fails at every place that opens something. */
    int refused = 0, rc = -1;
    for (int spare = 0; spare < 8 && rc < 0; spare++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
        struct rlimit tight = {.rlim_cur = (rlim_t)(lowest + spare), .rlim_max = old.rlim_max};
        setrlimit(RLIMIT_NOFILE, &tight);
        rc = hf_proc_run(&req, &r, &err);
        setrlimit(RLIMIT_NOFILE, &old);
        if (rc < 0) {
            refused++;
            assert_hf_err(&err, HF_E_INTERNAL, "Too many open files");
        }
    }
    assert_int_equal(rc, 0);
    assert_true(refused >= 3);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    int after = dup(STDIN_FILENO);
    close(after);
    assert_int_equal(after, lowest);
}

static void a_status_somebody_else_collected_is_an_error(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("sleep 0.1")};
    signal(SIGCHLD, SIG_IGN); /* the kernel collects it */
    int rc = hf_proc_run(&req, &r, &err);
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(rc, -1);
    assert_hf_err(&err, HF_E_INTERNAL, "the end of 'sh' is unknown");
}

static int works_without_stdio(void)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("cat; echo out; echo err >&2"), .input = "in ",
                                  .input_len = 3};
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    if (hf_proc_run(&req, &r, &err) < 0)
        return 1;
    if (strcmp(hf_buf_str(&r.out), "in out\n") != 0)
        return 2;
    return strcmp(hf_buf_str(&r.err), "err\n") == 0 ? 0 : 3;
}

static void works_in_a_process_without_stdin_stdout_and_stderr(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(works_without_stdio());
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void *run_many(void *arg)
{
    intptr_t wrong = 0;
    for (int i = 0; i < 15; i++) {
        char word[32];
        snprintf(word, sizeof word, "%ld.%d", (long)(intptr_t)arg, i);
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
        struct hf_proc_request req = {.argv = ARGV("printf", word), .timeout_ms = 20000};
        if (hf_proc_run(&req, &r, &err) < 0 || strcmp(hf_buf_str(&r.out), word) != 0)
            wrong++;
    }
    return (void *)wrong;
}

static void threads_run_programs_side_by_side(void **state)
{
    (void)state;
    pthread_t threads[6];
    for (intptr_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, (void *)i), 0);
    for (int i = 0; i < 6; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

static void checking_quotes_the_first_line_of_stderr(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("echo out; printf '\\nno such image\\nusage\\n' >&2; exit 2")};
    assert_int_equal(hf_proc_check(&req, &r, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "'sh' ended with status 2: no such image");
    assert_lacks(err.message, "usage");
    assert_string_equal(hf_buf_str(&r.out), "out\n");
}

static void checking_a_silent_failure_says_the_status(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {SH("exit 7")};
    assert_int_equal(hf_proc_check(&req, &r, &err), -1);
    assert_string_equal(err.message, "'sh' ended with status 7");
}

static void checking_passes_success_and_other_errors_on(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request good = {SH("echo fine; echo warning >&2")},
                           none = {.argv = ARGV("holdfast-no-such-program"), .timeout_ms = 1000};
    assert_hf_ok(hf_proc_check(&good, &r, &err), &err);
    assert_string_equal(hf_buf_str(&r.out), "fine\n");
    assert_int_equal(hf_proc_check(&none, &r, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "cannot start");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(catches_output_errors_and_status),
        HF_TEST(a_result_can_be_used_again),
        HF_TEST(arguments_meet_no_shell),
        HF_TEST(a_signal_is_128_and_its_number),
        HF_TEST(feeds_more_input_than_a_pipe_holds),
        HF_TEST(survives_a_program_that_does_not_read_its_input),
        HF_TEST(without_input_stdin_is_empty),
        HF_TEST(speaks_the_c_locale_and_keeps_the_rest_of_the_environment),
        HF_TEST(inherits_no_descriptor),
        HF_TEST(inherits_no_signal_setting),
        HF_TEST(says_when_there_is_no_such_program),
        HF_TEST(says_when_a_program_may_not_run),
        HF_TEST(output_beyond_the_bound_is_read_and_dropped),
        HF_TEST(output_at_the_bound_is_whole),
        HF_TEST(the_bound_is_a_mebibyte_unless_said),
        HF_TEST(the_deadline_kills_the_program_and_all_it_started),
        HF_TEST(who_wants_us_to_stop_kills_the_program),
        HF_TEST(no_time_left_starts_nothing),
        HF_TEST(no_deadline_is_possible),
        HF_TEST(every_child_is_collected),
        HF_TEST(a_daemon_left_behind_neither_delays_nor_dies),
        HF_TEST(leaves_no_descriptor_open),
        HF_TEST(says_when_descriptors_run_out),
        HF_TEST(a_status_somebody_else_collected_is_an_error),
        HF_TEST(works_in_a_process_without_stdin_stdout_and_stderr),
        HF_TEST(threads_run_programs_side_by_side),
        HF_TEST(checking_quotes_the_first_line_of_stderr),
        HF_TEST(checking_a_silent_failure_says_the_status),
        HF_TEST(checking_passes_success_and_other_errors_on),
    };
    return HF_RUN_TESTS("base.proc", tests);
}

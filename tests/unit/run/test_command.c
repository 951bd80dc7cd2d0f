/* SPDX-License-Identifier: Apache-2.0
 *
 * The command of a maintenance: its status, its output, signals, and our death while it runs.
 */
#include "base/buf.h"
#include "base/path.h"
#include "harness/hf_test.h"
#include "run/command.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

static struct hf_command_result run(void **state, const char *script, size_t max_log,
                                    struct hf_cancel *cancel)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_command_result out;
    struct hf_env env = {.clock = hf_clock_system(), .cancel = cancel};
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct hf_command cmd = {.argv = argv,
                             .log_path = hf_test_path(state, "log"),
                             .max_log_bytes = max_log,
                             .lock_fd = -1,
                             .out_to_stderr = true};
    unlink(cmd.log_path);
    assert_hf_ok(hf_command_run(&env, &cmd, &out, &err), &err);
    return out;
}

static const char *logged(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    static char text[4096];
    size_t len = 0;
    HF_AUTOFREE char *all = hf_path_read(hf_test_path(state, "log"), sizeof text - 1, &len, &err);
    assert_hf_got(all, &err);
    memcpy(text, all, len + 1);
    return text;
}

static struct hf_cancel *new_cancel(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_cancel *c = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    return c;
}

static void its_status_and_both_streams_are_kept(void **state)
{
    HF_AUTO(hf_cancel) struct hf_cancel *c = new_cancel();
    struct hf_command_result r = run(state, "echo one; echo two >&2; exit 7", 1000, c);
    assert_int_equal(r.exit_status, 7);
    assert_int_equal(r.interrupted, 0);
    assert_contains(logged(state), "one\n");
    assert_contains(logged(state), "two\n");
    assert_int_equal(run(state, "kill -9 $$", 1000, c).exit_status, 128 + SIGKILL);
}

static void the_log_is_bounded_and_says_so(void **state)
{
    HF_AUTO(hf_cancel) struct hf_cancel *c = new_cancel();
    assert_int_equal(run(state, "printf 0123456789; exec >/dev/null; exit 0", 4, c).exit_status, 0);
    assert_string_equal(logged(state), "0123\n[the log ends here: it has reached its bound]\n");
}

static void what_it_left_behind_is_not_waited_for(void **state)
{
    HF_AUTO(hf_cancel) struct hf_cancel *c = new_cancel();
    int64_t begin_ms = hf_clock_mono_ms(hf_clock_system());
    assert_int_equal(run(state, "sleep 60 & echo $!", 1000, c).exit_status, 0);
    assert_true(hf_clock_mono_ms(hf_clock_system()) - begin_ms < 30000);
    pid_t left = (pid_t)strtol(logged(state), NULL, 10);
    assert_true(left > 1);
    kill(left, SIGKILL);
}

static void it_is_asked_to_end_and_decides_itself(void **state)
{
    HF_AUTO(hf_cancel) struct hf_cancel *c = new_cancel();
    hf_cancel_signal(c, SIGTERM);
    struct hf_command_result r = run(state, "exec sleep 60", 1000, c);
    assert_int_equal(r.exit_status, 128 + SIGTERM);
    assert_int_equal(r.interrupted, SIGTERM);
    assert_false(hf_cancel_is_set(c));
    hf_cancel_signal(c, SIGTERM);
    r = run(state, "trap 'echo no' TERM; sleep 2; exit 0", 1000, c);
    assert_int_equal(r.interrupted, SIGTERM);
}

static void a_lost_terminal_does_not_end_it(void **state)
{
    HF_AUTO(hf_cancel) struct hf_cancel *c = new_cancel();
    hf_cancel_signal(c, SIGHUP);
    struct hf_command_result r = run(state, "kill -HUP $$; echo still here", 1000, c);
    assert_int_equal(r.exit_status, 0);
    assert_true(r.has_lost_tty);
    assert_int_equal(r.interrupted, 0);
    assert_contains(logged(state), "still here");
}

static bool is_locked(const char *path)
{
    HF_AUTOFD int fd = open(path, O_RDWR | O_CLOEXEC);
    return flock(fd, LOCK_EX | LOCK_NB) != 0;
}

/* A process of its own runs the command, and is killed while it runs. */
static void our_death_ends_neither_it_nor_its_log_nor_the_lock(void **state)
{
    const char *lock = hf_test_file(state, "lock", "", 0600), *log = hf_test_path(state, "log");
    const char *begun = hf_test_path(state, "begun");
    HF_AUTOFREE char *script =
        hf_asprintf("echo early; touch %s; sleep 3; echo late; exit 0", begun);
    pid_t pid = fork();
    if (pid == 0) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_command_result out;
        struct hf_env env = {.clock = hf_clock_system(), .cancel = new_cancel()};
        const char *const argv[] = {"sh", "-c", script, NULL};
        int fd = open(lock, O_RDWR | O_CLOEXEC);
        struct hf_command cmd = {
            .argv = argv, .log_path = log, .max_log_bytes = 1000, .lock_fd = fd};
        _exit(flock(fd, LOCK_EX | LOCK_NB) || hf_command_run(&env, &cmd, &out, &err) ? 1 : 0);
    }
    for (int i = 0; i < 500 && access(begun, F_OK); i++)
        hf_clock_sleep_ms(hf_clock_system(), 20);
    assert_return_code(access(begun, F_OK), errno);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(is_locked(lock));
    for (int i = 0; i < 1000 && is_locked(lock); i++)
        hf_clock_sleep_ms(hf_clock_system(), 20);
    assert_false(is_locked(lock));
    assert_string_equal(logged(state), "early\nlate\n");
}

static void a_program_that_is_nowhere_is_a_mistake_of_the_caller(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_command_check("sh", &err), &err);
    assert_hf_ok(hf_command_check("/bin/sh", &err), &err);
    assert_int_equal(hf_command_check("no-such-program", &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "there is no program 'no-such-program'");
    assert_int_equal(hf_command_check("/etc/passwd", &err), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(its_status_and_both_streams_are_kept),
        HF_TEST(the_log_is_bounded_and_says_so),
        HF_TEST(what_it_left_behind_is_not_waited_for),
        HF_TEST(it_is_asked_to_end_and_decides_itself),
        HF_TEST(a_lost_terminal_does_not_end_it),
        HF_TEST(our_death_ends_neither_it_nor_its_log_nor_the_lock),
        HF_TEST(a_program_that_is_nowhere_is_a_mistake_of_the_caller),
    };
    return HF_RUN_TESTS("run.command", tests);
}

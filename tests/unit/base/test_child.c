/* SPDX-License-Identifier: Apache-2.0 */
#include "base/child.h"
#include "harness/hf_test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void ends_well_by_itself(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    static const char *const argv[] = {"true", NULL};
    HF_AUTO(hf_child) struct hf_child *c = hf_child_start(argv, &err);
    (void)state;
    assert_hf_got(c, &err);
    assert_hf_ok(hf_child_finish(c, 10000, &err), &err);
    assert_true(hf_child_wait(c, 0));
}

static void a_program_that_is_not_there_is_said_at_once(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    static const char *const argv[] = {"holdfast-no-such-program", NULL};
    (void)state;
    assert_null(hf_child_start(argv, &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, "holdfast-no-such-program");
}

static void what_it_said_before_it_failed_is_in_the_message(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    static const char *const argv[] = {"sh", "-c", "echo no room for it >&2; exit 3", NULL};
    HF_AUTO(hf_child) struct hf_child *c = hf_child_start(argv, &err);
    (void)state;
    assert_hf_got(c, &err);
    assert_int_equal(hf_child_finish(c, 10000, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "status 3: no room for it");
}

static void one_that_does_not_end_is_killed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    static const char *const argv[] = {"sleep", "1000", NULL};
    HF_AUTO(hf_child) struct hf_child *c = hf_child_start(argv, &err);
    (void)state;
    assert_hf_got(c, &err);
    assert_false(hf_child_wait(c, 20));
    assert_int_equal(hf_child_finish(c, 20, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "sleep");
    assert_true(hf_child_wait(c, 0));
}

static void look_up(int number)
{
    (void)number;
}

static void signals_do_not_shorten_the_time_it_has(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    static const char *const argv[] = {"sleep", "0.3", NULL};
    const struct sigaction interrupts = {.sa_handler = look_up};
    const struct itimerval often = {{0, 10000}, {0, 10000}}, never = {0};
    struct sigaction before;
    (void)state;
    HF_AUTO(hf_child) struct hf_child *c = hf_child_start(argv, &err);
    assert_hf_got(c, &err);
    assert_int_equal(sigaction(SIGALRM, &interrupts, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    int rc = hf_child_finish(c, 30000, &err);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_hf_ok(rc, &err);
}

static void it_inherits_nothing_but_its_three_streams(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    /* The listing's own descriptor is 3. */
    static const char *const argv[] = {"sh", "-c", "test \"$(ls /proc/self/fd | wc -l)\" = 4",
                                       NULL};
    int mine = dup(STDERR_FILENO);
    HF_AUTO(hf_child) struct hf_child *c = hf_child_start(argv, &err);
    (void)state;
    assert_hf_got(c, &err);
    assert_hf_ok(hf_child_finish(c, 10000, &err), &err);
    close(mine);
}

/* A process starts one, tells its number, and is killed. */
static void it_does_not_outlive_who_started_it(void **state)
{
    int ends[2];
    pid_t grandchild = 0;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct hf_err err = HF_ERR_INIT;
        static const char *const argv[] = {"sh", "-c", "echo $$ >&2; exec sleep 1000", NULL};
        struct hf_child *c = hf_child_start(argv, &err);
        hf_child_wait(c, 200);
        hf_child_fail(c, &err);
        grandchild = (pid_t)strtol(strrchr(err.message, ':') + 1, NULL, 10);
        if (write(ends[1], &grandchild, sizeof grandchild) < 0)
            _exit(1);
        pause();
    }
    assert_int_equal(read(ends[0], &grandchild, sizeof grandchild), sizeof grandchild);
    assert_true(grandchild > 1 && kill(grandchild, 0) == 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    bool is_gone = false;
    for (int i = 0; i < 500 && !is_gone; i++) {
        char path[64], line[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)grandchild);
        HF_AUTOFILE FILE *f = fopen(path, "re");
        is_gone = !f || !fgets(line, sizeof line, f) || strstr(line, ") Z ");
        usleep(10000);
    }
    assert_true(is_gone);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(ends_well_by_itself),
        HF_TEST(a_program_that_is_not_there_is_said_at_once),
        HF_TEST(what_it_said_before_it_failed_is_in_the_message),
        HF_TEST(one_that_does_not_end_is_killed),
        HF_TEST(signals_do_not_shorten_the_time_it_has),
        HF_TEST(it_inherits_nothing_but_its_three_streams),
        HF_TEST(it_does_not_outlive_who_started_it),
    };
    return HF_RUN_TESTS("base.child", tests);
}

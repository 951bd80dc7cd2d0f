/* SPDX-License-Identifier: Apache-2.0
 *
 * The harness itself: its assertions fail when they should, and nothing stays behind when they do.
 */
#include "base/path.h"
#include "harness/hf_test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void wrong_class(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    hf_fail(&err, HF_E_AUTH, "denied");
    assert_hf_err(&err, HF_E_BUSY, "denied");
}

static void wrong_message(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    hf_fail(&err, HF_E_AUTH, "denied");
    assert_hf_err(&err, HF_E_AUTH, "granted");
}

static void not_ok(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_fail(&err, HF_E_AUTH, "denied"), &err);
}

static void not_got(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_hf_got(NULL, &err);
}

static void not_contained(void **state)
{
    (void)state;
    assert_contains("text", "other");
}

static void not_lacking(void **state)
{
    (void)state;
    assert_lacks("text", "ex");
}

static void fails_with_files(void **state)
{
    hf_test_file(state, "file", "x", 0600);
    const char *closed = hf_test_path(state, "closed");
    assert_int_equal(mkdir(closed, 0700), 0);
    hf_test_file(state, "closed/file", "x", 0600);
    assert_int_equal(chmod(closed, 0), 0);
    fail();
}

static void passes(void **state)
{
    (void)state;
}

static const struct CMUnitTest samples[] = {
    HF_TEST(wrong_class),   HF_TEST(wrong_message), HF_TEST(not_ok),           HF_TEST(not_got),
    HF_TEST(not_contained), HF_TEST(not_lacking),   HF_TEST(fails_with_files), HF_TEST(passes),
};

/* How many samples failed, run in a child with `filter` and its files below `tmp`. */
static int failures(const char *filter, const char *tmp)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        setenv("HOLDFAST_TEST", filter, 1);
        setenv("TMPDIR", tmp, 1);
        _exit(HF_RUN_TESTS("samples", samples));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void each_assertion_can_fail(void **state)
{
    const char *tmp = hf_test_dir(state);
    assert_int_equal(failures("*", tmp), 7);
    assert_int_equal(failures("passes", tmp), 0);
}

static void the_filter_picks_cases_by_name(void **state)
{
    const char *tmp = hf_test_dir(state);
    assert_int_equal(failures("wrong_*", tmp), 2);
    assert_int_equal(failures("not_lacking", tmp), 1);
}

static void a_failed_case_leaves_no_directory(void **state)
{
    const char *tmp = hf_test_dir(state);
    assert_int_equal(failures("fails_with_files", tmp), 1);
    assert_int_equal(rmdir(tmp), 0); /* it was empty */
    assert_int_equal(mkdir(tmp, 0700), 0);
}

static void each_case_has_a_directory_of_its_own(void **state)
{
    struct stat st;
    const char *dir = hf_test_dir(state);
    assert_ptr_equal(hf_test_dir(state), dir);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void the_fake_clock_stands_still_until_told(void **state)
{
    struct hf_fake_clock *fake = hf_test_clock(state);
    int64_t mono = hf_clock_mono_us(&fake->clock), wall = hf_clock_wall_us(&fake->clock);
    assert_true(mono == hf_clock_mono_us(&fake->clock));
    hf_fake_clock_advance_ms(fake, 5);
    hf_clock_sleep_ms(&fake->clock, 2);
    assert_int_equal(hf_clock_mono_us(&fake->clock) - mono, 7000);
    assert_int_equal(hf_clock_wall_us(&fake->clock) - wall, 7000);
    assert_int_equal(fake->slept_us, 2000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_assertion_can_fail),
        HF_TEST(the_filter_picks_cases_by_name),
        HF_TEST(a_failed_case_leaves_no_directory),
        HF_TEST(each_case_has_a_directory_of_its_own),
        HF_TEST(the_fake_clock_stands_still_until_told),
    };
    return HF_RUN_TESTS("base.harness", tests);
}

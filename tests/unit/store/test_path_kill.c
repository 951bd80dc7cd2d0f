/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes that die in the middle of a put or a removal. This one visits no kill point itself: what the environment says of
 * them is read once, by the child.
 */
#include "unit/store/path_store.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef HF_POINTS

/* name=kill: a child puts "d/o", or removes it. */
static void die(struct hf_store *s, const char *point, bool remove)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("HOLDFAST_POINT", point, 1);
        int rc = remove ? hf_store_remove(s, "d/o", &err)
                        : hf_store_put_bytes(s, "d/o", "new", 3, true, &r, &err);
        _exit(rc == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void killed_before_the_rename_leaves_what_a_sweep_removes(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    uint64_t n = 0;
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    die(s, "store.path.before_rename=kill", false);
    assert_listed(s, "", NULL, false, "");
    assert_int_equal(hidden_in(hf_test_dir(state)), 1);
    assert_hf_ok(hf_store_sweep(s, (int64_t)time(NULL) + 3600, &n, &err), &err);
    assert_int_equal(n, 2); /* the file and its directory */
    assert_int_equal(hidden_in(hf_test_dir(state)), 0);
    assert_listed(s, "", NULL, true, "");
}

static void killed_after_the_rename_leaves_a_whole_object(void **state)
{
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    die(s, "store.path.after_rename=kill", false);
    assert_holds(s, "d/o", "new");
    assert_int_equal(hidden_in(hf_test_dir(state)), 0);
}

static void killed_before_the_removal_leaves_the_object(void **state)
{
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    assert_int_equal(mkdir(hf_test_path(state, "d"), 0755), 0);
    hf_test_file(state, "d/o", "old", 0600);
    die(s, "store.path.before_remove=kill", true);
    assert_holds(s, "d/o", "old");
}

#endif

int main(void)
{
#ifdef HF_POINTS
    static const struct CMUnitTest tests[] = {
        HF_TEST(killed_before_the_rename_leaves_what_a_sweep_removes),
        HF_TEST(killed_after_the_rename_leaves_a_whole_object),
        HF_TEST(killed_before_the_removal_leaves_the_object),
    };
    return HF_RUN_TESTS("store.path_kill", tests);
#else
    return 77;
#endif
}

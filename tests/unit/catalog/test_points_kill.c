/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes that die before the catalog forgets or takes over what a store has: it knows what it knew. This one visits no kill point
 * itself: what the environment says of them is read once, by the child.
 */
#include "catalog/catalog.h"
#include "harness/hf_test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HF_POINTS

#define POINT "20261123T030000Z-7f3a9c21"
#define VAULT "00112233445566778899aabbccddeeff"

static struct hf_catalog *open_here(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog *c = hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err);
    assert_hf_got(c, &err);
    return c;
}

static int commit(struct hf_catalog *c, struct hf_err *err)
{
    const struct hf_catalog_point p = {.id = POINT,
                                       .vm = "web01",
                                       .hypervisor = "lab",
                                       .vm_id = "5d1c",
                                       .grade = "B",
                                       .report = "{}"};
    const struct hf_catalog_copy copy = {.point_id = POINT, .store = "vault", .store_id = VAULT};
    const struct hf_catalog_run run = {
        .id = POINT, .verb = "backup", .vm = "web01", .outcome = "done"};
    return hf_catalog_point_commit(c, &p, &copy, 1, &run, err);
}

static int forget(struct hf_catalog *c, struct hf_err *err)
{
    return hf_catalog_copy_forget(c, POINT, VAULT, err);
}

static int rebuild_empty(struct hf_catalog *c, struct hf_err *err)
{
    return hf_catalog_points_rebuild(c, VAULT, NULL, NULL, 0, err);
}

/* The status of a child that does it; point: where it is killed, or NULL. */
static int child(void **state, int (*what)(struct hf_catalog *, struct hf_err *), const char *point)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct hf_err err = HF_ERR_INIT;
        if (point)
            setenv("HOLDFAST_POINT", point, 1);
        _exit(what(open_here(state), &err) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int count(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    (void)p;
    (void)err;
    ++*(int *)ctx;
    return 0;
}

static void assert_known(void **state, int n)
{
    int found = 0;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    assert_hf_ok(hf_catalog_points(c, NULL, 0, count, &found, &err), &err);
    assert_int_equal(found, n);
}

static void assert_changes_nothing(void **state, int (*what)(struct hf_catalog *, struct hf_err *),
                                   const char *point)
{
    (void)hf_test_dir(state); /* made here, for all the children */
    assert_int_equal(child(state, commit, NULL), 0);
    int status = child(state, what, point);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_known(state, 1);
    assert_int_equal(child(state, what, NULL), 0);
    assert_known(state, 0);
}

static void killed_before_it_forgets_a_copy_it_knows_it_still(void **state)
{
    assert_changes_nothing(state, forget, "catalog.before_copy_forget=kill");
}

static void killed_before_a_rebuild_it_knows_what_it_knew(void **state)
{
    assert_changes_nothing(state, rebuild_empty, "catalog.before_points_rebuild=kill");
}

#endif

int main(void)
{
#ifdef HF_POINTS
    static const struct CMUnitTest tests[] = {
        HF_TEST(killed_before_it_forgets_a_copy_it_knows_it_still),
        HF_TEST(killed_before_a_rebuild_it_knows_what_it_knew),
    };
    return HF_RUN_TESTS("catalog.points_kill", tests);
#else
    return 77;
#endif
}

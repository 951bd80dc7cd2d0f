/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes that die while they make a store ready, or a point. This one visits no kill point itself: what the environment says of
 * them is read once, by the child.
 */
#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>

#ifdef HF_POINTS

static int make(const struct place *p)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_site_opts opts = site_opts(p);
    HF_AUTO(hf_site) struct hf_site *s = hf_site_make(&opts, &err);
    return s ? 0 : 1;
}

static int commit(const struct place *p)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    HF_AUTO(hf_site) struct hf_site *s = open_site(p, NULL);
    fill_manifest(&m, "web01", POINT_A);
    return hf_point_commit(s, &m, &err) == 0 ? 0 : 1;
}

/* The status of a child that does it; point: NULL, or where it is killed. */
static int child(int (*what)(const struct place *), const struct place *p, const char *point)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        HF_AUTOFREE char *text = hf_asprintf("%s=kill", point ? point : "");
        if (point)
            setenv("HOLDFAST_POINT", text, 1);
        _exit(what(p));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_killed(int (*what)(const struct place *), const struct place *p,
                          const char *point)
{
    int status = child(what, p, point);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_making_that_was_killed_is_made_again(void **state)
{
    static const char *const points[] = {"site.before_holdfast_json", "store.path.before_rename",
                                         "site.after_holdfast_json"};
    struct hf_err err = HF_ERR_INIT;
    struct place p;
    place_begin(state, &p, true);
    for (size_t i = 0; i < HF_ARRAY_SIZE(points); i++)
        assert_killed(make, &p, points[i]);
    assert_int_equal(child(make, &p, NULL), 0);
    HF_AUTO(hf_site) struct hf_site *s = open_site(&p, NULL);
    assert_hf_got(s, &err);
    /* and no further time */
    assert_int_equal(WEXITSTATUS(child(make, &p, NULL)), 1);
    place_end(&p);
}

static size_t count_points(const struct place *p)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_point_name n = name_of("web01", POINT_A);
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    HF_AUTO(hf_site) struct hf_site *s = open_site(p, NULL);
    if (hf_point_read(s, &n, &m, &err) == 0)
        return 1;
    assert_int_equal(err.cls, HF_E_NOT_FOUND);
    return 0;
}

static void a_point_is_there_whole_or_not_at_all(void **state)
{
    struct place p;
    place_begin(state, &p, true);
    assert_int_equal(child(make, &p, NULL), 0);
    assert_killed(commit, &p, "point.before_manifest");
    assert_int_equal(count_points(&p), 0);
    assert_killed(commit, &p, "store.path.before_rename");
    assert_int_equal(count_points(&p), 0);
    assert_killed(commit, &p, "point.after_manifest");
    assert_int_equal(count_points(&p), 1);
    place_end(&p);
}

#endif

int main(void)
{
#ifdef HF_POINTS
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_making_that_was_killed_is_made_again),
        HF_TEST(a_point_is_there_whole_or_not_at_all),
    };
    return HF_RUN_TESTS("point.kill", tests);
#else
    return 77;
#endif
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder's name on file systems that know how to refuse a taken one, and on those that do not (NFS, FUSE).
 */
#include "base/path.h"
#include "harness/hf_test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refusal; /* of the flags; 0: known */

int __real_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
    if (!refusal)
        return __real_renameat2(a, from, b, to, flags);
    errno = refusal;
    return -1;
}

static void make(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void a_free_name_is_given_on_any_file_system(void **state)
{
    static const int refusals[] = {0, EINVAL, ENOSYS};
    for (size_t i = 0; i < HF_ARRAY_SIZE(refusals); i++) {
        char name[32];
        snprintf(name, sizeof name, "new%zu", i);
        HF_AUTOFREE char *from = strdup(hf_test_path(state, "from"));
        HF_AUTOFREE char *to = strdup(hf_test_path(state, name));
        make(from);
        refusal = refusals[i];
        assert_int_equal(hf_path_name_folder(from, to), 0);
        assert_true(is_there(to) && !is_there(from));
    }
}

static void a_name_that_is_taken_is_left_alone(void **state)
{
    static const int refusals[] = {0, EINVAL};
    HF_AUTOFREE char *from = strdup(hf_test_path(state, "mine"));
    HF_AUTOFREE char *to = strdup(hf_test_path(state, "taken"));
    make(from);
    make(to);
    for (size_t i = 0; i < HF_ARRAY_SIZE(refusals); i++) {
        refusal = refusals[i];
        assert_int_equal(hf_path_name_folder(from, to), -1);
        assert_int_equal(errno, EEXIST);
        assert_true(is_there(from) && is_there(to));
    }
    assert_int_equal(rmdir(to), 0);
    assert_int_equal(symlink("nowhere", to), 0);
    assert_int_equal(hf_path_name_folder(from, to), -1);
    assert_int_equal(errno, EEXIST);
}

static void what_fails_otherwise_is_said(void **state)
{
    HF_AUTOFREE char *from = strdup(hf_test_path(state, "absent"));
    HF_AUTOFREE char *to = strdup(hf_test_path(state, "x"));
    refusal = 0;
    assert_int_equal(hf_path_name_folder(from, to), -1);
    assert_int_equal(errno, ENOENT);
    refusal = EACCES;
    assert_int_equal(hf_path_name_folder(from, to), -1);
    assert_int_equal(errno, EACCES);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_free_name_is_given_on_any_file_system),
        HF_TEST(a_name_that_is_taken_is_left_alone),
        HF_TEST(what_fails_otherwise_is_said),
    };
    return HF_RUN_TESTS("base.path_rename", tests);
}

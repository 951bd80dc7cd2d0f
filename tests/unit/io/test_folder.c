/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory that is written to as a whole: what it says of itself at each step.
 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "io/folder.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void begun_it_says_incomplete_and_finished_it_does_not(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *path = strdup(hf_test_path(state, "a/b"));
    HF_AUTOFREE char *mark = hf_asprintf("%s/" HF_IO_INCOMPLETE, path);
    struct stat st;
    HF_AUTO(hf_io_folder) struct hf_io_folder f = HF_IO_FOLDER_INIT;
    assert_hf_ok(hf_io_folder_begin(&f, path, "dump", &err), &err);
    assert_true(exists(mark));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_hf_ok(hf_io_folder_finish(&f, &err), &err);
    assert_false(exists(mark));
    HF_AUTO(hf_io_files) struct hf_io_files *again = hf_io_folder_open(path, &err);
    assert_hf_got(again, &err);
}

static void one_that_was_not_finished_is_not_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *path = strdup(hf_test_path(state, "half"));
    HF_AUTO(hf_io_folder) struct hf_io_folder f = HF_IO_FOLDER_INIT;
    assert_hf_ok(hf_io_folder_begin(&f, path, "dump", &err), &err);
    assert_null(hf_io_folder_open(path, &err));
    assert_hf_err(&err, HF_E_CONFLICT, "half");
}

static void what_is_not_empty_is_nobodys_and_looking_makes_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *path = strdup(hf_test_path(state, "theirs"));
    assert_hf_ok(hf_io_folder_check(path, &err), &err);
    assert_false(exists(path));
    assert_int_equal(mkdir(path, 0755), 0);
    assert_hf_ok(hf_io_folder_check(path, &err), &err);
    HF_AUTOFREE char *file = hf_asprintf("%s/file", path);
    HF_AUTOFD int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(hf_io_folder_check(path, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "is not empty");
    HF_AUTO(hf_io_folder) struct hf_io_folder f = HF_IO_FOLDER_INIT;
    assert_int_equal(hf_io_folder_begin(&f, path, "dump", &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "is not empty");
    assert_int_equal(hf_io_folder_check(file, &err), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(begun_it_says_incomplete_and_finished_it_does_not),
        HF_TEST(one_that_was_not_finished_is_not_read),
        HF_TEST(what_is_not_empty_is_nobodys_and_looking_makes_nothing),
    };
    return HF_RUN_TESTS("io.folder", tests);
}

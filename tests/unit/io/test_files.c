/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory as a place that is read from by name.
 */
#include "base/buf.h"
#include "base/strv.h"
#include "harness/hf_test.h"
#include "io/files.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct hf_io_files *open_dir(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_io_files *f = hf_io_files_dir(hf_test_dir(state), &err);
    assert_hf_got(f, &err);
    return f;
}

static enum hf_io_seen look(struct hf_io_files *f, const char *name, uint64_t *bytes)
{
    struct hf_err err = HF_ERR_INIT;
    enum hf_io_seen seen;
    assert_hf_ok(hf_io_files_look(f, name, &seen, bytes, &err), &err);
    return seen;
}

static void files_are_seen_with_their_size_and_nothing_else_is_one(void **state)
{
    uint64_t bytes;
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_dir(state);
    hf_test_file(state, "a.sql", "12345", 0600);
    assert_int_equal(symlink("a.sql", hf_test_path(state, "link")), 0);
    assert_int_equal(mkdir(hf_test_path(state, "dir"), 0700), 0);
    assert_int_equal(look(f, "a.sql", &bytes), HF_IO_SEEN_FILE);
    assert_int_equal(bytes, 5);
    assert_int_equal(look(f, "link", &bytes), HF_IO_SEEN_OTHER);
    assert_int_equal(bytes, 0);
    assert_int_equal(look(f, "dir", &bytes), HF_IO_SEEN_OTHER);
    assert_int_equal(look(f, "b.sql", &bytes), HF_IO_SEEN_NONE);
    char longer[301] = "";
    memset(longer, 'a', sizeof longer - 1);
    assert_int_equal(look(f, longer, &bytes), HF_IO_SEEN_NONE);
}

static int take(void *ctx, const char *name, struct hf_err *err)
{
    return hf_strv_add(ctx, name) < 0 ? hf_fail_nomem(err) : 0;
}

static void they_are_listed_without_hidden_ones(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_dir(state);
    hf_test_file(state, "a.sql", "1", 0600);
    hf_test_file(state, ".hidden", "1", 0600);
    for (int i = 0; i < 2; i++) { /* the second time from the beginning, too */
        assert_hf_ok(hf_io_files_list(f, take, &names, &err), &err);
        assert_int_equal(names.n, i + 1);
        assert_string_equal(names.items[i], "a.sql");
    }
}

/* ---- what cannot be read ---------------------------------------------------------------- */

static int look_errno, list_errno;

int __real_fstatat(int fd, const char *name, struct stat *out, int flags);
int __wrap_fstatat(int fd, const char *name, struct stat *out, int flags);
int __wrap_fstatat(int fd, const char *name, struct stat *out, int flags)
{
    errno = look_errno;
    return look_errno ? -1 : __real_fstatat(fd, name, out, flags);
}

/* The first three are there, then it breaks. */
struct dirent *__real_readdir(DIR *d);
struct dirent *__wrap_readdir(DIR *d);
struct dirent *__wrap_readdir(DIR *d)
{
    static int n;
    if (!list_errno || n++ < 3)
        return __real_readdir(d);
    errno = list_errno;
    return NULL;
}

static void one_that_cannot_be_looked_at_is_not_taken_for_missing(void **state)
{
    static const int errors[] = {EIO, EACCES, ESTALE};
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_dir(state);
    for (size_t i = 0; i < HF_ARRAY_SIZE(errors); i++) {
        struct hf_err err = HF_ERR_INIT;
        enum hf_io_seen seen;
        uint64_t bytes;
        look_errno = errors[i];
        int rc = hf_io_files_look(f, "a.sql", &seen, &bytes, &err);
        look_errno = 0;
        assert_int_equal(rc, -1);
        assert_contains(err.message, "a.sql");
    }
}

static void a_list_that_breaks_off_is_not_taken_for_all(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_dir(state);
    hf_test_file(state, "a.sql", "1", 0600);
    hf_test_file(state, "b.sql", "1", 0600);
    list_errno = EIO;
    int rc = hf_io_files_list(f, take, &names, &err);
    list_errno = 0;
    assert_int_equal(rc, -1);
    assert_contains(err.message, hf_test_dir(state));
}

static void one_is_read_and_what_is_no_file_is_not(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char text[6] = "";
    size_t n = 0;
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_dir(state);
    hf_test_file(state, "a.sql", "12345", 0600);
    assert_int_equal(symlink("a.sql", hf_test_path(state, "link")), 0);
    HF_AUTO(hf_io_source) struct hf_io_source *s = hf_io_files_open(f, "a.sql", true, &err);
    assert_hf_got(s, &err);
    assert_hf_ok(hf_io_read_at(s, 1, text, 3, &err), &err);
    assert_string_equal(text, "234");
    HF_AUTO(hf_io_read) struct hf_io_read *r = hf_io_files_read(f, "a.sql", false, false, &err);
    assert_hf_got(r, &err);
    assert_hf_ok(hf_io_read_some(r, text, 5, &n, &err), &err);
    assert_int_equal(n, 5);
    assert_null(hf_io_files_open(f, "link", false, &err));
    assert_null(hf_io_files_read(f, "b.sql", false, false, &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, "b.sql");
    assert_null(hf_io_files_dir(hf_test_path(state, "gone"), &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, "gone");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(files_are_seen_with_their_size_and_nothing_else_is_one),
        HF_TEST(they_are_listed_without_hidden_ones),
        HF_TEST(one_that_cannot_be_looked_at_is_not_taken_for_missing),
        HF_TEST(a_list_that_breaks_off_is_not_taken_for_all),
        HF_TEST(one_is_read_and_what_is_no_file_is_not),
    };
    return HF_RUN_TESTS("io.files", tests);
}

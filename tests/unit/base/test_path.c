/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "harness/hf_test.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static int entries_in(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    int n = -2; /* . and .. */
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void assert_file(const char *path, const char *content)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text = hf_path_read(path, 4096, NULL, &err);
    assert_hf_got(text, &err);
    assert_string_equal(text, content);
}

static void joins_with_one_slash(void **state)
{
    (void)state;
    HF_AUTOFREE char *plain = hf_path_join("/var/lib", "x");
    HF_AUTOFREE char *slash = hf_path_join("/var/lib/", "x");
    HF_AUTOFREE char *root = hf_path_join("/", "x");
    HF_AUTOFREE char *none = hf_path_join("", "x");
    assert_string_equal(plain, "/var/lib/x");
    assert_string_equal(slash, "/var/lib/x");
    assert_string_equal(root, "/x");
    assert_string_equal(none, "x"); /* and not a file in the root */
}

static void makes_a_directory_with_its_parents(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    mode_t old = umask(022);
    assert_hf_ok(hf_path_mkdirs(hf_test_path(state, "a/b/c//"), 0700, &err), &err);
    umask(old);
    assert_int_equal(mode_of(hf_test_path(state, "a")), 0755);
    assert_int_equal(mode_of(hf_test_path(state, "a/b")), 0755);
    assert_int_equal(mode_of(hf_test_path(state, "a/b/c")), 0700);
}

static void leaves_a_directory_that_exists_alone(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *dir = hf_test_path(state, "d");
    assert_int_equal(mkdir(dir, 0750), 0);
    assert_int_equal(chmod(dir, 0750), 0);
    assert_hf_ok(hf_path_mkdirs(dir, 0700, &err), &err);
    assert_int_equal(mode_of(dir), 0750);
    assert_hf_ok(hf_path_mkdirs("/", 0700, &err), &err);
}

static void follows_a_link_to_a_directory(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(mkdir(hf_test_path(state, "real"), 0755), 0);
    assert_int_equal(symlink("real", hf_test_path(state, "link")), 0);
    assert_hf_ok(hf_path_mkdirs(hf_test_path(state, "link/sub"), 0755, &err), &err);
    assert_int_equal(mode_of(hf_test_path(state, "real/sub")), 0755);
}

static void does_not_make_a_directory_of_a_file(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    hf_test_file(state, "f", "", 0600);
    assert_int_equal(hf_path_mkdirs(hf_test_path(state, "f"), 0755, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "/f': Not a directory");
    assert_int_equal(hf_path_mkdirs(hf_test_path(state, "f/sub"), 0755, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "Not a directory");
    assert_int_equal(hf_path_mkdirs("", 0755, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "cannot create directory ''");
}

static void reads_a_file_up_to_its_bound(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_file(state, "f", "12345678", 0600);
    size_t len = 0;
    HF_AUTOFREE char *text = hf_path_read(path, 8, &len, &err);
    assert_hf_got(text, &err);
    assert_int_equal(len, 8);
    assert_string_equal(text, "12345678");
    assert_null(hf_path_read(path, 7, &len, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "/f': larger than 7 bytes");
}

static void reads_an_empty_file_as_an_empty_string(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    size_t len = 1;
    HF_AUTOFREE char *text = hf_path_read(hf_test_file(state, "f", "", 0600), 0, &len, &err);
    assert_hf_got(text, &err);
    assert_string_equal(text, "");
    assert_int_equal(len, 0);
}

static void reads_files_that_hide_their_size(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text = hf_path_read("/proc/self/status", 1 << 20, NULL, &err);
    assert_hf_got(text, &err);
    assert_contains(text, "Pid:");
}

static void says_why_it_cannot_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_path_read(hf_test_path(state, "absent"), 10, NULL, &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, "cannot open");
    assert_null(hf_path_read(hf_test_dir(state), 10, NULL, &err));
    assert_hf_err(&err, HF_E_INTERNAL, "read failed: Is a directory");
}

static void writes_with_exactly_the_mode_asked_for(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "f");
    mode_t old = umask(077);
    assert_hf_ok(hf_path_write(path, "one", 3, 0644, &err), &err);
    umask(old);
    assert_int_equal(mode_of(path), 0644);
    assert_file(path, "one");
    assert_hf_ok(hf_path_write(path, "two!", 4, 0600, &err), &err);
    assert_int_equal(mode_of(path), 0600);
    assert_file(path, "two!");
    assert_int_equal(entries_in(hf_test_dir(state)), 1);
}

static void replaces_the_file_and_does_not_write_into_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_file(state, "f", "old", 0600);
    const char *other = hf_test_path(state, "hard");
    assert_int_equal(link(path, other), 0);
    assert_hf_ok(hf_path_write(path, "new", 3, 0600, &err), &err);
    assert_file(path, "new");
    assert_file(other, "old"); /* whoever had it open reads the old one to the end */
}

static void writes_into_the_working_directory_too(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(hf_test_dir(state)), 0);
    int rc = hf_path_write("plain", "x", 1, 0600, &err);
    assert_int_equal(chdir(before), 0);
    assert_hf_ok(rc, &err);
    assert_file(hf_test_path(state, "plain"), "x");
}

static void removes_its_temporary_file_when_the_target_is_a_directory(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "d");
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(hf_path_write(path, "x", 1, 0600, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "cannot replace");
    assert_int_equal(entries_in(hf_test_dir(state)), 1);
}

static void keeps_the_old_file_when_the_disk_is_full(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_file(state, "f", "old", 0600);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 4096; /* the nearest to a full disk that needs no mount */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    static const char big[10000];
    int rc = hf_path_write(path, big, sizeof big, 0600, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, -1);
    assert_hf_err(&err, HF_E_INTERNAL, "/f': File too large");
    assert_file(path, "old");
    assert_int_equal(entries_in(hf_test_dir(state)), 1);
}

static void does_not_make_directories_when_writing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(hf_path_write(hf_test_path(state, "no/f"), "x", 1, 0600, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "cannot create a file beside");
}

static void syncs_directories_only(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_path_sync_dir(hf_test_dir(state), &err), &err);
    assert_int_equal(hf_path_sync_dir(hf_test_path(state, "absent"), &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "cannot open directory");
    assert_int_equal(hf_path_sync_dir(hf_test_file(state, "f", "", 0600), &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "Not a directory");
    /* /proc knows no fsync: what cannot be promised is not claimed. */
    assert_int_equal(hf_path_sync_dir("/proc", &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "cannot sync directory '/proc'");
}

static void accepts_a_private_file_and_a_link_to_one(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_file(state, "key", "x", 0600);
    assert_hf_ok(hf_path_check_private(path, &err), &err);
    assert_int_equal(chmod(path, 0400), 0);
    assert_hf_ok(hf_path_check_private(path, &err), &err);
    const char *link = hf_test_path(state, "link");
    assert_int_equal(symlink("key", link), 0);
    assert_hf_ok(hf_path_check_private(link, &err), &err);
}

static void refuses_any_permission_for_others(void **state)
{
    static const unsigned modes[] = {0640, 0620, 0610, 0604, 0602, 0601, 0777};
    const char *path = hf_test_file(state, "key", "x", 0600);
    const char *link = hf_test_path(state, "link");
    assert_int_equal(symlink("key", link), 0); /* a link's own mode 0777 says nothing */
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(hf_path_check_private(path, &err), -1);
        assert_hf_err(&err, HF_E_CONFIG, "is open to others (mode 0");
        assert_hf_err(&err, HF_E_CONFIG, "Run: chmod 600 '");
        assert_int_equal(hf_path_check_private(link, &err), -1);
    }
}

static void refuses_a_file_of_somebody_else(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_file(state, "key", "x", 0600);
    if (chown(path, 12345, (gid_t)-1) < 0)
        skip(); /* only root can give a file away */
    assert_int_equal(hf_path_check_private(path, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "belongs to user 12345");
    assert_hf_err(&err, HF_E_CONFIG, "chown root");
}

static void refuses_what_is_no_file_without_hanging(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *fifo = hf_test_path(state, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(hf_path_check_private(fifo, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "is not a regular file");
    assert_int_equal(hf_path_check_private(hf_test_dir(state), &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "is not a regular file");
}

static void a_secret_that_is_absent_is_a_configuration_error(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(hf_path_check_private(hf_test_path(state, "absent"), &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "No such file or directory");
}

static void opens_the_file_it_checked(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_file(state, "key", "first", 0600);
    HF_AUTOFD int fd = hf_path_open_private(path, &err);
    assert_true(fd >= 0);
    /* Swapped after the check: the descriptor still is the file that was looked at. */
    assert_int_equal(unlink(path), 0);
    hf_test_file(state, "key", "other", 0644);
    char text[8] = "";
    assert_int_equal(read(fd, text, sizeof text), 5);
    assert_string_equal(text, "first");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(joins_with_one_slash),
        HF_TEST(makes_a_directory_with_its_parents),
        HF_TEST(leaves_a_directory_that_exists_alone),
        HF_TEST(follows_a_link_to_a_directory),
        HF_TEST(does_not_make_a_directory_of_a_file),
        HF_TEST(reads_a_file_up_to_its_bound),
        HF_TEST(reads_an_empty_file_as_an_empty_string),
        HF_TEST(reads_files_that_hide_their_size),
        HF_TEST(says_why_it_cannot_read),
        HF_TEST(writes_with_exactly_the_mode_asked_for),
        HF_TEST(replaces_the_file_and_does_not_write_into_it),
        HF_TEST(writes_into_the_working_directory_too),
        HF_TEST(removes_its_temporary_file_when_the_target_is_a_directory),
        HF_TEST(keeps_the_old_file_when_the_disk_is_full),
        HF_TEST(does_not_make_directories_when_writing),
        HF_TEST(syncs_directories_only),
        HF_TEST(accepts_a_private_file_and_a_link_to_one),
        HF_TEST(refuses_any_permission_for_others),
        HF_TEST(refuses_a_file_of_somebody_else),
        HF_TEST(refuses_what_is_no_file_without_hanging),
        HF_TEST(a_secret_that_is_absent_is_a_configuration_error),
        HF_TEST(opens_the_file_it_checked),
    };
    return HF_RUN_TESTS("base.path", tests);
}

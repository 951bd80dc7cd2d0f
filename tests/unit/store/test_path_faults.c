/* SPDX-License-Identifier: Apache-2.0
 *
 * What file systems answer that cannot be had here on demand: a server that is gone, a medium that fails, calls that are not known.
 */
#include "unit/store/path_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum call { NONE, OPENAT, DIRECT, FSYNC_FILE, FSYNC_DIR, WRITE, PREAD, RENAME, RENAME2, LINK };

/* One call fails from now on; what matters for power loss is noted in the order it came: D and F a directory or file synced,
 * R renamed, L linked, A pages dropped. */
static struct {
    enum call call;
    int sys_errno;
    size_t short_read;
    char noted[64];
} world;

static void begin(enum call call, int sys_errno)
{
    memset(&world, 0, sizeof world);
    world.call = call;
    world.sys_errno = sys_errno;
}

static bool is_broken(enum call call)
{
    if (world.call == call)
        errno = world.sys_errno;
    return world.call == call;
}

static void note(char c)
{
    size_t len = strlen(world.noted);
    if (len + 1 < sizeof world.noted)
        world.noted[len] = c;
}

int __real_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (is_broken(OPENAT) || (flags & O_DIRECT && is_broken(DIRECT)))
        return -1;
    return __real_openat(fd, path, flags, mode);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    note(S_ISDIR(st.st_mode) ? 'D' : 'F');
    return is_broken(S_ISDIR(st.st_mode) ? FSYNC_DIR : FSYNC_FILE) ? -1 : __real_fsync(fd);
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    return is_broken(WRITE) ? -1 : __real_write(fd, data, len);
}

ssize_t __real_pread(int fd, void *buf, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at)
{
    if (is_broken(PREAD))
        return -1;
    ssize_t n = __real_pread(fd, buf, len, at);
    return world.short_read && n > (ssize_t)world.short_read ? (ssize_t)world.short_read : n;
}

int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to)
{
    note('R');
    return is_broken(RENAME) ? -1 : __real_renameat(a, from, b, to);
}

/* While links are looked at nobody knows renameat2. */
int __real_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
    if (world.call == LINK)
        errno = EINVAL;
    return world.call == LINK || is_broken(RENAME2) ? -1 : __real_renameat2(a, from, b, to, flags);
}

/* EEXIST: made, but the answer got lost and the client asked again. */
int __real_linkat(int a, const char *from, int b, const char *to, int flags);
int __wrap_linkat(int a, const char *from, int b, const char *to, int flags);
int __wrap_linkat(int a, const char *from, int b, const char *to, int flags)
{
    note('L');
    if (world.sys_errno == EEXIST)
        assert_int_equal(__real_linkat(a, from, b, to, flags), 0);
    return is_broken(LINK) ? -1 : __real_linkat(a, from, b, to, flags);
}

int __real_posix_fadvise(int fd, off_t at, off_t len, int advice);
int __wrap_posix_fadvise(int fd, off_t at, off_t len, int advice);
int __wrap_posix_fadvise(int fd, off_t at, off_t len, int advice)
{
    note('A');
    return __real_posix_fadvise(fd, at, len, advice);
}

static int try_put(struct hf_store *s, bool replace, struct hf_err *err)
{
    struct hf_store_receipt r;
    hf_err_clear(err);
    return hf_store_put_bytes(s, "d/o", "new", 3, replace, &r, err);
}

static void is_synced_before_it_has_its_name_and_its_directories_after(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    begin(NONE, 0);
    assert_hf_ok(try_put(s, true, &err), &err);
    assert_string_equal(world.noted, "DFRD"); /* the first: the new directory d in the root */
    begin(NONE, 0);
    assert_hf_ok(hf_store_remove(s, "d/o", &err), &err);
    assert_string_equal(world.noted, "D");
}

static void a_put_that_fails_leaves_the_old_object_and_nothing_else(void **state)
{
    static const struct {
        enum call call;
        int sys_errno;
        enum hf_err_class cls;
        const char *piece;
    } cases[] = {
        {WRITE, ENOSPC, HF_E_NOSPACE, "d/o: cannot write it"},
        {WRITE, EDQUOT, HF_E_NOSPACE, "d/o: cannot write it"},
        {WRITE, EIO, HF_E_UNREACHABLE, "d/o: cannot write it"},
        {FSYNC_FILE, EIO, HF_E_UNREACHABLE, "d/o: cannot sync it"},
        {FSYNC_FILE, ENOSPC, HF_E_NOSPACE, "d/o: cannot sync it"},
        {RENAME, ESTALE, HF_E_UNREACHABLE, "d/o: cannot rename it"},
        {OPENAT, ENOTCONN, HF_E_UNREACHABLE, "d/o: cannot open the store's directory"},
        {OPENAT, EACCES, HF_E_AUTH, "d/o: cannot open the store's directory"},
    };
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    put(s, "d/o", "old");
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        begin(cases[i].call, cases[i].sys_errno);
        assert_int_equal(try_put(s, true, &err), -1);
        assert_hf_err(&err, cases[i].cls, cases[i].piece);
        if (cases[i].cls == HF_E_UNREACHABLE)
            assert_contains(err.hint, "server answers");
        begin(NONE, 0);
        assert_holds(s, "d/o", "old");
        assert_int_equal(hidden_in(hf_test_dir(state)), 0);
    }
}

static void a_directory_that_cannot_be_synced_is_an_error_but_where_none_can(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    begin(FSYNC_DIR, EIO);
    assert_int_equal(try_put(s, true, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "cannot sync its directory");
    begin(FSYNC_DIR, EINVAL);
    assert_hf_ok(try_put(s, true, &err), &err);
    assert_hf_ok(hf_store_remove(s, "d/o", &err), &err);
}

static void a_failed_write_cannot_be_finished(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    struct hf_store_put how = {.bytes = HF_STORE_UNKNOWN};
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    begin(NONE, 0);
    struct hf_io_sink *sink = hf_store_put(s, "o", &how, &r, &err);
    assert_hf_got(sink, &err);
    begin(WRITE, EIO);
    assert_int_equal(hf_io_write(sink, "x", 1, &err), -1);
    begin(NONE, 0);
    assert_int_equal(hf_io_finish(sink, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "after a failure");
    hf_io_close(sink);
    assert_listed(s, "", NULL, false, "");
}

static void an_fsync_that_failed_is_not_believed_the_second_time(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    struct hf_store_put how = {.bytes = 0};
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    begin(FSYNC_FILE, EIO);
    struct hf_io_sink *sink = hf_store_put(s, "o", &how, &r, &err);
    assert_hf_got(sink, &err);
    assert_int_equal(hf_io_finish(sink, &err), -1);
    begin(NONE, 0);
    assert_int_equal(hf_io_finish(sink, &err), -1);
    hf_io_close(sink);
    assert_listed(s, "", NULL, false, "");
}

static void without_a_rename_that_refuses_a_link_does_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    begin(RENAME2, EINVAL);
    assert_hf_ok(try_put(s, false, &err), &err);
    assert_string_equal(world.noted, "DFLD");
    assert_int_equal(try_put(s, false, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "d/o: it exists already");
    assert_holds(s, "d/o", "new");
    assert_int_equal(hidden_in(hf_test_dir(state)), 0);
}

static void a_link_whose_answer_was_lost_is_a_success(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    begin(LINK, EEXIST);
    assert_hf_ok(try_put(s, false, &err), &err);
    begin(NONE, 0);
    assert_holds(s, "d/o", "new");
    assert_int_equal(hidden_in(hf_test_dir(state)), 0);
}

static void a_file_system_that_cannot_refuse_to_replace_is_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    begin(LINK, EPERM);
    assert_int_equal(try_put(s, false, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "cannot refuse to replace");
    assert_hf_ok(try_put(s, true, &err), &err);
    /* Now it is there, and that is what the same answer means. */
    assert_int_equal(try_put(s, false, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "d/o: it exists already");
}

static void a_medium_that_fails_is_neither_missing_nor_other_bytes(void **state)
{
    static const struct {
        enum call call;
        int sys_errno;
    } cases[] = {{PREAD, EIO}, {PREAD, ESTALE}, {OPENAT, ENOTCONN}, {OPENAT, EHOSTDOWN}};
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    char back[1];
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    begin(NONE, 0);
    assert_hf_ok(hf_store_put_bytes(s, "o", "x", 1, true, &r, &err), &err);
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        begin(cases[i].call, cases[i].sys_errno);
        assert_int_equal(hf_store_get(s, "o", 0, back, 1, &err), -1);
        assert_hf_err(&err, HF_E_UNREACHABLE, "o: cannot ");
        assert_int_equal(hf_store_confirm(s, "o", &r, &err), -1);
        assert_hf_err(&err, HF_E_UNREACHABLE, "o: cannot ");
        assert_false(r.confirmed);
    }
}

/* Both ways a file system says so. */
static void without_direct_reads_the_pages_are_dropped_first(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    begin(NONE, 0);
    assert_hf_ok(hf_store_put_bytes(s, "o", "x", 1, true, &r, &err), &err);
    begin(DIRECT, EINVAL);
    assert_hf_ok(hf_store_confirm(s, "o", &r, &err), &err);
    assert_string_equal(world.noted, "A");
    begin(DIRECT, EOPNOTSUPP);
    assert_hf_ok(hf_store_confirm(s, "o", &r, &err), &err);
    assert_string_equal(world.noted, "A");
}

static void a_direct_read_that_stops_in_mid_block_goes_on(void **state)
{
    enum { LEN = 40000 };
    static char data[LEN];
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    for (size_t i = 0; i < LEN; i++)
        data[i] = (char)(i * 7 + i / 255);
    begin(NONE, 0);
    assert_hf_ok(hf_store_put_bytes(s, "o", data, LEN, true, &r, &err), &err);
    world.short_read = 5000;
    assert_hf_ok(hf_store_confirm(s, "o", &r, &err), &err);
    assert_int_equal(truncate(hf_test_path(state, "o"), LEN - 1), 0);
    assert_int_equal(hf_store_confirm(s, "o", &r, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "o: it has 39999 bytes there instead of 40000");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(is_synced_before_it_has_its_name_and_its_directories_after),
        HF_TEST(a_put_that_fails_leaves_the_old_object_and_nothing_else),
        HF_TEST(a_directory_that_cannot_be_synced_is_an_error_but_where_none_can),
        HF_TEST(a_failed_write_cannot_be_finished),
        HF_TEST(an_fsync_that_failed_is_not_believed_the_second_time),
        HF_TEST(without_a_rename_that_refuses_a_link_does_it),
        HF_TEST(a_link_whose_answer_was_lost_is_a_success),
        HF_TEST(a_file_system_that_cannot_refuse_to_replace_is_refused),
        HF_TEST(a_medium_that_fails_is_neither_missing_nor_other_bytes),
        HF_TEST(without_direct_reads_the_pages_are_dropped_first),
        HF_TEST(a_direct_read_that_stops_in_mid_block_goes_on),
    };
    return HF_RUN_TESTS("store.path_faults", tests);
}

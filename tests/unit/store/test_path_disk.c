/* SPDX-License-Identifier: Apache-2.0
 *
 * A path as a store on file systems of its own: a full one, one that is unmounted, one whose disk is changed behind the page cache.
 */
#include "harness/small_fs.h"
#include "unit/store/path_store.h"

#include <stdarg.h>

#define IMAGE_BYTES ((off_t)16 << 20)

static bool has_no_direct;

int __real_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (has_no_direct && flags & O_DIRECT) {
        errno = EINVAL;
        return -1;
    }
    return __real_openat(fd, path, flags, mode);
}

/* So that a direct read has to do it alone. */
int __real_posix_fadvise(int fd, off_t at, off_t len, int advice);
int __wrap_posix_fadvise(int fd, off_t at, off_t len, int advice);
int __wrap_posix_fadvise(int fd, off_t at, off_t len, int advice)
{
    return has_no_direct ? __real_posix_fadvise(fd, at, len, advice) : 0;
}

static void a_full_file_system_says_so_and_keeps_what_is_there(void **state)
{
    static char data[256 << 10];
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    const char *dir = small_fs_mount(state, 128);
    struct hf_store *s = open_at(dir);
    put(s, "a/kept", "kept");
    assert_int_equal(hf_store_put_bytes(s, "a/new", data, sizeof data, false, &r, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "a/new: ");
    assert_int_equal(hidden_in(dir), 0);
    assert_listed(s, "", NULL, false, "a/kept ");
    assert_holds(s, "a/kept", "kept");
    small_fs_fill(dir);
    int64_t now = 0;
    uint64_t n = 1;
    assert_hf_ok(hf_store_now(s, &now, &err), &err);
    assert_hf_ok(hf_store_space(s, &n, &err), &err);
    assert_int_equal(n, 0);
    hf_store_close(s);
    small_fs_umount(dir);
}

static void a_mount_that_vanished_is_not_filled_behind_its_back(void **state)
{
    const char *dir = small_fs_mount(state, 128);
    struct hf_store *s = open_at(dir);
    small_fs_umount(dir);
    put(s, "a/b", "x");
    assert_int_equal(rmdir(dir), 0); /* what lies below it is still empty */
    hf_store_close(s);
}

/* ---- the disk below ---------------------------------------------------------------------- */

/* An ext4 in a file. It is unmounted at once, and goes with its loop device when the store lets go of it, or this process ends. */
static struct hf_store *open_on_image(void **state, const char *image)
{
    const char *dir = hf_test_path(state, "mnt");
    if (geteuid() != 0 || access("/dev/loop-control", F_OK) != 0 || !small_fs_namespace())
        hf_test_missing("mount", "no loop devices for us");
    int fd = open(image, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
    close(fd);
    assert_runs("mkfs.ext4", "-q", "-O", "^has_journal", image);
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_runs("mount", "-o", "loop", image, dir);
    struct hf_store *s = open_at(dir);
    small_fs_umount(dir);
    return s;
}

/* Changes the text in the image, where the file system's own memory of it is not touched. */
static void change_below(const char *image, const char *text)
{
    int fd = open(image, O_RDWR | O_CLOEXEC);
    char *all = malloc((size_t)IMAGE_BYTES);
    int n = 0;
    assert_int_equal(pread(fd, all, (size_t)IMAGE_BYTES, 0), IMAGE_BYTES);
    for (char *p = all; (p = memmem(p, (size_t)(all + IMAGE_BYTES - p), text, strlen(text)));
         p++, n++)
        assert_int_equal(pwrite(fd, "!", 1, p - all), 1);
    assert_true(n > 0);
    free(all);
    close(fd);
}

static void sees_what_lies_on_the_disk(void **state, bool direct)
{
    static char data[1 << 20];
    static const char text[] = "nobody else writes this sentence";
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    const char *image = hf_test_path(state, "image");
    struct hf_store *s = open_on_image(state, image);
    char back[sizeof text] = "";
    memcpy(data + 500000, text, sizeof text);
    has_no_direct = !direct;
    assert_hf_ok(hf_store_put_bytes(s, "o", data, sizeof data, true, &r, &err), &err);
    assert_hf_ok(hf_store_confirm(s, "o", &r, &err), &err);
    /* Now it is in this host's memory. */
    assert_hf_ok(hf_store_get(s, "o", 500000, back, sizeof text, &err), &err);
    change_below(image, text);
    assert_hf_ok(hf_store_get(s, "o", 500000, back, sizeof text, &err), &err);
    assert_string_equal(back, text);
    assert_int_equal(hf_store_confirm(s, "o", &r, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "o: what was read back has another content");
    assert_false(r.confirmed);
    hf_store_close(s);
}

static void a_direct_confirmation_sees_what_lies_on_the_disk(void **state)
{
    sees_what_lies_on_the_disk(state, true);
}

static void a_confirmation_by_dropped_pages_sees_what_lies_on_the_disk(void **state)
{
    sees_what_lies_on_the_disk(state, false);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_full_file_system_says_so_and_keeps_what_is_there),
        HF_TEST(a_mount_that_vanished_is_not_filled_behind_its_back),
        HF_TEST(a_direct_confirmation_sees_what_lies_on_the_disk),
        HF_TEST(a_confirmation_by_dropped_pages_sees_what_lies_on_the_disk),
    };
    return HF_RUN_TESTS("store.path_disk", tests);
}

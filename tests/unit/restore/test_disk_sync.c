/* SPDX-License-Identifier: Apache-2.0
 *
 * A sync that fails, as Linux has it: what was written since the last one is gone, that is told once, and the next one succeeds.
 */
#include "base/path.h"
#include "restore/disk.h"
#include "unit/image/fixture.h"

#include <sys/stat.h>

#define CHUNK 4096u
#define CHUNKS 4000u
#define LEN ((size_t)CHUNKS * CHUNK)

enum how { FDATASYNC, FSYNC };

static struct {
    pthread_mutex_t lock;
    int fd; /* of the part, once something was written */
    bool unsynced[CHUNKS];
    enum how how;
    unsigned before; /* so many succeed; then one fails */
    bool has_failed;
    unsigned records_since;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_hf_path_write(const char *path, const void *data, size_t len, mode_t mode,
                         struct hf_err *err);
int __wrap_hf_path_write(const char *path, const void *data, size_t len, mode_t mode,
                         struct hf_err *err);

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
    pthread_mutex_lock(&world.lock);
    ssize_t n = __real_pwrite(fd, data, len, at);
    world.fd = fd;
    for (size_t i = (size_t)at / CHUNK; n > 0 && i * CHUNK < (size_t)at + (size_t)n; i++)
        world.unsynced[i] = true;
    pthread_mutex_unlock(&world.lock);
    return n;
}

static void lose(void)
{
    static const unsigned char zeros[CHUNK];
    for (size_t i = 0; i < CHUNKS; i++)
        if (world.unsynced[i])
            assert_int_equal(__real_pwrite(world.fd, zeros, CHUNK, (off_t)(i * CHUNK)), CHUNK);
}

static int sync_part(enum how how)
{
    pthread_mutex_lock(&world.lock);
    bool is_lost = !world.has_failed && how == world.how && world.before-- == 0;
    if (is_lost)
        lose();
    memset(world.unsynced, 0, sizeof world.unsynced);
    world.has_failed = world.has_failed || is_lost;
    pthread_mutex_unlock(&world.lock);
    errno = EIO;
    return is_lost ? -1 : 0;
}

int __wrap_fdatasync(int fd)
{
    return fd == world.fd ? sync_part(FDATASYNC) : __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
    return fd == world.fd ? sync_part(FSYNC) : __real_fsync(fd);
}

int __wrap_hf_path_write(const char *path, const void *data, size_t len, mode_t mode,
                         struct hf_err *err)
{
    world.records_since += world.has_failed;
    return __real_hf_path_write(path, data, len, mode, err);
}

/* Each look at it is ten seconds later: records come as fast as they can. */
static int64_t hasty_us(void *ctx)
{
    return *(int64_t *)ctx += 10000000;
}

static void assert_equal(const char *path, const unsigned char *disk)
{
    struct hf_err err = HF_ERR_INIT;
    size_t len = 0;
    HF_AUTOFREE char *back = hf_path_read(path, LEN, &len, &err);
    assert_hf_got(back, &err);
    assert_int_equal(len, LEN);
    assert_memory_equal(back, disk, LEN);
}

/* One sync fails, at the end or before; then the same restore again. */
static void fail_and_go_on(void **state, enum how how, unsigned before)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    struct stat st;
    int64_t now_us = 0;
    struct hf_clock clock = *hf_clock_system();
    HF_AUTOFREE unsigned char *disk = malloc(LEN);
    clock.mono_us = hasty_us;
    clock.ctx = &now_us;
    fill_random(disk, LEN, 23);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, LEN);
    const struct hf_restore_disk what = {.image = s.im,
                                         .root = w.root,
                                         .point = "p",
                                         .disk = "vda",
                                         .file = hf_test_path(state, "vda.img"),
                                         .clock = &clock};
    struct hf_restored_disk done;
    s.m->delay_us = 40000;
    memset(world.unsynced, 0, sizeof world.unsynced);
    world.fd = -1;
    world.how = how;
    world.before = before;
    world.has_failed = false;
    world.records_since = 0;
    assert_int_equal(hf_restore_disk(&what, &done, &err), -1);
    assert_true(world.has_failed);
    assert_contains(err.message, "sync");
    assert_int_equal(world.records_since, 0);
    assert_int_equal(lstat(what.file, &st), -1);
    err = (struct hf_err)HF_ERR_INIT;
    s.m->delay_us = 0;
    assert_hf_ok(hf_restore_disk(&what, &done, &err), &err);
    assert_equal(what.file, disk);
    site_free(&s);
    assert_int_equal(unlink(what.file), 0);
}

static void what_a_failed_sync_lost_between_is_written_again(void **state)
{
    for (unsigned before = 0; before < 2; before++)
        fail_and_go_on(state, FDATASYNC, before);
}

static void what_the_last_sync_lost_is_written_again(void **state)
{
    fail_and_go_on(state, FSYNC, 0);
}

static void nothing_is_recorded_when_the_sync_before_the_renaming_fails(void **state)
{
    fail_and_go_on(state, FSYNC, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_a_failed_sync_lost_between_is_written_again),
        HF_TEST(what_the_last_sync_lost_is_written_again),
        HF_TEST(nothing_is_recorded_when_the_sync_before_the_renaming_fails),
    };
    return HF_RUN_TESTS("restore.disk_sync", tests);
}

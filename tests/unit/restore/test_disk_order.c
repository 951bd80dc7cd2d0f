/* SPDX-License-Identifier: Apache-2.0
 *
 * No record says of a chunk that it is there before a sync that began after the chunk was written has ended.
 */
#include "base/path.h"
#include "restore/disk.h"
#include "unit/image/fixture.h"

#define CHUNK 4096u
#define CHUNKS 4000u
#define LEN ((size_t)CHUNKS * CHUNK)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool written[CHUNKS], synced[CHUNKS], hole[CHUNKS];
static unsigned records, said;

ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_hf_path_write(const char *path, const void *data, size_t len, mode_t mode,
                         struct hf_err *err);
int __wrap_hf_path_write(const char *path, const void *data, size_t len, mode_t mode,
                         struct hf_err *err);

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
    ssize_t n = __real_pwrite(fd, data, len, at);
    pthread_mutex_lock(&lock);
    for (size_t i = (size_t)at / CHUNK; n > 0 && i * CHUNK < (size_t)at + (size_t)n; i++)
        written[i] = true;
    pthread_mutex_unlock(&lock);
    return n;
}

int __wrap_fdatasync(int fd)
{
    bool before[CHUNKS];
    pthread_mutex_lock(&lock);
    memcpy(before, written, sizeof before);
    pthread_mutex_unlock(&lock);
    int rc = __real_fdatasync(fd);
    memcpy(synced, before, sizeof synced);
    return rc;
}

int __wrap_hf_path_write(const char *path, const void *data, size_t len, mode_t mode,
                         struct hf_err *err)
{
    if (strstr(path, ".holdfast-part.json")) {
        struct hf_err bad = HF_ERR_INIT;
        HF_AUTO(hf_disk_record) struct hf_disk_record r = {0};
        assert_hf_ok(hf_disk_record_parse(data, len, &r, &bad), &bad);
        records++;
        for (size_t i = 0; i < CHUNKS && !r.whole_ns; i++) {
            assert_true(!hf_chunk_set_has(&r.durable, i) || synced[i] || hole[i]);
            said += hf_chunk_set_has(&r.durable, i);
        }
    }
    return __real_hf_path_write(path, data, len, mode, err);
}

/* Each look at it is ten seconds later: records come as fast as they can. */
static int64_t hasty_us(void *ctx)
{
    return *(int64_t *)ctx += 10000000;
}

static void a_record_follows_the_sync_of_what_it_names(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    int64_t now_us = 0;
    struct hf_clock clock = *hf_clock_system();
    HF_AUTOFREE unsigned char *disk = malloc(LEN);
    clock.mono_us = hasty_us;
    clock.ctx = &now_us;
    fill_random(disk, LEN, 21);
    memset(disk + 1000 * CHUNK, 0, 500 * CHUNK);
    memset(hole + 1000, 1, 500);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, LEN);
    const struct hf_restore_disk what = {.image = s.im,
                                         .root = w.root,
                                         .point = "p",
                                         .disk = "vda",
                                         .file = hf_test_path(state, "vda.img"),
                                         .clock = &clock};
    struct hf_restored_disk done;
    s.m->delay_us = 40000;
    assert_hf_ok(hf_restore_disk(&what, &done, &err), &err);
    assert_true(records > 2);
    assert_true(said > 0);
    site_free(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {HF_TEST(a_record_follows_the_sync_of_what_it_names)};
    return HF_RUN_TESTS("restore.disk_order", tests);
}

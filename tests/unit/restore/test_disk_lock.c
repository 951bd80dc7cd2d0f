/* SPDX-License-Identifier: Apache-2.0
 *
 * What counts of a record is what it says once the part is locked.
 */
#include "base/path.h"
#include "harness/hf_test.h"
#include "restore/disk_part.h"

#include <string.h>

#define CHUNK 4096u
#define CHUNKS 100u

/* What another run does right before we have the lock, and has ended then. */
static struct {
    const char *record_path;
    struct hf_buf text;
} other;

int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);
int __wrap_flock(int fd, int how)
{
    struct hf_err err = HF_ERR_INIT;
    if (other.record_path)
        assert_hf_ok(hf_path_write(other.record_path, other.text.data, other.text.len, 0600, &err),
                     &err);
    return __real_flock(fd, how);
}

static void a_record_that_another_run_replaced_before_it_let_go_of_the_part_is_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *file = hf_test_path(state, "vda.img");
    const struct hf_disk_record want = {
        .point = (char *)"p", .disk = (char *)"vda", .shape = {(uint64_t)CHUNK * CHUNKS, CHUNK}};
    uint64_t from = 0, to = 0;
    HF_AUTO(hf_disk_part) struct hf_disk_part first = {.fd = -1}, second = {.fd = -1};
    HF_AUTO(hf_chunk_set) struct hf_chunk_set set = {0};
    assert_hf_ok(hf_disk_part_open(file, &want, false, &first, &err), &err);
    assert_hf_ok(hf_chunk_set_init(&set, CHUNKS, &err), &err);
    hf_chunk_set_add(&set, 0, 10);
    assert_hf_ok(hf_disk_part_record(&first, &set, &err), &err);
    assert_hf_ok(hf_disk_record_write(&first.record, &other.text, &err), &err);
    hf_chunk_set_add(&set, 0, 60);
    assert_hf_ok(hf_disk_part_record(&first, &set, &err), &err);
    HF_AUTOFREE char *record_path = strdup(first.record_path);
    hf_disk_part_close(&first);
    other.record_path = record_path;
    assert_hf_ok(hf_disk_part_open(file, &want, false, &second, &err), &err);
    other.record_path = NULL;
    hf_buf_free(&other.text);
    assert_true(second.is_resumed);
    assert_true(hf_chunk_set_run(&second.record.durable, 0, &from, &to));
    assert_int_equal(from, 0);
    assert_int_equal(to, 10);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_record_that_another_run_replaced_before_it_let_go_of_the_part_is_read),
    };
    return HF_RUN_TESTS("restore.disk_lock", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Files as a load finds them: packed or not, whole, torn, damaged, or not what their names say.
 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "io/pack.h"
#include "io/read.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES 40000

static int open_dir(void **state)
{
    int fd = open(hf_test_dir(state), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Several of the reader's buffers, and hard to pack. */
static void make_content(struct hf_buf *b)
{
    for (unsigned i = 0; i < LINES; i++)
        hf_buf_printf(b, "%u,%08x\n", i, i * 2654435761u);
    assert_true(hf_buf_ok(b));
}

static void pack(void **state, const char *name, enum hf_io_packing how, const struct hf_buf *text)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFD int dir = open_dir(state);
    HF_AUTO(hf_io_packer) struct hf_io_packer *packer = hf_io_packer_new(how, 0, &err);
    assert_hf_got(packer, &err);
    HF_AUTO(hf_io_sink)
    struct hf_io_sink *s = hf_io_pack_new(packer, hf_io_file_new(dir, "D", name, NULL, &err), &err);
    assert_hf_got(s, &err);
    assert_hf_ok(hf_io_write(s, text->data, text->len, &err), &err);
    assert_hf_ok(hf_io_finish(s, &err), &err);
}

static void append(void **state, const char *name, const char *from, size_t skip_at_end)
{
    HF_AUTOFD int in = open(hf_test_path(state, from), O_RDONLY | O_CLOEXEC);
    HF_AUTOFD int out =
        open(hf_test_path(state, name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct stat st;
    assert_true(in >= 0 && out >= 0 && fstat(in, &st) == 0 && (size_t)st.st_size > skip_at_end);
    size_t n = (size_t)st.st_size - skip_at_end;
    HF_AUTOFREE char *data = malloc(n);
    assert_non_null(data);
    assert_int_equal(read(in, data, n), n);
    assert_int_equal(write(out, data, n), n);
}

/* All of a file in steps of `step` bytes. Returns what the last call returned; sha may be NULL. */
static int read_all(void **state, const char *name, size_t step, struct hf_buf *out, char *sha,
                    struct hf_err *err)
{
    HF_AUTOFD int dir = open_dir(state);
    HF_AUTOFREE char *chunk = malloc(step);
    size_t n = 1;
    assert_non_null(chunk);
    HF_AUTOFREE char *path = hf_asprintf("D/%s", name);
    assert_non_null(path);
    struct hf_io_source *source = hf_io_source_at(dir, name, path, err);
    HF_AUTO(hf_io_read)
    struct hf_io_read *r = source ? hf_io_read_new(source, path, sha != NULL, err) : NULL;
    if (!r)
        return -1;
    while (n > 0) {
        if (hf_io_read_some(r, chunk, step, &n, err))
            return -1;
        assert_true(n <= step);
        hf_buf_add(out, chunk, n);
    }
    assert_int_equal(hf_io_read_content(r), out->len);
    struct stat st;
    assert_int_equal(stat(hf_test_path(state, name), &st), 0);
    assert_int_equal(hf_io_read_stored(r), st.st_size);
    return sha ? hf_io_read_sha256(r, sha, err) : 0;
}

static void what_was_packed_is_read_back_in_steps_of_any_size(void **state)
{
    static const enum hf_io_packing hows[] = {HF_IO_ZSTD, HF_IO_GZIP, HF_IO_PLAIN};
    static const size_t steps[] = {1 << 20, 4096, 7};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    make_content(&text);
    for (size_t i = 0; i < HF_ARRAY_SIZE(hows); i++) {
        char name[40];
        snprintf(name, sizeof name, "rows.sql%s", hf_io_packing_suffix(hows[i]));
        pack(state, name, hows[i], &text);
        for (size_t k = 0; k < HF_ARRAY_SIZE(steps); k++) {
            struct hf_err err = HF_ERR_INIT;
            HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
            assert_hf_ok(read_all(state, name, steps[k], &got, NULL, &err), &err);
            assert_int_equal(got.len, text.len);
            assert_memory_equal(got.data, text.data, text.len);
        }
    }
}

static void the_digest_is_that_of_the_content(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char sha[HF_SHA256_HEX];
    HF_AUTO(hf_buf) struct hf_buf abc = HF_BUF_INIT, got = HF_BUF_INIT;
    hf_buf_str_add(&abc, "abc");
    pack(state, "abc.gz", HF_IO_GZIP, &abc);
    assert_hf_ok(read_all(state, "abc.gz", 2, &got, sha, &err), &err);
    assert_string_equal(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* What `zstd` and `gzip` make of several files put together, and parallel packers of one. */
static void frames_and_members_follow_each_other(void **state)
{
    static const struct {
        enum hf_io_packing how;
        const char *one, *two;
    } all[] = {{HF_IO_ZSTD, "one.zst", "two.zst"}, {HF_IO_GZIP, "one.gz", "two.gz"}};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    make_content(&text);
    for (size_t i = 0; i < HF_ARRAY_SIZE(all); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
        pack(state, all[i].one, all[i].how, &text);
        append(state, all[i].two, all[i].one, 0);
        append(state, all[i].two, all[i].one, 0);
        assert_hf_ok(read_all(state, all[i].two, 4096, &got, NULL, &err), &err);
        assert_int_equal(got.len, 2 * text.len);
        assert_memory_equal(got.data + text.len, text.data, text.len);
    }
}

static void a_packed_file_that_ends_in_the_middle_is_truncated_and_not_short(void **state)
{
    static const enum hf_io_packing hows[] = {HF_IO_ZSTD, HF_IO_GZIP};
    static const size_t cuts[] = {1, 4, 9, 5000};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    make_content(&text);
    for (size_t i = 0; i < HF_ARRAY_SIZE(hows); i++) {
        char whole[40], torn[40];
        snprintf(whole, sizeof whole, "whole%s", hf_io_packing_suffix(hows[i]));
        pack(state, whole, hows[i], &text);
        for (size_t k = 0; k < HF_ARRAY_SIZE(cuts); k++) {
            struct hf_err err = HF_ERR_INIT;
            HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
            snprintf(torn, sizeof torn, "torn%zu%s", k, hf_io_packing_suffix(hows[i]));
            append(state, torn, whole, cuts[k]);
            assert_int_equal(read_all(state, torn, 4096, &got, NULL, &err), -1);
            assert_hf_err(&err, HF_E_CORRUPT, "truncated");
            assert_contains(err.message, torn);
        }
    }
}

static void flip(void **state, const char *name, off_t at)
{
    unsigned char byte = 0;
    HF_AUTOFD int fd = open(hf_test_path(state, name), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= 0x55;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* zstd's frames carry a checksum here, gzip's always do; which of both sees it first, it is no success. */
static void a_flipped_byte_is_no_success(void **state)
{
    static const enum hf_io_packing hows[] = {HF_IO_ZSTD, HF_IO_GZIP};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    make_content(&text);
    for (size_t i = 0; i < HF_ARRAY_SIZE(hows); i++) {
        char name[40], good[HF_SHA256_HEX], sha[HF_SHA256_HEX];
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_buf) struct hf_buf first = HF_BUF_INIT, got = HF_BUF_INIT;
        snprintf(name, sizeof name, "rows%s", hf_io_packing_suffix(hows[i]));
        pack(state, name, hows[i], &text);
        assert_hf_ok(read_all(state, name, 4096, &first, good, &err), &err);
        flip(state, name, 60000);
        if (read_all(state, name, 4096, &got, sha, &err) == 0)
            assert_string_not_equal(sha, good);
        else
            assert_hf_err(&err, HF_E_CORRUPT, name);
    }
}

static void rubbish_behind_a_packed_file_is_no_success(void **state)
{
    static const char *const names[] = {"rows.zst", "rows.gz"};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    make_content(&text);
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
        pack(state, names[i], i == 0 ? HF_IO_ZSTD : HF_IO_GZIP, &text);
        hf_test_file(state, "rubbish", "INSERT INTO t VALUES (1);", 0600);
        append(state, names[i], "rubbish", 0);
        assert_int_equal(read_all(state, names[i], 4096, &got, NULL, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, names[i]);
    }
}

static void a_name_that_promises_a_packing_has_to_keep_it(void **state)
{
    static const char *const names[] = {"a.gz", "a.zst", "empty.gz"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
        hf_test_file(state, names[i], i < 2 ? "SELECT 1;" : "", 0600);
        assert_int_equal(read_all(state, names[i], 100, &got, NULL, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "not what its name says");
    }
}

static void an_empty_plain_file_is_empty(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    hf_test_file(state, "empty.sql", "", 0600);
    assert_hf_ok(read_all(state, "empty.sql", 100, &got, NULL, &err), &err);
    assert_int_equal(got.len, 0);
}

static void links_pipes_and_directories_are_not_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    hf_test_file(state, "secret", "SELECT 1;", 0600);
    assert_int_equal(symlink("secret", hf_test_path(state, "link.sql")), 0);
    assert_int_equal(mkfifo(hf_test_path(state, "pipe.sql"), 0600), 0);
    assert_int_equal(mkdir(hf_test_path(state, "dir.sql"), 0700), 0);
    static const char *const names[] = {"link.sql", "pipe.sql", "dir.sql", "nothing.sql"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        hf_err_clear(&err);
        assert_int_equal(read_all(state, names[i], 100, &got, NULL, &err), -1);
        assert_contains(err.message, names[i]);
    }
    assert_int_equal(got.len, 0);
}

/* A frame that wants a window of 2 GiB, as its header says; nothing of that size is asked for. */
static void a_frame_with_a_giant_window_is_refused(void **state)
{
    static const unsigned char head[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x09, 0x00, 0x00, 'x'};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    hf_test_file(state, "giant.zst", "", 0600);
    HF_AUTOFD int fd = open(hf_test_path(state, "giant.zst"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, head, sizeof head), sizeof head);
    assert_int_equal(read_all(state, "giant.zst", 100, &got, NULL, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "giant.zst");
    assert_contains(err.message, "memory");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_was_packed_is_read_back_in_steps_of_any_size),
        HF_TEST(the_digest_is_that_of_the_content),
        HF_TEST(frames_and_members_follow_each_other),
        HF_TEST(a_packed_file_that_ends_in_the_middle_is_truncated_and_not_short),
        HF_TEST(a_flipped_byte_is_no_success),
        HF_TEST(rubbish_behind_a_packed_file_is_no_success),
        HF_TEST(a_name_that_promises_a_packing_has_to_keep_it),
        HF_TEST(an_empty_plain_file_is_empty),
        HF_TEST(links_pipes_and_directories_are_not_read),
        HF_TEST(a_frame_with_a_giant_window_is_refused),
    };
    return HF_RUN_TESTS("io.read", tests);
}

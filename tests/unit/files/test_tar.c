/* SPDX-License-Identifier: Apache-2.0 */
#include "files/tar.h"
#include "harness/bytes.h"
#include "harness/hf_test.h"

#include <string.h>

#define BLOCK 512

/* One file of 3 bytes, and the end. */
static size_t make(char out[5 * BLOCK], const char *name)
{
    char *h = out;
    unsigned sum = 0;
    memset(out, 0, 5 * BLOCK);
    snprintf(h, 100, "%s", name);
    memcpy(h + 100, "0000644", 8);
    memcpy(h + 108, "0000007", 8);
    memcpy(h + 116, "0000010", 8);
    memcpy(h + 124, "00000000003", 12);
    memcpy(h + 136, "00000000144", 12);
    memset(h + 148, ' ', 8);
    h[156] = '0';
    memcpy(h + 257, "ustar\00000", 8);
    for (int i = 0; i < BLOCK; i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    memcpy(out + BLOCK, "abc", 3);
    return 4 * BLOCK;
}

/* 0: all of it was a tar. */
static int walk(const char *data, size_t len, struct hf_entry *last, struct hf_err *err)
{
    struct bytes b = {data, len, 0};
    const struct hf_tar_source source = {bytes_read, &b};
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    HF_AUTO(hf_tar) struct hf_tar *t = hf_tar_open(&source, NULL, err);
    int rc = t ? 1 : -1;
    while (rc == 1 && (rc = hf_tar_next(t, &e, NULL, err)) == 1) {
        if (e.type == HF_ENTRY_FILE && hf_tar_content(t, &e, NULL, err) < 0)
            return -1;
        if (last) {
            hf_entry_free(last);
            *last = e;
            e = (struct hf_entry){0};
        }
    }
    return rc;
}

static void a_file_comes_with_its_digest(void **state)
{
    char tar[5 * BLOCK];
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    (void)state;
    assert_hf_ok(walk(tar, make(tar, "./d/a"), &e, &err), &err);
    assert_string_equal(e.name, "d/a");
    assert_int_equal(e.size, 3);
    assert_int_equal(e.uid, 7);
    assert_int_equal(e.gid, 8);
    assert_int_equal(e.mtime_s, 100);
    assert_string_equal(e.sha256,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_tar_that_was_cut_anywhere_is_corrupt(void **state)
{
    char tar[5 * BLOCK];
    size_t len = make(tar, "a");
    (void)state;
    for (size_t cut = 0; cut < len; cut += 64) {
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(walk(tar, cut, NULL, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "tar");
    }
}

static void bytes_behind_the_end_are_corrupt(void **state)
{
    char tar[5 * BLOCK];
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    make(tar, "a");
    assert_hf_ok(walk(tar, sizeof tar, NULL, &err), &err); /* padding */
    tar[sizeof tar - 1] = 1;
    assert_int_equal(walk(tar, sizeof tar, NULL, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "tar");
}

static void what_is_no_tar_is_corrupt(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char noise[4096];
    (void)state;
    memset(noise, 'x', sizeof noise);
    assert_int_equal(walk(noise, sizeof noise, NULL, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_file_comes_with_its_digest),
        HF_TEST(a_tar_that_was_cut_anywhere_is_corrupt),
        HF_TEST(bytes_behind_the_end_are_corrupt),
        HF_TEST(what_is_no_tar_is_corrupt),
    };
    return HF_RUN_TESTS("files.tar", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The VMDKs that restores write (src/restore/vmdk.h), read back by the reader of exports, which believes nothing: the disk, to the byte;
 * and what is cut is none.
 */
#include "base/buf.h"
#include "base/path.h"
#include "harness/hf_test.h"
#include "restore/vmdk.h"
#include "vmdk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GRAIN HF_VMDK_GRAIN
#define TABLE ((uint64_t)512 * GRAIN)

static const unsigned char id[HF_VMDK_ID] = {0xab, 1, 2, 3, 4};

struct piece {
    uint64_t at;
    size_t len;
    int fill; /* 0: zeros */
};

static void fill(unsigned char *to, size_t len, int seed)
{
    uint32_t x = (uint32_t)seed * 2654435761u + 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        to[i] = seed ? (unsigned char)(x >> 24) : 0;
    }
}

/* The file's content. */
static char *write_disk(void **state, uint64_t bytes, const struct piece *pieces, size_t n,
                        size_t *out_len)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "disk.vmdk");
    HF_AUTOFD int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HF_AUTO(hf_vmdk) struct hf_vmdk *v = hf_vmdk_new(fd, bytes, id, &err);
    assert_hf_got(v, &err);
    for (size_t i = 0; i < n; i++) {
        uint64_t written = 0;
        HF_AUTOFREE unsigned char *data = malloc(pieces[i].len);
        fill(data, pieces[i].len, pieces[i].fill);
        assert_hf_ok(hf_vmdk_put(v, pieces[i].at, data, pieces[i].len, &written, &err), &err);
        assert_int_equal(written, pieces[i].fill ? pieces[i].len : 0);
    }
    assert_hf_ok(hf_vmdk_finish(v, &err), &err);
    char *text = hf_path_read(path, (size_t)64 << 20, out_len, &err);
    assert_hf_got(text, &err);
    return text;
}

struct seen {
    uint64_t bytes, data;
    const struct piece *pieces;
    size_t n;
};

/* Each byte is that of its piece, or zero. */
static int check(void *ctx, uint64_t at, const void *data, uint64_t len)
{
    struct seen *s = ctx;
    assert_int_equal(at, s->bytes);
    s->bytes += len;
    if (!data)
        return 0;
    s->data += len;
    for (size_t i = 0; i < s->n; i++) {
        const struct piece *p = &s->pieces[i];
        if (at < p->at || at >= p->at + p->len)
            continue;
        size_t here = p->at + p->len - at < len ? (size_t)(p->at + p->len - at) : (size_t)len;
        HF_AUTOFREE unsigned char *want = malloc(p->len);
        fill(want, p->len, p->fill);
        assert_memory_equal(data, want + (at - p->at), here);
        for (size_t k = here; k < len; k++)
            assert_int_equal(((const unsigned char *)data)[k], 0);
        return 0;
    }
    fail_msg("data at %llu, where none was put", (unsigned long long)at);
    return -1;
}

static int read_back(const char *text, size_t len, struct seen *s, struct hf_err *err)
{
    HF_AUTO(vmw_vmdk) struct vmw_vmdk *v = vmw_vmdk_new(check, s);
    if (vmw_vmdk_write(v, text, len, err) != 0)
        return -1;
    return vmw_vmdk_finish(v, err);
}

static void the_disk_comes_back_to_the_byte_and_holes_are_not_in_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    /* Over a table's end, a table without a grain, a short last grain; zeros that were put. */
    const struct piece pieces[] = {{0, 3 * GRAIN, 1},
                                   {8 * GRAIN, 40 * GRAIN, 2},
                                   {100 * GRAIN, 5 * GRAIN, 0},
                                   {TABLE - 2 * GRAIN, 4 * GRAIN, 3},
                                   {3 * TABLE + GRAIN, GRAIN + 1024, 4}};
    uint64_t bytes = 3 * TABLE + 2 * GRAIN + 1024;
    struct seen s = {.pieces = pieces, .n = HF_ARRAY_SIZE(pieces)};
    size_t len = 0;
    HF_AUTOFREE char *text = write_disk(state, bytes, pieces, HF_ARRAY_SIZE(pieces), &len);
    assert_hf_ok(read_back(text, len, &s, &err), &err);
    assert_int_equal(s.bytes, bytes);
    assert_int_equal(s.data, 48 * GRAIN + 1024);
}

static void an_empty_disk_and_one_of_odd_bytes_come_back(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const struct piece odd[] = {{0, 1000, 7}};
    for (size_t n = 0; n < 2; n++) {
        struct seen s = {.pieces = odd, .n = n};
        size_t len = 0;
        HF_AUTOFREE char *text = write_disk(state, n ? 1000 : 5 * TABLE, odd, n, &len);
        assert_hf_ok(read_back(text, len, &s, &err), &err);
        assert_int_equal(s.bytes, n ? 1024 : 5 * TABLE);
        assert_int_equal(s.data, n ? 1024 : 0);
    }
}

/* Places on the disk need more than the 32 bits that those in the file have. */
static void a_disk_of_more_than_2_tib_comes_back(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const uint64_t bytes = ((uint64_t)3 << 40) + 512;
    const struct piece pieces[] = {
        {0, GRAIN, 1}, {((uint64_t)2 << 40) - GRAIN, 2 * GRAIN, 2}, {bytes - 512, 512, 3}};
    struct seen s = {.pieces = pieces, .n = HF_ARRAY_SIZE(pieces)};
    size_t len = 0;
    HF_AUTOFREE char *text = write_disk(state, bytes, pieces, HF_ARRAY_SIZE(pieces), &len);
    assert_hf_ok(read_back(text, len, &s, &err), &err);
    assert_int_equal(s.bytes, bytes);
    assert_int_equal(s.data, 3 * GRAIN + 512);
}

static void the_same_disk_gives_the_same_file(void **state)
{
    const struct piece pieces[] = {{0, 50 * GRAIN, 1}};
    size_t a_len = 0, b_len = 0;
    HF_AUTOFREE char *a = write_disk(state, TABLE, pieces, 1, &a_len);
    HF_AUTOFREE char *b = write_disk(state, TABLE, pieces, 1, &b_len);
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a, b, a_len);
}

static void what_is_cut_at_any_sector_is_refused(void **state)
{
    const struct piece pieces[] = {{0, 3 * GRAIN, 1}, {TABLE, GRAIN, 2}};
    size_t len = 0;
    HF_AUTOFREE char *text = write_disk(state, 2 * TABLE, pieces, 2, &len);
    for (size_t cut = 0; cut < len; cut += 512) {
        struct hf_err err = HF_ERR_INIT;
        struct seen s = {.pieces = pieces, .n = 2};
        if (read_back(text, cut, &s, &err) == 0)
            fail_msg("taken for whole at %zu of %zu", cut, len);
    }
}

static void what_comes_out_of_order_or_off_the_disk_is_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    static const unsigned char data[2 * GRAIN] = {1};
    uint64_t written;
    HF_AUTOFD int fd = open(hf_test_path(state, "x"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    HF_AUTO(hf_vmdk) struct hf_vmdk *v = hf_vmdk_new(fd, 4 * GRAIN, id, &err);
    assert_hf_got(v, &err);
    assert_hf_ok(hf_vmdk_put(v, GRAIN, data, GRAIN, &written, &err), &err);
    const struct piece odd[] = {{0, GRAIN, 1},
                                {GRAIN, GRAIN, 1},
                                {2 * GRAIN + 512, GRAIN, 1},
                                {3 * GRAIN, 2 * GRAIN, 1},
                                {2 * GRAIN, 512, 1}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(odd); i++) {
        struct hf_err why = HF_ERR_INIT;
        assert_int_equal(hf_vmdk_put(v, odd[i].at, data, odd[i].len, &written, &why), -1);
        assert_hf_err(&why, HF_E_INTERNAL, "out of order");
    }
    assert_null(hf_vmdk_new(fd, 0, id, &err));
    assert_hf_err(&err, HF_E_UNSUPPORTED, "without a byte");
}

static void a_full_disk_is_said(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    HF_AUTOFD int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    assert_null(hf_vmdk_new(fd, GRAIN, id, &err));
    assert_hf_err(&err, HF_E_NOSPACE, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(the_disk_comes_back_to_the_byte_and_holes_are_not_in_it),
        HF_TEST(an_empty_disk_and_one_of_odd_bytes_come_back),
        HF_TEST(a_disk_of_more_than_2_tib_comes_back),
        HF_TEST(the_same_disk_gives_the_same_file),
        HF_TEST(what_is_cut_at_any_sector_is_refused),
        HF_TEST(what_comes_out_of_order_or_off_the_disk_is_refused),
        HF_TEST(a_full_disk_is_said),
    };
    return HF_RUN_TESTS("vmware_written", tests);
}

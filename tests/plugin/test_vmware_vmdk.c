/* SPDX-License-Identifier: Apache-2.0
 *
 * The streams that an export of vSphere sends: what comes out is the disk, to the byte, or an error.
 */
#include "base/buf.h"
#include "base/path.h"
#include "harness/hf_test.h"
#include "vmdk.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define SECTOR ((size_t)512)
#define GRAIN ((size_t)128 * SECTOR)
#define ENTRIES ((size_t)512)

/* ---- a writer of such streams, with its tables behind the grains, as vSphere has them ----------------------------- */

struct writer {
    struct hf_buf out;
    uint32_t table[ENTRIES];
    uint32_t directory[64];
    size_t tables;
};

static void put32(struct hf_buf *b, uint32_t v)
{
    unsigned char le[4] = {v & 255, v >> 8 & 255, v >> 16 & 255, v >> 24};
    hf_buf_add(b, le, 4);
}

static void put64(struct hf_buf *b, uint64_t v)
{
    put32(b, (uint32_t)v);
    put32(b, (uint32_t)(v >> 32));
}

static void pad(struct hf_buf *b)
{
    static const char zeros[512];
    hf_buf_add(b, zeros, (SECTOR - b->len % SECTOR) % SECTOR);
}

static void put_header(struct hf_buf *b, uint64_t capacity, uint64_t directory)
{
    hf_buf_str_add(b, "KDMV");
    put32(b, 3);
    put32(b, 0x30001);
    put64(b, capacity);
    put64(b, GRAIN / SECTOR);
    put64(b, 1);
    put64(b, 20);
    put32(b, ENTRIES);
    put64(b, 0);
    put64(b, directory);
    put64(b, 128);
    hf_buf_add(b, "\0\n \r\n\1\0", 7);
    pad(b);
}

static void put_marker(struct hf_buf *b, uint64_t value, uint32_t type)
{
    put64(b, value);
    put32(b, 0);
    put32(b, type);
    pad(b);
}

static void put_head(struct writer *w, uint64_t capacity)
{
    char text[1024];
    put_header(&w->out, capacity, UINT64_MAX);
    snprintf(
        text, sizeof text,
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        "createType=\"streamOptimized\"\n\n# Extent description\nRW %llu SPARSE \"disk.vmdk\"\n\n"
        "# The Disk Data Base\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"1\"\n"
        "ddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\nddb.adapterType = \"ide\"\n",
        (unsigned long long)capacity);
    hf_buf_str_add(&w->out, text);
    while (w->out.len < 128 * SECTOR)
        hf_buf_add(&w->out, "", 1);
}

static void put_grain(struct writer *w, uint64_t lba, const void *data)
{
    static unsigned char packed[2 * GRAIN];
    uLongf len = sizeof packed;
    assert_int_equal(compress2(packed, &len, data, GRAIN, 1), Z_OK);
    w->table[lba / 128 % ENTRIES] = (uint32_t)(w->out.len / SECTOR);
    put64(&w->out, lba);
    put32(&w->out, (uint32_t)len);
    hf_buf_add(&w->out, packed, len);
    pad(&w->out);
}

static void put_table(struct writer *w)
{
    put_marker(&w->out, 4, 1);
    w->directory[w->tables++] = (uint32_t)(w->out.len / SECTOR);
    for (size_t i = 0; i < ENTRIES; i++)
        put32(&w->out, w->table[i]);
    memset(w->table, 0, sizeof w->table);
}

static void put_tail(struct writer *w, uint64_t capacity)
{
    put_marker(&w->out, 1, 2);
    uint64_t at = w->out.len / SECTOR;
    for (size_t i = 0; i < w->tables; i++)
        put32(&w->out, w->directory[i]);
    pad(&w->out);
    put_marker(&w->out, 1, 3);
    put_header(&w->out, capacity, at);
    put_marker(&w->out, 0, 0);
}

/* Grains of zeros are left out. */
static void write_stream(struct writer *w, const unsigned char *disk, size_t size)
{
    static unsigned char last[GRAIN], zeros[GRAIN];
    put_head(w, size / SECTOR);
    for (size_t at = 0; at < size; at += GRAIN) {
        size_t n = size - at < GRAIN ? size - at : GRAIN;
        memset(last, 0, sizeof last);
        memcpy(last, disk + at, n);
        if (memcmp(last, zeros, GRAIN) != 0)
            put_grain(w, at / SECTOR, last);
        if ((at / GRAIN) % ENTRIES == ENTRIES - 1 || at + GRAIN >= size)
            put_table(w);
    }
    put_tail(w, size / SECTOR);
    assert_true(hf_buf_ok(&w->out));
}

/* A disk with data here and there; its end is within a grain. */
static unsigned char *disk_of(size_t *out_size)
{
    size_t size = 600 * GRAIN + 5 * SECTOR;
    unsigned char *disk = calloc(1, size);
    uint32_t seed = 1;
    assert_non_null(disk);
    for (size_t at = 0; at < size; at += GRAIN) {
        size_t n = size - at < GRAIN ? size - at : GRAIN;
        for (size_t i = 0; at / GRAIN % 3 != 1 && at / GRAIN % 50 < 9 && i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            disk[at + i] = (unsigned char)(at / GRAIN % 2 ? seed >> 24 : i / 512);
        }
    }
    disk[size - 1] = 7;
    *out_size = size;
    return disk;
}

/* ---- the reader ------------------------------------------------------------------------------------------------------ */

struct sink {
    unsigned char *disk;
    uint64_t size, at;
    bool is_full;
};

static int take(void *ctx, uint64_t offset, const void *data, uint64_t len)
{
    struct sink *s = ctx;
    if (s->is_full || offset != s->at || !len || offset + len > s->size)
        return -1;
    if (data)
        memcpy(s->disk + offset, data, len);
    s->at += len;
    return 0;
}

/* In pieces of `step` bytes. */
static int decode(const void *stream, size_t len, size_t step, struct sink *s, struct hf_err *err)
{
    HF_AUTO(vmw_vmdk) struct vmw_vmdk *v = vmw_vmdk_new(take, s);
    assert_non_null(v);
    for (size_t at = 0; at < len; at += step)
        if (vmw_vmdk_write(v, (const char *)stream + at, len - at < step ? len - at : step, err) !=
            0)
            return -1;
    return vmw_vmdk_finish(v, err);
}

static void what_comes_out_is_the_disk_in_pieces_of_any_size(void **state)
{
    static const size_t steps[] = {1, 511, 512, 513, 4096, 65536 + 7, (size_t)1 << 30};
    (void)state;
    size_t size;
    HF_AUTOFREE unsigned char *disk = disk_of(&size);
    struct writer w = {.out = HF_BUF_INIT};
    write_stream(&w, disk, size);
    for (size_t i = 0; i < HF_ARRAY_SIZE(steps); i++) {
        HF_AUTOFREE unsigned char *got = calloc(1, size);
        struct sink s = {.disk = got, .size = size};
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(decode(w.out.data, w.out.len, steps[i], &s, &err), 0);
        assert_int_equal(s.at, size);
        assert_memory_equal(got, disk, size);
    }
    hf_buf_free(&w.out);
}

static int run(void **state, const char *fmt, const char *from, const char *to)
{
    char command[1024];
    (void)state;
    snprintf(command, sizeof command, fmt, from, to);
    return system(command);
}

static void need_qemu_img(void)
{
    if (system("qemu-img --version >/dev/null 2>&1") != 0)
        hf_test_missing("qemu-img", "qemu-img is not found");
}

static void qemu_img_reads_the_same_from_our_writer(void **state)
{
    need_qemu_img();
    size_t size, len = 0;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE unsigned char *disk = disk_of(&size);
    struct writer w = {.out = HF_BUF_INIT};
    write_stream(&w, disk, size);
    const char *stream = hf_test_path(state, "disk.vmdk"), *raw = hf_test_path(state, "disk.raw");
    assert_int_equal(hf_path_write(stream, w.out.data, w.out.len, 0600, &err), 0);
    assert_int_equal(run(state, "qemu-img convert -f vmdk -O raw %s %s", stream, raw), 0);
    HF_AUTOFREE char *got = hf_path_read(raw, size + 1, &len, &err);
    assert_int_equal(len, size);
    assert_memory_equal(got, disk, size);
    hf_buf_free(&w.out);
}

static void what_qemu_img_writes_is_read(void **state)
{
    need_qemu_img();
    size_t size, len = 0;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE unsigned char *disk = disk_of(&size), *got = calloc(1, size);
    const char *stream = hf_test_path(state, "disk.vmdk"), *raw = hf_test_path(state, "disk.raw");
    struct sink s = {.disk = got, .size = size};
    assert_int_equal(hf_path_write(raw, disk, size, 0600, &err), 0);
    assert_int_equal(run(state,
                         "qemu-img convert -f raw -O vmdk -o subformat=streamOptimized %s %s", raw,
                         stream),
                     0);
    HF_AUTOFREE char *text = hf_path_read(stream, (size_t)256 << 20, &len, &err);
    assert_non_null(text);
    assert_int_equal(decode(text, len, 3000, &s, &err), 0);
    assert_int_equal(s.at, size);
    assert_memory_equal(got, disk, size);
}

/* ---- what is no such stream ------------------------------------------------------------------------------------------ */

#define SMALL (3 * GRAIN)

static void small_stream(struct writer *w, unsigned char *disk)
{
    memset(disk, 0, SMALL);
    memset(disk, 'a', GRAIN);
    memset(disk + 2 * GRAIN, 'b', GRAIN);
    write_stream(w, disk, SMALL);
}

static void a_stream_that_is_cut_anywhere_is_refused(void **state)
{
    static unsigned char disk[SMALL], got[SMALL];
    (void)state;
    struct writer w = {.out = HF_BUF_INIT};
    small_stream(&w, disk);
    for (size_t len = 0; len + SECTOR <= w.out.len; len += 64) {
        struct sink s = {.disk = got, .size = SMALL};
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(decode(w.out.data, len, 4096, &s, &err), -1);
        assert_int_equal(err.cls, HF_E_CORRUPT);
    }
    hf_buf_free(&w.out);
}

/* A byte changed: an error, or the same disk (padding, descriptor, what only seeking readers need). */
static void a_byte_that_is_changed_never_gives_another_disk(void **state)
{
    static unsigned char disk[SMALL], got[SMALL];
    (void)state;
    size_t refused = 0;
    struct writer w = {.out = HF_BUF_INIT};
    small_stream(&w, disk);
    for (size_t at = 0; at < w.out.len; at++) {
        if (at == 512)
            at = 127 * SECTOR; /* the descriptor */
        struct sink s = {.disk = got, .size = SMALL};
        struct hf_err err = HF_ERR_INIT;
        memset(got, 0, SMALL);
        w.out.data[at] ^= 1;
        int rc = decode(w.out.data, w.out.len, (size_t)1 << 20, &s, &err);
        w.out.data[at] ^= 1;
        refused += rc != 0;
        if (rc == 0 && s.at == SMALL)
            assert_memory_equal(got, disk, SMALL);
    }
    assert_true(refused > 100);
    hf_buf_free(&w.out);
}

static void refuses(const struct writer *w, const char *why)
{
    static unsigned char got[SMALL];
    struct sink s = {.disk = got, .size = SMALL};
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(decode(w->out.data, w->out.len, 700, &s, &err), -1);
    assert_non_null(strstr(err.message, why));
}

static void grains_out_of_order_or_off_the_disk_are_refused(void **state)
{
    static const struct {
        uint64_t first, second;
    } lbas[] = {{128, 0}, {0, 0}, {0, 384}, {0, UINT64_MAX - 127}, {0, 1}};
    static unsigned char data[GRAIN];
    (void)state;
    memset(data, 'x', sizeof data);
    for (size_t i = 0; i < HF_ARRAY_SIZE(lbas); i++) {
        struct writer w = {.out = HF_BUF_INIT};
        put_head(&w, SMALL / SECTOR);
        put_grain(&w, lbas[i].first, data);
        put_grain(&w, lbas[i].second, data);
        put_table(&w);
        put_tail(&w, SMALL / SECTOR);
        refuses(&w, "off the disk, or out of order");
        hf_buf_free(&w.out);
    }
}

static void a_grain_that_is_missing_is_found_by_the_tables(void **state)
{
    static unsigned char data[GRAIN];
    (void)state;
    memset(data, 'x', sizeof data);
    struct writer w = {.out = HF_BUF_INIT};
    put_head(&w, SMALL / SECTOR);
    put_grain(&w, 0, data);
    w.table[1] = 4711;
    put_table(&w);
    put_tail(&w, SMALL / SECTOR);
    refuses(&w, "lists 2 grains, and 1");
    hf_buf_free(&w.out);
}

/* Two tables of grains, of which `skip` (a table, or 2: none) is not in the stream, with all its grains: what is left lies where it lies. */
static void two_tables(struct writer *w, uint64_t skip)
{
    static unsigned char data[GRAIN];
    const uint64_t sectors = 2 * ENTRIES * GRAIN / SECTOR;
    memset(data, 'x', sizeof data);
    put_head(w, sectors);
    for (uint64_t t = 0; t < 2; t++) {
        if (t == skip)
            continue;
        put_grain(w, t * ENTRIES * 128, data);
        put_grain(w, t * ENTRIES * 128 + 384, data);
        put_table(w);
    }
    put_tail(w, sectors);
}

static int judge(const struct writer *w, struct hf_err *err)
{
    HF_AUTOFREE unsigned char *got = malloc(2 * ENTRIES * GRAIN);
    struct sink s = {.disk = got, .size = 2 * ENTRIES * GRAIN};
    return decode(w->out.data, w->out.len, 70000, &s, err);
}

static void a_table_that_is_missing_with_its_grains_is_found_by_the_directory(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct writer whole = {.out = HF_BUF_INIT}, less = {.out = HF_BUF_INIT};
    two_tables(&whole, 2);
    assert_int_equal(judge(&whole, &err), 0);
    /* Each block's bytes: two grains and a table, with the markers. */
    size_t block = (whole.out.len - 128 * SECTOR - 5 * SECTOR) / 2;
    for (size_t t = 0; t < 2; t++) {
        struct writer cut = {.out = HF_BUF_INIT};
        struct hf_err why = HF_ERR_INIT;
        size_t from = 128 * SECTOR + t * block;
        hf_buf_add(&cut.out, whole.out.data, from);
        hf_buf_add(&cut.out, whole.out.data + from + block, whole.out.len - from - block);
        assert_int_equal(judge(&cut, &why), -1);
        assert_non_null(strstr(why.message, "do not fit its grains"));
        hf_buf_free(&cut.out);
    }
    two_tables(&less, 0); /* … and such a disk is one */
    assert_int_equal(judge(&less, &err), 0);
    hf_buf_free(&whole.out);
    hf_buf_free(&less.out);
}

static void two_grains_that_changed_places_are_found_by_the_tables(void **state)
{
    static unsigned char data[GRAIN];
    (void)state;
    memset(data, 'x', sizeof data);
    struct writer w = {.out = HF_BUF_INIT};
    put_head(&w, SMALL / SECTOR);
    put_grain(&w, 0, data);
    put_grain(&w, 128, data);
    uint32_t first = w.table[0];
    w.table[0] = w.table[1];
    w.table[1] = first;
    put_table(&w);
    put_tail(&w, SMALL / SECTOR);
    refuses(&w, "do not fit its grains");
    hf_buf_free(&w.out);
}

/* What a host sends that finds nothing to send. */
static void an_end_without_directory_or_footer_is_none(void **state)
{
    static unsigned char data[GRAIN];
    (void)state;
    for (int grains = 0; grains < 2; grains++) {
        struct writer w = {.out = HF_BUF_INIT};
        put_head(&w, SMALL / SECTOR);
        memset(data, 'x', sizeof data);
        if (grains) {
            put_grain(&w, 0, data);
            put_table(&w);
        }
        size_t before = w.out.len;
        put_marker(&w.out, 0, 0);
        refuses(&w, "without its directory");
        w.out.len = before;
        put_marker(&w.out, 1, 2);
        put32(&w.out, w.directory[0]);
        pad(&w.out);
        put_marker(&w.out, 0, 0);
        refuses(&w, "without its footer");
        hf_buf_free(&w.out);
    }
}

static void a_footer_of_another_disk_is_refused(void **state)
{
    static unsigned char disk[SMALL];
    (void)state;
    struct writer w = {.out = HF_BUF_INIT};
    small_stream(&w, disk);
    size_t footer = w.out.len - 2 * SECTOR;
    static const size_t places[] = {0, 12, 20, 44,
                                    56}; /* magic, capacity, grain, entries, directory */
    for (size_t i = 0; i < HF_ARRAY_SIZE(places); i++) {
        w.out.data[footer + places[i]] ^= 2;
        refuses(&w, "do not fit its grains");
        w.out.data[footer + places[i]] ^= 2;
    }
    hf_buf_free(&w.out);
}

/* Holes and grains of zeros are alike; anything else is not. */
static void the_digest_is_of_the_disk_and_not_of_the_stream(void **state)
{
    static unsigned char zeros[GRAIN], data[GRAIN];
    uint64_t digests[5];
    (void)state;
    for (int i = 0; i < 5; i++) {
        static unsigned char got[SMALL];
        struct sink s = {.disk = got, .size = SMALL};
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(vmw_vmdk) struct vmw_vmdk *v = vmw_vmdk_new(take, &s);
        struct writer w = {.out = HF_BUF_INIT};
        memset(data, i == 2 ? 'b' : 'a', GRAIN);
        put_head(&w, SMALL / SECTOR);
        put_grain(&w, i == 3 ? 128 : 0, data);
        if (i == 1)
            put_grain(&w, 128, zeros);
        if (i != 4)
            put_grain(&w, 256, data);
        put_table(&w);
        put_tail(&w, SMALL / SECTOR);
        assert_int_equal(vmw_vmdk_write(v, w.out.data, w.out.len, &err), 0);
        assert_int_equal(vmw_vmdk_finish(v, &err), 0);
        digests[i] = vmw_vmdk_digest(v);
        hf_buf_free(&w.out);
    }
    assert_int_equal(digests[0], digests[1]);
    for (int i = 2; i < 5; i++)
        assert_int_not_equal(digests[0], digests[i]);
}

/* vSphere puts some in now and then, of which the specification says nothing: a sector each, whatever their value. */
static void markers_of_the_unknown_kind_are_passed_over(void **state)
{
    static unsigned char data[GRAIN], got[SMALL];
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct sink s = {.disk = got, .size = SMALL};
    struct writer w = {.out = HF_BUF_INIT};
    memset(data, 'x', sizeof data);
    put_head(&w, SMALL / SECTOR);
    put_marker(&w.out, 0, 4);
    put_grain(&w, 0, data);
    put_marker(&w.out, 128, 4);
    put_grain(&w, 256, data);
    put_table(&w);
    put_marker(&w.out, 1, 4);
    put_tail(&w, SMALL / SECTOR);
    assert_int_equal(decode(w.out.data, w.out.len, 700, &s, &err), 0);
    assert_memory_equal(got + 2 * GRAIN, data, GRAIN);
    w.out.len -= SECTOR;
    put_marker(&w.out, 1, 5);
    refuses(&w, "a marker that cannot be");
    hf_buf_free(&w.out);
}

static void other_kinds_of_files_are_refused(void **state)
{
    static unsigned char disk[SMALL];
    (void)state;
    struct writer w = {.out = HF_BUF_INIT};
    small_stream(&w, disk);
    w.out.data[10] = 0; /* neither packed nor with markers */
    refuses(&w, "not streamOptimized");
    w.out.data[10] = 3;
    w.out.data[75] = '\n';
    refuses(&w, "as text is");
    w.out.data[75] = '\r';
    w.out.data[0] = 'Q';
    refuses(&w, "does not begin as a VMDK");
    w.out.data[0] = 'K';
    hf_buf_add(&w.out, "more", 4);
    refuses(&w, "behind its end");
    hf_buf_free(&w.out);
}

static void the_error_of_the_one_who_takes_the_extents_ends_it(void **state)
{
    static unsigned char disk[SMALL], got[SMALL];
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct sink s = {.disk = got, .size = SMALL, .is_full = true};
    struct writer w = {.out = HF_BUF_INIT};
    small_stream(&w, disk);
    assert_int_equal(decode(w.out.data, w.out.len, 4096, &s, &err), -1);
    assert_int_equal(err.cls, HF_E_NONE);
    hf_buf_free(&w.out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_comes_out_is_the_disk_in_pieces_of_any_size),
        HF_TEST(qemu_img_reads_the_same_from_our_writer),
        HF_TEST(what_qemu_img_writes_is_read),
        HF_TEST(a_stream_that_is_cut_anywhere_is_refused),
        HF_TEST(a_byte_that_is_changed_never_gives_another_disk),
        HF_TEST(grains_out_of_order_or_off_the_disk_are_refused),
        HF_TEST(a_grain_that_is_missing_is_found_by_the_tables),
        HF_TEST(a_table_that_is_missing_with_its_grains_is_found_by_the_directory),
        HF_TEST(two_grains_that_changed_places_are_found_by_the_tables),
        HF_TEST(an_end_without_directory_or_footer_is_none),
        HF_TEST(a_footer_of_another_disk_is_refused),
        HF_TEST(the_digest_is_of_the_disk_and_not_of_the_stream),
        HF_TEST(markers_of_the_unknown_kind_are_passed_over),
        HF_TEST(other_kinds_of_files_are_refused),
        HF_TEST(the_error_of_the_one_who_takes_the_extents_ends_it),
    };
    return HF_RUN_TESTS("plugin.vmware_vmdk", tests);
}

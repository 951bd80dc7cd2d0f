/* SPDX-License-Identifier: Apache-2.0
 *
 * zstd in frames: read as a whole by anybody, from its middle by us, and what tables that lie lead to.
 */
#include "harness/hf_test.h"
#include "io/frames.h"
#include "io/memory.h"
#include "io/pack.h"
#include "io/read.h"

#include <stdlib.h>
#include <string.h>

#define CONTENT (5 * HF_IO_FRAME + 12345)
#define FRAMES 6
#define TABLE (8 + FRAMES * 8 + 9)

static void make_content(char *out, size_t len)
{
    uint32_t x = 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        out[i] = (char)(i / 100 % 3 ? x >> 24 : 'a');
    }
}

static void pack(const char *content, size_t len, struct hf_buf *out)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_io_packer) struct hf_io_packer *packer = hf_io_packer_new(HF_IO_ZSTD, 0, &err);
    assert_hf_got(packer, &err);
    HF_AUTO(hf_io_sink)
    struct hf_io_sink *s = hf_io_pack_frames_new(packer, hf_io_memory_new(out, &err), &err);
    assert_hf_got(s, &err);
    for (size_t at = 0, step = 100003; at < len; at += step)
        assert_hf_ok(hf_io_write(s, content + at, len - at < step ? len - at : step, &err), &err);
    assert_hf_ok(hf_io_finish(s, &err), &err);
}

struct world {
    char *content;
    struct hf_buf packed;
};

static void world_begin(struct world *w)
{
    *w = (struct world){.content = malloc(CONTENT)};
    assert_non_null(w->content);
    make_content(w->content, CONTENT);
    pack(w->content, CONTENT, &w->packed);
}

static void world_end(struct world *w)
{
    free(w->content);
    hf_buf_free(&w->packed);
}
HF_DEFINE_AUTO_VALUE(world, world_end)

static int open_packed(const struct hf_buf *b, struct hf_io_source **out, struct hf_err *err)
{
    struct hf_io_source *s = hf_io_source_memory(b->data, b->len, err);
    return s ? hf_io_frames_open(s, "D/a.zst", out, err) : -1;
}

static void put32(struct hf_buf *b, size_t back, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        b->data[b->len - back + (size_t)i] = (char)(v >> (8 * i));
}

static uint32_t get32(const struct hf_buf *b, size_t back)
{
    const unsigned char *p = (const unsigned char *)b->data + b->len - back;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void any_piece_of_the_content_can_be_read(void **state)
{
    static const struct {
        uint64_t at;
        size_t len;
    } reads[] = {
        {CONTENT - 9, 9}, {0, 1},       {HF_IO_FRAME - 1, 2}, {HF_IO_FRAME, 3 * HF_IO_FRAME},
        {17, 100},        {0, CONTENT}, {CONTENT, 0}};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(world) struct world w;
    HF_AUTO(hf_io_source) struct hf_io_source *s = NULL;
    HF_AUTOFREE char *got = malloc(CONTENT);
    (void)state;
    world_begin(&w);
    assert_int_equal(open_packed(&w.packed, &s, &err), 1);
    assert_int_equal(s->size, CONTENT);
    for (size_t i = 0; i < HF_ARRAY_SIZE(reads); i++) {
        assert_hf_ok(hf_io_read_at(s, reads[i].at, got, reads[i].len, &err), &err);
        assert_memory_equal(got, w.content + reads[i].at, reads[i].len);
    }
    assert_int_equal(hf_io_read_at(s, CONTENT - 1, got, 2, &err), -1);
}

static void who_reads_it_from_its_beginning_gets_the_content_alone(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    size_t n = 1, have = 0;
    HF_AUTO(world) struct world w;
    HF_AUTOFREE char *got = malloc(CONTENT + 1);
    (void)state;
    world_begin(&w);
    struct hf_io_source *s = hf_io_source_memory(w.packed.data, w.packed.len, &err);
    HF_AUTO(hf_io_read) struct hf_io_read *r = hf_io_read_new(s, "D/a.zst", false, &err);
    assert_hf_got(r, &err);
    for (; n > 0; have += n)
        assert_hf_ok(hf_io_read_some(r, got + have, CONTENT + 1 - have, &n, &err), &err);
    assert_int_equal(have, CONTENT);
    assert_memory_equal(got, w.content, CONTENT);
}

static void of_no_content_there_is_a_table_too(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf packed = HF_BUF_INIT;
    HF_AUTO(hf_io_source) struct hf_io_source *s = NULL;
    (void)state;
    pack("", 0, &packed);
    assert_int_equal(open_packed(&packed, &s, &err), 1);
    assert_int_equal(s->size, 0);
}

/* The table of others may have checksums, which are behind each pair of sizes. */
static void a_table_with_checksums_is_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char c = 0;
    HF_AUTO(world) struct world w;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTO(hf_io_source) struct hf_io_source *s = NULL;
    (void)state;
    world_begin(&w);
    const char *table = w.packed.data + w.packed.len - TABLE;
    hf_buf_add(&b, w.packed.data, w.packed.len - TABLE + 8);
    for (int i = 0; i < FRAMES; i++) {
        hf_buf_add(&b, table + 8 + (ptrdiff_t)8 * i, 8);
        hf_buf_add(&b, "\1\2\3\4", 4);
    }
    hf_buf_add(&b, table + TABLE - 9, 9);
    assert_true(hf_buf_ok(&b));
    put32(&b, TABLE + FRAMES * 4 - 4, TABLE - 8 + FRAMES * 4);
    b.data[b.len - 5] = (char)0x80;
    assert_int_equal(open_packed(&b, &s, &err), 1);
    assert_hf_ok(hf_io_read_at(s, CONTENT - 1, &c, 1, &err), &err);
    assert_int_equal(c, w.content[CONTENT - 1]);
}

/* What has none, is cut, or has what only looks like one, is nothing to be read from its middle. */
static void without_a_table_it_says_so(void **state)
{
    static const struct {
        size_t back;
        uint32_t value;
    } changes[] = {{4, 0x8F92EAB0},                                     /* its last bytes */
                   {9, FRAMES + 1},     {9, 0},        {9, UINT32_MAX}, /* how many */
                   {TABLE, 0x184D2A5F}, {TABLE - 4, 1}};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(changes) + 2; i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(world) struct world w;
        struct hf_io_source *s = NULL;
        world_begin(&w);
        if (i < HF_ARRAY_SIZE(changes))
            put32(&w.packed, changes[i].back, changes[i].value);
        else if (i == HF_ARRAY_SIZE(changes))
            w.packed.data[w.packed.len - 5] = 0x40; /* a reserved flag */
        else
            w.packed.len -= TABLE;
        assert_int_equal(open_packed(&w.packed, &s, &err), 0);
        assert_null(s);
    }
}

static void one_frame_that_is_larger_than_ours_is_left_to_who_reads_in_order(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(world) struct world w;
    struct hf_io_source *s = NULL;
    (void)state;
    world_begin(&w);
    put32(&w.packed, TABLE - 8 - 4, HF_IO_FRAME_MAX + 1);
    assert_int_equal(open_packed(&w.packed, &s, &err), 0);
}

static void sums_that_are_not_those_of_the_file_are_corrupt(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(world) struct world w;
        struct hf_io_source *s = NULL;
        world_begin(&w);
        put32(&w.packed, TABLE - 8, i ? 0 : get32(&w.packed, TABLE - 8) + 1);
        assert_int_equal(open_packed(&w.packed, &s, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "D/a.zst");
    }
}

/* Sums that hold, of sizes that do not. */
static void a_frame_that_is_not_what_the_table_says_is_corrupt(void **state)
{
    (void)state;
    for (size_t field = 0; field < 8; field += 4) {
        struct hf_err err = HF_ERR_INIT;
        char c;
        HF_AUTO(world) struct world w;
        HF_AUTO(hf_io_source) struct hf_io_source *s = NULL;
        world_begin(&w);
        size_t first = TABLE - 8 - field, second = first - 8;
        put32(&w.packed, first, get32(&w.packed, first) - 1);
        put32(&w.packed, second, get32(&w.packed, second) + 1);
        assert_int_equal(open_packed(&w.packed, &s, &err), 1);
        assert_int_equal(hf_io_read_at(s, 0, &c, 1, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "frame 1 of 6");
        err = (struct hf_err)HF_ERR_INIT;
        assert_int_equal(hf_io_read_at(s, HF_IO_FRAME, &c, 1, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "frame 2 of 6");
    }
}

static void a_flipped_bit_is_found_in_its_frame_and_no_other(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char c;
    HF_AUTO(world) struct world w;
    HF_AUTO(hf_io_source) struct hf_io_source *s = NULL;
    (void)state;
    world_begin(&w);
    w.packed.data[get32(&w.packed, TABLE - 8) / 2] ^= 1;
    assert_int_equal(open_packed(&w.packed, &s, &err), 1);
    assert_hf_ok(hf_io_read_at(s, HF_IO_FRAME, &c, 1, &err), &err);
    assert_int_equal(hf_io_read_at(s, 0, &c, 1, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "frame 1 of 6");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(any_piece_of_the_content_can_be_read),
        HF_TEST(who_reads_it_from_its_beginning_gets_the_content_alone),
        HF_TEST(of_no_content_there_is_a_table_too),
        HF_TEST(a_table_with_checksums_is_read),
        HF_TEST(without_a_table_it_says_so),
        HF_TEST(one_frame_that_is_larger_than_ours_is_left_to_who_reads_in_order),
        HF_TEST(sums_that_are_not_those_of_the_file_are_corrupt),
        HF_TEST(a_frame_that_is_not_what_the_table_says_is_corrupt),
        HF_TEST(a_flipped_bit_is_found_in_its_frame_and_no_other),
    };
    return HF_RUN_TESTS("io.frames", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "image/delta.h"
#include "unit/image/fixture.h"

#define CHUNK ((size_t)4096)
#define UNIT ((uint32_t)CHUNK * 4)

/* ---- a disk then and now ------------------------------------------------------------------ */

static uint64_t dice_state;
static size_t dice(size_t sides)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (size_t)(dice_state >> 33) % sides;
}

static void add(struct hf_nbd_ranges *r, uint64_t from, uint64_t to)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_nbd_ranges_add(r, from, to, &err), &err);
}

/* What differs is what a bitmap would tell: of the disk of then, and no more. */
static void compare(const unsigned char *then, size_t then_len, const unsigned char *now,
                    size_t len, struct hf_nbd_ranges *out)
{
    size_t common = then_len < len ? then_len : len;
    for (size_t at = 0; at < common; at += 512) {
        size_t step = common - at < 512 ? common - at : 512;
        if (memcmp(then + at, now + at, step) != 0)
            add(out, at, at + step);
    }
}

static void find_zeros(const unsigned char *now, size_t len, struct hf_nbd_ranges *out)
{
    static const unsigned char zeros[512];
    for (size_t at = 0; at < len; at += 512) {
        size_t step = len - at < 512 ? len - at : 512;
        if (memcmp(now + at, zeros, step) == 0)
            add(out, at, at + step);
    }
}

/* As a run does it. What was read. */
static uint64_t write_delta(struct site *s, const struct hf_image_delta *d, struct hf_image_tree *t,
                            const unsigned char *now, size_t len, struct hf_image_written *out)
{
    struct hf_err err = HF_ERR_INIT;
    uint64_t bytes = 0, told = 0;
    HF_AUTO(hf_nbd_ranges) struct hf_nbd_ranges r = {0};
    const struct hf_image_writer_opts opts = {.disk_bytes = len, .workers = 2};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(s->im, &opts, &err);
    assert_hf_got(w, &err);
    assert_hf_ok(hf_image_delta_ranges(d, &r, &bytes, &err), &err);
    for (size_t i = 0; i < r.n; i++) {
        size_t at = r.items[i].from, n = r.items[i].to - at;
        assert_hf_ok(hf_image_delta_take(d, t, w, told, at, &err), &err);
        assert_hf_ok(hf_image_write(w, at, now + at, n, &err), &err);
        told = r.items[i].to;
    }
    assert_hf_ok(hf_image_delta_take(d, t, w, told, len, &err), &err);
    assert_hf_ok(hf_image_write_finish(w, out, &err), &err);
    return bytes;
}

/* ---- tests ------------------------------------------------------------------------------- */

static void whatever_became_of_it_the_disk_is_that_of_now(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    for (int round = 0; round < 40; round++) {
        struct site s = site_new(state, round % 2, CHUNK);
        size_t then_len = (1 + dice(900)) * 512 * 7,
               len = dice(3) ? then_len : (1 + dice(900)) * 512 * 7;
        size_t most = then_len > len ? then_len : len;
        HF_AUTOFREE unsigned char *then = calloc(1, most);
        HF_AUTOFREE unsigned char *now = calloc(1, most);
        fill_random(then, then_len / 2, (uint64_t)round + 1);
        HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, then, then_len);
        memcpy(now, then, then_len < len ? then_len : len);
        for (size_t i = dice(5); i > 0; i--) {
            size_t at = dice(len), n = 1 + dice(len - at);
            if (dice(2))
                memset(now + at, 0, n % 40000);
            else
                fill_random(now + at, n % 9000, dice_state);
        }
        HF_AUTO(hf_nbd_ranges) struct hf_nbd_ranges dirty = {0}, zero = {0};
        compare(then, then_len, now, len, &dirty);
        find_zeros(now, len, &zero);
        HF_AUTO(hf_image_tree) struct hf_image_tree *t = hf_image_tree_open(s.im, one.root, &err);
        HF_AUTO(hf_image_delta) struct hf_image_delta *d = hf_image_delta_new(len, UNIT, &err);
        hf_image_delta_dirty(d, &dirty);
        if (dice(2))
            hf_image_delta_zero(d, &zero);
        assert_hf_ok(hf_image_delta_against(d, s.im, t, &err), &err);
        HF_AUTO(hf_image_written) struct hf_image_written two = {0}, whole = {0};
        write_delta(&s, d, t, now, len, &two);
        assert_reads(&s, two.root, now, len);
        whole = write_disk(&s, now, len);
        assert_memory_equal(whole.root, two.root, HF_IMAGE_ID);
        hf_image_tree_close(HF_STEAL(t));
        site_free(&s);
    }
}

/* 64 chunks of data, then as many that were never written. */
struct half {
    struct site s;
    unsigned char *disk;
    struct hf_image_written written;
    struct hf_image_tree *t;
};
#define HALF (64 * CHUNK)

static struct half half_new(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct half h = {.s = site_new(state, true, CHUNK), .disk = calloc(4, HALF)};
    fill_random(h.disk, HALF, 3);
    h.written = write_disk(&h.s, h.disk, 2 * HALF);
    h.t = hf_image_tree_open(h.s.im, h.written.root, &err);
    assert_hf_got(h.t, &err);
    return h;
}

static void half_free(struct half *h)
{
    hf_image_tree_close(h->t);
    hf_image_written_free(&h->written);
    site_free(&h->s);
    free(h->disk);
}

static uint64_t bytes_of(const struct hf_image_delta *d)
{
    struct hf_err err = HF_ERR_INIT;
    uint64_t bytes = 0;
    HF_AUTO(hf_nbd_ranges) struct hf_nbd_ranges r = {0};
    assert_hf_ok(hf_image_delta_ranges(d, &r, &bytes, &err), &err);
    return bytes;
}

static void without_a_change_nothing_is_read_and_nothing_sent(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct half h = half_new(state);
    size_t objects = h.s.m->n;
    HF_AUTO(hf_image_delta) struct hf_image_delta *d = hf_image_delta_new(2 * HALF, UNIT, &err);
    assert_hf_ok(hf_image_delta_against(d, h.s.im, h.t, &err), &err);
    HF_AUTO(hf_image_written) struct hf_image_written two = {0};
    assert_int_equal(write_delta(&h.s, d, h.t, h.disk, 2 * HALF, &two), 0);
    assert_int_equal(h.s.m->n, objects);
    assert_memory_equal(two.root, h.written.root, HF_IMAGE_ID);
    assert_int_equal(two.packs_n, h.written.packs_n);
    half_free(&h);
}

static void what_lies_beyond_the_disk_of_then_is_read_whatever_the_bitmap_says(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct half h = half_new(state);
    HF_AUTO(hf_image_delta)
    struct hf_image_delta *d = hf_image_delta_new(3 * HALF + 512, UNIT, &err);
    assert_hf_ok(hf_image_delta_against(d, h.s.im, h.t, &err), &err);
    assert_int_equal(bytes_of(d), HALF + 512);
    half_free(&h);
}

static void a_disk_that_shrank_and_grew_again_has_zeros_there(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct half h = half_new(state);
    HF_AUTO(hf_nbd_ranges) struct hf_nbd_ranges zero = {0};
    HF_AUTO(hf_image_delta) struct hf_image_delta *d = hf_image_delta_new(2 * HALF, UNIT, &err);
    memset(h.disk + HALF / 2, 0, HALF / 2);
    add(&zero, HALF / 2, 2 * HALF);
    hf_image_delta_zero(d, &zero);
    assert_hf_ok(hf_image_delta_against(d, h.s.im, h.t, &err), &err);
    HF_AUTO(hf_image_written) struct hf_image_written two = {0};
    assert_int_equal(write_delta(&h.s, d, h.t, h.disk, 2 * HALF, &two), 0);
    assert_reads(&h.s, two.root, h.disk, 2 * HALF);
    half_free(&h);
}

static void chunks_that_are_condemned_are_read_and_sent_again(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct half h = half_new(state);
    for (size_t i = 0; i < h.written.packs_n; i++)
        hf_image_chunks_condemn(hf_image_chunks(h.s.im), h.written.packs[i], true);
    HF_AUTO(hf_image_delta) struct hf_image_delta *d = hf_image_delta_new(2 * HALF, UNIT, &err);
    assert_hf_ok(hf_image_delta_against(d, h.s.im, h.t, &err), &err);
    HF_AUTO(hf_image_written) struct hf_image_written two = {0};
    assert_int_equal(write_delta(&h.s, d, h.t, h.disk, 2 * HALF, &two), HALF);
    for (size_t i = 0; i < two.packs_n; i++)
        assert_false(hf_image_chunks_is_condemned(hf_image_chunks(h.s.im), two.packs[i]));
    assert_reads(&h.s, two.root, h.disk, 2 * HALF);
    half_free(&h);
}

static void chunks_must_fit_into_units(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct half h = half_new(state);
    HF_AUTO(hf_image_delta) struct hf_image_delta *small = hf_image_delta_new(2 * HALF, 2048, &err);
    assert_int_equal(hf_image_delta_against(small, h.s.im, h.t, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "chunks of 4096");
    assert_null(hf_image_delta_new(HALF, 3 * 4096, &err));
    assert_hf_err(&err, HF_E_INTERNAL, "units of");
    half_free(&h);
}

/* 16 units of data; what is dirty and what is zero proves nothing. */
static void what_would_be_taken_is_what_has_to_prove_itself(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct half h = half_new(state);
    uint64_t units[HF_IMAGE_DELTA_SAMPLE], unit = 0;
    bool is_found = true;
    HF_AUTO(hf_nbd_ranges) struct hf_nbd_ranges dirty = {0}, zero = {0};
    add(&dirty, 0, 100);
    add(&dirty, 14 * UNIT, 15 * UNIT);
    add(&zero, 15 * UNIT, 2 * HALF);
    HF_AUTO(hf_image_delta) struct hf_image_delta *d = hf_image_delta_new(2 * HALF, UNIT, &err);
    assert_int_equal(hf_image_delta_sample(d, units), 3);
    hf_image_delta_dirty(d, &dirty);
    hf_image_delta_zero(d, &zero);
    assert_int_equal(hf_image_delta_sample(d, units), 3);
    assert_true(units[0] == 1 && units[1] == 7 && units[2] == 13);

    assert_hf_ok(hf_image_delta_unlike(d, h.t, h.t, &unit, &is_found, &err), &err);
    assert_false(is_found);
    h.disk[10] ^= 1;                           /* in a unit that is read anyway */
    h.disk[9 * (size_t)UNIT + CHUNK + 7] ^= 1; /* here it would show */
    HF_AUTO(hf_image_written) struct hf_image_written two = write_disk(&h.s, h.disk, HALF);
    HF_AUTO(hf_image_tree) struct hf_image_tree *other = hf_image_tree_open(h.s.im, two.root, &err);
    assert_hf_ok(hf_image_delta_unlike(d, h.t, other, &unit, &is_found, &err), &err);
    assert_true(is_found && unit == 9);
    hf_image_tree_close(HF_STEAL(other));

    add(&dirty, 15 * UNIT, 2 * HALF);
    dirty.items[0].to = 14 * UNIT;
    hf_image_delta_dirty(d, &dirty);
    assert_int_equal(hf_image_delta_sample(d, units), 0);
    half_free(&h);
}

#define SEGMENTS 60

/* Every chunk another: ids do not become smaller. */
static struct hf_image_written write_many(struct site *s, size_t len)
{
    HF_AUTOFREE unsigned char *disk = calloc(1, len);
    for (size_t i = 0; i < len; i += CHUNK)
        fill_random(disk + i, 100, i + 1);
    return write_disk(s, disk, len);
}

static void a_tree_is_fetched_in_a_few_requests(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const size_t len = SEGMENTS * HF_IMAGE_SEGMENT_CHUNKS * CHUNK;
    struct site s = site_new(state, true, CHUNK);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_many(&s, len);
    HF_AUTO(hf_image_tree) struct hf_image_tree *t = hf_image_tree_open(s.im, one.root, &err);
    HF_AUTO(hf_image_delta) struct hf_image_delta *d = hf_image_delta_new(len, UNIT, &err);
    s.m->gets = 0;
    assert_hf_ok(hf_image_delta_against(d, s.im, t, &err), &err);
    assert_in_range(s.m->gets, 1, 8);
    hf_image_tree_close(HF_STEAL(t));
    site_free(&s);
}

static void a_tree_of_which_a_part_is_gone_is_an_error(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const size_t len = SEGMENTS * HF_IMAGE_SEGMENT_CHUNKS * CHUNK;
    struct site s = site_new(state, true, CHUNK);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_many(&s, len);
    HF_AUTO(hf_image_tree) struct hf_image_tree *t = hf_image_tree_open(s.im, one.root, &err);
    HF_AUTO(hf_image_delta) struct hf_image_delta *d = hf_image_delta_new(len, UNIT, &err);
    for (struct object *o; (o = memory_first(s.m, "trees/"));)
        memory_remove(&s.m->store, o->name, &err);
    assert_int_equal(hf_image_delta_against(d, s.im, t, &err), -1);
    assert_contains(err.message, "segment ");
    hf_image_tree_close(HF_STEAL(t));
    site_free(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(whatever_became_of_it_the_disk_is_that_of_now),
        HF_TEST(without_a_change_nothing_is_read_and_nothing_sent),
        HF_TEST(what_lies_beyond_the_disk_of_then_is_read_whatever_the_bitmap_says),
        HF_TEST(a_disk_that_shrank_and_grew_again_has_zeros_there),
        HF_TEST(chunks_that_are_condemned_are_read_and_sent_again),
        HF_TEST(chunks_must_fit_into_units),
        HF_TEST(what_would_be_taken_is_what_has_to_prove_itself),
        HF_TEST(a_tree_is_fetched_in_a_few_requests),
        HF_TEST(a_tree_of_which_a_part_is_gone_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

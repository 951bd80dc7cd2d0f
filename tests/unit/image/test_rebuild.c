/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk rebuilt by several threads is the disk that was written: each chunk once, holes never, damage named.
 */
#include "image/rebuild.h"
#include "image/rebuild_intern.h"
#include "unit/image/fixture.h"

#define CHUNK 4096u

/* What is rebuilt: a disk that was all zeros, and how often each chunk came. */
struct target {
    pthread_mutex_t lock;
    uint32_t chunk_bytes;
    unsigned char *disk;
    size_t len;
    unsigned *came;
    const unsigned char *done; /* per chunk; NULL: none */
    size_t puts, most_len, ticks, fail_put;
    unsigned workers; /* that called, a bit each */
    struct hf_cancel *cancel;
    size_t cancel_put;
};

static int take(void *ctx, unsigned worker, uint64_t at, const void *data, size_t len,
                struct hf_err *err)
{
    struct target *t = ctx;
    int rc = 0;
    pthread_mutex_lock(&t->lock);
    assert_true(at + len <= t->len && at % t->chunk_bytes == 0);
    memcpy(t->disk + at, data, len);
    for (uint64_t n = at / t->chunk_bytes; n * t->chunk_bytes < at + len; n++)
        t->came[n]++;
    t->most_len = len > t->most_len ? len : t->most_len;
    t->workers |= 1u << worker;
    if (++t->puts == t->fail_put)
        rc = hf_fail(err, HF_E_NOSPACE, "the disk is full");
    if (t->puts == t->cancel_put)
        hf_cancel_set(t->cancel);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static bool is_done(void *ctx, uint64_t chunk)
{
    const struct target *t = ctx;
    return t->done && t->done[chunk];
}

static int tick(void *ctx, const struct hf_image_rebuilt *so_far, struct hf_err *err)
{
    struct target *t = ctx;
    (void)so_far;
    t->ticks++;
    return hf_cancel_check(t->cancel, err);
}

static struct target target_new(size_t len, uint32_t chunk_bytes)
{
    struct target t = {.chunk_bytes = chunk_bytes, .len = len};
    t.disk = calloc(1, len + 1);
    t.came = calloc(len / chunk_bytes + 1, sizeof *t.came);
    pthread_mutex_init(&t.lock, NULL);
    return t;
}

static void target_free(struct target *t)
{
    free(t->disk);
    free(t->came);
    pthread_mutex_destroy(&t->lock);
}

static int rebuild(struct site *s, const unsigned char *root, struct target *t,
                   struct hf_image_rebuilt *out, struct hf_err *err)
{
    HF_AUTO(hf_image_tree) struct hf_image_tree *tree = hf_image_tree_open(s->im, root, err);
    struct hf_image_rebuild_opts opts = {
        .workers = 3, .ctx = t, .put = take, .is_done = is_done, .tick = tick};
    return tree ? hf_image_rebuild(s->im, tree, &opts, out, err) : -1;
}

static bool is_zero(const unsigned char *p, size_t len)
{
    return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

/* Each chunk came once, or is zero and never came. */
static void assert_rebuilt(const struct target *t, const unsigned char *disk)
{
    assert_int_equal(memcmp(t->disk, disk, t->len), 0);
    for (size_t n = 0; n * t->chunk_bytes < t->len; n++) {
        size_t left = t->len - n * t->chunk_bytes;
        size_t len = left < t->chunk_bytes ? left : t->chunk_bytes;
        assert_int_equal(t->came[n], is_zero(disk + n * t->chunk_bytes, len) ? 0 : 1);
    }
}

/* Random content with holes here and there, some chunks twice, an odd end. */
static void make_disk(unsigned char *disk, size_t len, uint64_t seed)
{
    fill_random(disk, len, seed);
    for (size_t i = 0; i < 5; i++) {
        size_t at = (seed * 7919 + i * 104729) * CHUNK % len;
        size_t n = (i + 1) * 3 * CHUNK;
        memset(disk + at, 0, n < len - at ? n : len - at);
    }
    for (size_t at = len / 2; at + CHUNK < len / 2 + 8 * CHUNK && at + CHUNK < len; at += CHUNK)
        memcpy(disk + at, disk + len / 2, CHUNK);
    for (size_t at = 0; at + 2 * CHUNK < len; at += 9 * CHUNK) /* something that packs well */
        memset(disk + at, (int)(at / CHUNK) | 1, CHUNK);
}

static void check_disks(void **state, bool is_encrypted)
{
    static const size_t lens[] = {1, CHUNK, 3 * CHUNK + 17, 300 * CHUNK, 1111 * CHUNK + 512};
    struct site s = site_new(state, is_encrypted, CHUNK);
    for (size_t i = 0; i < HF_ARRAY_SIZE(lens); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_image_rebuilt out;
        HF_AUTOFREE unsigned char *disk = malloc(lens[i]);
        make_disk(disk, lens[i], i + 1);
        HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, lens[i]);
        struct target t = target_new(lens[i], CHUNK);
        assert_hf_ok(rebuild(&s, w.root, &t, &out, &err), &err);
        assert_rebuilt(&t, disk);
        assert_true(t.ticks > 0);
        assert_int_equal(out.skipped, 0);
        target_free(&t);
    }
    site_free(&s);
}

static void a_rebuilt_disk_is_the_one_that_was_written(void **state)
{
    check_disks(state, false);
}

static void the_same_of_an_encrypted_store(void **state)
{
    check_disks(state, true);
}

static void the_disk_of_a_later_point_is_rebuilt_out_of_the_packs_of_all(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, true, CHUNK);
    size_t len = 700 * CHUNK;
    HF_AUTOFREE unsigned char *disk = malloc(len);
    HF_AUTO(hf_image_written) struct hf_image_written w = {0};
    struct hf_image_rebuilt out;
    make_disk(disk, len, 3);
    for (unsigned i = 0; i < 6; i++) {
        fill_random(disk + (i * 97 % 600) * CHUNK, 11 * CHUNK, 50 + i);
        hf_image_written_free(&w);
        w = write_disk(&s, disk, len);
    }
    struct target t = target_new(len, CHUNK);
    assert_hf_ok(rebuild(&s, w.root, &t, &out, &err), &err);
    assert_rebuilt(&t, disk);
    target_free(&t);
    site_free(&s);
}

static void a_disk_of_holes_asks_the_store_for_nothing_but_its_tree(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    size_t len = 2000 * CHUNK;
    HF_AUTOFREE unsigned char *disk = calloc(1, len);
    struct hf_image_rebuilt out;
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    struct target t = target_new(len, CHUNK);
    assert_hf_ok(rebuild(&s, w.root, &t, &out, &err), &err);
    assert_int_equal(out.bytes + out.fetched + t.puts, 0);
    target_free(&t);
    site_free(&s);
}

static void what_is_done_already_is_neither_fetched_nor_handed_over(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    size_t chunks = 400, len = chunks * CHUNK;
    HF_AUTOFREE unsigned char *disk = malloc(len), *done = calloc(1, chunks);
    struct hf_image_rebuilt out;
    fill_random(disk, len, 9);
    memset(done + 37, 1, 300);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    struct target t = target_new(len, CHUNK);
    t.done = done;
    uint64_t got = s.m->got;
    assert_hf_ok(rebuild(&s, w.root, &t, &out, &err), &err);
    for (size_t n = 0; n < chunks; n++)
        assert_int_equal(t.came[n], !done[n]);
    assert_int_equal(out.skipped, 300 * CHUNK);
    assert_int_equal(out.bytes, 100 * CHUNK);
    assert_true(s.m->got - got < 2 * 100 * CHUNK);
    target_free(&t);
    site_free(&s);
}

static void each_pack_is_read_with_few_requests_of_several_workers(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, true, CHUNK);
    size_t len = 3000 * CHUNK;
    HF_AUTOFREE unsigned char *disk = malloc(len);
    struct hf_image_rebuilt out;
    fill_random(disk, len, 4);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    struct target t = target_new(len, CHUNK);
    size_t gets = s.m->gets, packs = memory_count(s.m, "packs/");
    s.m->delay_us = 1000;
    s.m->open_max = 0;
    assert_hf_ok(rebuild(&s, w.root, &t, &out, &err), &err);
    assert_rebuilt(&t, disk);
    assert_true(s.m->gets - gets <= packs + 20); /* the tree's beside them */
    assert_true(s.m->open_max > 1 && s.m->open_max <= 4);
    assert_true(t.most_len > 10 * CHUNK && t.most_len <= REBUILD_JOB_BYTES);
    target_free(&t);
    site_free(&s);
}

/* Each pack in turn is not there, or has a flipped bit. */
static void a_missing_or_damaged_chunk_is_named_with_place_and_pack(void **state)
{
    struct site s = site_new(state, false, CHUNK);
    size_t len = 600 * CHUNK;
    HF_AUTOFREE unsigned char *disk = malloc(len);
    struct hf_image_rebuilt out;
    fill_random(disk, len, 5);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    for (int is_gone = 0; is_gone < 2; is_gone++) {
        struct hf_err err = HF_ERR_INIT;
        struct target t = target_new(len, CHUNK);
        struct object *o = memory_first(s.m, "packs/");
        char pack[HF_IMAGE_PACK_HEX];
        snprintf(pack, sizeof pack, "%.32s", o->name + strlen("packs/xx/"));
        o->data[o->len / 2] ^= 1;
        if (is_gone)
            o->name[0] = 'x';
        assert_int_equal(rebuild(&s, w.root, &t, &out, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "the disk at ");
        assert_contains(err.message, pack);
        target_free(&t);
        if (!is_gone)
            o->data[o->len / 2] ^= 1;
    }
    site_free(&s);
}

static void without_the_key_of_the_data_it_is_a_question_of_rights(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, true, CHUNK);
    size_t len = 20 * CHUNK;
    HF_AUTOFREE unsigned char *disk = malloc(len);
    struct hf_image_rebuilt out;
    fill_random(disk, len, 6);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    site_open(&s, false);
    struct target t = target_new(len, CHUNK);
    assert_int_equal(rebuild(&s, w.root, &t, &out, &err), -1);
    assert_hf_err(&err, HF_E_AUTH, "identity-file");
    assert_int_equal(t.puts, 0);
    target_free(&t);
    site_free(&s);
}

static void an_error_of_the_target_ends_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    size_t len = 3000 * CHUNK;
    HF_AUTOFREE unsigned char *disk = malloc(len);
    struct hf_image_rebuilt out;
    fill_random(disk, len, 7);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    struct target t = target_new(len, CHUNK);
    t.fail_put = 2;
    assert_int_equal(rebuild(&s, w.root, &t, &out, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "full");
    assert_true(out.bytes < len / 2);
    assert_int_equal(out.before, 0);
    target_free(&t);
    site_free(&s);
}

static void it_ends_soon_after_it_was_cancelled(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    size_t len = 3000 * CHUNK;
    HF_AUTOFREE unsigned char *disk = malloc(len);
    struct hf_image_rebuilt out;
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    fill_random(disk, len, 8);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    struct target t = target_new(len, CHUNK);
    t.cancel = cancel;
    t.cancel_put = 1;
    s.m->delay_us = 60000;
    assert_int_equal(rebuild(&s, w.root, &t, &out, &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "");
    assert_true(t.puts < memory_count(s.m, "packs/"));
    target_free(&t);
    site_free(&s);
}

/* A disk of several windows, with something at the seams. */
static void windows_of_the_disk_have_no_seam(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    size_t chunks = 2 * REBUILD_WINDOW + 100, len = chunks * CHUNK;
    static const size_t places[] = {0,
                                    REBUILD_WINDOW - 1,
                                    REBUILD_WINDOW,
                                    2 * REBUILD_WINDOW - 1,
                                    2 * REBUILD_WINDOW,
                                    2 * REBUILD_WINDOW + 99};
    HF_AUTOFREE unsigned char *disk = calloc(1, len);
    struct hf_image_rebuilt out;
    for (size_t i = 0; i < HF_ARRAY_SIZE(places); i++)
        fill_random(disk + places[i] * CHUNK, CHUNK, 70 + i);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    struct target t = target_new(len, CHUNK);
    assert_hf_ok(rebuild(&s, w.root, &t, &out, &err), &err);
    assert_rebuilt(&t, disk);
    assert_int_equal(out.chunks, HF_ARRAY_SIZE(places));
    assert_int_equal(out.before, chunks);
    target_free(&t);
    site_free(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_rebuilt_disk_is_the_one_that_was_written),
        HF_TEST(the_same_of_an_encrypted_store),
        HF_TEST(the_disk_of_a_later_point_is_rebuilt_out_of_the_packs_of_all),
        HF_TEST(a_disk_of_holes_asks_the_store_for_nothing_but_its_tree),
        HF_TEST(what_is_done_already_is_neither_fetched_nor_handed_over),
        HF_TEST(each_pack_is_read_with_few_requests_of_several_workers),
        HF_TEST(a_missing_or_damaged_chunk_is_named_with_place_and_pack),
        HF_TEST(without_the_key_of_the_data_it_is_a_question_of_rights),
        HF_TEST(an_error_of_the_target_ends_it),
        HF_TEST(it_ends_soon_after_it_was_cancelled),
        HF_TEST(windows_of_the_disk_have_no_seam),
    };
    return HF_RUN_TESTS("image.rebuild", tests);
}

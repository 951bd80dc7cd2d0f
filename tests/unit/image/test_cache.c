/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "image/cache.h"

#define CHUNK 4096u
#define DISK (700 * CHUNK + 1234)

static unsigned char *make_disk(uint64_t seed)
{
    unsigned char *disk = malloc(DISK);
    fill_random(disk, DISK, seed);
    memset(disk + 100 * CHUNK, 0, 300 * CHUNK);
    return disk;
}

static struct hf_image_cache *open_cache(struct site *s, const struct hf_image_written *w,
                                         size_t bytes, unsigned threads)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_cache_opts opts = {
        .bytes = bytes, .threads = threads, .ahead_bytes = 64 * CHUNK};
    struct hf_image_cache *c = hf_image_cache_open(s->im, w->root, &opts, &err);
    assert_hf_got(c, &err);
    return c;
}

/* ---- many readers ----------------------------------------------------------------------- */

struct reading {
    struct hf_image_cache *cache;
    const unsigned char *disk;
    uint64_t seed;
    size_t reads, len_max;
    bool in_order, is_wrong;
    struct hf_err err;
};

static void *read_here_and_there(void *arg)
{
    struct reading *r = arg;
    uint64_t x = r->seed * 0x9e3779b97f4a7c15u + 1, at = 0;
    HF_AUTOFREE unsigned char *buf = malloc(r->len_max);
    for (size_t i = 0; i < r->reads && !r->is_wrong; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        size_t len = r->in_order ? r->len_max : 1 + x % r->len_max;
        at = r->in_order ? at : (x >> 20) % (DISK - len);
        if (at >= DISK)
            break;
        if (len > DISK - at)
            len = DISK - at;
        r->is_wrong = hf_image_cache_read(r->cache, at, buf, len, &r->err) < 0 ||
                      memcmp(buf, r->disk + at, len) != 0;
        at += len;
    }
    return NULL;
}

static void read_by_many(struct hf_image_cache *c, const unsigned char *disk)
{
    struct reading all[8] = {0};
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++) {
        all[i] = (struct reading){.cache = c,
                                  .disk = disk,
                                  .seed = i + 1,
                                  .reads = i % 2 ? 400 : SIZE_MAX,
                                  .len_max = i % 2 ? 3 * CHUNK : 1000 + 5000 * i,
                                  .in_order = i % 2 == 0,
                                  .err = HF_ERR_INIT};
        assert_int_equal(pthread_create(&threads[i], NULL, read_here_and_there, &all[i]), 0);
    }
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 8; i++)
        if (all[i].is_wrong)
            fail_msg("reader %zu: %s", i, all[i].err.cls ? all[i].err.message : "other bytes");
}

static void many_read_what_was_written_and_the_bound_is_kept(void **state)
{
    for (int is_encrypted = 0; is_encrypted < 2; is_encrypted++) {
        struct site s = site_new(state, is_encrypted, CHUNK);
        HF_AUTOFREE unsigned char *disk = make_disk(7);
        HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, DISK);
        const size_t bounds[] = {1, 60 * CHUNK, 4000 * CHUNK};
        for (size_t i = 0; i < HF_ARRAY_SIZE(bounds); i++) {
            struct hf_image_cache_facts facts;
            HF_AUTO(hf_image_cache) struct hf_image_cache *c = open_cache(&s, &w, bounds[i], 5);
            read_by_many(c, disk);
            hf_image_cache_facts(c, &facts);
            assert_in_range(facts.held_bytes, CHUNK, facts.max_bytes);
            assert_int_equal(facts.max_bytes, bounds[i] < 8 * CHUNK ? 8 * CHUNK : bounds[i]);
            if (i == 2) /* there is room for all: none comes twice, and no hole at all */
                assert_int_equal(facts.fetched, 401);
        }
        site_free(&s);
    }
}

static void a_chunk_is_fetched_once_however_many_ask(void **state)
{
    struct site s = site_new(state, false, CHUNK);
    HF_AUTOFREE unsigned char *disk = make_disk(8);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, DISK);
    HF_AUTO(hf_image_cache) struct hf_image_cache *c = open_cache(&s, &w, 0, 4);
    struct reading all[12] = {0};
    pthread_t threads[12];
    s.m->delay_us = 20000;
    size_t gets = s.m->gets;
    for (size_t i = 0; i < 12; i++) {
        all[i] = (struct reading){
            .cache = c, .disk = disk, .reads = 1, .len_max = 100, .in_order = true};
        assert_int_equal(pthread_create(&threads[i], NULL, read_here_and_there, &all[i]), 0);
    }
    for (size_t i = 0; i < 12; i++) {
        pthread_join(threads[i], NULL);
        assert_false(all[i].is_wrong);
    }
    assert_in_range(s.m->gets - gets, 1, 2); /* the chunk, and perhaps its segment */
    hf_image_cache_close(HF_STEAL(c));
    site_free(&s);
}

/* ---- reading on ------------------------------------------------------------------------- */

static void who_reads_on_is_fetched_ahead_for_and_who_leaps_is_not(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    HF_AUTOFREE unsigned char *disk = malloc(DISK), *buf = malloc(4 << 20);
    fill_random(disk, DISK, 9);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, DISK);
    struct hf_image_cache_facts facts;
    HF_AUTO(hf_image_cache) struct hf_image_cache *c = open_cache(&s, &w, 0, 4);
    for (size_t i = 0; i < 200; i++) {
        uint64_t at = (i * 7919777) % (DISK - 10);
        assert_hf_ok(hf_image_cache_read(c, at, buf, 10, &err), &err);
    }
    hf_image_cache_facts(c, &facts);
    assert_in_range(facts.fetched, 1, 2 * 200);
    HF_AUTO(hf_image_cache) struct hf_image_cache *d = open_cache(&s, &w, 0, 4);
    for (size_t at = 0; at < 300 * CHUNK; at += 1000) /* 1 MiB, and some */
        assert_hf_ok(hf_image_cache_read(d, at, buf, 1000, &err), &err);
    for (int i = 0; i < 500 && facts.fetched < 345; i++) {
        hf_image_cache_facts(d, &facts);
        usleep(10000);
    }
    assert_in_range(facts.fetched, 345, 300 + 64 + 16);
    hf_image_cache_close(HF_STEAL(c));
    hf_image_cache_close(HF_STEAL(d));
    site_free(&s);
}

/* Of chunks so small a batch has a thousand. */
static void what_is_asked_for_early_comes_without_anybody_waiting(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    HF_AUTOFREE unsigned char *disk = make_disk(10);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, DISK);
    struct hf_image_cache_facts facts = {0};
    HF_AUTO(hf_image_cache) struct hf_image_cache *c = open_cache(&s, &w, 0, 4);
    assert_hf_ok(hf_image_cache_want(c, 90 * CHUNK, 311 * CHUNK, &err), &err);
    for (int i = 0; i < 500 && facts.fetched < 11; i++) {
        hf_image_cache_facts(c, &facts);
        usleep(10000);
    }
    assert_int_equal(facts.fetched, 11);
    assert_int_equal(hf_image_cache_want(c, DISK, 1, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "on the disk");
    hf_image_cache_close(HF_STEAL(c));
    site_free(&s);
}

static void holes_are_told_from_data(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    HF_AUTOFREE unsigned char *disk = make_disk(11);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, DISK);
    HF_AUTO(hf_image_cache) struct hf_image_cache *c = open_cache(&s, &w, 0, 1);
    uint64_t at = 0, len = 0, holes = 0;
    for (bool is_hole = false; at < DISK; at += len) {
        assert_hf_ok(hf_image_cache_extent(c, at, &is_hole, &len, &err), &err);
        holes += is_hole ? len : 0;
    }
    assert_int_equal(at, DISK);
    assert_int_equal(holes, 300 * CHUNK);
    hf_image_cache_close(HF_STEAL(c));
    site_free(&s);
}

/* ---- what goes wrong -------------------------------------------------------------------- */

static void all_who_wait_are_told_what_failed_and_the_next_one_tries_again(void **state)
{
    struct site s = site_new(state, false, CHUNK);
    HF_AUTOFREE unsigned char *disk = make_disk(12);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, DISK);
    HF_AUTO(hf_image_cache) struct hf_image_cache *c = open_cache(&s, &w, 0, 4);
    unsigned char one[1];
    struct hf_err err = HF_ERR_INIT;
    /* so that the segment is there: of what is damaged below, the chunks are the point */
    assert_hf_ok(hf_image_cache_read(c, 50 * CHUNK, one, 1, &err), &err);
    for (size_t i = 0; i < s.m->n; i++)
        if (strncmp(s.m->objects[i].name, "packs/", 6) == 0)
            s.m->objects[i].name[0] = 'x';
    for (int round = 0; round < 2; round++) {
        struct reading all[6] = {0};
        pthread_t threads[6];
        s.m->delay_us = 20000;
        for (size_t i = 0; i < 6; i++) {
            all[i] = (struct reading){.cache = c,
                                      .disk = disk,
                                      .reads = 1,
                                      .len_max = 100,
                                      .in_order = true,
                                      .err = HF_ERR_INIT};
            assert_int_equal(pthread_create(&threads[i], NULL, read_here_and_there, &all[i]), 0);
        }
        for (size_t i = 0; i < 6; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(all[i].is_wrong, round == 0);
            if (round == 0)
                assert_hf_err(&all[i].err, HF_E_CORRUPT, "the disk at 0: pack ");
        }
        for (size_t i = 0; i < s.m->n; i++)
            if (strncmp(s.m->objects[i].name, "xacks/", 6) == 0)
                s.m->objects[i].name[0] = 'p';
    }
    hf_image_cache_close(HF_STEAL(c));
    site_free(&s);
}

static void a_damaged_chunk_fails_alone(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    HF_AUTOFREE unsigned char *disk = make_disk(13), *buf = malloc(DISK);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, DISK);
    struct object *pack = memory_first(s.m, "packs/");
    size_t lost = 0;
    pack->data[pack->len / 2] ^= 1;
    HF_AUTO(hf_image_cache) struct hf_image_cache *c = open_cache(&s, &w, 0, 3);
    assert_int_equal(hf_image_cache_read(c, 0, buf, DISK, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "the disk at");
    for (size_t at = 0; at < DISK; at += CHUNK) {
        size_t len = DISK - at < CHUNK ? DISK - at : CHUNK;
        hf_err_clear(&err);
        if (hf_image_cache_read(c, at, buf, len, &err) < 0)
            lost++;
        else
            assert_memory_equal(buf, disk + at, len);
    }
    assert_int_equal(lost, 1);
    hf_image_cache_close(HF_STEAL(c));
    site_free(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(many_read_what_was_written_and_the_bound_is_kept),
        HF_TEST(a_chunk_is_fetched_once_however_many_ask),
        HF_TEST(who_reads_on_is_fetched_ahead_for_and_who_leaps_is_not),
        HF_TEST(what_is_asked_for_early_comes_without_anybody_waiting),
        HF_TEST(holes_are_told_from_data),
        HF_TEST(all_who_wait_are_told_what_failed_and_the_next_one_tries_again),
        HF_TEST(a_damaged_chunk_fails_alone),
    };
    return HF_RUN_TESTS("image.cache", tests);
}

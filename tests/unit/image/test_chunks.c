/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "image/chunks_intern.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDS 50

/* Number n of pack p, uniform as a keyed hash is. */
static void id_of(uint32_t p, uint32_t n, unsigned char id[HF_IMAGE_ID])
{
    uint64_t x = ((uint64_t)p << 32 | n) + 1;
    for (int i = 0; i < HF_IMAGE_ID; i += 8) {
        x ^= x >> 33;
        x *= 0xff51afd7ed558ccdu;
        x ^= x >> 33;
        memcpy(id + i, &x, 8);
    }
}

static void pack_id(uint32_t p, unsigned char id[HF_IMAGE_PACK_ID])
{
    unsigned char full[HF_IMAGE_ID];
    id_of(p, UINT32_MAX, full);
    memcpy(id, full, HF_IMAGE_PACK_ID);
}

static void add(struct hf_image_chunks *c, uint32_t p, uint32_t n)
{
    struct hf_err err = HF_ERR_INIT;
    uint32_t number;
    HF_AUTOFREE struct hf_image_entry *e = calloc(n, sizeof *e);
    struct hf_image_pack pack = {.kind = HF_IMAGE_DATA, .records = n, .plain_bytes = 1 << 26};
    pack_id(p, pack.id);
    for (uint32_t i = 0; i < n; i++) {
        id_of(p, i, e[i].id);
        e[i].at = 32 + i;
        e[i].stored = 10;
        e[i].plain = 4096;
        e[i].codec = i % 2;
    }
    assert_hf_ok(hf_image_chunks_add(c, &pack, e, &number, &err), &err);
}

static bool has(struct hf_image_chunks *c, uint32_t p, uint32_t i, bool to_reuse)
{
    struct hf_image_place place;
    struct hf_image_pack pack;
    unsigned char id[HF_IMAGE_ID], pid[HF_IMAGE_PACK_ID];
    id_of(p, i, id);
    pack_id(p, pid);
    if (!hf_image_chunks_find(c, HF_IMAGE_DATA, id, to_reuse, &place))
        return false;
    assert_true(hf_image_chunks_pack(c, place.pack, &pack));
    assert_memory_equal(pack.id, pid, sizeof pid);
    assert_int_equal(place.entry.at, 32 + i);
    assert_int_equal(place.entry.codec, i % 2);
    assert_int_equal(place.entry.plain, 4096);
    return true;
}

static struct hf_image_chunks *open_at(void **state, const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_chunks *c = hf_image_chunks_open(hf_test_path(state, name), &err);
    assert_hf_got(c, &err);
    return c;
}

static void save(struct hf_image_chunks *c)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_image_chunks_save(c, &err), &err);
}

static void check_all(struct hf_image_chunks *c, uint32_t from, uint32_t to, uint32_t n, bool there)
{
    for (uint32_t p = from; p < to; p++)
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(has(c, p, i, false), there);
}

static void finds_what_was_added_before_and_after_it_was_saved(void **state)
{
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *c = open_at(state, "d");
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t p = 0; p < 20; p++)
            add(c, round * 20 + p, RECORDS);
        check_all(c, 0, round * 20 + 20, RECORDS, true);
        if (round % 2)
            save(c);
        check_all(c, 0, round * 20 + 20, RECORDS, true);
    }
    check_all(c, 1000, 1010, RECORDS, false);
    save(c);
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *again = open_at(state, "d");
    assert_int_equal(hf_image_chunks_packs_n(again), 100);
    check_all(again, 0, 100, RECORDS, true);
    check_all(again, 1000, 1010, RECORDS, false);
}

static void more_than_the_table_holds_goes_to_files(void **state)
{
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *c = open_at(state, "d");
    const uint32_t packs = 120; /* 983,040 records */
    for (uint32_t p = 0; p < packs; p++)
        add(c, p, HF_IMAGE_RECORDS_MAX);
    assert_true(c->runs_n >= 2);
    for (uint32_t p = 0; p < packs; p++)
        for (uint32_t i = p % 7; i < HF_IMAGE_RECORDS_MAX; i += 100)
            assert_true(has(c, p, i, true));
    save(c);
    assert_int_equal(c->runs_n, 0);
    assert_int_equal(c->base.n, packs * HF_IMAGE_RECORDS_MAX);
    for (uint32_t p = 0; p < packs; p++)
        for (uint32_t i = p % 7; i < HF_IMAGE_RECORDS_MAX; i += 100)
            assert_true(has(c, p, i, true));
    assert_false(has(c, packs, 1, false));
}

/* A directory in the file's place: runs are written, the file is not. */
static void what_could_not_be_merged_is_kept_until_it_can(void **state)
{
    char path[512];
    struct hf_err err = HF_ERR_INIT;
    uint32_t number, p = 0;
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *c = open_at(state, "d");
    snprintf(path, sizeof path, "%s/chunks", c->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    while (c->runs_n < HF_IMAGE_RUNS_MAX) {
        add(c, p++, RECORDS);
        int rc = hf_image_table_spill(c, &err);
        assert_int_equal(rc, c->runs_n < HF_IMAGE_RUNS_MAX ? 0 : -1);
    }
    struct hf_image_pack pack = {.kind = HF_IMAGE_DATA, .records = 0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hf_image_chunks_add(c, &pack, NULL, &number, &err), -1);
        assert_int_equal(hf_image_chunks_save(c, &err), -1);
    }
    assert_int_equal(c->runs_n, HF_IMAGE_RUNS_MAX);
    check_all(c, 0, p, RECORDS, true);
    assert_int_equal(rmdir(path), 0);
    add(c, p++, RECORDS);
    assert_int_equal(c->runs_n, 0);
    check_all(c, 0, p, RECORDS, true);
    save(c);
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *again = open_at(state, "d");
    check_all(again, 0, p, RECORDS, true);
}

static void a_pack_twice_is_one(void **state)
{
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *c = open_at(state, "d");
    add(c, 1, RECORDS);
    add(c, 1, RECORDS);
    assert_int_equal(hf_image_chunks_packs_n(c), 1);
    assert_int_equal(c->table_n, RECORDS);
}

static int order_ids(const void *a, const void *b)
{
    return memcmp(((const struct hf_image_listed *)a)->id, ((const struct hf_image_listed *)b)->id,
                  HF_IMAGE_PACK_ID);
}

static void what_is_gone_is_found_no_more_and_its_number_is_given_again(void **state)
{
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *c = open_at(state, "d");
    struct hf_image_listed live[10] = {0};
    for (uint32_t p = 0; p < 20; p++)
        add(c, p, RECORDS);
    save(c);
    for (uint32_t p = 0; p < 10; p++)
        pack_id(2 * p, live[p].id);
    qsort(live, 10, sizeof live[0], order_ids);
    hf_image_chunks_live(c, live, 10);
    add(c, 100, RECORDS); /* must not get a number whose records are still in the file */
    for (uint32_t p = 0; p < 20; p++)
        check_all(c, p, p + 1, RECORDS, p % 2 == 0);
    check_all(c, 100, 101, RECORDS, true);
    save(c);
    assert_int_equal(c->base.n, 11 * RECORDS);
    add(c, 101, RECORDS);
    assert_int_equal(hf_image_chunks_packs_n(c), 21);
    save(c);
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *again = open_at(state, "d");
    for (uint32_t p = 0; p < 20; p++)
        check_all(again, p, p + 1, RECORDS, p % 2 == 0);
    check_all(again, 100, 102, RECORDS, true);
}

static void condemned_is_read_but_not_reused(void **state)
{
    unsigned char id[HF_IMAGE_PACK_ID];
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *c = open_at(state, "d");
    add(c, 1, RECORDS);
    add(c, 2, RECORDS);
    pack_id(1, id);
    hf_image_chunks_condemn(c, id, true);
    assert_true(has(c, 1, 3, false));
    assert_false(has(c, 1, 3, true));
    assert_true(has(c, 2, 3, true));
    hf_image_chunks_condemn(c, id, false);
    assert_true(has(c, 1, 3, true));
}

static void a_damaged_file_counts_as_lost(void **state)
{
    for (int i = 0; i < 4; i++) {
        char path[512];
        HF_AUTO(hf_image_chunks) struct hf_image_chunks *c = open_at(state, "d");
        add(c, 1, RECORDS);
        save(c);
        snprintf(path, sizeof path, "%s/chunks", c->dir);
        HF_AUTOFD int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        const uint64_t many = (uint64_t)1 << 61;
        if (i == 0)
            assert_int_equal(ftruncate(fd, 100), 0);
        else if (i == 1)
            assert_int_equal(pwrite(fd, "X", 1, 0), 1);
        else if (i == 2)
            assert_int_equal(pwrite(fd, &many, 8, 24), 8);
        else
            assert_int_equal(ftruncate(fd, 0), 0);
        HF_AUTO(hf_image_chunks) struct hf_image_chunks *again = open_at(state, "d");
        assert_int_equal(hf_image_chunks_packs_n(again), 0);
        assert_false(has(again, 1, 1, false));
        unlink(path);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(finds_what_was_added_before_and_after_it_was_saved),
        HF_TEST(more_than_the_table_holds_goes_to_files),
        HF_TEST(what_could_not_be_merged_is_kept_until_it_can),
        HF_TEST(a_pack_twice_is_one),
        HF_TEST(what_is_gone_is_found_no_more_and_its_number_is_given_again),
        HF_TEST(condemned_is_read_but_not_reused),
        HF_TEST(a_damaged_file_counts_as_lost),
    };
    return HF_RUN_TESTS("image.chunks", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "unit/image/fixture.h"

#include <sys/resource.h>
#include <unistd.h>

#define CHUNK ((size_t)4096)
#define MIB ((size_t)1 << 20)

static void comes_back_as_it_was(void **state)
{
    const size_t sizes[] = {1, 511, CHUNK - 1, CHUNK, CHUNK + 1, 300 * CHUNK + 77, 2 * MIB};
    for (int encrypted = 0; encrypted < 2; encrypted++)
        for (size_t i = 0; i < HF_ARRAY_SIZE(sizes); i++) {
            struct site s = site_new(state, encrypted, CHUNK);
            HF_AUTOFREE unsigned char *disk = malloc(sizes[i]);
            fill_random(disk, sizes[i], i + 7);
            HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, sizes[i]);
            assert_int_equal(w.chunks, (sizes[i] + CHUNK - 1) / CHUNK);
            assert_int_equal(w.fresh, w.chunks);
            assert_reads(&s, w.root, disk, sizes[i]);
            site_free(&s);
        }
}

static void a_large_one_is_read_ahead_and_equal(void **state)
{
    const size_t len = 41 * MIB + 513;
    struct site s = site_new(state, true, HF_IMAGE_CHUNK_BYTES);
    HF_AUTOFREE unsigned char *disk = calloc(1, len);
    fill_random(disk, 20 * MIB, 1);
    memset(disk + 30 * MIB, 'a', 11 * MIB);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    assert_int_equal(w.holes, 41); /* also the last one, of 513 bytes */
    s.m->delay_us = 2000;
    s.m->gets = 0;
    assert_reads(&s, w.root, disk, len);
    assert_true(s.m->open_max >= 2); /* several at once */
    site_free(&s);
}

/* As a restore does it: data only, holes leapt over. Batches that are all hole are not asked for, nor waited for. */
static void holes_between_do_not_end_the_reading_ahead(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const size_t len = 200 * MIB;
    struct site s = site_new(state, true, HF_IMAGE_CHUNK_BYTES);
    HF_AUTOFREE unsigned char *disk = calloc(1, len);
    for (size_t i = 0; i < 20; i++)
        fill_random(disk + i * 10 * MIB, MIB, i + 1);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, len);
    struct hf_image_reader_opts opts = {.threads = 4, .ahead_bytes = 8 << 20};
    HF_AUTO(hf_image_reader)
    struct hf_image_reader *r = hf_image_read_open(s.im, w.root, &opts, &err);
    assert_hf_got(r, &err);
    s.m->delay_us = 5000;
    s.m->open_max = 0;
    HF_AUTOFREE unsigned char *got = malloc(MIB);
    for (size_t i = 0; i < 20; i++) {
        assert_hf_ok(hf_io_read_at(hf_image_reader_source(r), i * 10 * MIB, got, MIB, &err), &err);
        assert_int_equal(memcmp(got, disk + i * 10 * MIB, MIB), 0);
    }
    assert_true(s.m->open_max >= 2);
    hf_image_read_close(HF_STEAL(r));
    site_free(&s);
}

static void nothing_is_a_disk_too(void **state)
{
    struct site s = site_new(state, true, CHUNK);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, NULL, 0);
    assert_int_equal(w.chunks, 0);
    assert_int_equal(memory_count(s.m, "packs/"), 0);
    assert_reads(&s, w.root, (const unsigned char *)"", 0);
    site_free(&s);
}

static void zeros_cost_nothing(void **state)
{
    struct site s = site_new(state, false, CHUNK);
    HF_AUTOFREE unsigned char *disk = calloc(1, 3 * MIB + 5);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, 3 * MIB + 5);
    assert_int_equal(w.holes, w.chunks);
    assert_int_equal(memory_count(s.m, "packs/"), 0);
    assert_int_equal(memory_count(s.m, "trees/"), 1); /* the root */
    assert_true(w.stored_bytes < 1000);
    assert_reads(&s, w.root, disk, 3 * MIB + 5);
    site_free(&s);
}

static void what_is_there_is_not_sent_again(void **state)
{
    const size_t len = 3 * MIB;
    struct site s = site_new(state, true, CHUNK);
    HF_AUTOFREE unsigned char *disk = malloc(len);
    fill_random(disk, len, 3);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, disk, len);
    size_t objects = s.m->n;
    HF_AUTO(hf_image_written) struct hf_image_written two = write_disk(&s, disk, len);
    assert_int_equal(s.m->n, objects);
    assert_memory_equal(one.root, two.root, HF_IMAGE_ID);
    assert_int_equal(two.known, two.chunks);
    assert_int_equal(one.packs_n, two.packs_n);
    /* One changed byte: one chunk, one segment, the root. */
    disk[MIB + 1] ^= 1;
    HF_AUTO(hf_image_written) struct hf_image_written three = write_disk(&s, disk, len);
    assert_int_equal(three.fresh, 1);
    assert_int_equal(three.objects, 4);
    assert_true(three.stored_bytes < 20000);
    assert_int_equal(three.packs_n, one.packs_n + 2);
    HF_AUTO(hf_image_needs) struct hf_image_needs needs = {0};
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_image_verify_tree(s.im, three.root, &needs, &err), &err);
    assert_int_equal(needs.packs_n, three.packs_n); /* also that of the unchanged segments */
    assert_reads(&s, three.root, disk, len);
    site_free(&s);
}

static void the_same_twice_on_one_disk_is_sent_once(void **state)
{
    struct site s = site_new(state, false, CHUNK);
    HF_AUTOFREE unsigned char *disk = malloc(1000 * CHUNK);
    fill_random(disk, CHUNK, 4);
    for (size_t i = 1; i < 1000; i++)
        memcpy(disk + i * CHUNK, disk, CHUNK);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, 1000 * CHUNK);
    assert_int_equal(w.fresh, 1);
    assert_int_equal(w.known, 999);
    assert_reads(&s, w.root, disk, 1000 * CHUNK);
    site_free(&s);
}

static void a_lost_index_costs_reading_and_no_sending(void **state)
{
    struct site s = site_new(state, true, CHUNK);
    HF_AUTOFREE unsigned char *disk = malloc(2 * MIB);
    fill_random(disk, 2 * MIB, 5);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, disk, 2 * MIB);
    size_t objects = s.m->n;
    s.dir = hf_test_path(state, "another");
    s.m->delay_us = 3000;
    s.m->open_max = 0;
    site_open(&s, false);            /* nor is the key of the data needed */
    assert_true(s.m->open_max >= 3); /* several at once */
    HF_AUTO(hf_image_written) struct hf_image_written two = write_disk(&s, disk, 2 * MIB);
    assert_int_equal(two.known, two.chunks);
    assert_int_equal(s.m->n, objects);
    site_free(&s);
}

static void condemn(struct site *s, const unsigned char *id)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt receipt;
    char name[64] = "condemned/";
    hf_hex(id, HF_IMAGE_PACK_ID, name + strlen(name));
    assert_hf_ok(hf_store_put_bytes(&s->m->store, name, "", 0, true, &receipt, &err), &err);
}

/* Pruned already: of the old pack only the index, that this host has, is left. */
static void a_tree_is_read_from_the_pack_that_is_not_condemned(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, true, CHUNK);
    unsigned char disk[CHUNK];
    char name[HF_IMAGE_NAME_MAX];
    fill_random(disk, CHUNK, 6);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, disk, CHUNK);
    for (size_t i = 0; i < one.packs_n; i++)
        condemn(&s, one.packs[i]);
    assert_hf_ok(hf_image_refresh_condemned(s.im, false, &err), &err);
    HF_AUTO(hf_image_written) struct hf_image_written two = write_disk(&s, disk, CHUNK);
    for (size_t i = 0; i < one.packs_n; i++)
        for (enum hf_image_kind kind = HF_IMAGE_DATA; kind <= HF_IMAGE_TREE; kind++) {
            hf_image_pack_name(kind, one.packs[i], true, name);
            memory_remove(&s.m->store, name, &err);
        }
    assert_int_equal(memory_count(s.m, "packs/"), 1);
    assert_int_equal(memory_count(s.m, "trees/"), two.packs_n - 1);
    assert_reads(&s, two.root, disk, CHUNK);
    site_free(&s);
}

static void a_condemned_pack_is_not_built_upon(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, true, CHUNK);
    unsigned char disk[CHUNK];
    fill_random(disk, CHUNK, 6);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, disk, CHUNK);
    assert_int_equal(one.packs_n, 2);
    for (size_t i = 0; i < one.packs_n; i++)
        condemn(&s, one.packs[i]);
    assert_hf_ok(hf_image_refresh_condemned(s.im, false, &err), &err);
    HF_AUTO(hf_image_written) struct hf_image_written two = write_disk(&s, disk, CHUNK);
    assert_int_equal(two.fresh, 1);
    assert_int_equal(two.packs_n, 2);
    assert_memory_equal(one.root, two.root, HF_IMAGE_ID);
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 2; j++)
            assert_memory_not_equal(one.packs[i], two.packs[j], HF_IMAGE_PACK_ID);
    assert_reads(&s, one.root, disk, CHUNK);
    site_free(&s);
}

/* The run's last look before its manifest. Only what the condemned pack had is read and sent again. */
static void what_was_condemned_meanwhile_is_written_again_by_the_tree(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const size_t n = 300;
    struct site s = site_new(state, true, CHUNK);
    HF_AUTOFREE unsigned char *disk = malloc(n * CHUNK);
    fill_random(disk, n * CHUNK, 21);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, disk, n * CHUNK);
    condemn(&s, one.packs[0]);
    assert_hf_ok(hf_image_refresh_condemned(s.im, false, &err), &err);
    assert_true(hf_image_chunks_is_condemned(hf_image_chunks(s.im), one.packs[0]));
    HF_AUTO(hf_image_tree) struct hf_image_tree *tree = hf_image_tree_open(s.im, one.root, &err);
    struct hf_image_writer_opts opts = {.disk_bytes = n * CHUNK};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(s.im, &opts, &err);
    size_t again = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char id[HF_IMAGE_ID];
        assert_hf_ok(hf_image_tree_id(tree, i, id, &err), &err);
        if (hf_image_write_id(w, i, id, &err) == 0)
            continue;
        assert_int_equal(err.cls, HF_E_NOT_FOUND);
        assert_hf_ok(hf_image_write_chunk(w, i, disk + i * CHUNK, &err), &err);
        again++;
    }
    HF_AUTO(hf_image_written) struct hf_image_written two = {0};
    assert_hf_ok(hf_image_write_finish(w, &two, &err), &err);
    assert_true(again > 0 && again < n);
    assert_int_equal(two.fresh, again);
    assert_memory_equal(one.root, two.root, HF_IMAGE_ID);
    for (size_t i = 0; i < two.packs_n; i++)
        assert_memory_not_equal(two.packs[i], one.packs[0], HF_IMAGE_PACK_ID);
    assert_reads(&s, two.root, disk, n * CHUNK);
    hf_image_write_close(HF_STEAL(w));
    hf_image_tree_close(HF_STEAL(tree));
    site_free(&s);
}

/* What lies between two listings: a pack that is just being removed, index first, condemnation last. */
static const struct hf_store_ops *removing_ops;
static const unsigned char *removing;

static int list_and_remove(struct hf_store *store, const struct hf_store_list *what,
                           hf_store_emit emit, void *ctx, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    const int rc = removing_ops->list(store, what, emit, ctx, err);
    if (removing) {
        hf_image_index_name(removing, true, name);
        memory_remove(store, name, err);
        hf_image_condemned_name(removing, name);
        memory_remove(store, name, err);
    }
    removing = NULL;
    return rc;
}

static void a_pack_that_is_removed_while_the_run_begins_is_not_built_upon(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, true, CHUNK);
    unsigned char disk[CHUNK];
    struct hf_image_refreshed seen;
    fill_random(disk, CHUNK, 6);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, disk, CHUNK);
    removing_ops = s.m->store.ops;
    struct hf_store_ops ops = *removing_ops;
    ops.list = list_and_remove;
    for (size_t i = 0; i < one.packs_n; i++) {
        condemn(&s, one.packs[i]);
        removing = one.packs[i];
        s.m->store.ops = &ops;
        assert_hf_ok(hf_image_refresh(s.im, &seen, &err), &err);
        s.m->store.ops = removing_ops;
        struct hf_image_chunks *chunks = hf_image_chunks(s.im);
        assert_true(hf_image_chunks_pack_find(chunks, one.packs[i]) == HF_IMAGE_NO_PACK ||
                    hf_image_chunks_is_condemned(chunks, one.packs[i]));
    }
    HF_AUTO(hf_image_written) struct hf_image_written two = write_disk(&s, disk, CHUNK);
    assert_int_equal(two.fresh, 1);
    site_free(&s);
}

static void what_was_condemned_once_is_not_built_upon_in_the_same_run(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, true, CHUNK);
    unsigned char disk[CHUNK];
    char name[HF_IMAGE_NAME_MAX];
    struct hf_image_refreshed seen;
    fill_random(disk, CHUNK, 6);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, disk, CHUNK);
    condemn(&s, one.packs[0]);
    assert_hf_ok(hf_image_refresh_condemned(s.im, false, &err), &err);
    hf_image_condemned_name(one.packs[0], name);
    memory_remove(&s.m->store, name, &err);
    assert_hf_ok(hf_image_refresh_condemned(s.im, false, &err), &err);
    assert_true(hf_image_chunks_is_condemned(hf_image_chunks(s.im), one.packs[0]));
    assert_hf_ok(hf_image_refresh(s.im, &seen, &err), &err);
    assert_false(hf_image_chunks_is_condemned(hf_image_chunks(s.im), one.packs[0]));
    site_free(&s);
}

static void what_was_removed_since_a_look_long_ago_counts_as_condemned(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, true, CHUNK);
    unsigned char disk[CHUNK];
    char name[HF_IMAGE_NAME_MAX];
    fill_random(disk, CHUNK, 6);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, disk, CHUNK);
    struct hf_image_chunks *chunks = hf_image_chunks(s.im);
    hf_image_index_name(one.packs[0], true, name);
    memory_remove(&s.m->store, name, &err);
    assert_hf_ok(hf_image_refresh_condemned(s.im, true, &err), &err);
    assert_true(hf_image_chunks_is_condemned(chunks, one.packs[0]));
    assert_false(hf_image_chunks_is_condemned(chunks, one.packs[1]));
    site_free(&s);
}

static void chunks_come_in_any_order_or_by_their_ids(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const size_t n = 700;
    struct site s = site_new(state, true, CHUNK);
    HF_AUTOFREE unsigned char *disk = calloc(n, CHUNK);
    for (size_t i = 0; i < n; i += 3)
        fill_random(disk + i * CHUNK, CHUNK, i);
    HF_AUTO(hf_image_written) struct hf_image_written one = write_disk(&s, disk, n * CHUNK - 9);
    HF_AUTO(hf_image_tree)
    struct hf_image_tree *tree = hf_image_tree_open(s.im, one.root, &err);
    assert_hf_got(tree, &err);
    fill_random(disk + 30 * CHUNK, CHUNK, 999);
    struct hf_image_writer_opts opts = {.disk_bytes = n * CHUNK - 9, .workers = 2};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(s.im, &opts, &err);
    assert_hf_got(w, &err);
    for (size_t i = n; i-- > 0;) {
        unsigned char id[HF_IMAGE_ID];
        assert_hf_ok(hf_image_tree_id(tree, i, id, &err), &err);
        if (i == 30 || i == n - 1)
            assert_hf_ok(hf_image_write_chunk(w, i, disk + i * CHUNK, &err), &err);
        else
            assert_hf_ok(hf_image_write_id(w, i, id, &err), &err);
    }
    HF_AUTO(hf_image_written) struct hf_image_written two = {0};
    assert_hf_ok(hf_image_write_finish(w, &two, &err), &err);
    assert_int_equal(two.fresh, 1);
    assert_int_equal(two.holes, one.holes);
    assert_reads(&s, two.root, disk, n * CHUNK - 9);
    site_free(&s);
}

static void an_unknown_id_has_to_be_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    struct hf_image_writer_opts opts = {.disk_bytes = 10 * CHUNK};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(s.im, &opts, &err);
    unsigned char id[HF_IMAGE_ID] = {1};
    assert_int_equal(hf_image_write_id(w, 3, id, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "chunk 3");
    hf_image_write_close(HF_STEAL(w));
    site_free(&s);
}

static void extents_must_ascend_and_lie_on_the_disk(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    struct hf_image_writer_opts opts = {.disk_bytes = 10 * CHUNK};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(s.im, &opts, &err);
    assert_hf_ok(hf_image_write(w, 5000, "abc", 3, &err), &err);
    assert_int_equal(hf_image_write(w, 5002, "d", 1, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "out of its order");
    assert_int_equal(hf_image_write_hole(w, 10 * CHUNK - 1, 2, &err), -1);
    assert_int_equal(hf_image_write_chunk(w, 10, "", &err), -1);
    hf_image_write_close(HF_STEAL(w));
    site_free(&s);
}

static void a_put_that_fails_fails_the_disk(void **state)
{
    HF_AUTOFREE unsigned char *disk = malloc(2 * MIB);
    fill_random(disk, 2 * MIB, 8);
    for (size_t n = 1; n <= 16; n++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_image_written w = {0};
        struct site s = site_new(state, n % 2, CHUNK);
        s.m->fail_put = n;
        assert_int_equal(try_write(&s, disk, 2 * MIB, &w, &err), -1);
        assert_hf_err(&err, HF_E_UNREACHABLE, "the store went away");
        /* And what came to the store is used by the next one. */
        s.m->fail_put = 0;
        site_open(&s, true);
        w = write_disk(&s, disk, 2 * MIB);
        assert_true(n < 3 || w.known > 0);
        assert_reads(&s, w.root, disk, 2 * MIB);
        hf_image_written_free(&w);
        site_free(&s);
        s.dir = NULL;
        unlink(hf_test_path(state, "index/chunks"));
    }
}

/* The store's own answer proves nothing here: so each object is read back. */
static void what_arrives_otherwise_is_noticed_at_once(void **state)
{
    HF_AUTOFREE unsigned char *disk = malloc(MIB);
    fill_random(disk, MIB, 8);
    for (size_t n = 1; n <= 8; n++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_image_written w = {0};
        struct site s = site_new(state, n % 2, CHUNK);
        s.m->flip_put = n;
        assert_int_equal(try_write(&s, disk, MIB, &w, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "read back has another content");
        site_free(&s);
        unlink(hf_test_path(state, "index/chunks"));
    }
}

/* 64 KiB of the header, the last piece, the chunk's own range; then only the range. */
static void one_chunk_of_a_large_pack_is_few_bytes(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const size_t len = 16 * MIB;
    struct site s = site_new(state, true, HF_IMAGE_CHUNK_BYTES);
    HF_AUTOFREE unsigned char *disk = malloc(len);
    fill_random(disk, len, 8);
    struct hf_image_writer_opts opts = {.disk_bytes = len};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(s.im, &opts, &err);
    HF_AUTO(hf_image_written) struct hf_image_written done = {0};
    assert_hf_ok(hf_image_write(w, 0, disk, len, &err), &err);
    assert_hf_ok(hf_image_write_finish(w, &done, &err), &err);
    assert_int_equal(memory_count(s.m, "packs/"), 1);
    struct hf_image_reader_opts ropts = {0};
    HF_AUTO(hf_image_reader)
    struct hf_image_reader *r = hf_image_read_open(s.im, done.root, &ropts, &err);
    const size_t places[] = {11 * MIB, 3 * MIB, 7 * MIB};
    for (size_t i = 0; i < HF_ARRAY_SIZE(places); i++) {
        unsigned char some[4096];
        s.m->got = s.m->gets = 0;
        assert_hf_ok(hf_io_read_at(hf_image_reader_source(r), places[i], some, sizeof some, &err),
                     &err);
        assert_memory_equal(some, disk + places[i], sizeof some);
        assert_true(s.m->gets <= (i ? 1 : 3)); /* the segment came with the root */
        assert_true(s.m->got <= (i ? 6 : 9) * HF_AGE_CHUNK);
    }
    hf_image_read_close(HF_STEAL(r));
    hf_image_write_close(HF_STEAL(w));
    site_free(&s);
}

struct both {
    struct site *s;
    unsigned char *disk;
    size_t len;
    struct hf_image_written w;
    struct hf_err err;
    int rc;
};

static void *write_one(void *arg)
{
    struct both *b = arg;
    b->rc = try_write(b->s, b->disk, b->len, &b->w, &b->err);
    return NULL;
}

/* Half of each is the other's: what both have may be sent twice, and both name all their packs. */
static void two_disks_at_once_share_the_index(void **state)
{
    const size_t len = 4 * MIB;
    struct site s = site_new(state, true, CHUNK);
    struct both b[2];
    pthread_t t[2];
    for (int i = 0; i < 2; i++) {
        b[i] = (struct both){.s = &s, .disk = malloc(len), .len = len, .err = HF_ERR_INIT};
        fill_random(b[i].disk, len / 2, 77);
        fill_random(b[i].disk + len / 2, len / 2, (uint64_t)i + 1);
        assert_int_equal(pthread_create(&t[i], NULL, write_one, &b[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 2; i++) {
        assert_hf_ok(b[i].rc, &b[i].err);
        assert_reads(&s, b[i].w.root, b[i].disk, len);
        hf_image_written_free(&b[i].w);
        free(b[i].disk);
    }
    site_free(&s);
}

static void abandoned_ends_at_once(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    struct hf_image_writer_opts opts = {.disk_bytes = 100 * CHUNK};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(s.im, &opts, &err);
    unsigned char data[CHUNK];
    fill_random(data, CHUNK, 9);
    assert_hf_ok(hf_image_write(w, 0, data, CHUNK, &err), &err);
    hf_image_write_close(HF_STEAL(w));
    assert_int_equal(memory_count(s.m, "trees/"), 0);
    site_free(&s);
}

static long rss_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* Islands of the usual chunks on a disk of a terabyte; the figure is what the process had at most, the store's copy included. */
static void a_sparse_terabyte_stays_small(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const uint64_t tib = (uint64_t)1 << 40;
    struct site s = site_new(state, true, HF_IMAGE_CHUNK_BYTES);
    struct hf_image_writer_opts opts = {.disk_bytes = tib};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(s.im, &opts, &err);
    HF_AUTOFREE unsigned char *data = malloc(MIB);
    for (uint64_t i = 0; i < 40; i++) {
        fill_random(data, MIB, i);
        assert_hf_ok(hf_image_write(w, i * (tib / 40) + 1000, data, MIB, &err), &err);
    }
    HF_AUTO(hf_image_written) struct hf_image_written done = {0};
    assert_hf_ok(hf_image_write_finish(w, &done, &err), &err);
    hf_image_write_close(HF_STEAL(w));
    assert_int_equal(done.chunks, tib / HF_IMAGE_CHUNK_BYTES);
    assert_int_equal(done.fresh, 40 * 5);
    assert_true(done.objects < 20);

    struct hf_image_reader_opts ropts = {0};
    HF_AUTO(hf_image_reader)
    struct hf_image_reader *r = hf_image_read_open(s.im, done.root, &ropts, &err);
    assert_hf_got(r, &err);
    uint64_t at = 0, len = 0, islands = 0;
    for (bool is_hole = false, was_hole = true; at < tib; at += len, was_hole = is_hole) {
        assert_hf_ok(hf_image_reader_extent(r, at, &is_hole, &len, &err), &err);
        islands += !is_hole && was_hole;
    }
    assert_int_equal(islands, 40);
    for (uint64_t i = 0; i < 40; i += 13) {
        unsigned char want[3000], got[3000];
        fill_random(want, sizeof want, i);
        assert_hf_ok(
            hf_io_read_at(hf_image_reader_source(r), i * (tib / 40) + 1000, got, sizeof got, &err),
            &err);
        assert_memory_equal(want, got, sizeof want);
    }
    hf_image_read_close(HF_STEAL(r));
    print_message("a sparse terabyte: at most %ld KiB in memory\n", rss_kib());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(rss_kib() < 256 * 1024);
#endif
    site_free(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_sparse_terabyte_stays_small), /* the first: what others needed does not count */
        HF_TEST(comes_back_as_it_was),
        HF_TEST(a_large_one_is_read_ahead_and_equal),
        HF_TEST(holes_between_do_not_end_the_reading_ahead),
        HF_TEST(nothing_is_a_disk_too),
        HF_TEST(zeros_cost_nothing),
        HF_TEST(what_is_there_is_not_sent_again),
        HF_TEST(the_same_twice_on_one_disk_is_sent_once),
        HF_TEST(a_lost_index_costs_reading_and_no_sending),
        HF_TEST(a_tree_is_read_from_the_pack_that_is_not_condemned),
        HF_TEST(a_condemned_pack_is_not_built_upon),
        HF_TEST(what_was_condemned_meanwhile_is_written_again_by_the_tree),
        HF_TEST(a_pack_that_is_removed_while_the_run_begins_is_not_built_upon),
        HF_TEST(what_was_condemned_once_is_not_built_upon_in_the_same_run),
        HF_TEST(what_was_removed_since_a_look_long_ago_counts_as_condemned),
        HF_TEST(chunks_come_in_any_order_or_by_their_ids),
        HF_TEST(an_unknown_id_has_to_be_read),
        HF_TEST(extents_must_ascend_and_lie_on_the_disk),
        HF_TEST(a_put_that_fails_fails_the_disk),
        HF_TEST(what_arrives_otherwise_is_noticed_at_once),
        HF_TEST(one_chunk_of_a_large_pack_is_few_bytes),
        HF_TEST(two_disks_at_once_share_the_index),
        HF_TEST(abandoned_ends_at_once),
    };
    return HF_RUN_TESTS("image.image", tests);
}

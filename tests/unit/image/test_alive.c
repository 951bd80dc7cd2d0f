/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "image/alive.h"
#include "image/move.h"

#define CHUNK 4096u
#define CHUNKS 600u /* three segments */
#define LEN ((size_t)CHUNK * CHUNKS)
#define RECORD (HF_IMAGE_RECORD_HEAD + (uint64_t)CHUNK)

static unsigned char disk[LEN], other[LEN];

static struct hf_image_alive *alive_new(struct site *s)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_alive *a = hf_image_alive_new(s->im, &err);
    assert_hf_got(a, &err);
    return a;
}

static void walk(struct hf_image_alive *a, const struct hf_image_written *w)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_image_alive_tree(a, w->root, &err), &err);
}

/* All packs are worth as much. */
static uint64_t *worth_new(struct site *s, uint32_t *n)
{
    *n = hf_image_chunks_packs_n(hf_image_chunks(s->im));
    uint64_t *worth = calloc(*n, sizeof *worth);
    for (uint32_t i = 0; i < *n; i++)
        worth[i] = 1;
    return worth;
}

static struct hf_image_alive_sum total(struct site *s, struct hf_image_alive *a)
{
    uint32_t n = 0;
    struct hf_image_alive_sum sum = {0};
    HF_AUTOFREE uint64_t *worth = worth_new(s, &n);
    HF_AUTOFREE struct hf_image_alive_sum *each = calloc(n, sizeof *each);
    hf_image_alive_sum(a, worth, each);
    for (uint32_t i = 0; i < n; i++) {
        struct hf_image_pack p;
        if (!hf_image_chunks_pack(hf_image_chunks(s->im), i, &p) || p.kind != HF_IMAGE_DATA)
            continue;
        sum.all += each[i].all;
        sum.alive += each[i].alive;
    }
    return sum;
}

static void fill_disks(void)
{
    fill_random(disk, LEN, 1);
    memcpy(other, disk, LEN);
    fill_random(other, (size_t)CHUNK * 300, 2); /* the first half is another one */
}

static void what_trees_need_is_alive_and_no_more(void **state)
{
    struct site s = site_new(state, true, CHUNK);
    fill_disks();
    HF_AUTO(hf_image_written) struct hf_image_written first = write_disk(&s, disk, LEN);
    HF_AUTO(hf_image_written) struct hf_image_written second = write_disk(&s, other, LEN);
    HF_AUTO(hf_image_alive) struct hf_image_alive *a = alive_new(&s);
    assert_int_equal(total(&s, a).alive, 0);
    walk(a, &second);
    assert_int_equal(total(&s, a).all, 900 * RECORD);
    assert_int_equal(total(&s, a).alive, CHUNKS * RECORD);
    const size_t gets = s.m->gets;
    walk(a, &second);
    assert_int_equal(s.m->gets, gets);
    walk(a, &first);
    assert_int_equal(total(&s, a).alive, 900 * RECORD);
    assert_int_equal(hf_image_alive_missing(a), 0);
    site_free(&s);
}

/* Written by two at once, so twice; counted once, where it is worth most. */
static void what_stands_twice_is_alive_once(void **state)
{
    struct site s = site_new(state, false, CHUNK);
    fill_disks();
    HF_AUTO(hf_image_written) struct hf_image_written first = write_disk(&s, disk, LEN);
    for (size_t i = 0; i < first.packs_n; i++)
        hf_image_chunks_condemn(hf_image_chunks(s.im), first.packs[i], true);
    HF_AUTO(hf_image_written) struct hf_image_written again = write_disk(&s, disk, LEN);
    HF_AUTO(hf_image_alive) struct hf_image_alive *a = alive_new(&s);
    walk(a, &again);
    assert_int_equal(total(&s, a).all, 2 * CHUNKS * RECORD);
    assert_int_equal(total(&s, a).alive, CHUNKS * RECORD);
    uint32_t n = 0;
    HF_AUTOFREE uint64_t *worth = worth_new(&s, &n);
    HF_AUTOFREE struct hf_image_alive_sum *each = calloc(n, sizeof *each);
    for (size_t i = 0; i < first.packs_n; i++)
        worth[hf_image_chunks_pack_find(hf_image_chunks(s.im), first.packs[i])] = 2;
    hf_image_alive_sum(a, worth, each);
    for (size_t i = 0; i < again.packs_n; i++)
        assert_int_equal(
            each[hf_image_chunks_pack_find(hf_image_chunks(s.im), again.packs[i])].alive, 0);
    site_free(&s);
}

static void a_damaged_tree_is_an_error_and_a_missing_chunk_is_counted(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct site s = site_new(state, false, CHUNK);
    fill_disks();
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, LEN);
    /* The index of one pack of chunks goes. */
    for (size_t i = 0; i < w.packs_n; i++) {
        struct hf_image_pack p;
        char name[HF_IMAGE_NAME_MAX];
        struct hf_image_chunks *c = hf_image_chunks(s.im);
        assert_true(hf_image_chunks_pack(c, hf_image_chunks_pack_find(c, w.packs[i]), &p));
        if (p.kind != HF_IMAGE_DATA)
            continue;
        hf_image_index_name(p.id, false, name);
        assert_hf_ok(hf_store_remove(&s.m->store, name, &err), &err);
        break;
    }
    site_open(&s, true);
    HF_AUTO(hf_image_alive) struct hf_image_alive *a = alive_new(&s);
    walk(a, &w);
    assert_true(hf_image_alive_missing(a) > 0);
    struct object *tree = memory_first(s.m, "trees/");
    tree->data[tree->len / 2] ^= 1;
    HF_AUTO(hf_image_alive) struct hf_image_alive *b = alive_new(&s);
    assert_int_equal(hf_image_alive_tree(b, w.root, &err), -1);
    assert_int_equal(err.cls, HF_E_CORRUPT);
    site_free(&s);
}

/* Every living record of the packs of `from`; the rest of them goes. */
static void move_all(struct site *s, struct hf_image_alive *a, const struct hf_image_written *from)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_image_mover)
    struct hf_image_mover *m = hf_image_mover_new(s->im, HF_IMAGE_DATA, &err);
    for (size_t i = 0; i < from->packs_n; i++) {
        struct hf_image_pack pack;
        unsigned char id[HF_IMAGE_PACK_ID];
        char name[HF_IMAGE_NAME_MAX];
        HF_AUTOFREE struct hf_image_entry *e = NULL;
        assert_hf_ok(hf_image_mover_entries(m, from->packs[i], &pack, &e, &err), &err);
        if (pack.kind != HF_IMAGE_DATA)
            continue;
        for (uint32_t j = 0; j < pack.records; j++)
            if (hf_image_alive_has(a, HF_IMAGE_DATA, e[j].id))
                assert_hf_ok(hf_image_mover_take(m, &pack, &e[j], id, &err), &err);
        hf_image_index_name(pack.id, true, name);
        assert_hf_ok(hf_store_remove(&s->m->store, name, &err), &err);
    }
    assert_hf_ok(hf_image_mover_send(m, &err), &err);
    assert_hf_ok(hf_image_mover_send(m, &err), &err); /* nothing more */
}

static void what_was_moved_is_read_as_before(void **state)
{
    struct site s = site_new(state, true, CHUNK);
    fill_disks();
    memset(other + LEN - 20 * (size_t)CHUNK, 'a', 20 * (size_t)CHUNK - 100); /* some packed */
    HF_AUTO(hf_image_written) struct hf_image_written first = write_disk(&s, disk, LEN);
    HF_AUTO(hf_image_written) struct hf_image_written second = write_disk(&s, other, LEN);
    HF_AUTO(hf_image_alive) struct hf_image_alive *a = alive_new(&s);
    walk(a, &second);
    move_all(&s, a, &first);
    site_open(&s, true);
    assert_reads(&s, second.root, other, LEN);
    HF_AUTO(hf_image_alive) struct hf_image_alive *again = alive_new(&s);
    walk(again, &second);
    assert_int_equal(total(&s, again).alive, total(&s, again).all);
    site_free(&s);
}

static void without_the_key_or_from_a_damaged_pack_nothing_is_moved(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_pack pack;
    unsigned char id[HF_IMAGE_PACK_ID];
    struct site s = site_new(state, true, CHUNK);
    fill_disks();
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&s, disk, LEN);
    struct object *o = memory_first(s.m, "packs/");
    unsigned char of[HF_IMAGE_PACK_ID];
    assert_true(hf_image_pack_id(HF_IMAGE_DATA, o->name, true, of));
    for (int has_key = 0; has_key < 2; has_key++) {
        HF_AUTOFREE struct hf_image_entry *e = NULL;
        site_open(&s, has_key);
        HF_AUTO(hf_image_mover)
        struct hf_image_mover *m = hf_image_mover_new(s.im, HF_IMAGE_DATA, &err);
        assert_hf_ok(hf_image_mover_entries(m, of, &pack, &e, &err), &err);
        if (has_key)
            o->data[o->len - 3000] ^= 1;
        const uint32_t which = has_key ? pack.records - 1 : 0;
        assert_int_equal(hf_image_mover_take(m, &pack, &e[which], id, &err), -1);
        assert_int_equal(err.cls, has_key ? HF_E_CORRUPT : HF_E_AUTH);
        const size_t n = s.m->n;
        assert_hf_ok(hf_image_mover_send(m, &err), &err);
        assert_int_equal(s.m->n, n);
    }
    site_free(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_trees_need_is_alive_and_no_more),
        HF_TEST(what_stands_twice_is_alive_once),
        HF_TEST(a_damaged_tree_is_an_error_and_a_missing_chunk_is_counted),
        HF_TEST(what_was_moved_is_read_as_before),
        HF_TEST(without_the_key_or_from_a_damaged_pack_nothing_is_moved),
    };
    return HF_RUN_TESTS("image.alive", tests);
}

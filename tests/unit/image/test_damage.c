/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody else, or a bad disk, did to the objects of a store: found, and named.
 */
#include "base/hex.h"
#include "unit/image/fixture.h"

#define CHUNK ((size_t)4096)
#define LEN (40 * CHUNK)

struct case_ {
    struct site s;
    unsigned char disk[LEN], back[LEN];
    struct hf_image_written w;
    struct object *pack; /* the first one; as long as nothing is put or removed */
    unsigned char id[HF_IMAGE_PACK_ID];
    char hex[HF_IMAGE_PACK_HEX];
    struct hf_err err;
};

/* 32 hex digits of an object's name. */
static void id_of(const char *name, unsigned char id[HF_IMAGE_PACK_ID], char hex[HF_IMAGE_PACK_HEX])
{
    const char *at = strrchr(name, '/') + 1;
    snprintf(hex, HF_IMAGE_PACK_HEX, "%.32s", at);
    assert_int_equal(hf_unhex(hex, id, HF_IMAGE_PACK_ID), 0);
}

static void begin(struct case_ *c, void **state, bool is_encrypted)
{
    memset(c, 0, sizeof *c);
    c->err = (struct hf_err)HF_ERR_INIT;
    c->s = site_new(state, is_encrypted, CHUNK);
    fill_random(c->disk, LEN, 11);
    c->w = write_disk(&c->s, c->disk, LEN);
    c->pack = memory_first(c->s.m, "packs/");
    id_of(c->pack->name, c->id, c->hex);
}

static void end(struct case_ *c)
{
    hf_image_written_free(&c->w);
    site_free(&c->s);
}

static void expect_read_fails(struct case_ *c, const char *pack_hex, const char *disk_at)
{
    assert_int_equal(try_read(&c->s, c->w.root, c->back, LEN, 10000, &c->err), -1);
    assert_hf_err(&c->err, HF_E_CORRUPT, pack_hex);
    assert_contains(c->err.message, disk_at);
}

static void an_untouched_store_verifies(void **state)
{
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        struct case_ c;
        begin(&c, state, encrypted);
        assert_int_equal(c.w.packs_n, 2);
        for (size_t i = 0; i < c.w.packs_n; i++) {
            assert_hf_ok(hf_image_verify_stored(c.s.im, c.w.packs[i], &c.err), &c.err);
            assert_hf_ok(hf_image_verify_content(c.s.im, c.w.packs[i], &c.err), &c.err);
        }
        end(&c);
    }
}

/* Every 97th byte of a pack, one bit: both verifications say so, without exception. */
static void a_flipped_bit_anywhere_in_a_pack_is_named(void **state)
{
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        struct case_ c;
        begin(&c, state, encrypted);
        const struct object *o = c.pack;
        for (size_t at = 0; at < o->len; at += at < 2000 ? 1 : 97) {
            o->data[at] ^= (unsigned char)(1 << at % 8);
            assert_int_equal(hf_image_verify_stored(c.s.im, c.id, &c.err), -1);
            assert_hf_err(&c.err, HF_E_CORRUPT, c.hex);
            if (at % 7 == 0 && hf_image_verify_content(c.s.im, c.id, &c.err) == 0)
                fail_msg("a flipped bit at %zu passed", at);
            o->data[at] ^= (unsigned char)(1 << at % 8);
        }
        end(&c);
    }
}

static void a_flipped_bit_is_named_with_its_place_on_the_disk(void **state)
{
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        struct case_ c;
        begin(&c, state, encrypted);
        c.pack->data[c.pack->len / 2] ^= 1;
        expect_read_fails(&c, c.hex, "the disk at ");
        end(&c);
    }
}

static void a_missing_pack_is_named(void **state)
{
    struct case_ c;
    begin(&c, state, true);
    memory_remove(&c.s.m->store, c.pack->name, &c.err);
    expect_read_fails(&c, c.hex, "the disk at 0");
    assert_int_equal(hf_image_verify_stored(c.s.im, c.id, &c.err), -1);
    assert_hf_err(&c.err, HF_E_CORRUPT, c.hex);
    end(&c);
}

static void a_pack_cut_at_any_place_is_named(void **state)
{
    struct case_ c;
    begin(&c, state, false);
    struct object *o = c.pack;
    for (size_t whole = o->len; o->len > 100; o->len -= whole / 9) {
        if (o->len == whole)
            continue;
        assert_int_equal(hf_image_verify_stored(c.s.im, c.id, &c.err), -1);
        assert_hf_err(&c.err, HF_E_CORRUPT, c.hex);
        assert_int_equal(hf_image_verify_content(c.s.im, c.id, &c.err), -1);
        assert_hf_err(&c.err, HF_E_CORRUPT, c.hex);
        expect_read_fails(&c, c.hex, "the disk at ");
    }
    end(&c);
}

/* Two packs of equal length, each at the other's name. */
static void two_swapped_packs_are_named(void **state)
{
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        struct case_ c;
        struct hf_image_written other;
        unsigned char disk[LEN], id[HF_IMAGE_PACK_ID];
        char hex[HF_IMAGE_PACK_HEX];
        begin(&c, state, encrypted);
        fill_random(disk, LEN, 12);
        other = write_disk(&c.s, disk, LEN);
        struct object *a = NULL, *b = NULL;
        for (size_t i = 0; i < c.s.m->n; i++)
            if (!strncmp(c.s.m->objects[i].name, "packs/", 6))
                *(a ? &b : &a) = &c.s.m->objects[i];
        assert_int_equal(a->len, b->len);
        unsigned char *data = a->data;
        a->data = b->data;
        b->data = data;
        id_of(a->name, id, hex);
        assert_int_equal(hf_image_verify_stored(c.s.im, id, &c.err), -1);
        assert_hf_err(&c.err, HF_E_CORRUPT, hex);
        assert_int_equal(hf_image_verify_content(c.s.im, id, &c.err), -1);
        assert_hf_err(&c.err, HF_E_CORRUPT, "another pack lies in its place");
        expect_read_fails(&c, hex, "the disk at 0");
        hf_image_written_free(&other);
        end(&c);
    }
}

static void damaged_indexes_are_passed_over_and_counted(void **state)
{
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        struct case_ c;
        begin(&c, state, encrypted);
        struct object *o = memory_first(c.s.m, "index/");
        o->data[o->len - 60] ^= 4;
        c.s.dir = hf_test_path(state, encrypted ? "b" : "a");
        site_open(&c.s, false);
        assert_int_equal(c.s.seen.damaged, 1);
        assert_int_equal(c.s.seen.packs, 1);
        assert_hf_err(&c.s.seen.first_damage, HF_E_CORRUPT, "index/");
        end(&c);
    }
}

/* Made with all that is public, and laid where ours was. */
static void a_forged_index_is_damage(void **state)
{
    struct case_ c;
    unsigned char key[32] = {1};
    begin(&c, state, false);
    struct object *o = memory_first(c.s.m, "index/");
    struct hf_image_pack pack = {.kind = HF_IMAGE_DATA, .records = 1, .stored_bytes = 5000};
    struct hf_image_entry e = {.id = {7}, .at = 32, .stored = 100, .plain = 100};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    char hex[HF_IMAGE_PACK_HEX];
    id_of(o->name, pack.id, hex);
    pack.plain_bytes = 5000;
    hf_image_index_write(&pack, &e, key, &text);
    free(o->data);
    o->len = text.len;
    o->data = (unsigned char *)hf_buf_steal(&text);
    c.s.dir = hf_test_path(state, "fresh");
    site_open(&c.s, false);
    assert_int_equal(c.s.seen.damaged, 1);
    assert_hf_err(&c.s.seen.first_damage, HF_E_CORRUPT, "its seal");
    end(&c);
}

static void a_damaged_tree_is_named(void **state)
{
    struct case_ c;
    begin(&c, state, true);
    struct object *o = memory_first(c.s.m, "trees/");
    o->data[o->len - 100] ^= 1;
    assert_int_equal(try_read(&c.s, c.w.root, c.back, LEN, 10000, &c.err), -1);
    assert_hf_err(&c.err, HF_E_CORRUPT, "the disk's root");
    end(&c);
}

static void a_pruned_pack_is_gone_from_the_index(void **state)
{
    struct case_ c;
    struct hf_image_refreshed seen;
    char name[128];
    begin(&c, state, true);
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s", memory_first(c.s.m, i ? "packs/" : "trees/")->name);
        memory_remove(&c.s.m->store, name, &c.err);
        snprintf(name, sizeof name, "%s", memory_first(c.s.m, "index/")->name);
        memory_remove(&c.s.m->store, name, &c.err);
    }
    assert_hf_ok(hf_image_refresh(c.s.im, &seen, &c.err), &c.err);
    assert_int_equal(seen.gone, 2);
    assert_int_equal(seen.packs, 0);
    HF_AUTO(hf_image_written) struct hf_image_written again = write_disk(&c.s, c.disk, LEN);
    assert_int_equal(again.fresh, again.chunks);
    assert_reads(&c.s, again.root, c.disk, LEN);
    end(&c);
}

static int order_ids(const void *a, const void *b)
{
    return memcmp(a, b, HF_IMAGE_PACK_ID);
}

static void a_tree_names_the_packs_it_needs_without_the_key_of_the_data(void **state)
{
    struct case_ c;
    begin(&c, state, true);
    memset(c.disk, 0, 9 * CHUNK);
    c.disk[30 * CHUNK] ^= 1;
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&c.s, c.disk, LEN);
    assert_int_equal(w.packs_n, 3);
    site_open(&c.s, false);
    HF_AUTO(hf_image_needs) struct hf_image_needs needs = {0};
    assert_hf_ok(hf_image_verify_tree(c.s.im, w.root, &needs, &c.err), &c.err);
    assert_int_equal(needs.chunks, 40);
    assert_int_equal(needs.holes, 9);
    assert_int_equal(needs.packs_n, w.packs_n);
    qsort(needs.packs, needs.packs_n, sizeof *needs.packs, order_ids);
    qsort(w.packs, w.packs_n, sizeof *w.packs, order_ids);
    assert_memory_equal(needs.packs, w.packs, w.packs_n * sizeof *w.packs);
    end(&c);
}

static void a_tree_whose_chunks_are_gone_says_where(void **state)
{
    struct case_ c;
    struct hf_image_refreshed seen;
    struct hf_image_pack pack;
    char name[HF_IMAGE_NAME_MAX];
    begin(&c, state, true);
    for (uint32_t i = 0; hf_image_chunks_pack(hf_image_chunks(c.s.im), i, &pack); i++)
        if (pack.kind == HF_IMAGE_DATA) {
            hf_image_index_name(pack.id, true, name);
            memory_remove(&c.s.m->store, name, &c.err);
        }
    assert_hf_ok(hf_image_refresh(c.s.im, &seen, &c.err), &c.err);
    HF_AUTO(hf_image_needs) struct hf_image_needs needs = {0};
    assert_int_equal(hf_image_verify_tree(c.s.im, c.w.root, &needs, &c.err), -1);
    assert_hf_err(&c.err, HF_E_CORRUPT, "the disk at 0: its chunk is in no pack");
    end(&c);
}

static void without_the_key_of_the_data_nothing_is_read(void **state)
{
    struct case_ c;
    begin(&c, state, true);
    site_open(&c.s, false);
    assert_int_equal(try_read(&c.s, c.w.root, c.back, LEN, 10000, &c.err), -1);
    assert_hf_err(&c.err, HF_E_AUTH, "identity-file");
    end(&c);
}

static void another_stores_identity_opens_nothing(void **state)
{
    struct case_ c;
    begin(&c, state, true);
    hf_image_close(HF_STEAL(c.s.im));
    hf_age_identities_free(c.s.metadata);
    c.s.metadata = hf_age_identities_generate(&c.err);
    c.s.dir = hf_test_path(state, "other");
    site_open(&c.s, false);
    assert_int_equal(c.s.seen.damaged, 2);
    assert_hf_err(&c.s.seen.first_damage, HF_E_CORRUPT, "index/");
    struct object *o = memory_first(c.s.m, "index/");
    unsigned char pack[HF_IMAGE_PACK_ID];
    char hex[HF_IMAGE_PACK_HEX];
    id_of(o->name, pack, hex);
    assert_int_equal(hf_image_verify_stored(c.s.im, pack, &c.err), -1);
    assert_hf_err(&c.err, HF_E_CORRUPT, o->name);
    hf_err_clear(&c.err);
    end(&c);
}

/* A marker on the disk is nowhere on the store. */
static void content_is_nowhere_in_the_clear(void **state)
{
    static const char marker[] = "the-marker-of-this-test-5061727469616c";
    struct case_ c;
    begin(&c, state, true);
    for (size_t i = 0; i < 10; i++)
        memcpy(c.disk + i * 9999, marker, sizeof marker);
    HF_AUTO(hf_image_written) struct hf_image_written w = write_disk(&c.s, c.disk, LEN);
    for (size_t i = 0; i < c.s.m->n; i++)
        assert_null(memmem(c.s.m->objects[i].data, c.s.m->objects[i].len, marker, strlen(marker)));
    assert_reads(&c.s, w.root, c.disk, LEN);
    end(&c);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(an_untouched_store_verifies),
        HF_TEST(a_flipped_bit_anywhere_in_a_pack_is_named),
        HF_TEST(a_flipped_bit_is_named_with_its_place_on_the_disk),
        HF_TEST(a_missing_pack_is_named),
        HF_TEST(a_pack_cut_at_any_place_is_named),
        HF_TEST(two_swapped_packs_are_named),
        HF_TEST(damaged_indexes_are_passed_over_and_counted),
        HF_TEST(a_forged_index_is_damage),
        HF_TEST(a_damaged_tree_is_named),
        HF_TEST(a_pruned_pack_is_gone_from_the_index),
        HF_TEST(a_tree_names_the_packs_it_needs_without_the_key_of_the_data),
        HF_TEST(a_tree_whose_chunks_are_gone_says_where),
        HF_TEST(without_the_key_of_the_data_nothing_is_read),
        HF_TEST(another_stores_identity_opens_nothing),
        HF_TEST(content_is_nowhere_in_the_clear),
    };
    return HF_RUN_TESTS("image.damage", tests);
}

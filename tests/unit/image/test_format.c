/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "harness/hf_test.h"
#include "image/bytes.h"
#include "image/keys.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char key[32] = {9, 9, 9};

static void names_go_both_ways(void **state)
{
    unsigned char id[HF_IMAGE_PACK_ID] = {0xab, 0x01}, back[HF_IMAGE_PACK_ID];
    char name[HF_IMAGE_NAME_MAX];
    (void)state;
    hf_image_pack_name(HF_IMAGE_DATA, id, true, name);
    assert_string_equal(name, "packs/ab/ab010000000000000000000000000000.age");
    hf_image_pack_name(HF_IMAGE_TREE, id, false, name);
    assert_string_equal(name, "trees/ab/ab010000000000000000000000000000");
    hf_image_index_name(id, true, name);
    assert_string_equal(name, "index/ab010000000000000000000000000000.idx.age");
    assert_true(hf_image_index_id(name, true, back));
    assert_memory_equal(id, back, sizeof id);
    assert_false(hf_image_index_id(name, false, back));
    assert_false(hf_image_index_id("index/short", false, back));
    assert_false(hf_image_index_id("index/AB010000000000000000000000000000.idx", false, back));
    assert_false(hf_image_index_id("index/ab010000000000000000000000000000.idx.old", false, back));
}

static void entries_of(struct hf_image_entry *e, uint32_t n, struct hf_image_pack *p)
{
    memset(e, 0, n * sizeof *e);
    *p = (struct hf_image_pack){.id = {5}, .kind = HF_IMAGE_DATA, .records = n};
    uint32_t at = HF_IMAGE_PACK_HEAD;
    for (uint32_t i = 0; i < n; i++) {
        e[i].id[0] = (unsigned char)(i + 1);
        e[i].at = at;
        e[i].stored = 100 + i;
        e[i].plain = 4096;
        e[i].codec = HF_IMAGE_ZSTD;
        at += HF_IMAGE_RECORD_HEAD + e[i].stored;
    }
    p->plain_bytes = at + HF_IMAGE_PACK_TAIL;
    p->stored_bytes = p->plain_bytes + 300;
}

static int parse(const struct hf_buf *b, size_t len, struct hf_image_pack *p, struct hf_err *err)
{
    HF_AUTOFREE struct hf_image_entry *e = NULL;
    return hf_image_index_parse(hf_buf_str(b), len, key, p, &e, err);
}

static void an_index_goes_both_ways(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_entry e[9];
    struct hf_image_pack p, back;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTOFREE struct hf_image_entry *got = NULL;
    (void)state;
    entries_of(e, 9, &p);
    hf_image_index_write(&p, e, key, &b);
    assert_int_equal(b.len, 88 + 9 * 48 + 32);
    assert_hf_ok(hf_image_index_parse(b.data, b.len, key, &back, &got, &err), &err);
    assert_int_equal(back.records, 9);
    assert_int_equal(back.stored_bytes, p.stored_bytes);
    assert_memory_equal(got, e, sizeof e);
}

static void an_index_that_was_changed_is_refused(void **state)
{
    struct hf_image_entry e[9];
    struct hf_image_pack p, back;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    (void)state;
    entries_of(e, 9, &p);
    hf_image_index_write(&p, e, key, &b);
    for (size_t i = 0; i < b.len; i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(parse(&b, i, &back, &err), -1);
        assert_int_equal(err.cls, HF_E_CORRUPT);
        b.data[i] ^= 0x10;
        assert_int_equal(parse(&b, b.len, &back, &err), -1);
        assert_int_equal(err.cls, HF_E_CORRUPT);
        b.data[i] ^= 0x10;
    }
}

/* Sealed with the right key, and wrong all the same. */
static void an_index_out_of_bounds_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 9; i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_image_entry e[9];
        struct hf_image_pack p, back;
        HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
        entries_of(e, 9, &p);
        switch (i) {
        case 0:
            e[8].at = (uint32_t)p.plain_bytes;
            break;
        case 1:
            e[8].stored = UINT32_MAX;
            break;
        case 2:
            e[3].plain = HF_IMAGE_RECORD_MAX + 1;
            break;
        case 3:
            e[3].codec = 2;
            break;
        case 4:
            e[3].id[0] = e[2].id[0];
            break;
        case 5:
            p.kind = 3;
            break;
        case 6:
            p.plain_bytes = p.stored_bytes + 1;
            break;
        case 7:
            e[0].at = 31;
            break;
        case 8:
            e[3].codec = HF_IMAGE_RAW;
            break;
        }
        hf_image_index_write(&p, e, key, &b);
        assert_int_equal(parse(&b, b.len, &back, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "the index is damaged");
    }
}

static void packs_ends_are_checked(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    unsigned char id[HF_IMAGE_PACK_ID] = {1}, head[HF_IMAGE_PACK_HEAD], tail[HF_IMAGE_PACK_TAIL];
    enum hf_image_kind kind;
    uint32_t n = 0;
    uint64_t before = 0;
    (void)state;
    hf_image_pack_head(HF_IMAGE_TREE, id, head);
    assert_hf_ok(hf_image_pack_head_parse(head, &kind, id, &err), &err);
    assert_int_equal(kind, HF_IMAGE_TREE);
    head[8] = 9;
    assert_int_equal(hf_image_pack_head_parse(head, &kind, id, &err), -1);
    hf_image_pack_tail(7, 12345, tail);
    assert_hf_ok(hf_image_pack_tail_parse(tail, &n, &before, &err), &err);
    assert_int_equal(n, 7);
    assert_int_equal(before, 12345);
    hf_put_u32(tail + 8, HF_IMAGE_RECORDS_MAX + 1);
    assert_int_equal(hf_image_pack_tail_parse(tail, &n, &before, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "no end");
}

static void a_root_says_how_long_it_is(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_image_shape s = {.disk_bytes = 5u << 20, .chunk_bytes = 4096}, back;
    unsigned char ids[5 * HF_IMAGE_ID] = {1, 2, 3};
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTOFREE unsigned char *got = NULL;
    (void)state;
    assert_int_equal(hf_image_segments_n(&s), 5);
    hf_image_root_write(&s, ids, &b);
    assert_hf_ok(hf_image_root_parse(b.data, b.len, &back, &got, &err), &err);
    assert_int_equal(back.disk_bytes, s.disk_bytes);
    assert_memory_equal(got, ids, sizeof ids);
    HF_AUTOFREE unsigned char *none = NULL;
    assert_int_equal(hf_image_root_parse(b.data, b.len - 1, &back, &none, &err), -1);
    hf_buf_add(&b, "x", 1);
    assert_int_equal(hf_image_root_parse(b.data, b.len, &back, &none, &err), -1);
    hf_put_u64((unsigned char *)b.data + 8, UINT64_MAX);
    assert_int_equal(hf_image_root_parse(b.data, b.len, &back, &none, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "another length");
    hf_put_u32((unsigned char *)b.data + 16, 0);
    assert_int_equal(hf_image_root_parse(b.data, b.len, &back, &none, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "odd size");
}

static void a_segment_has_as_many_ids_as_the_disk_asks(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    unsigned char ids[3 * HF_IMAGE_ID] = {1}, back[sizeof ids];
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    (void)state;
    hf_image_segment_write(ids, 3, &b);
    assert_hf_ok(hf_image_segment_parse(b.data, b.len, 3, back, &err), &err);
    assert_memory_equal(ids, back, sizeof ids);
    assert_int_equal(hf_image_segment_parse(b.data, b.len, 2, back, &err), -1);
    b.data[0] = 'X';
    assert_int_equal(hf_image_segment_parse(b.data, b.len, 3, back, &err), -1);
}

/* Computed by Python's hmac and hashlib from the same identity and store id. */
static void keys_derive_as_the_format_says(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char hex[HF_IMAGE_ID_HEX];
    unsigned char id[HF_IMAGE_ID];
    HF_AUTO(hf_age_identities)
    struct hf_age_identities *ids = hf_age_identities_read(
        hf_test_file(state, "key",
                     "AGE-SECRET-KEY-1CCFJJW37HK7Z2PVH6LDFW8NNMQQSS4FLQHXUQDV62F2QT789607SEFGT58\n",
                     0600),
        &err);
    assert_hf_got(ids, &err);
    HF_AUTO(hf_image_keys)
    struct hf_image_keys *k = hf_image_keys_new(ids, "000102030405060708090a0b0c0d0e0f", &err);
    assert_hf_got(k, &err);
    hf_hex(k->chunk_id, sizeof k->chunk_id, hex);
    assert_string_equal(hex, "efbcfa04753c97dfa52d3a64ceef18f6e813d5e1c2c48e8f4b75231d1a4de101");
    hf_hex(k->tree_id, sizeof k->tree_id, hex);
    assert_string_equal(hex, "af1d0401ac9a2a18b415776de8c77379a31348cfde4e81aeb5014290a3200f42");
    hf_hex(k->index_mac, sizeof k->index_mac, hex);
    assert_string_equal(hex, "cbb83408327cc856580c745e4525cb35d8daf1630bb6d63b969874f8eb3be872");
    hf_hex(k->manifest_mac, sizeof k->manifest_mac, hex);
    assert_string_equal(hex, "bd2a35d66123eaff196b6ecfa6d3a4e0a02a375193d8c3a378c16a94922f5f48");
    hf_image_id(k->chunk_id, "abc", 3, id);
    hf_hex(id, sizeof id, hex);
    assert_string_equal(hex, "4bbfcae55b0c9b8251b4aba2af41b0993a205306dfd2e56f09e5119ab3bebdf0");
    assert_null(hf_image_keys_new(ids, "00010203", &err));
    assert_hf_err(&err, HF_E_CONFIG, "32 hex digits");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(names_go_both_ways),
        HF_TEST(an_index_goes_both_ways),
        HF_TEST(an_index_that_was_changed_is_refused),
        HF_TEST(an_index_out_of_bounds_is_refused),
        HF_TEST(packs_ends_are_checked),
        HF_TEST(a_root_says_how_long_it_is),
        HF_TEST(a_segment_has_as_many_ids_as_the_disk_asks),
        HF_TEST(keys_derive_as_the_format_says),
    };
    return HF_RUN_TESTS("image.format", tests);
}

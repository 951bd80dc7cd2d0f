/* SPDX-License-Identifier: Apache-2.0
 *
 * The record of a disk under way: read back as it was written, and nothing else is taken for one.
 */
#include "harness/hf_test.h"
#include "restore/disk_record.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK (256u << 10)

static struct hf_disk_record make(uint64_t chunks)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_disk_record r = {.format = HF_DISK_QCOW2,
                               .shape = {chunks * CHUNK - 100, CHUNK},
                               .inode = 4711,
                               .whole_ns = 123456789012345678};
    r.point = strdup("web/20261123T030000Z-7f3a9c21");
    r.disk = strdup("vda");
    memset(r.root, 0xab, sizeof r.root);
    assert_hf_ok(hf_chunk_set_init(&r.durable, chunks, &err), &err);
    return r;
}

static char *text_of(const struct hf_disk_record *r)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_buf text = HF_BUF_INIT;
    assert_hf_ok(hf_disk_record_write(r, &text, &err), &err);
    return hf_buf_steal(&text);
}

static void it_is_read_back_as_it_was_written(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_disk_record) struct hf_disk_record r = make(1000);
    HF_AUTO(hf_disk_record) struct hf_disk_record back = {0};
    (void)state;
    hf_chunk_set_add(&r.durable, 0, 3);
    hf_chunk_set_add(&r.durable, 17, 400);
    hf_chunk_set_add(&r.durable, 999, 1000);
    HF_AUTOFREE char *text = text_of(&r);
    assert_hf_ok(hf_disk_record_parse(text, strlen(text), &back, &err), &err);
    assert_string_equal(back.point, r.point);
    assert_string_equal(back.disk, r.disk);
    assert_memory_equal(back.root, r.root, sizeof r.root);
    assert_int_equal(back.format, r.format);
    assert_int_equal(back.inode, r.inode);
    assert_int_equal(back.whole_ns, r.whole_ns);
    assert_int_equal(back.shape.disk_bytes, r.shape.disk_bytes);
    for (uint64_t n = 0; n < 1000; n++)
        assert_int_equal(hf_chunk_set_has(&back.durable, n), hf_chunk_set_has(&r.durable, n));
}

static void of_too_many_ranges_the_first_are_kept(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    uint64_t chunks = 3 * HF_DISK_RECORD_RANGES, there = 0;
    HF_AUTO(hf_disk_record) struct hf_disk_record r = make(chunks);
    HF_AUTO(hf_disk_record) struct hf_disk_record back = {0};
    (void)state;
    for (uint64_t n = 0; n < chunks; n += 2)
        hf_chunk_set_add(&r.durable, n, n + 1);
    HF_AUTOFREE char *text = text_of(&r);
    assert_true(strlen(text) < HF_DISK_RECORD_MAX);
    assert_hf_ok(hf_disk_record_parse(text, strlen(text), &back, &err), &err);
    for (uint64_t n = 0; n < chunks; n++) {
        there += hf_chunk_set_has(&back.durable, n);
        assert_true(!hf_chunk_set_has(&back.durable, n) || n % 2 == 0);
    }
    assert_int_equal(there, HF_DISK_RECORD_RANGES);
}

static bool is_taken(const char *text, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_disk_record) struct hf_disk_record r = {0};
    int rc = hf_disk_record_parse(text, len, &r, &err);
    if (rc < 0)
        assert_int_equal(err.cls, HF_E_CORRUPT);
    return rc == 0;
}

/* The text with one member's value replaced. */
static bool is_taken_with(const char *text, const char *key, const char *value)
{
    HF_AUTOFREE char *with = NULL;
    char name[64];
    snprintf(name, sizeof name, "\"%s\":", key);
    const char *at = strstr(text, name);
    assert_non_null(at);
    at += strlen(name);
    size_t old = *at == '[' ? (size_t)(strrchr(at, ']') + 1 - at) : strcspn(at, ",}");
    with = hf_asprintf("%.*s%s%s", (int)(at - text), text, value, at + old);
    return is_taken(with, strlen(with));
}

static void what_makes_no_sense_is_refused(void **state)
{
    HF_AUTO(hf_disk_record) struct hf_disk_record r = make(1000);
    (void)state;
    hf_chunk_set_add(&r.durable, 5, 10);
    HF_AUTOFREE char *text = text_of(&r);
    static const char *const odd[][2] = {
        {"format", "2"},
        {"format", "\"1\""},
        {"root", "\"abcd\""},
        {"root", "7"},
        {"image", "\"vhdx\""},
        {"image", "null"},
        {"bytes", "-1"},
        {"bytes", "9223372036854775807"},
        {"chunk_bytes", "0"},
        {"chunk_bytes", "1"},
        {"chunk_bytes", "4294967296"},
        {"chunk_bytes", "262145"},
        {"inode", "\"x\""},
        {"whole_ns", "true"},
        {"durable", "{}"},
        {"durable", "null"},
        {"durable", "[5,10]"},
        {"durable", "[[5]]"},
        {"durable", "[[5,10,11]]"},
        {"durable", "[[5,5]]"},
        {"durable", "[[10,5]]"},
        {"durable", "[[-1,5]]"},
        {"durable", "[[0,1001]]"},
        {"durable", "[[5,10],[9,12]]"},
        {"durable", "[[5,10],[1,2]]"},
        {"durable", "[[5,10.5]]"},
        {"durable", "[[\"5\",\"10\"]]"},
        {"durable", "[[0,18446744073709551615]]"},
    };
    assert_true(is_taken_with(text, "durable", "[[5,10],[10,12]]"));
    for (size_t i = 0; i < HF_ARRAY_SIZE(odd); i++)
        if (is_taken_with(text, odd[i][0], odd[i][1]))
            fail_msg("taken: %s %s", odd[i][0], odd[i][1]);
}

static void garbage_is_refused(void **state)
{
    HF_AUTO(hf_disk_record) struct hf_disk_record r = make(50);
    (void)state;
    hf_chunk_set_add(&r.durable, 5, 10);
    HF_AUTOFREE char *text = text_of(&r);
    size_t len = strlen(text);
    assert_true(is_taken(text, len));
    for (size_t cut = 0; cut + 1 < len; cut++) /* the last byte is a newline */
        assert_false(is_taken(text, cut));
    for (size_t at = 0; at < len; at++) { /* no crash, whatever comes of it */
        char kept = text[at];
        for (int bit = 0; bit < 8; bit++) {
            text[at] = (char)(kept ^ (1 << bit));
            is_taken(text, len);
        }
        text[at] = kept;
    }
    assert_false(is_taken("\0\0\0\0", 4));
    assert_false(is_taken("[[[[[[[[", 8));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(it_is_read_back_as_it_was_written),
        HF_TEST(of_too_many_ranges_the_first_are_kept),
        HF_TEST(what_makes_no_sense_is_refused),
        HF_TEST(garbage_is_refused),
    };
    return HF_RUN_TESTS("restore.disk_record", tests);
}

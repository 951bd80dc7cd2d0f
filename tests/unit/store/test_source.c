/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "store/store.h"

#include <string.h>

/* A store that counts what is fetched from it. */
struct counted {
    struct hf_store store;
    unsigned gets;
    uint64_t bytes;
};

static char content[100];

static int counted_get(struct hf_store *s, const char *name, uint64_t at, void *buf, size_t len,
                       bool fresh, struct hf_err *err)
{
    struct counted *c = (struct counted *)s;
    (void)name;
    (void)fresh;
    (void)err;
    c->gets++;
    c->bytes += len;
    memcpy(buf, content + at, len);
    return 0;
}

static int counted_head(struct hf_store *s, const char *name, struct hf_store_object *out,
                        struct hf_err *err)
{
    (void)s;
    (void)name;
    (void)err;
    out->bytes = sizeof content;
    return 0;
}

static const struct hf_store_ops counted_ops = {.get = counted_get, .head = counted_head};

static struct hf_io_source *open_source(struct counted *c, size_t window)
{
    static char url[] = "counted";
    struct hf_err err = HF_ERR_INIT;
    *c = (struct counted){.store = {.ops = &counted_ops, .url = url}};
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)i;
    struct hf_io_source *o = hf_store_source(&c->store, "o", window, &err);
    assert_hf_got(o, &err);
    return o;
}

static void read_piece(struct hf_io_source *o, uint64_t at, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    char back[sizeof content];
    assert_hf_ok(hf_io_read_at(o, at, back, len, &err), &err);
    assert_memory_equal(back, content + at, len);
}

static void many_small_reads_in_a_row_are_few_requests(void **state)
{
    (void)state;
    struct counted c;
    HF_AUTO(hf_io_source) struct hf_io_source *o = open_source(&c, 40);
    for (unsigned at = 0; at < sizeof content; at += 5)
        read_piece(o, at, 5);
    assert_int_equal(c.gets, 3);
    assert_int_equal(c.bytes, sizeof content);
}

static void a_look_at_the_end_costs_its_own_bytes_alone(void **state)
{
    (void)state;
    struct counted c;
    HF_AUTO(hf_io_source) struct hf_io_source *o = open_source(&c, 40);
    read_piece(o, 0, 10);
    read_piece(o, 90, 10);
    read_piece(o, 0, 10);
    read_piece(o, 95, 5);
    for (unsigned at = 10; at < 90; at += 10)
        read_piece(o, at, 10);
    assert_int_equal(c.gets, 5); /* three windows: 0, 40 and 80 */
    assert_int_equal(c.bytes, sizeof content + 10 + 5);
}

static void a_large_read_needs_no_window(void **state)
{
    (void)state;
    struct counted c;
    HF_AUTO(hf_io_source) struct hf_io_source *o = open_source(&c, 40);
    read_piece(o, 0, 50);
    read_piece(o, 50, 1);
    read_piece(o, 51, 39);
    assert_int_equal(c.gets, 2);
    assert_int_equal(c.bytes, 90);
}

static void what_lies_there_already_is_not_fetched_again(void **state)
{
    (void)state;
    struct counted c;
    HF_AUTO(hf_io_source) struct hf_io_source *o = open_source(&c, 40);
    for (unsigned at = 0; at < 98; at += 14)
        read_piece(o, at, 14);
    read_piece(o, 98, 2);
    assert_int_equal(c.gets, 3);
    assert_int_equal(c.bytes, sizeof content);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(many_small_reads_in_a_row_are_few_requests),
        HF_TEST(a_look_at_the_end_costs_its_own_bytes_alone),
        HF_TEST(a_large_read_needs_no_window),
        HF_TEST(what_lies_there_already_is_not_fetched_again),
    };
    return HF_RUN_TESTS("store.source", tests);
}

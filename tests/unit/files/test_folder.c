/* SPDX-License-Identifier: Apache-2.0
 *
 * A listing that is read again and again is fetched once.
 */
#include "files/folder.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>

#define LINE                                                                                       \
    "{\"name\":\"a\",\"type\":\"dir\",\"size\":0,\"mode\":\"0755\",\"uid\":0,\"gid\":0,\"mtime\":" \
    "\"1.000000000\"}\n"

/* A place that counts what is opened. */
struct counted {
    struct hf_io_files files;
    const char *text;
    int opens;
};

static int counted_look(struct hf_io_files *f, const char *name, enum hf_io_seen *out,
                        uint64_t *out_bytes, struct hf_err *err)
{
    (void)err;
    bool is = strcmp(name, HF_ARCHIVE_LISTING) == 0;
    *out = is ? HF_IO_SEEN_FILE : HF_IO_SEEN_NONE;
    *out_bytes = is ? strlen(((struct counted *)f)->text) : 0;
    return 0;
}

static struct hf_io_source *counted_open(struct hf_io_files *f, const char *name, bool whole,
                                         struct hf_err *err)
{
    struct counted *c = (struct counted *)f;
    (void)name;
    (void)whole;
    c->opens++;
    return hf_io_source_memory(c->text, strlen(c->text), err);
}

static const struct hf_io_files_ops counted_ops = {.look = counted_look, .open = counted_open};

static void a_listing_is_fetched_once_however_often_it_is_read(void **state)
{
    char label[] = "D";
    struct counted c = {{&counted_ops, label}, LINE LINE, 0};
    struct hf_listing_kept kept = {0};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_listing) struct hf_listing l = HF_LISTING_INIT;
        HF_AUTO(hf_entry) struct hf_entry e = {0};
        assert_hf_ok(hf_listing_open(&l, &c.files, &kept, &err), &err);
        assert_int_equal(hf_listing_next(&l, &e, &err), 1);
        assert_string_equal(e.name, "a");
        assert_int_equal(hf_listing_next(&l, &e, &err), 1);
        assert_int_equal(hf_listing_next(&l, &e, &err), 0);
    }
    assert_int_equal(c.opens, 1);
    hf_listing_kept_free(&kept);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_listing_is_fetched_once_however_often_it_is_read),
    };
    return HF_RUN_TESTS("files.folder", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries of a tar at places that somebody tells.
 */
#include "files/some.h"
#include "harness/bytes.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>

#define FILES 5
#define ROOM ((size_t)4 << 20)

/* Each larger than the one before, the last one with a name that needs a header of its own. */
struct made {
    char data[ROOM];
    size_t len;
    uint64_t at[FILES + 1];
    char sha256[FILES][HF_SHA256_HEX];
};

static void add_file(struct archive *a, int i, const char *content)
{
    char name[300];
    struct archive_entry *e = archive_entry_new();
    size_t size = (size_t)i * 200001;
    snprintf(name, sizeof name, "d/%0*d", i == FILES - 1 ? 250 : 1, i);
    archive_entry_set_pathname(e, name);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, (la_int64_t)size);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, content, size), size);
    archive_entry_free(e);
}

static void find_places(struct made *m)
{
    struct hf_err err = HF_ERR_INIT;
    struct bytes b = {m->data, m->len, 0};
    const struct hf_tar_source source = {bytes_read, &b};
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    HF_AUTO(hf_tar) struct hf_tar *t = hf_tar_open(&source, NULL, &err);
    assert_hf_got(t, &err);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(hf_tar_next(t, &e, NULL, &err), 1);
        assert_true(e.has_at);
        m->at[i] = e.at;
        assert_hf_ok(hf_tar_content(t, &e, NULL, &err), &err);
        memcpy(m->sha256[i], e.sha256, sizeof e.sha256);
    }
    m->at[FILES] = m->len;
}

static struct made *make(void)
{
    struct made *m = calloc(1, sizeof *m);
    HF_AUTOFREE char *content = calloc(FILES, 200001);
    struct archive *a = archive_write_new();
    assert_true(m && content && a);
    archive_write_set_format_pax(a);
    assert_int_equal(archive_write_open_memory(a, m->data, ROOM, &m->len), ARCHIVE_OK);
    for (int i = 0; i < FILES; i++)
        add_file(a, i, content);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
    find_places(m);
    return m;
}

static struct hf_some *open_made(const struct made *m)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_io_source *source = hf_io_source_memory(m->data, m->len, &err);
    assert_hf_got(source, &err);
    struct hf_some *s = hf_some_open(source, NULL, &err);
    assert_hf_got(s, &err);
    return s;
}

static void they_come_in_any_order_with_their_digests(void **state)
{
    static const int order[] = {3, 4, 0, 1, 2, 2, 4};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE struct made *m = make();
    HF_AUTO(hf_some) struct hf_some *s = open_made(m);
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    (void)state;
    for (size_t k = 0; k < HF_ARRAY_SIZE(order); k++) {
        int i = order[k];
        struct hf_tar *t = hf_some_next(s, m->at[i], m->at[i + 1], &e, NULL, &err);
        assert_hf_got(t, &err);
        assert_int_equal(e.at, m->at[i]);
        assert_int_equal(e.size, i * 200001);
        if (k == 4) /* one whose content nobody asks for */
            continue;
        assert_hf_ok(hf_tar_content(t, &e, NULL, &err), &err);
        assert_string_equal(e.sha256, m->sha256[i]);
    }
}

static void a_place_where_none_begins_or_ends_is_corrupt(void **state)
{
    HF_AUTOFREE struct made *m = make();
    const uint64_t at = m->at[2], end = m->at[3];
    const struct {
        uint64_t at, end;
    } places[] = {{at + 512, end}, {at + 1, end},           {at, at},
                  {end, at},       {at, m->len + 1},        {m->len, m->len + 512},
                  {at, at + 300},  {m->len - 1024, m->len}, {UINT64_MAX - 1, UINT64_MAX}};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(places); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_some) struct hf_some *s = open_made(m);
        HF_AUTO(hf_entry) struct hf_entry e = {0};
        assert_null(hf_some_next(s, places[i].at, places[i].end, &e, NULL, &err));
        assert_hf_err(&err, HF_E_CORRUPT, "");
    }
}

static void a_content_that_goes_on_where_it_should_end_is_corrupt(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE struct made *m = make();
    HF_AUTO(hf_some) struct hf_some *s = open_made(m);
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    (void)state;
    struct hf_tar *t = hf_some_next(s, m->at[3], m->at[4] - 1024, &e, NULL, &err);
    assert_hf_got(t, &err);
    assert_int_equal(hf_tar_content(t, &e, NULL, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(they_come_in_any_order_with_their_digests),
        HF_TEST(a_place_where_none_begins_or_ends_is_corrupt),
        HF_TEST(a_content_that_goes_on_where_it_should_end_is_corrupt),
    };
    return HF_RUN_TESTS("files.some", tests);
}

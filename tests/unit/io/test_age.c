/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "harness/hf_test.h"
#include "io/age.h"
#include "io/age_header.h"
#include "io/memory.h"

#include <stdlib.h>
#include <string.h>

/* Made by age-keygen and age of Debian 12. */
#define KEY "AGE-SECRET-KEY-1CCFJJW37HK7Z2PVH6LDFW8NNMQQSS4FLQHXUQDV62F2QT789607SEFGT58"
#define RECIPIENT "age15knge467znamrjvtrpa7m0l3py4hfleethyz0a9f5ngmsyg4cffqax4tgh"
#define OTHER "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
static const char sample[] =
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSB3S0k0QlZ5ZVpQQUlLVllZTzJzNkgrSWxhZmk4NTUvRDNiV3"
    "QxVUhOUmlNCjJvU2VGOEtrUGxxMlJpenBwUjBaNG82Q0xWdnNQY1REUlRoUVp1K3dwNE0KLS0tIGVXYk1rdmMvQnBt"
    "UWlYK3c1RTRudXU2eDdzMCtQbktzYmd1QUdjVUQ4WlEKBTNP6kREz/nFBiKTPmsmyBJlXDjtFAUkqd4mHcyYuNWFji"
    "E/gvPPS69WWeOboFlc2V+PrQ==";

static struct hf_age_identities *keys(void **state, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_age_identities *ids =
        hf_age_identities_read(hf_test_file(state, "key", text, 0600), &err);
    assert_hf_got(ids, &err);
    return ids;
}

static void fill(char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 31 + i / 251);
}

/* In pieces of an odd size, so that borders of pieces and chunks differ. */
static void seal(const struct hf_age_recipients *to, const char *data, size_t len,
                 struct hf_buf *out)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_io_sink *m = hf_io_memory_new(out, &err);
    assert_hf_got(m, &err);
    HF_AUTO(hf_io_sink) struct hf_io_sink *s = hf_age_sink_new(to, m, &err);
    assert_hf_got(s, &err);
    for (size_t at = 0; at < len; at += 50021)
        assert_hf_ok(hf_io_write(s, data + at, len - at < 50021 ? len - at : 50021, &err), &err);
    assert_hf_ok(hf_io_finish(s, &err), &err);
}

static struct hf_io_source *try_open(const struct hf_buf *file, const struct hf_age_identities *ids,
                                     struct hf_err *err)
{
    struct hf_io_source *m = hf_io_source_memory(file->data, file->len, err);
    assert_hf_got(m, err);
    return hf_age_source_new(m, ids, err);
}

static void opens_what_the_ordinary_age_wrote(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    bool cut = false;
    char plain[64] = "";
    HF_AUTO(hf_buf) struct hf_buf file = HF_BUF_INIT;
    assert_int_equal(hf_base64_decode(&file, sample, 4096, &cut), 0);
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = keys(state, KEY "\n");
    HF_AUTO(hf_io_source) struct hf_io_source *s = try_open(&file, ids, &err);
    assert_hf_got(s, &err);
    assert_int_equal(s->size, 20);
    assert_hf_ok(hf_io_read_at(s, 0, plain, 20, &err), &err);
    assert_string_equal(plain, "the quick brown fox\n");
}

static void every_size_comes_back_and_is_foretold(void **state)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 5 * 1048576 + 7};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = keys(state, KEY);
    struct hf_age_recipients to = {0};
    assert_hf_ok(hf_age_recipients_add(&to, RECIPIENT, &err), &err);
    for (size_t i = 0; i < HF_ARRAY_SIZE(sizes); i++) {
        HF_AUTOFREE char *data = malloc(sizes[i] + 1), *back = malloc(sizes[i] + 1);
        HF_AUTO(hf_buf) struct hf_buf file = HF_BUF_INIT;
        fill(data, sizes[i]);
        seal(&to, data, sizes[i], &file);
        assert_int_equal(file.len, hf_age_file_size(1, sizes[i]));
        HF_AUTO(hf_io_source) struct hf_io_source *s = try_open(&file, ids, &err);
        assert_hf_got(s, &err);
        assert_int_equal(s->size, sizes[i]);
        assert_hf_ok(hf_io_read_at(s, 0, back, sizes[i], &err), &err);
        assert_memory_equal(back, data, sizes[i]);
    }
}

static void any_range_can_be_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    enum { LEN = 300000 };
    static char data[LEN], back[LEN];
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = keys(state, KEY);
    struct hf_age_recipients to = {0};
    HF_AUTO(hf_buf) struct hf_buf file = HF_BUF_INIT;
    assert_hf_ok(hf_age_recipients_add(&to, RECIPIENT, &err), &err);
    fill(data, LEN);
    seal(&to, data, LEN, &file);
    HF_AUTO(hf_io_source) struct hf_io_source *s = try_open(&file, ids, &err);
    assert_hf_got(s, &err);
    for (size_t at = 7; at < LEN; at = at * 3 + 1)
        for (size_t len = 1; len <= LEN - at; len = len * 7 + 3) {
            assert_hf_ok(hf_io_read_at(s, at, back, len, &err), &err);
            assert_memory_equal(back, data + at, len);
        }
    assert_int_equal(hf_io_read_at(s, LEN - 1, back, 2, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "of only 300000");
}

static void each_of_several_recipients_can_open_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_age_recipients to = {0};
    HF_AUTO(hf_buf) struct hf_buf file = HF_BUF_INIT;
    struct hf_age_identities *ids[3];
    char text[HF_AGE_TEXT_MAX], plain[6] = "";
    for (int i = 0; i < 3; i++) {
        ids[i] = hf_age_identities_generate(&err);
        assert_hf_got(ids[i], &err);
        hf_age_identities_recipient(ids[i], 0, text);
        assert_hf_ok(hf_age_recipients_add(&to, text, &err), &err);
        assert_hf_ok(hf_age_recipients_add(&to, text, &err), &err);
    }
    assert_int_equal(to.n, 3);
    seal(&to, "hello", 5, &file);
    for (int i = 0; i < 3; i++) {
        HF_AUTO(hf_io_source) struct hf_io_source *s = try_open(&file, ids[i], &err);
        assert_hf_got(s, &err);
        assert_hf_ok(hf_io_read_at(s, 0, plain, 5, &err), &err);
        assert_string_equal(plain, "hello");
        hf_age_identities_free(ids[i]);
    }
    HF_AUTO(hf_age_identities) struct hf_age_identities *stranger = keys(state, KEY);
    assert_null(try_open(&file, stranger, &err));
    assert_hf_err(&err, HF_E_AUTH, "none of the 1 keys at hand opens it (it has 3 recipients)");
}

/* Opens and reads all of it. */
static int read_all(const struct hf_buf *file, const struct hf_age_identities *ids,
                    struct hf_err *err)
{
    HF_AUTO(hf_io_source) struct hf_io_source *s = try_open(file, ids, err);
    HF_AUTOFREE char *back = s ? malloc((size_t)s->size + 1) : NULL;
    return s ? hf_io_read_at(s, 0, back, (size_t)s->size, err) : -1;
}

static void a_flipped_bit_anywhere_is_noticed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    enum { LEN = 65536 * 2 + 100 };
    static char data[LEN];
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = keys(state, KEY);
    struct hf_age_recipients to = {0};
    HF_AUTO(hf_buf) struct hf_buf file = HF_BUF_INIT;
    assert_hf_ok(hf_age_recipients_add(&to, RECIPIENT, &err), &err);
    seal(&to, data, LEN, &file);
    assert_hf_ok(read_all(&file, ids, &err), &err);
    for (size_t at = 0; at < file.len; at += at < 200 ? 1 : 4999) {
        file.data[at] ^= 4;
        err = (struct hf_err)HF_ERR_INIT;
        assert_int_equal(read_all(&file, ids, &err), -1);
        assert_true(err.cls == HF_E_CORRUPT || (at < 168 && err.cls == HF_E_AUTH));
        file.data[at] ^= 4;
    }
}

static void a_cut_at_any_place_is_noticed_when_it_is_opened(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    enum { LEN = 65536 * 2 + 100 };
    static char data[LEN];
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = keys(state, KEY);
    struct hf_age_recipients to = {0};
    HF_AUTO(hf_buf) struct hf_buf file = HF_BUF_INIT;
    assert_hf_ok(hf_age_recipients_add(&to, RECIPIENT, &err), &err);
    seal(&to, data, LEN, &file);
    size_t payload = (size_t)hf_age_file_size(1, 0) - 16, whole = file.len;
    size_t cuts[] = {0,
                     1,
                     30,
                     100,
                     payload - 17,
                     payload - 16,
                     payload - 1,
                     payload,
                     payload + 1,
                     payload + 16,
                     payload + 65552,
                     payload + 65552 + 16,
                     payload + 2 * 65552,
                     payload + 2 * 65552 + 3,
                     payload + 2 * 65552 + 16,
                     whole - 1};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cuts); i++) {
        file.len = cuts[i];
        assert_null(try_open(&file, ids, &err));
        assert_int_equal(err.cls, HF_E_CORRUPT);
        if (cuts[i] >= payload - 16)
            assert_contains(err.message, "truncated");
    }
    file.len = whole;
    hf_buf_str_add(&file, "x");
    assert_null(try_open(&file, ids, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "damaged");
}

static void two_chunks_exchanged_are_noticed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    enum { LEN = 65536 * 3 };
    static char data[LEN], chunk[65552];
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = keys(state, KEY);
    struct hf_age_recipients to = {0};
    HF_AUTO(hf_buf) struct hf_buf file = HF_BUF_INIT;
    assert_hf_ok(hf_age_recipients_add(&to, RECIPIENT, &err), &err);
    seal(&to, data, LEN, &file);
    char *payload = file.data + hf_age_file_size(1, 0) - 16;
    memcpy(chunk, payload, sizeof chunk);
    memcpy(payload, payload + sizeof chunk, sizeof chunk);
    memcpy(payload + sizeof chunk, chunk, sizeof chunk);
    assert_int_equal(read_all(&file, ids, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "encrypted chunk 1 of 3 is damaged");
}

static void odd_headers_are_refused_with_the_reason(void **state)
{
#define V1 "age-encryption.org/v1\n"
#define B43 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define X "-> X25519 " B43 "\n" B43 "\n"
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "not a file in the age format"},
        {"age-encryption.org/v2\n" X "--- " B43 "\n", "not a file in the age format"},
        {"-----BEGIN AGE ENCRYPTED FILE-----\n", "not a file in the age format"},
        {V1 "--- " B43 "\n", "no recipient"},
        {V1 X, "it does not end"},
        {V1 X "---", "it does not end"},
        {V1 X "--- " B43, "it does not end"},
        {V1 X "--- " B43 "=\n", "its MAC has another form"},
        {V1 X "junk\n", "neither stanza nor end"},
        {V1 "-> \n" B43 "\n", "an empty word"},
        {V1 "-> X25519  " B43 "\n" B43 "\n", "an empty word"},
        {V1 "-> X25519 \t\n" B43 "\n", "an odd character"},
        {V1 "-> X25519 " B43 " x\n" B43 "\n", "another form"},
        {V1 "-> X25519 short\n" B43 "\n", "another form"},
        {V1 "-> X25519 " B43 "\nAAAA\n", "another form"},
        {V1 "-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\n" B43 "\n", "another form"},
        {V1 "-> x y\n?\n", "no base64"},
    };
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE struct hf_age_header *h = calloc(1, sizeof *h);
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        assert_int_equal(hf_age_header_parse(cases[i].text, strlen(cases[i].text), h, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, cases[i].why);
    }
    const char *grease = V1 "-> grease 1 2\n\n" X "-> ssh-ed25519 x\n" B43 "\n--- " B43 "\nbody";
    assert_hf_ok(hf_age_header_parse(grease, strlen(grease), h, &err), &err);
    assert_int_equal(h->n, 1);
    assert_int_equal(h->len, strlen(grease) - 4);
}

static void keys_are_written_as_age_writes_them(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char text[HF_AGE_TEXT_MAX];
    HF_AUTO(hf_age_identities)
    struct hf_age_identities *ids = keys(state, "# a comment\r\n\n" KEY "\r\n" OTHER "\n");
    assert_int_equal(hf_age_identities_n(ids), 2);
    hf_age_identities_recipient(ids, 0, text);
    assert_string_equal(text, RECIPIENT);
    HF_AUTO(hf_secret) struct hf_secret *s = hf_age_identities_text(ids, 0);
    assert_string_equal(hf_secret_reveal(s), KEY);
    HF_AUTO(hf_age_identities) struct hf_age_identities *more = hf_age_identities_generate(&err);
    assert_hf_got(more, &err);
    assert_hf_ok(hf_age_identities_join(ids, more, &err), &err);
    assert_int_equal(hf_age_identities_n(ids), 3);
}

static void refuses_a_key_file_without_quoting_it(void **state)
{
    static const char *const bad[] = {
        "AGE-SECRET-KEY-1CCFJJW37HK7Z2PVH6LDFW8NNMQQSS4FLQHXUQDV62F2QT789607SEFGT59",
        "age-secret-key-1ccfjjw37hk7z2pvh6ldfw8nnmqqss4flqhxuqdv62f2qt789607sefgt58",
        "AGE-SECRET-KEY-1CCFJJW37HK7Z2PVH6LDFW8NNMQQSS4FLQHXUQDV62F2QT789607SEFGT58Q",
        RECIPIENT,
        "hunter2",
    };
    struct hf_err err = HF_ERR_INIT;
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        assert_null(hf_age_identities_read(hf_test_file(state, "k", bad[i], 0600), &err));
        assert_hf_err(&err, HF_E_CONFIG, "line 1 is not an age key");
        assert_lacks(err.message, bad[i]);
    }
    assert_null(hf_age_identities_read(hf_test_file(state, "k", "# none\n", 0600), &err));
    assert_hf_err(&err, HF_E_CONFIG, "no key in it");
    assert_null(hf_age_identities_read(hf_test_file(state, "open", KEY, 0640), &err));
    assert_hf_err(&err, HF_E_CONFIG, "chmod 600");
}

static void refuses_what_is_no_recipient(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_age_recipients to = {0};
    assert_int_equal(hf_age_recipients_add(&to, "ssh-ed25519 AAAA", &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "not an age recipient");
    assert_int_equal(hf_age_recipients_add(&to, KEY, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "age-keygen -y");
    assert_lacks(err.message, "CCFJJ");
    HF_AUTO(hf_buf) struct hf_buf file = HF_BUF_INIT;
    assert_null(hf_age_sink_new(&to, hf_io_memory_new(&file, &err), &err));
    assert_hf_err(&err, HF_E_CONFIG, "no recipient");
    to.n = 1; /* the point zero: everybody would know the shared secret */
    assert_null(hf_age_sink_new(&to, hf_io_memory_new(&file, &err), &err));
    assert_hf_err(&err, HF_E_CONFIG, "no usable key");
    assert_int_equal(file.len, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(opens_what_the_ordinary_age_wrote),
        HF_TEST(every_size_comes_back_and_is_foretold),
        HF_TEST(any_range_can_be_read),
        HF_TEST(each_of_several_recipients_can_open_it),
        HF_TEST(a_flipped_bit_anywhere_is_noticed),
        HF_TEST(a_cut_at_any_place_is_noticed_when_it_is_opened),
        HF_TEST(two_chunks_exchanged_are_noticed),
        HF_TEST(odd_headers_are_refused_with_the_reason),
        HF_TEST(keys_are_written_as_age_writes_them),
        HF_TEST(refuses_a_key_file_without_quoting_it),
        HF_TEST(refuses_what_is_no_recipient),
    };
    return HF_RUN_TESTS("io.age", tests);
}

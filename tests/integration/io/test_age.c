/* SPDX-License-Identifier: Apache-2.0
 *
 * Both ways with Debian's age: what we seal it opens, what it seals we open; several recipients, every border of a chunk.
 */
#include "base/path.h"
#include "harness/hf_test.h"
#include "integration/need.h"
#include "io/age.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 7 * 1048576 + 13};

static char age[256], keygen[256];

static struct hf_age_identities *new_key(void **state, const char *name, char text[HF_AGE_TEXT_MAX])
{
    struct hf_err err = HF_ERR_INIT;
    assert_runs(keygen, "-o", hf_test_path(state, name));
    struct hf_age_identities *ids = hf_age_identities_read(hf_test_path(state, name), &err);
    assert_hf_got(ids, &err);
    hf_age_identities_recipient(ids, 0, text);
    return ids;
}

static char *make_data(void **state, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    char *data = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 131 + i / 509);
    unlink(hf_test_path(state, "plain"));
    assert_hf_ok(hf_path_write(hf_test_path(state, "plain"), data, len, 0600, &err), &err);
    return data;
}

static void we_open_what_age_wrote(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char first[HF_AGE_TEXT_MAX], second[HF_AGE_TEXT_MAX];
    HF_AUTO(hf_age_identities) struct hf_age_identities *a = new_key(state, "a", first);
    HF_AUTO(hf_age_identities) struct hf_age_identities *b = new_key(state, "b", second);
    for (size_t i = 0; i < HF_ARRAY_SIZE(sizes); i++) {
        HF_AUTOFREE char *data = make_data(state, sizes[i]), *back = malloc(sizes[i] + 1);
        assert_runs(age, "-r", first, "-r", second, "-o", hf_test_path(state, "f.age"),
                    hf_test_path(state, "plain"));
        struct hf_io_source *file = hf_io_source_file(hf_test_path(state, "f.age"), &err);
        assert_hf_got(file, &err);
        assert_int_equal(file->size, hf_age_file_size(2, sizes[i]));
        HF_AUTO(hf_io_source)
        struct hf_io_source *s = hf_age_source_new(file, i % 2 ? a : b, &err);
        assert_hf_got(s, &err);
        assert_int_equal(s->size, sizes[i]);
        assert_hf_ok(hf_io_read_at(s, 0, back, sizes[i], &err), &err);
        assert_memory_equal(back, data, sizes[i]);
    }
}

static void age_opens_what_we_wrote(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char first[HF_AGE_TEXT_MAX], second[HF_AGE_TEXT_MAX];
    HF_AUTO(hf_age_identities) struct hf_age_identities *a = new_key(state, "a", first);
    HF_AUTO(hf_age_identities) struct hf_age_identities *b = new_key(state, "b", second);
    struct hf_age_recipients to = {0};
    assert_hf_ok(hf_age_recipients_add(&to, first, &err), &err);
    assert_hf_ok(hf_age_recipients_add(&to, second, &err), &err);
    HF_AUTOFD int dir = open(hf_test_dir(state), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < HF_ARRAY_SIZE(sizes); i++) {
        HF_AUTOFREE char *data = make_data(state, sizes[i]);
        unlink(hf_test_path(state, "f.age"));
        /* age 1.1 makes no file of nothing. */
        hf_test_file(state, "back", "", 0600);
        struct hf_io_sink *file = hf_io_file_new(dir, "D", "f.age", NULL, &err);
        assert_hf_got(file, &err);
        HF_AUTO(hf_io_sink) struct hf_io_sink *s = hf_age_sink_new(&to, file, &err);
        assert_hf_got(s, &err);
        assert_hf_ok(hf_io_write(s, data, sizes[i], &err), &err);
        assert_hf_ok(hf_io_finish(s, &err), &err);
        assert_runs(age, "-d", "-i", hf_test_path(state, i % 2 ? "a" : "b"), "-o",
                    hf_test_path(state, "back"), hf_test_path(state, "f.age"));
        size_t len = 0;
        HF_AUTOFREE char *back = hf_path_read(hf_test_path(state, "back"), 64 << 20, &len, &err);
        assert_hf_got(back, &err);
        assert_int_equal(len, sizes[i]);
        assert_memory_equal(back, data, len);
    }
}

static void age_takes_the_keys_that_we_make(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char mine[HF_AGE_TEXT_MAX];
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = hf_age_identities_generate(&err);
    assert_hf_got(ids, &err);
    hf_age_identities_recipient(ids, 0, mine);
    HF_AUTO(hf_secret) struct hf_secret *text = hf_age_identities_text(ids, 0);
    hf_test_file(state, "mine", hf_secret_reveal(text), 0600);
    free(make_data(state, 100));
    assert_runs(age, "-r", mine, "-o", hf_test_path(state, "f.age"), hf_test_path(state, "plain"));
    assert_runs(age, "-d", "-i", hf_test_path(state, "mine"), "-o", hf_test_path(state, "back"),
                hf_test_path(state, "f.age"));
    assert_runs("cmp", hf_test_path(state, "plain"), hf_test_path(state, "back"));
}

int main(void)
{
    hf_need_program("age", "age", age, sizeof age);
    hf_need_program("age", "age-keygen", keygen, sizeof keygen);
    static const struct CMUnitTest tests[] = {
        HF_TEST(we_open_what_age_wrote),
        HF_TEST(age_opens_what_we_wrote),
        HF_TEST(age_takes_the_keys_that_we_make),
    };
    return HF_RUN_TESTS("io.age", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "harness/hf_test.h"
#include "io/pack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static int open_dir(void **state)
{
    int fd = open(hf_test_dir(state), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static bool exists(void **state, const char *name)
{
    return access(hf_test_path(state, name), F_OK) == 0;
}

static char *read_back(void **state, const char *name, size_t *len)
{
    struct hf_err err = HF_ERR_INIT;
    char *data = hf_path_read(hf_test_path(state, name), 64 << 20, len, &err);
    assert_hf_got(data, &err);
    return data;
}

static void a_file_has_its_name_only_when_it_is_finished(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    uint64_t stored = 99;
    HF_AUTOFD int dir = open_dir(state);
    HF_AUTO(hf_io_sink) struct hf_io_sink *s = hf_io_file_new(dir, "D", "rows.sql", &stored, &err);
    assert_hf_got(s, &err);
    assert_hf_ok(hf_io_write(s, "one", 3, &err), &err);
    assert_false(exists(state, "rows.sql"));
    assert_true(exists(state, "rows.sql.part"));
    assert_hf_ok(hf_io_finish(s, &err), &err);
    assert_true(exists(state, "rows.sql"));
    assert_false(exists(state, "rows.sql.part"));
    assert_int_equal(stored, 3);
}

static void an_abandoned_file_leaves_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFD int dir = open_dir(state);
    struct hf_io_sink *s = hf_io_file_new(dir, "D", "rows.sql", NULL, &err);
    assert_hf_got(s, &err);
    assert_hf_ok(hf_io_write(s, "one", 3, &err), &err);
    hf_io_close(s);
    assert_false(exists(state, "rows.sql"));
    assert_false(exists(state, "rows.sql.part"));
}

static void a_file_that_is_there_is_not_touched(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFD int dir = open_dir(state);
    hf_test_file(state, "rows.sql", "old", 0600);
    assert_null(hf_io_file_new(dir, "D", "rows.sql", NULL, &err));
    assert_hf_err(&err, HF_E_CONFLICT, "'D/rows.sql' exists already");
    hf_test_file(state, "other.sql.part", "somebody's", 0600);
    assert_null(hf_io_file_new(dir, "D", "other.sql", NULL, &err));
    assert_true(exists(state, "other.sql.part"));
}

/* What a descriptor of a full device answers, in place of the file's own: that is the last one opened. */
static void a_full_disk_is_named(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFD int dir = open_dir(state);
    HF_AUTOFD int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    int next = dup(full);
    close(next);
    HF_AUTO(hf_io_sink) struct hf_io_sink *s = hf_io_file_new(dir, "D", "rows.sql", NULL, &err);
    assert_hf_got(s, &err);
    assert_int_equal(dup2(full, next), next);
    assert_int_equal(hf_io_write(s, "x", 1, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "cannot write 'D/rows.sql'");
}

static void the_digest_is_that_of_the_content_whatever_the_compression(void **state)
{
    static const enum hf_io_packing hows[] = {HF_IO_ZSTD, HF_IO_GZIP, HF_IO_PLAIN};
    HF_AUTOFD int dir = open_dir(state);
    for (size_t i = 0; i < HF_ARRAY_SIZE(hows); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_io_digest digest = {0};
        HF_AUTO(hf_io_packer) struct hf_io_packer *p = hf_io_packer_new(hows[i], 0, &err);
        assert_hf_got(p, &err);
        struct hf_io_sink *s = hf_io_file_new(dir, "D", hf_io_packing_name(hows[i]), NULL, &err);
        s = hf_io_hash_new(hf_io_pack_new(p, s, &err), &digest, &err);
        assert_hf_got(s, &err);
        assert_hf_ok(hf_io_write(s, "ab", 2, &err), &err);
        assert_hf_ok(hf_io_write(s, "c", 1, &err), &err);
        assert_hf_ok(hf_io_finish(s, &err), &err);
        hf_io_close(s);
        assert_int_equal(digest.bytes, 3);
        assert_string_equal(digest.sha256,
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

/* More than any buffer inside, and not a multiple of one. */
enum { LONG = 3000001 };

static char *long_text(void)
{
    char *text = malloc(LONG);
    assert_non_null(text);
    for (size_t i = 0; i < LONG; i++)
        text[i] = (char)('a' + i * i % 23);
    return text;
}

static void pack_twice(void **state, enum hf_io_packing how, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFD int dir = open_dir(state);
    HF_AUTO(hf_io_packer) struct hf_io_packer *p = hf_io_packer_new(how, 0, &err);
    assert_hf_got(p, &err);
    /* The first file is given up in the middle: nothing of it may be in the second. */
    struct hf_io_sink *s =
        hf_io_pack_new(p, hf_io_file_new(dir, "D", "given-up", NULL, &err), &err);
    assert_hf_ok(hf_io_write(s, text, 1000, &err), &err);
    hf_io_close(s);
    s = hf_io_pack_new(p, hf_io_file_new(dir, "D", "packed", NULL, &err), &err);
    assert_hf_got(s, &err);
    assert_hf_ok(hf_io_write(s, text, LONG, &err), &err);
    assert_hf_ok(hf_io_finish(s, &err), &err);
    hf_io_close(s);
}

static void zstd_reads_back_what_was_written(void **state)
{
    HF_AUTOFREE char *text = long_text(), *out = malloc(LONG);
    size_t len = 0;
    pack_twice(state, HF_IO_ZSTD, text);
    HF_AUTOFREE char *packed = read_back(state, "packed", &len);
    assert_true(len < LONG / 2);
    assert_int_equal(ZSTD_decompress(out, LONG, packed, len), LONG);
    assert_memory_equal(out, text, LONG);
}

static void gzip_reads_back_what_was_written(void **state)
{
    HF_AUTOFREE char *text = long_text(), *out = malloc(LONG);
    pack_twice(state, HF_IO_GZIP, text);
    gzFile f = gzopen(hf_test_path(state, "packed"), "rb");
    assert_non_null(f);
    assert_int_equal(gzread(f, out, LONG), LONG);
    assert_int_equal(gzclose(f), Z_OK);
    assert_memory_equal(out, text, LONG);
}

static void an_unknown_compression_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    enum hf_io_packing how = HF_IO_PLAIN;
    assert_int_equal(hf_io_packing_parse("lz4", &how, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "zstd, gzip or none");
    assert_hf_ok(hf_io_packing_parse("gzip", &how, &err), &err);
    assert_string_equal(hf_io_packing_suffix(how), ".gz");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_file_has_its_name_only_when_it_is_finished),
        HF_TEST(an_abandoned_file_leaves_nothing),
        HF_TEST(a_file_that_is_there_is_not_touched),
        HF_TEST(a_full_disk_is_named),
        HF_TEST(the_digest_is_that_of_the_content_whatever_the_compression),
        HF_TEST(zstd_reads_back_what_was_written),
        HF_TEST(gzip_reads_back_what_was_written),
        HF_TEST(an_unknown_compression_is_refused),
    };
    return HF_RUN_TESTS("io.sink", tests);
}

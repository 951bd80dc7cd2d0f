/* SPDX-License-Identifier: Apache-2.0
 *
 * An archive's directory through the plan into a tar of our own, which is read again.
 */
#include "files/retar.h"
#include "harness/bytes.h"
#include "harness/hf_test.h"

#include <string.h>
#include <sys/stat.h>

struct member {
    enum hf_entry_type type;
    const char *name, *link, *content;
    unsigned mode;
    bool has_capability;
};

static const unsigned modes[HF_ENTRY_TYPES] = {AE_IFREG, AE_IFREG, AE_IFLNK, AE_IFDIR,
                                               AE_IFIFO, AE_IFCHR, AE_IFBLK};

static void digest(const void *data, size_t len, char out[HF_SHA256_HEX])
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_sha256) struct hf_sha256 *sha = hf_sha256_new(&err);
    assert_hf_got(sha, &err);
    assert_hf_ok(hf_sha256_begin(sha, &err), &err);
    assert_hf_ok(hf_sha256_add(sha, data, len, &err), &err);
    assert_hf_ok(hf_sha256_end(sha, out, &err), &err);
}

static la_ssize_t to_buf(struct archive *a, void *ctx, const void *data, size_t len)
{
    (void)a;
    hf_buf_add(ctx, data, len);
    return (la_ssize_t)len;
}

static void add_to_tar(struct archive *a, const struct member *m)
{
    size_t len = m->content ? strlen(m->content) : 0;
    struct archive_entry *e = archive_entry_new();
    archive_entry_copy_pathname(e, m->name);
    archive_entry_set_mode(e, modes[m->type] | m->mode);
    archive_entry_set_size(e, (la_int64_t)len);
    archive_entry_set_mtime(e, 1, 5);
    if (m->type == HF_ENTRY_HARDLINK)
        archive_entry_copy_hardlink(e, m->link);
    else if (m->link)
        archive_entry_copy_symlink(e, m->link);
    if (m->has_capability) {
        archive_entry_xattr_add_entry(e, "security.capability", "cap", 3);
        archive_entry_xattr_add_entry(e, "user.note", "kept", 4);
    }
    assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
    if (len)
        assert_int_equal(archive_write_data(a, m->content, len), len);
    archive_entry_free(e);
}

static void make_tar(const struct member *m, size_t n, struct hf_buf *out)
{
    struct archive *a = archive_write_new();
    archive_write_set_format_pax(a);
    archive_write_set_format_option(a, NULL, "xattrheader", "SCHILY");
    archive_write_open(a, out, NULL, to_buf, NULL);
    for (size_t i = 0; i < n; i++)
        add_to_tar(a, &m[i]);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
}

static void make_listing(const struct member *m, size_t n, struct hf_buf *out)
{
    struct hf_err err = HF_ERR_INIT;
    for (size_t i = 0; i < n; i++) {
        struct hf_entry e = {.name = (char *)m[i].name,
                             .link = (char *)m[i].link,
                             .type = m[i].type,
                             .size = m[i].content ? strlen(m[i].content) : 0,
                             .mode = m[i].mode,
                             .mtime_s = 1,
                             .mtime_ns = 5};
        if (e.type == HF_ENTRY_FILE)
            digest(m[i].content, e.size, e.sha256);
        assert_hf_ok(hf_entry_print(&e, out, &err), &err);
    }
}

static void put(const char *dir, const char *name, const struct hf_buf *data)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/%s", dir, name);
    HF_AUTOFILE FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(data->data, 1, data->len, f), data->len);
}

/* An archive whose tar has the one, and whose listing the other. */
static const char *make_archive(void **state, const struct member *tar, size_t n_tar,
                                const struct member *listed, size_t n_listed)
{
    HF_AUTO(hf_buf) struct hf_buf t = HF_BUF_INIT, l = HF_BUF_INIT, about = HF_BUF_INIT;
    char tar_sha[HF_SHA256_HEX], listing_sha[HF_SHA256_HEX];
    const char *dir = hf_test_dir(state);
    make_tar(tar, n_tar, &t);
    make_listing(listed, n_listed, &l);
    digest(t.data, t.len, tar_sha);
    digest(l.data, l.len, listing_sha);
    hf_buf_printf(&about, "{\"tar_sha256\": \"%s\", \"listing_sha256\": \"%s\"}", tar_sha,
                  listing_sha);
    put(dir, "files.tar", &t);
    put(dir, "files.jsonl", &l);
    put(dir, "files.json", &about);
    return dir;
}

static int keep(void *ctx, const void *data, size_t len, struct hf_err *err)
{
    hf_buf_add(ctx, data, len);
    (void)err;
    return 0;
}

static int see_nothing(void *ctx, const struct hf_entry *e, struct hf_err *err)
{
    (void)ctx, (void)e, (void)err;
    return 0;
}

/* The whole way, into out. */
static int pass(const struct hf_unpack *req, struct hf_unpacked *u, struct hf_buf *out,
                struct hf_err *err)
{
    HF_AUTO(hf_plan) struct hf_plan p = HF_PLAN_INIT;
    HF_AUTO(hf_retar) struct hf_retar *t = hf_retar_new(keep, out, err);
    assert_hf_got(t, err);
    const struct hf_plan_sink sink = hf_retar_sink(t);
    if (hf_plan_open(&p, req, u, err) < 0 || hf_plan_check(&p, see_nothing, NULL, err) < 0 ||
        hf_plan_run(&p, &sink, err) < 0 || hf_retar_finish(t, err) < 0)
        return -1;
    assert_int_equal(hf_retar_bytes(t), out->len);
    return 0;
}

/* "name:mode:attributes " of each. */
static int list(const struct hf_buf *tar, struct hf_buf *out, struct hf_err *err)
{
    struct bytes b = {tar->data, tar->len, 0};
    const struct hf_tar_source source = {bytes_read, &b};
    struct archive_entry *raw;
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    HF_AUTO(hf_tar) struct hf_tar *t = hf_tar_open(&source, NULL, err);
    int rc = t ? 1 : -1;
    while (rc == 1 && (rc = hf_tar_next(t, &e, &raw, err)) == 1) {
        hf_buf_printf(out, "%s:%o:%d ", e.name, e.mode, archive_entry_xattr_count(raw));
        if (e.type == HF_ENTRY_FILE && hf_tar_content(t, &e, NULL, err) < 0)
            return -1;
    }
    return rc;
}

static const struct member all_kinds[] = {
    {HF_ENTRY_DIR, "d", NULL, NULL, 02755, false},
    {HF_ENTRY_FILE, "d/suid", NULL, "s", 06755, true},
    {HF_ENTRY_FILE, "d/new\nline", NULL, "n", 0600, false},
    {HF_ENTRY_FILE, "d/\xff\xfe", NULL, "b", 0644, false},
    {HF_ENTRY_HARDLINK, "d/hard", "d/\xff\xfe", NULL, 0644, false},
    {HF_ENTRY_SYMLINK, "d/in", "suid", NULL, 0777, false},
    {HF_ENTRY_SYMLINK, "d/out", "../../etc", NULL, 0777, false},
    {HF_ENTRY_HARDLINK, "d/out2", "d/out", NULL, 0777, false},
    {HF_ENTRY_CHAR, "d/null", NULL, NULL, 0666, false},
    {HF_ENTRY_HARDLINK, "d/null2", "d/null", NULL, 0666, false},
    {HF_ENTRY_FIFO, "d/fifo", NULL, NULL, 0600, false},
};

static void what_is_refused_is_not_in_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_unpacked) struct hf_unpacked u = {0};
    HF_AUTO(hf_buf) struct hf_buf tar = HF_BUF_INIT, names = HF_BUF_INIT;
    const struct hf_unpack req = {.dir = make_archive(state, all_kinds, HF_ARRAY_SIZE(all_kinds),
                                                      all_kinds, HF_ARRAY_SIZE(all_kinds))};
    assert_hf_ok(pass(&req, &u, &tar, &err), &err);
    assert_hf_ok(list(&tar, &names, &err), &err);
    assert_string_equal(hf_buf_str(&names),
                        "d:2755:0 d/suid:755:1 d/new\nline:600:0 d/\xff\xfe:644:0 "
                        "d/hard:644:0 d/in:777:0 d/fifo:600:0 ");
    assert_int_equal(u.n_refused, 5);
    assert_int_equal(u.entries, 7);
    assert_int_equal(u.bytes, 3);
}

static void what_is_asked_for_is_in_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_unpacked) struct hf_unpacked u = {0};
    HF_AUTO(hf_buf) struct hf_buf tar = HF_BUF_INIT, names = HF_BUF_INIT;
    const struct hf_unpack req = {.dir = make_archive(state, all_kinds, HF_ARRAY_SIZE(all_kinds),
                                                      all_kinds, HF_ARRAY_SIZE(all_kinds)),
                                  .with_devices = true,
                                  .with_links = true,
                                  .with_setuid = true};
    assert_hf_ok(pass(&req, &u, &tar, &err), &err);
    assert_hf_ok(list(&tar, &names, &err), &err);
    assert_int_equal(u.n_refused, 0);
    assert_int_equal(u.entries, HF_ARRAY_SIZE(all_kinds));
    assert_contains(hf_buf_str(&names), "d/suid:6755:2 ");
    assert_contains(hf_buf_str(&names), "d/out:777:0 d/out2:");
    assert_contains(hf_buf_str(&names), "d/null:666:0 d/null2:");
}

static void assert_stopped(void **state, const struct member *tar, size_t n_tar,
                           const struct member *listed, size_t n_listed, const char *why)
{
    struct hf_err err = HF_ERR_INIT, second = HF_ERR_INIT;
    HF_AUTO(hf_unpacked) struct hf_unpacked u = {0};
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT, names = HF_BUF_INIT;
    const struct hf_unpack req = {.dir = make_archive(state, tar, n_tar, listed, n_listed),
                                  .with_links = true};
    assert_int_equal(pass(&req, &u, &out, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, why);
    /* What had gone already does not look whole. */
    assert_int_equal(list(&out, &names, &second), -1);
}

static void what_ends_in_the_middle_has_no_end(void **state)
{
    static char big[200001]; /* of which some has gone when it is stopped */
    memset(big, 'a', sizeof big - 1);
    const struct member tar[] = {{HF_ENTRY_FILE, "a", NULL, big, 0644, false},
                                 {HF_ENTRY_FILE, "b", NULL, "bbb", 0644, false}};
    const struct member other[] = {tar[0], {HF_ENTRY_FILE, "b", NULL, "ccc", 0644, false}};
    const struct member named[] = {tar[0], {HF_ENTRY_FILE, "c", NULL, "bbb", 0644, false}};
    assert_stopped(state, tar, 2, other, 2, "'b' in the tar is not what the listing says");
    assert_stopped(state, tar, 2, named, 2, "'b' in the tar is not what the listing says");
    assert_stopped(state, tar, 2, tar, 1, "'b' in the tar is not what the listing says");
    assert_stopped(state, tar, 1, tar, 2, "'b' in the tar is not what the listing says");
}

static void nothing_is_below_a_symlink_of_the_archive(void **state)
{
    static const struct member first[] = {{HF_ENTRY_SYMLINK, "l", "/etc", NULL, 0777, false},
                                          {HF_ENTRY_FILE, "l/a", NULL, "a", 0644, false}};
    static const struct member last[] = {{HF_ENTRY_FILE, "l/a", NULL, "a", 0644, false},
                                         {HF_ENTRY_SYMLINK, "l", "/etc", NULL, 0777, false}};
    assert_stopped(state, first, 2, first, 2, "'l/a' is below 'l', which is a symlink");
    assert_stopped(state, last, 2, last, 2, "'l/a' is below 'l', which is a symlink");
}

static void a_link_to_what_is_not_in_the_archive_is_refused(void **state)
{
    static const struct member links[] = {{HF_ENTRY_HARDLINK, "a", "etc/shadow", NULL, 0644, false},
                                          {HF_ENTRY_HARDLINK, "self", "self", NULL, 0644, false}};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_unpacked) struct hf_unpacked u = {0};
    HF_AUTO(hf_buf) struct hf_buf tar = HF_BUF_INIT, names = HF_BUF_INIT;
    const struct hf_unpack req = {.dir = make_archive(state, links, 2, links, 2)};
    assert_hf_ok(pass(&req, &u, &tar, &err), &err);
    assert_hf_ok(list(&tar, &names, &err), &err);
    assert_string_equal(hf_buf_str(&names), "");
    assert_int_equal(u.n_refused, 2);
}

static int break_down(void *ctx, const void *data, size_t len, struct hf_err *err)
{
    (void)ctx, (void)data, (void)len;
    return hf_fail(err, HF_E_UNREACHABLE, "gone");
}

static void the_writer_says_why_it_failed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    HF_AUTO(hf_retar) struct hf_retar *t = hf_retar_new(break_down, NULL, &err);
    assert_hf_got(t, &err);
    assert_int_equal(hf_retar_finish(t, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "gone");
}

/* Else it would go without, and nobody would know. */
static void data_in_what_the_map_calls_a_hole_is_corrupt(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    const struct hf_entry e = {.name = (char *)"a", .size = 4096};
    (void)state;
    HF_AUTO(hf_retar) struct hf_retar *t = hf_retar_new(keep, &out, &err);
    assert_hf_got(t, &err);
    const struct hf_plan_sink sink = hf_retar_sink(t);
    struct archive_entry *raw = archive_entry_new();
    archive_entry_copy_pathname(raw, "a");
    archive_entry_set_mode(raw, AE_IFREG | 0644);
    archive_entry_set_size(raw, 4096);
    archive_entry_sparse_add_entry(raw, 512, 512);
    archive_entry_sparse_add_entry(raw, 2048, 512);
    assert_hf_ok(sink.begin(sink.ctx, &e, raw, &err), &err);
    assert_hf_ok(sink.take(sink.ctx, &e, "xx", 2, 512, &err), &err);
    assert_hf_ok(sink.take(sink.ctx, &e, "xx", 2, 2558, &err), &err);
    assert_int_equal(sink.take(sink.ctx, &e, "xx", 2, 3000, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "map of holes");
    archive_entry_free(raw);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_is_refused_is_not_in_it),
        HF_TEST(what_is_asked_for_is_in_it),
        HF_TEST(what_ends_in_the_middle_has_no_end),
        HF_TEST(nothing_is_below_a_symlink_of_the_archive),
        HF_TEST(a_link_to_what_is_not_in_the_archive_is_refused),
        HF_TEST(the_writer_says_why_it_failed),
        HF_TEST(data_in_what_the_map_calls_a_hole_is_corrupt),
    };
    return HF_RUN_TESTS("files.retar", tests);
}

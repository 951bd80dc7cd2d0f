/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "point/verify.h"

#define MANIFEST "points/web01/" POINT_A "/manifest.json"
#define DUMPED "points/web01/" POINT_A "/dump/shop.orders.00000.sql.zst"

static void note(void *ctx, const struct hf_point_name *point, const struct hf_err *what)
{
    hf_buf_printf(ctx, "%s: %s\n", point->vm, what->message);
}

/* Complaints about the point, into said. */
static uint64_t verify(const struct place *p, enum hf_verify_depth depth, struct hf_buf *said)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_verified done;
    HF_AUTO(hf_site)
    struct hf_site *s = open_site(p, depth == HF_VERIFY_CONTENT ? p->identity_file : NULL);
    HF_AUTO(hf_image) struct hf_image *im = hf_site_image(s, &err);
    assert_hf_got(im, &err);
    const struct hf_verify_opts opts = {.depth = depth, .complain = note, .ctx = said};
    HF_AUTO(hf_verify) struct hf_verify *v = hf_verify_begin(s, im, &opts, &err);
    assert_hf_got(v, &err);
    struct hf_point_name n = name_of("web01", POINT_A);
    hf_buf_clear(said);
    assert_hf_ok(hf_verify_point(v, &n, &done, &err), &err);
    return done.complaints;
}

static void assert_good(const struct place *p, enum hf_verify_depth depth)
{
    HF_AUTO(hf_buf) struct hf_buf said = HF_BUF_INIT;
    if (verify(p, depth, &said))
        fail_msg("%s", hf_buf_str(&said));
}

static void assert_bad(const struct place *p, enum hf_verify_depth depth, const char *piece)
{
    HF_AUTO(hf_buf) struct hf_buf said = HF_BUF_INIT;
    if (!verify(p, depth, &said))
        fail_msg("nothing was said, and should be: %s", piece);
    assert_contains(hf_buf_str(&said), piece);
}

static void with_a_point(void **state, struct place *p, bool is_encrypted)
{
    place_begin(state, p, is_encrypted);
    HF_AUTO(hf_site) struct hf_site *s = make_site(p);
    put_point(s, "web01", POINT_A);
}

/* The manifest has so many disks that are on the store; it is not committed. */
static struct hf_site *begin_disks(void **state, struct place *p, struct hf_manifest *m, size_t n)
{
    static const char *const targets[] = {"vda", "vdb"};
    place_begin(state, p, true);
    struct hf_site *s = make_site(p);
    fill_manifest(m, "web01", POINT_A);
    for (size_t i = 0; i < n; i++)
        put_disk(s, m, targets[i]);
    return s;
}

/* ---- files of the store ----------------------------------------------------------------- */

static struct hf_strv files;

static int take_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)where;
    if (kind == FTW_F && st->st_size > 0 && !strstr(path, HF_SITE_FILE))
        assert_int_equal(hf_strv_add(&files, path), 0);
    return 0;
}

/* All objects but holdfast.json, whose folder is this. */
static void list_files(const struct place *p, const char *folder)
{
    HF_AUTOFREE char *path = file_at(p, folder);
    hf_strv_free(&files);
    assert_int_equal(nftw(path, take_file, 8, FTW_PHYS), 0);
    assert_true(files.n > 0);
}

/* ---- tests ------------------------------------------------------------------------------ */

static void a_good_point_is_good_at_any_depth(void **state)
{
    struct place p;
    with_a_point(state, &p, true);
    assert_good(&p, HF_VERIFY_THERE);
    assert_good(&p, HF_VERIFY_READ);
    assert_good(&p, HF_VERIFY_CONTENT);
    place_end(&p);
}

static void a_good_plain_point_is_good_at_any_depth(void **state)
{
    struct place p;
    with_a_point(state, &p, false);
    assert_good(&p, HF_VERIFY_THERE);
    assert_good(&p, HF_VERIFY_READ);
    assert_good(&p, HF_VERIFY_CONTENT);
    place_end(&p);
}

/* In the first, the last, and a middle byte of every object; the object is named. */
static void check_flipped_bits(void **state, bool is_encrypted)
{
    struct place p;
    struct stat st;
    with_a_point(state, &p, is_encrypted);
    list_files(&p, "");
    assert_int_equal(files.n, 8);
    for (size_t i = 0; i < files.n; i++) {
        assert_int_equal(stat(files.items[i], &st), 0);
        const off_t at[] = {0, st.st_size / 2, st.st_size - 1};
        for (size_t k = 0; k < HF_ARRAY_SIZE(at); k++) {
            flip(files.items[i], at[k]);
            assert_bad(&p, HF_VERIFY_READ, files.items[i] + strlen(p.dir) + 1);
            flip(files.items[i], at[k]);
        }
    }
    assert_good(&p, HF_VERIFY_READ);
    hf_strv_free(&files);
    place_end(&p);
}

static void a_flipped_bit_anywhere_is_named(void **state)
{
    check_flipped_bits(state, true);
}

static void a_flipped_bit_on_a_plain_store_is_named(void **state)
{
    check_flipped_bits(state, false);
}

static void a_truncated_object_is_named_without_reading(void **state)
{
    struct place p;
    struct stat st;
    with_a_point(state, &p, false);
    list_files(&p, "points");
    for (size_t i = 0; i < files.n; i++) {
        if (strstr(files.items[i], "manifest.json"))
            continue;
        assert_int_equal(stat(files.items[i], &st), 0);
        assert_int_equal(truncate(files.items[i], st.st_size - 1), 0);
        assert_bad(&p, HF_VERIFY_THERE, "bytes instead of");
        assert_bad(&p, HF_VERIFY_READ, strrchr(files.items[i], '/'));
        assert_int_equal(truncate(files.items[i], st.st_size), 0);
    }
    list_files(&p, "packs");
    assert_int_equal(truncate(files.items[0], 100), 0);
    assert_bad(&p, HF_VERIFY_THERE, "has another size than its index says");
    hf_strv_free(&files);
    place_end(&p);
}

static void a_missing_object_is_named_without_reading(void **state)
{
    struct place p;
    with_a_point(state, &p, true);
    list_files(&p, "");
    for (size_t i = 0; i < files.n; i++) {
        HF_AUTOFREE char *aside = hf_asprintf("%s/aside", p.state);
        assert_int_equal(rename(files.items[i], aside), 0);
        assert_bad(&p, HF_VERIFY_THERE, strrchr(files.items[i], '/') + 1);
        assert_int_equal(rename(aside, files.items[i]), 0);
    }
    hf_strv_free(&files);
    place_end(&p);
}

static void two_swapped_packs_are_named(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    HF_AUTO(hf_site) struct hf_site *s = begin_disks(state, &p, &m, 2);
    assert_hf_ok(hf_point_commit(s, &m, &err), &err);
    list_files(&p, "packs");
    assert_int_equal(files.n, 2);
    HF_AUTOFREE char *aside = hf_asprintf("%s/aside", p.state);
    assert_int_equal(rename(files.items[0], aside), 0);
    assert_int_equal(rename(files.items[1], files.items[0]), 0);
    assert_int_equal(rename(aside, files.items[1]), 0);
    assert_bad(&p, HF_VERIFY_READ, strrchr(files.items[0], '/') + 1);
    assert_bad(&p, HF_VERIFY_READ, strrchr(files.items[1], '/') + 1);
    assert_bad(&p, HF_VERIFY_READ, "disk 'vda': 8 chunks lie in damaged packs, the first at 0");
    assert_bad(&p, HF_VERIFY_READ, "disk 'vdb': 8 chunks lie in damaged packs, the first at 0");
    hf_strv_free(&files);
    place_end(&p);
}

static void a_forged_manifest_is_named(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    size_t len = 0;
    with_a_point(state, &p, false);
    HF_AUTOFREE char *path = file_at(&p, MANIFEST);
    HF_AUTOFREE char *text = hf_path_read(path, 1 << 20, &len, &err);
    assert_hf_got(text, &err);
    char *grade = strstr(text, "\"grade\":\"B\"");
    assert_non_null(grade);
    grade[9] = 'A';
    assert_hf_ok(hf_path_write(path, text, len, 0600, &err), &err);
    assert_bad(&p, HF_VERIFY_THERE, "not written by a holder of the store's key");
    assert_bad(&p, HF_VERIFY_THERE, MANIFEST);
    place_end(&p);
}

/* Put there by somebody who knows the recipients only. */
static void assert_stranger_named(struct place *p, struct hf_site *s, const char *path)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt receipt;
    const char *name = path + strlen(p->dir) + 1;
    HF_AUTOFREE char *aside = hf_asprintf("%s/aside", p->state);
    assert_int_equal(rename(path, aside), 0);
    assert_hf_ok(hf_site_put_bytes(s, HF_SITE_DATA, name, "{}", 2, &receipt, &err), &err);
    assert_bad(p, HF_VERIFY_READ, name);
    assert_int_equal(rename(aside, path), 0);
}

static void what_was_not_encrypted_to_this_host_is_named(void **state)
{
    struct place p;
    with_a_point(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *s = open_site(&p, NULL);
    HF_AUTOFREE char *manifest = file_at(&p, MANIFEST ".age");
    assert_stranger_named(&p, s, manifest);
    list_files(&p, "index");
    for (size_t i = 0; i < files.n; i++)
        assert_stranger_named(&p, s, files.items[i]);
    hf_strv_free(&files);
    place_end(&p);
}

static void what_else_lies_in_a_point_is_no_damage(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt receipt;
    with_a_point(state, &p, false);
    assert_hf_ok(hf_store_put_bytes(p.store, "points/web01/" POINT_A "/dump/another", "x", 1, false,
                                    &receipt, &err),
                 &err);
    assert_good(&p, HF_VERIFY_THERE);
    assert_good(&p, HF_VERIFY_READ);
    place_end(&p);
}

static void a_manifest_that_names_another_tree_is_noticed(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    HF_AUTO(hf_site) struct hf_site *s = begin_disks(state, &p, &m, 1);
    m.artifacts[0].root[0] ^= 1;
    assert_hf_ok(hf_point_commit(s, &m, &err), &err);
    assert_bad(&p, HF_VERIFY_THERE, "disk 'vda'");
    place_end(&p);
}

static void a_chunk_that_lies_nowhere_is_noticed(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    HF_AUTO(hf_site) struct hf_site *s = begin_disks(state, &p, &m, 1);
    m.n_packs = 0; /* a manifest that says nothing of them */
    assert_hf_ok(hf_point_commit(s, &m, &err), &err);
    assert_good(&p, HF_VERIFY_THERE);
    list_files(&p, "packs");
    HF_AUTOFREE char *index =
        hf_asprintf("%s/index/%.32s.idx.age", p.dir, strrchr(files.items[0], '/') + 1);
    assert_int_equal(unlink(index), 0);
    assert_bad(&p, HF_VERIFY_THERE, "disk 'vda'");
    hf_strv_free(&files);
    place_end(&p);
}

static void a_disk_of_another_size_is_noticed(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    HF_AUTO(hf_site) struct hf_site *s = begin_disks(state, &p, &m, 1);
    m.artifacts[0].bytes += 512;
    assert_hf_ok(hf_point_commit(s, &m, &err), &err);
    assert_bad(&p, HF_VERIFY_THERE, "a disk of 1048576 bytes, not of 1049088");
    place_end(&p);
}

static void content_needs_the_key_of_the_data(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    const struct hf_verify_opts opts = {.depth = HF_VERIFY_CONTENT};
    with_a_point(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *s = open_site(&p, NULL);
    HF_AUTO(hf_image) struct hf_image *im = hf_site_image(s, &err);
    assert_null(hf_verify_begin(s, im, &opts, &err));
    assert_hf_err(&err, HF_E_AUTH, "identity-file");
    place_end(&p);
}

static void a_store_that_cannot_be_reached_is_no_damage(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    struct hf_verified done;
    const struct hf_verify_opts opts = {.depth = HF_VERIFY_READ};
    struct hf_point_name n = name_of("web01", POINT_A);
    with_a_point(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *s = open_site(&p, NULL);
    HF_AUTO(hf_image) struct hf_image *im = hf_site_image(s, &err);
    HF_AUTO(hf_verify) struct hf_verify *v = hf_verify_begin(s, im, &opts, &err);
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    hf_cancel_set(cancel);
    s->cancel = cancel;
    assert_int_equal(hf_verify_point(v, &n, &done, &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "");
    assert_int_equal(done.complaints, 0);
    place_end(&p);
}

static void a_pack_of_two_points_is_read_once_and_said_twice(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    struct hf_verified first, second;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    HF_AUTO(hf_buf) struct hf_buf said = HF_BUF_INIT;
    const struct hf_verify_opts opts = {.depth = HF_VERIFY_READ, .complain = note, .ctx = &said};
    HF_AUTO(hf_site) struct hf_site *s = begin_disks(state, &p, &m, 1);
    assert_hf_ok(hf_point_commit(s, &m, &err), &err);
    memcpy(m.point.id, POINT_B, sizeof POINT_B);
    assert_hf_ok(hf_point_commit(s, &m, &err), &err);
    const struct hf_point_name a = name_of("web01", POINT_A), b = name_of("web01", POINT_B);
    for (int is_damaged = 0; is_damaged < 2; is_damaged++) {
        HF_AUTO(hf_image) struct hf_image *im = hf_site_image(s, &err);
        HF_AUTO(hf_verify) struct hf_verify *v = hf_verify_begin(s, im, &opts, &err);
        assert_hf_got(v, &err);
        assert_hf_ok(hf_verify_point(v, &a, &first, &err), &err);
        assert_hf_ok(hf_verify_point(v, &b, &second, &err), &err);
        assert_true(first.bytes_read > 8 * 4096 * (uint64_t)!is_damaged);
        assert_int_equal(second.bytes_read, 0);
        assert_int_equal(first.complaints, 2 * is_damaged); /* the pack, and the disk */
        assert_int_equal(second.complaints, 2 * is_damaged);
        assert_true(is_damaged == (strstr(hf_buf_str(&said), "is damaged, as was said") != NULL));
        list_files(&p, "packs");
        flip(files.items[0], 1000);
    }
    hf_strv_free(&files);
    place_end(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_good_point_is_good_at_any_depth),
        HF_TEST(a_good_plain_point_is_good_at_any_depth),
        HF_TEST(a_flipped_bit_anywhere_is_named),
        HF_TEST(a_flipped_bit_on_a_plain_store_is_named),
        HF_TEST(a_truncated_object_is_named_without_reading),
        HF_TEST(a_missing_object_is_named_without_reading),
        HF_TEST(two_swapped_packs_are_named),
        HF_TEST(a_forged_manifest_is_named),
        HF_TEST(what_was_not_encrypted_to_this_host_is_named),
        HF_TEST(what_else_lies_in_a_point_is_no_damage),
        HF_TEST(a_manifest_that_names_another_tree_is_noticed),
        HF_TEST(a_chunk_that_lies_nowhere_is_noticed),
        HF_TEST(a_disk_of_another_size_is_noticed),
        HF_TEST(content_needs_the_key_of_the_data),
        HF_TEST(a_store_that_cannot_be_reached_is_no_damage),
        HF_TEST(a_pack_of_two_points_is_read_once_and_said_twice),
    };
    return HF_RUN_TESTS("point.verify", tests);
}

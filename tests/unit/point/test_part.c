/* SPDX-License-Identifier: Apache-2.0
 *
 * A point's dump, read by name from the store it lies on, plain and encrypted.
 */
#include "fixture.h"
#include "point/part.h"

#define BIG ((size_t)9 << 20) /* several of what is read ahead */

struct world {
    struct place place;
    struct hf_site *site;
    struct hf_manifest m;
    struct hf_point_artifact *a;
    char *big;
};

static void world_begin(void **state, struct world *w, bool is_encrypted)
{
    struct hf_err err = HF_ERR_INIT;
    *w = (struct world){.big = malloc(BIG + 1)};
    assert_non_null(w->big);
    for (size_t i = 0; i < BIG; i++)
        w->big[i] = (char)('a' + (i * 2654435761u >> 7) % 26);
    w->big[BIG] = '\0';
    place_begin(state, &w->place, is_encrypted);
    hf_site_close(make_site(&w->place));
    w->site = open_site(&w->place, w->place.identity_file);
    fill_manifest(&w->m, "web01", POINT_A);
    w->a = hf_manifest_add_artifact(&w->m, HF_POINT_DUMP, "dump", &err);
    put_object(w->site, &w->m, w->a, "shop-schema-create.sql", "create");
    put_object(w->site, &w->m, w->a, "shop.orders.00000.sql", w->big);
    put_object(w->site, &w->m, w->a, "shop.orders.00001.sql", "rows");
    memcpy(w->m.store, w->site->id, sizeof w->m.store);
    assert_hf_ok(hf_point_commit(w->site, &w->m, &err), &err);
}

static void world_end(struct world *w)
{
    hf_manifest_free(&w->m);
    hf_site_close(w->site);
    place_end(&w->place);
    free(w->big);
}
HF_DEFINE_AUTO_VALUE(world, world_end)

static struct hf_io_files *open_part(const struct world *w)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_io_files *f = hf_point_part(w->site, &w->m, &w->m.artifacts[0], &err);
    assert_hf_got(f, &err);
    return f;
}

/* The path of an object, to be freed. */
static char *object(const struct world *w, const char *name)
{
    HF_AUTOFREE char *at = hf_asprintf("points/web01/" POINT_A "/dump/%s%s", name,
                                       w->site->is_encrypted ? ".age" : "");
    return file_at(&w->place, at);
}

static enum hf_io_seen look(struct hf_io_files *f, const char *name, uint64_t *bytes)
{
    struct hf_err err = HF_ERR_INIT;
    enum hf_io_seen seen;
    assert_hf_ok(hf_io_files_look(f, name, &seen, bytes, &err), &err);
    return seen;
}

static int count(void *ctx, const char *name, struct hf_err *err)
{
    (void)err;
    assert_null(strstr(name, ".age"));
    assert_null(strchr(name, '/'));
    (*(int *)ctx)++;
    return 0;
}

static void content_comes_as_it_was_put(void **state, bool is_encrypted)
{
    struct hf_err err = HF_ERR_INIT;
    uint64_t bytes;
    int n = 0;
    HF_AUTO(world) struct world w;
    world_begin(state, &w, is_encrypted);
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_part(&w);
    assert_int_equal(look(f, "shop-schema-create.sql", &bytes), HF_IO_SEEN_FILE);
    assert_int_equal(bytes, strlen("create"));
    assert_int_equal(look(f, "shop.orders.00000.sql", &bytes), HF_IO_SEEN_FILE);
    assert_int_equal(bytes, BIG);
    assert_int_equal(look(f, "nothing.sql", &bytes), HF_IO_SEEN_NONE);
    assert_int_equal(look(f, "../manifest.json", &bytes), HF_IO_SEEN_NONE);
    assert_hf_ok(hf_io_files_list(f, count, &n, &err), &err);
    assert_int_equal(n, 3);
    HF_AUTOFREE char *got = malloc(BIG);
    assert_non_null(got);
    uint64_t before = hf_store_fetched(w.place.store);
    HF_AUTO(hf_io_source)
    struct hf_io_source *s = hf_io_files_open(f, "shop.orders.00000.sql", false, &err);
    assert_hf_got(s, &err);
    assert_int_equal(s->size, BIG);
    for (size_t at = 0, step = 100003; at < BIG; at += step)
        assert_hf_ok(hf_io_read_at(s, at, got + at, BIG - at < step ? BIG - at : step, &err), &err);
    assert_memory_equal(got, w.big, BIG);
    assert_in_range(hf_store_fetched(w.place.store) - before, BIG, BIG + BIG / 8);
}

static void a_plain_one_comes_as_it_was_put(void **state)
{
    content_comes_as_it_was_put(state, false);
}

static void an_encrypted_one_comes_as_it_was_put(void **state)
{
    content_comes_as_it_was_put(state, true);
}

static void a_small_one_that_is_read_again_is_not_fetched_again(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char text[4];
    HF_AUTO(world) struct world w;
    world_begin(state, &w, true);
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_part(&w);
    uint64_t before = hf_store_fetched(w.place.store);
    for (int i = 0; i < 3; i++) {
        HF_AUTO(hf_io_source)
        struct hf_io_source *s = hf_io_files_open(f, "shop.orders.00001.sql", false, &err);
        assert_hf_got(s, &err);
        assert_hf_ok(hf_io_read_at(s, 0, text, 4, &err), &err);
        assert_memory_equal(text, "rows", 4);
    }
    assert_int_equal(hf_store_fetched(w.place.store) - before,
                     w.m.artifacts[0].objects[2].stored_bytes);
}

static void what_is_missing_or_torn_is_seen_before_it_is_read(void **state)
{
    uint64_t bytes;
    HF_AUTO(world) struct world w;
    world_begin(state, &w, true);
    HF_AUTOFREE char *gone = object(&w, "shop-schema-create.sql");
    HF_AUTOFREE char *torn = object(&w, "shop.orders.00000.sql");
    assert_int_equal(unlink(gone), 0);
    assert_int_equal(truncate(torn, 4 << 20), 0);
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_part(&w);
    assert_int_equal(look(f, "shop-schema-create.sql", &bytes), HF_IO_SEEN_NONE);
    assert_int_equal(look(f, "shop.orders.00000.sql", &bytes), HF_IO_SEEN_TORN);
    assert_int_equal(bytes, 0);
    assert_int_equal(look(f, "shop.orders.00001.sql", &bytes), HF_IO_SEEN_FILE);
}

static void of_a_changed_small_one_no_byte_is_given_and_it_is_named(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(world) struct world w;
    world_begin(state, &w, false);
    HF_AUTOFREE char *path = object(&w, "shop.orders.00001.sql");
    flip(path, 1);
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_part(&w);
    assert_null(hf_io_files_open(f, "shop.orders.00001.sql", false, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "dump/shop.orders.00001.sql");
}

static void so_is_a_large_one_that_is_asked_for_as_a_whole(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(world) struct world w;
    world_begin(state, &w, false);
    HF_AUTOFREE char *path = object(&w, "shop.orders.00000.sql");
    flip(path, -1);
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_part(&w);
    assert_null(hf_io_files_open(f, "shop.orders.00000.sql", true, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "dump/shop.orders.00000.sql");
}

static void a_changed_large_one_that_is_encrypted_is_named_where_it_was_changed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *got = malloc(BIG);
    HF_AUTO(world) struct world w;
    world_begin(state, &w, true);
    HF_AUTOFREE char *path = object(&w, "shop.orders.00000.sql");
    flip(path, 5 << 20);
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_part(&w);
    HF_AUTO(hf_io_source)
    struct hf_io_source *s = hf_io_files_open(f, "shop.orders.00000.sql", false, &err);
    assert_hf_got(s, &err);
    assert_hf_ok(hf_io_read_at(s, 0, got, 4 << 20, &err), &err);
    assert_int_equal(hf_io_read_at(s, 4 << 20, got, 2 << 20, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "dump/shop.orders.00000.sql");
}

static void without_the_key_the_hint_says_where_it_belongs(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(world) struct world w;
    world_begin(state, &w, true);
    hf_site_close(w.site);
    w.site = open_site(&w.place, NULL);
    HF_AUTO(hf_io_files) struct hf_io_files *f = open_part(&w);
    assert_null(hf_io_files_open(f, "shop.orders.00001.sql", false, &err));
    assert_hf_err(&err, HF_E_AUTH, "no key");
    assert_non_null(strstr(err.hint, "identity-file"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_plain_one_comes_as_it_was_put),
        HF_TEST(an_encrypted_one_comes_as_it_was_put),
        HF_TEST(a_small_one_that_is_read_again_is_not_fetched_again),
        HF_TEST(what_is_missing_or_torn_is_seen_before_it_is_read),
        HF_TEST(of_a_changed_small_one_no_byte_is_given_and_it_is_named),
        HF_TEST(so_is_a_large_one_that_is_asked_for_as_a_whole),
        HF_TEST(a_changed_large_one_that_is_encrypted_is_named_where_it_was_changed),
        HF_TEST(without_the_key_the_hint_says_where_it_belongs),
    };
    return HF_RUN_TESTS("point.part", tests);
}

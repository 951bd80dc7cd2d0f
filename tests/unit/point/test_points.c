/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "point/rebuild.h"

static void put_empty_point(struct hf_site *s, const char *vm, const char *id)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    fill_manifest(&m, vm, id);
    assert_hf_ok(hf_point_commit(s, &m, &err), &err);
}

static int add_found(void *ctx, const struct hf_point_found *f, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s/%.8s", f->name.vm, f->name.id);
    if (f->damage)
        hf_buf_str_add(ctx, " damaged");
    else if (!f->manifest)
        hf_buf_printf(ctx, " unfinished %d objects %d bytes%s", (int)f->rest.objects,
                      (int)f->rest.bytes, f->rest.age_s >= 0 && f->rest.age_s < 3600 ? "" : "!");
    hf_buf_str_add(ctx, "\n");
    return 0;
}

static void assert_points(struct hf_site *s, const struct hf_points_filter *filter,
                          const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(hf_points_each(s, filter, add_found, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), expected);
}

static void points_are_listed_newest_first(void **state)
{
    struct place p;
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *s = make_site(&p);
    assert_points(s, &(struct hf_points_filter){0}, "");
    put_empty_point(s, "web01", POINT_A);
    put_empty_point(s, "a/b", POINT_B);
    put_empty_point(s, "web01", "20261125T030000Z-00000001");
    assert_points(s, &(struct hf_points_filter){0},
                  "web01/20261125\na/b/20261124\nweb01/20261123\n");
    assert_points(s, &(struct hf_points_filter){.vm = "web01"}, "web01/20261125\nweb01/20261123\n");
    assert_points(s, &(struct hf_points_filter){.vm = "web"}, "");
    /* the second at which A was taken, and the one after it */
    const int64_t at_us = TAKEN_US / 1000000 * 1000000;
    assert_points(s, &(struct hf_points_filter){.vm = "web01", .since_us = at_us},
                  "web01/20261125\nweb01/20261123\n");
    assert_points(s, &(struct hf_points_filter){.vm = "web01", .since_us = at_us + 1000000},
                  "web01/20261125\n");
    place_end(&p);
}

static void a_folder_without_a_manifest_is_no_point(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    place_begin(state, &p, false);
    HF_AUTO(hf_site) struct hf_site *s = make_site(&p);
    put_text(s->store, "points/web01/" POINT_A "/dump/a.sql", "1234");
    put_text(s->store, "points/web01/" POINT_A "/dump/b.sql", "123");
    put_text(s->store, "points/web01/notes.txt", "no point");
    put_text(s->store, "points/=zz/" POINT_A "/x", "no vm");
    assert_points(s, &(struct hf_points_filter){0},
                  "web01/20261123 unfinished 2 objects 7 bytes\n");
    struct hf_point_name n = name_of("web01", POINT_A);
    assert_int_equal(hf_point_read(s, &n, &m, &err), -1);
    assert_int_equal(err.cls, HF_E_NOT_FOUND);
    place_end(&p);
}

static void a_damaged_manifest_does_not_hide_the_others(void **state)
{
    struct place p;
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *s = make_site(&p);
    put_empty_point(s, "web01", POINT_A);
    put_empty_point(s, "web01", POINT_B);
    HF_AUTOFREE char *path = file_at(&p, "points/web01/" POINT_B "/manifest.json.age");
    flip(path, -1);
    assert_points(s, &(struct hf_points_filter){0}, "web01/20261124 damaged\nweb01/20261123\n");
    place_end(&p);
}

static void a_manifest_in_another_place_is_not_taken(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    size_t len = 0;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *s = make_site(&p);
    put_empty_point(s, "web01", POINT_A);
    put_empty_point(s, "web01", POINT_B);
    HF_AUTOFREE char *from = file_at(&p, "points/web01/" POINT_A "/manifest.json.age");
    HF_AUTOFREE char *to = file_at(&p, "points/web01/" POINT_B "/manifest.json.age");
    HF_AUTOFREE char *text = hf_path_read(from, 1 << 20, &len, &err);
    assert_hf_ok(hf_path_write(to, text, len, 0600, &err), &err);
    struct hf_point_name n = name_of("web01", POINT_B);
    assert_int_equal(hf_point_read(s, &n, &m, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "that of another point, web01/" POINT_A);
    place_end(&p);
}

static void a_point_is_committed_once(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    place_begin(state, &p, false);
    HF_AUTO(hf_site) struct hf_site *s = make_site(&p);
    put_empty_point(s, "web01", POINT_A);
    fill_manifest(&m, "web01", POINT_A);
    assert_int_equal(hf_point_commit(s, &m, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "exists already");
    place_end(&p);
}

static void a_point_is_found_by_the_beginning_of_its_id(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    struct hf_point_name n;
    place_begin(state, &p, false);
    HF_AUTO(hf_site) struct hf_site *s = make_site(&p);
    put_empty_point(s, "web01", POINT_A);
    put_empty_point(s, "db/3", POINT_A);
    put_empty_point(s, "web01", POINT_B);
    assert_hf_ok(hf_points_find(s, "20261124", &n, &err), &err);
    assert_string_equal(n.id, POINT_B);
    assert_hf_ok(hf_points_find(s, "db/3/" POINT_A, &n, &err), &err);
    assert_string_equal(n.vm, "db/3");
    assert_int_equal(hf_points_find(s, POINT_A, &n, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "several points begin with");
    assert_int_equal(hf_points_find(s, "20261125", &n, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "no point '20261125'");
    assert_int_equal(hf_points_find(s, "2026112", &n, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "at least 8 characters");
    place_end(&p);
}

/* ---- the catalog from the store --------------------------------------------------------- */

static int add_row(void *ctx, const struct hf_catalog_point *r, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s %s %s %s %.2f\n", r->id, r->vm, r->hypervisor, r->grade, r->stall_ms);
    return 0;
}

static void the_catalog_is_rebuilt_from_the_store(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    struct hf_rebuilt done;
    HF_AUTO(hf_buf) struct hf_buf rows = HF_BUF_INIT;
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *s = make_site(&p);
    HF_AUTO(hf_catalog) struct hf_catalog *c = hf_catalog_open(p.state, p.clock, &err);
    put_point(s, "web01", POINT_A);
    put_empty_point(s, "db3", POINT_B);
    put_empty_point(s, "db3", "20261125T030000Z-00000001");
    put_text(s->store, "points/web01/20261126T030000Z-00000001/dump/a.sql", "1234");
    HF_AUTOFREE char *path = file_at(&p, "points/db3/20261125T030000Z-00000001/manifest.json.age");
    flip(path, -1);
    assert_hf_ok(hf_points_rebuild(s, c, &done, &err), &err);
    assert_true(done.points == 2 && done.unfinished == 1 && done.damaged == 1);
    assert_contains(done.first_damage.message, "db3/20261125T030000Z-00000001/manifest");
    assert_hf_ok(hf_catalog_points(c, NULL, 0, add_row, &rows, &err), &err);
    /* Both were taken at the same instant; then by id. */
    assert_string_equal(hf_buf_str(&rows),
                        POINT_B " db3 lab B 47.25\n" POINT_A " web01 lab B 47.25\n");
    place_end(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(points_are_listed_newest_first),
        HF_TEST(a_folder_without_a_manifest_is_no_point),
        HF_TEST(a_damaged_manifest_does_not_hide_the_others),
        HF_TEST(a_manifest_in_another_place_is_not_taken),
        HF_TEST(a_point_is_committed_once),
        HF_TEST(a_point_is_found_by_the_beginning_of_its_id),
        HF_TEST(the_catalog_is_rebuilt_from_the_store),
    };
    return HF_RUN_TESTS("point.points", tests);
}

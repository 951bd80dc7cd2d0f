/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "point/need.h"

/* A store that counts as far away. */
static struct hf_site *far_site(void **state, struct place *p, bool is_encrypted)
{
    place_begin(state, p, is_encrypted);
    struct hf_site *s = make_site(p);
    p->store->features &= ~(unsigned)HF_STORE_LOCAL;
    put_point(s, "web01", POINT_A);
    return s;
}

static uint64_t read_it(struct hf_site *s, const char *id, struct hf_need *out)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_point_name n = name_of("web01", id);
    const uint64_t before = hf_store_fetched(s->store);
    hf_need_free(out);
    assert_hf_ok(hf_need_read(s, &n, out, &err), &err);
    assert_string_equal(out->name.vm, "web01");
    assert_string_equal(out->name.id, id);
    assert_int_equal(out->taken_us, TAKEN_US);
    assert_int_equal(out->objects, 3);
    assert_int_equal(out->n_packs, 2);
    assert_int_equal(out->n_roots, 1);
    return hf_store_fetched(s->store) - before;
}

static char *cached(const struct hf_site *s, const char *id)
{
    return hf_asprintf("%s/manifests/%s", s->dir, id);
}

static void a_manifest_is_fetched_once(void **state)
{
    for (int is_encrypted = 0; is_encrypted < 2; is_encrypted++) {
        struct place p;
        HF_AUTO(hf_need) struct hf_need first = {0};
        HF_AUTO(hf_need) struct hf_need again = {0};
        HF_AUTO(hf_site) struct hf_site *s = far_site(state, &p, is_encrypted);
        assert_true(read_it(s, POINT_A, &first) > 0);
        assert_int_equal(read_it(s, POINT_A, &again), 0);
        assert_memory_equal(first.packs, again.packs, 2 * HF_IMAGE_PACK_ID);
        assert_memory_equal(first.roots, again.roots, HF_IMAGE_ID);
        assert_int_equal(first.bytes, again.bytes);
        hf_site_close(HF_STEAL(s));
        place_end(&p);
        hf_test_run((const char *const[]){"rm", "-r", p.dir, p.state, NULL});
    }
}

static void an_answer_that_is_damaged_or_of_another_manifest_is_none(void **state)
{
    struct place p;
    HF_AUTO(hf_need) struct hf_need need = {0};
    HF_AUTO(hf_site) struct hf_site *s = far_site(state, &p, false);
    put_point(s, "web01", POINT_B);
    (void)read_it(s, POINT_B, &need);
    HF_AUTOFREE char *a = cached(s, POINT_A), *b = cached(s, POINT_B);
    for (off_t at = 0; at < 350; at += 7) {
        (void)read_it(s, POINT_A, &need);
        flip(a, at);
        assert_true(read_it(s, POINT_A, &need) > 0);
    }
    assert_int_equal(rename(b, a), 0);
    assert_true(read_it(s, POINT_A, &need) > 0);
    assert_int_equal(truncate(a, 100), 0);
    assert_true(read_it(s, POINT_A, &need) > 0);
    assert_int_equal(read_it(s, POINT_A, &need), 0);
    HF_AUTOFREE char *manifest = file_at(&p, "points/web01/" POINT_A "/manifest.json");
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, manifest, times, 0), 0);
    assert_true(read_it(s, POINT_A, &need) > 0);
    place_end(&p);
}

static void what_is_gone_is_gone(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_need) struct hf_need need = {0};
    HF_AUTO(hf_points) struct hf_points there = {0};
    HF_AUTO(hf_site) struct hf_site *s = far_site(state, &p, false);
    put_point(s, "web01", POINT_B);
    (void)read_it(s, POINT_A, &need);
    (void)read_it(s, POINT_B, &need);
    struct hf_point_name a = name_of("web01", POINT_A), b = name_of("web01", POINT_B);
    assert_hf_ok(hf_point_withdraw(s, &a, &err), &err);
    hf_need_free(&need);
    assert_int_equal(hf_need_read(s, &a, &need, &err), -1);
    assert_int_equal(err.cls, HF_E_NOT_FOUND);
    assert_hf_ok(hf_points_add(&there, &b, &err), &err);
    hf_need_forget(s, &there);
    HF_AUTOFREE char *file_a = cached(s, POINT_A), *file_b = cached(s, POINT_B);
    assert_int_equal(access(file_a, F_OK), -1);
    assert_int_equal(access(file_b, F_OK), 0);
    place_end(&p);
}

static void of_a_near_store_nothing_is_kept(void **state)
{
    struct place p;
    HF_AUTO(hf_need) struct hf_need need = {0};
    HF_AUTO(hf_site) struct hf_site *s = far_site(state, &p, false);
    p.store->features |= HF_STORE_LOCAL;
    (void)read_it(s, POINT_A, &need);
    HF_AUTOFREE char *file = cached(s, POINT_A);
    assert_int_equal(access(file, F_OK), -1);
    place_end(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_manifest_is_fetched_once),
        HF_TEST(an_answer_that_is_damaged_or_of_another_manifest_is_none),
        HF_TEST(what_is_gone_is_gone),
        HF_TEST(of_a_near_store_nothing_is_kept),
    };
    return HF_RUN_TESTS("point.need", tests);
}

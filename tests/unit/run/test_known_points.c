/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "run/known_points.h"

#include <string.h>

#define POINT_A "20261123T030000Z-7f3a9c21"
#define POINT_B "20261124T030000Z-00000001"
#define VAULT "00112233445566778899aabbccddeeff"
#define CELLAR "ffeeddccbbaa99887766554433221100"

static struct hf_catalog *open_here(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog *c = hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err);
    assert_hf_got(c, &err);
    return c;
}

static void commit(struct hf_catalog *c, const char *id, const char *vm, const char *store_id)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_catalog_point p = {.id = id, .vm = vm, .grade = "B", .taken_us = 1};
    const struct hf_catalog_copy k = {.point_id = id, .store = "s", .store_id = store_id};
    assert_hf_ok(hf_catalog_point_commit(c, &p, &k, 1, NULL, &err), &err);
}

static void a_point_is_found_by_its_beginning_and_with_its_vm_in_front(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_point_name n;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    commit(c, POINT_A, "web01", VAULT);
    commit(c, POINT_B, "web02", VAULT);
    assert_int_equal(hf_known_point_find(c, "20261123", &n, &err), 1);
    assert_string_equal(n.vm, "web01");
    assert_string_equal(n.id, POINT_A);
    assert_int_equal(hf_known_point_find(c, "web02/202611", &n, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "at least 8");
    hf_err_clear(&err);
    assert_int_equal(hf_known_point_find(c, "web02/" POINT_B, &n, &err), 1);
    assert_string_equal(n.id, POINT_B);
    assert_int_equal(hf_known_point_find(c, "web0/" POINT_B, &n, &err), 0);
    assert_int_equal(hf_known_point_find(c, "web02/" POINT_A, &n, &err), 0);
    assert_int_equal(hf_known_point_find(c, "20991123", &n, &err), 0);
}

static void a_beginning_of_several_points_names_two_of_them(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_point_name n;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    commit(c, "20261123T030000Z-7f3a9c21", "web01", VAULT);
    commit(c, "20261123T040000Z-7f3a9c22", "web01", VAULT);
    assert_int_equal(hf_known_point_find(c, "20261123", &n, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "web01/20261123T030000Z-7f3a9c21");
    assert_hf_err(&err, HF_E_CONFLICT, "web01/20261123T040000Z-7f3a9c22");
}

static void the_points_of_a_store_are_sorted_also_when_they_are_of_the_same_time(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_points) struct hf_points points = {0};
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    commit(c, "20261123T030000Z-00000003", "web01", VAULT);
    commit(c, "20261123T030000Z-00000001", "web02", VAULT);
    commit(c, "20261123T030000Z-00000002", "web03", CELLAR);
    commit(c, "20261123T030000Z-00000004", "web00", VAULT);
    assert_hf_ok(hf_known_points_on(c, VAULT, &points, &err), &err);
    assert_int_equal(points.n, 3);
    for (size_t i = 1; i < points.n; i++)
        assert_true(hf_point_name_compare(&points.items[i - 1], &points.items[i]) < 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_point_is_found_by_its_beginning_and_with_its_vm_in_front),
        HF_TEST(a_beginning_of_several_points_names_two_of_them),
        HF_TEST(the_points_of_a_store_are_sorted_also_when_they_are_of_the_same_time),
    };
    return HF_RUN_TESTS("run.known_points", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "point/layout.h"

#include <string.h>

#define ID "20261123T030000Z-7f3a9c21"

static void assert_label(const char *label, const char *part)
{
    struct hf_err err = HF_ERR_INIT;
    char out[HF_POINT_VM_MAX], back[HF_POINT_VM_MAX];
    assert_hf_ok(hf_point_vm_encode(label, out, &err), &err);
    assert_string_equal(out, part);
    assert_true(hf_point_vm_decode(out, back));
    assert_string_equal(back, label);
}

static void every_label_becomes_a_part_of_a_name_and_back(void **state)
{
    (void)state;
    assert_label("web01", "web01");
    assert_label("Web_01.example-org", "Web_01.example-org");
    assert_label(".hidden", "=2Ehidden");
    assert_label("a/b", "a=2Fb");
    assert_label("..", "=2E.");
    assert_label("a=b", "a=3Db");
    assert_label("m\xc3\xbcller \n", "m=C3=BCller=20=0A");
}

static void every_byte_of_a_label_can_be_stored(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        struct hf_err err = HF_ERR_INIT;
        const char label[] = {(char)c, (char)c, '\0'};
        char part[HF_POINT_VM_MAX], back[HF_POINT_VM_MAX];
        assert_hf_ok(hf_point_vm_encode(label, part, &err), &err);
        assert_true(hf_store_name_is_valid(part));
        assert_true(hf_point_vm_decode(part, back));
        assert_string_equal(back, label);
    }
}

static void a_label_that_is_empty_or_too_long_is_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char label[HF_POINT_VM_MAX + 1], out[HF_POINT_VM_MAX];
    (void)state;
    assert_int_equal(hf_point_vm_encode("", out, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "without a name");
    memset(label, 'a', sizeof label);
    label[HF_STORE_PART_MAX] = '\0';
    assert_hf_ok(hf_point_vm_encode(label, out, &err), &err);
    label[HF_STORE_PART_MAX - 1] = '/';
    assert_int_equal(hf_point_vm_encode(label, out, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "too long");
}

static void what_is_written_otherwise_is_no_vm(void **state)
{
    static const char *const others[] = {"",    "=2f",  "=2",  "=",     "a=61b", "=61",
                                         "=00", ".web", "a/b", "=2Ex=", "a b",   "=2E.=2E"};
    char back[HF_POINT_VM_MAX];
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(others); i++)
        if (hf_point_vm_decode(others[i], back))
            fail_msg("'%s' counts as '%s'", others[i], back);
}

static void names_of_a_point_are_made_and_taken_apart(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_point_name n, back;
    char out[HF_POINT_NAME_MAX], object[HF_POINT_NAME_MAX], label[HF_POINT_VM_MAX];
    (void)state;
    assert_hf_ok(hf_point_name_set(&n, "a/b", ID, &err), &err);
    assert_hf_ok(hf_point_prefix(&n, out, &err), &err);
    assert_string_equal(out, "points/a=2Fb/" ID "/");
    assert_true(hf_point_of_group(out, &back));
    assert_int_equal(hf_point_name_compare(&n, &back), 0);
    assert_hf_ok(hf_point_vm_prefix("a/b", out, &err), &err);
    assert_true(hf_point_vm_of_group(out, label));
    assert_string_equal(label, "a/b");
    assert_hf_ok(hf_point_manifest_name(&n, true, out, &err), &err);
    assert_string_equal(out, "points/a=2Fb/" ID "/manifest.json.age");
    assert_hf_ok(hf_point_manifest_name(&n, false, out, &err), &err);
    assert_string_equal(out, "points/a=2Fb/" ID "/manifest.json");
    assert_hf_ok(hf_point_object_name(HF_POINT_DUMP, "s.t.sql.zst", true, object, &err), &err);
    assert_hf_ok(hf_point_object_at(&n, object, out, &err), &err);
    assert_string_equal(out, "points/a=2Fb/" ID "/dump/s.t.sql.zst.age");
}

static void groups_that_are_no_points_are_passed_over(void **state)
{
    static const char *const others[] = {"points/",
                                         "points/web01",
                                         "points/web01/" ID,
                                         "points//" ID "/",
                                         "points/web01/x/",
                                         "points/web01/" ID "/dump/",
                                         "packs/web01/" ID "/",
                                         "points/=2f/" ID "/",
                                         "points/web01/20261123T030000Z-7F3A9C21/"};
    struct hf_point_name n;
    char label[HF_POINT_VM_MAX];
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(others); i++)
        if (hf_point_of_group(others[i], &n))
            fail_msg("'%s' counts as a point", others[i]);
    assert_false(hf_point_vm_of_group("points/web01", label));
    assert_false(hf_point_vm_of_group("points/a/b/", label));
}

static void an_object_stays_inside_its_point(void **state)
{
    static const char *const out[] = {"dump/../x.age", "dump/a/b.age", "../dump/x.age",
                                      "/dump/x.age",   "files/x.age",  "dump/.x.age",
                                      "dump/.age",     "dump/x",       "manifest.json.age",
                                      "dump//x.age",   "dump/x y.age", "dump"};
    (void)state;
    assert_true(hf_point_object_is_valid(HF_POINT_DUMP, "dump/x.age", true));
    assert_true(hf_point_object_is_valid(HF_POINT_DUMP, "dump/x", false));
    for (size_t i = 0; i < HF_ARRAY_SIZE(out); i++)
        if (hf_point_object_is_valid(HF_POINT_DUMP, out[i], true))
            fail_msg("'%s' counts as an object", out[i]);
    assert_false(hf_point_object_is_valid(HF_POINT_IMAGE, "image/x", false));
}

static void points_sort_newest_first(void **state)
{
    const struct hf_point_name old = {"b", "20261123T030000Z-7f3a9c21"};
    const struct hf_point_name young = {"a", "20261124T030000Z-00000000"};
    const struct hf_point_name beside = {"c", "20261124T030000Z-00000000"};
    (void)state;
    assert_true(hf_point_name_compare(&young, &old) < 0);
    assert_true(hf_point_name_compare(&old, &young) > 0);
    assert_true(hf_point_name_compare(&young, &beside) < 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(every_label_becomes_a_part_of_a_name_and_back),
        HF_TEST(every_byte_of_a_label_can_be_stored),
        HF_TEST(a_label_that_is_empty_or_too_long_is_refused),
        HF_TEST(what_is_written_otherwise_is_no_vm),
        HF_TEST(names_of_a_point_are_made_and_taken_apart),
        HF_TEST(groups_that_are_no_points_are_passed_over),
        HF_TEST(an_object_stays_inside_its_point),
        HF_TEST(points_sort_newest_first),
    };
    return HF_RUN_TESTS("point.layout", tests);
}

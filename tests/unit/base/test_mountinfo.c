/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest says of its mounts: which one a path lies on, and text that is no list of mounts.
 */
#include "base/buf.h"
#include "base/mountinfo.h"
#include "harness/hf_test.h"

#include <string.h>

#define ROOT "20 1 252:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"

/* What a case parsed; given back by the next one, and at the end. */
static struct hf_mountinfo list;

static void parse(const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    hf_mountinfo_free(&list);
    assert_hf_ok(hf_mountinfo_parse(text, strlen(text), &list, &err), &err);
}

static void assert_corrupt(const char *text, size_t len, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    hf_mountinfo_free(&list);
    assert_int_equal(hf_mountinfo_parse(text, len, &list, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, piece);
}

static const char *source_of(const char *path)
{
    const struct hf_mountinfo_entry *m = hf_mountinfo_find(&list, path);
    return m ? m->source : "none";
}

static void the_longest_mount_point_wins(void **state)
{
    (void)state;
    parse(ROOT "21 20 252:16 / /var rw - ext4 /dev/vdb rw\n"
               "22 21 252:32 / /var/lib/mysql rw - xfs /dev/vdc rw\n");
    assert_string_equal(source_of("/etc"), "/dev/vda1");
    assert_string_equal(source_of("/var"), "/dev/vdb");
    assert_string_equal(source_of("/var/lib"), "/dev/vdb");
    assert_string_equal(source_of("/var/lib/mysql"), "/dev/vdc");
    assert_string_equal(source_of("/var/lib/mysql/mysql/db.frm"), "/dev/vdc");
}

static void a_prefix_ends_where_a_component_ends(void **state)
{
    (void)state;
    parse(ROOT "21 20 252:16 / /var/lib/mysql rw - ext4 /dev/vdb rw\n");
    assert_string_equal(source_of("/var/lib/mysql2"), "/dev/vda1");
    assert_string_equal(source_of("/var/lib/mysq"), "/dev/vda1");
    assert_true(hf_mountinfo_is_below("/var/lib", "/var"));
    assert_true(hf_mountinfo_is_below("/var", "/"));
    assert_false(hf_mountinfo_is_below("/var", "/var"));
    assert_false(hf_mountinfo_is_below("/", "/"));
}

static void of_stacked_mounts_the_top_one_wins(void **state)
{
    (void)state;
    parse(ROOT
          "21 20 252:16 / /srv rw - ext4 /dev/vdb rw\n22 21 0:44 / /srv rw - tmpfs tmpfs rw\n");
    assert_string_equal(source_of("/srv/x"), "tmpfs");
    parse(
        "22 21 0:44 / /srv rw - tmpfs tmpfs rw\n21 20 252:16 / /srv rw - ext4 /dev/vdb rw\n" ROOT);
    assert_string_equal(source_of("/srv/x"), "tmpfs");
    /* Old kernels name one parent for both. */
    parse(ROOT
          "21 20 252:16 / /srv rw - ext4 /dev/vdb rw\n22 20 0:44 / /srv rw - tmpfs tmpfs rw\n");
    assert_string_equal(source_of("/srv/x"), "tmpfs");
}

static void a_mount_over_a_parent_hides_what_was_below(void **state)
{
    (void)state;
    parse(ROOT "21 20 252:16 / /var/lib/mysql rw - ext4 /dev/vdb rw\n"
               "22 20 252:32 / /var rw - ext4 /dev/vdc rw\n");
    assert_string_equal(source_of("/var/lib/mysql"), "/dev/vdc");
}

static void escapes_are_undone(void **state)
{
    (void)state;
    parse("21 20 252:16 / /srv/my\\040data\\011\\134x rw - ext4 /dev/disk\\040one rw\n");
    assert_string_equal(source_of("/srv/my data\t\\x/y"), "/dev/disk one");
    parse("21 20 252:16 / /a\\04 rw - ext4 /dev/a\\9 rw\n"); /* none */
    assert_string_equal(source_of("/a\\04"), "/dev/a\\9");
}

static void any_number_of_optional_fields_may_come(void **state)
{
    (void)state;
    parse("21 20 252:16 / /a rw - ext4 /dev/vdb rw\n"
          "22 20 252:32 / /b rw shared:7 master:2 propagate_from:1 unbindable - xfs /dev/vdc rw\n");
    assert_string_equal(source_of("/a"), "/dev/vdb");
    assert_string_equal(source_of("/b"), "/dev/vdc");
    assert_string_equal(source_of("/c"), "none");
}

static void a_device_is_told_from_the_rest(void **state)
{
    (void)state;
    parse(ROOT
          "21 20 0:44 / /a rw - nfs4 10.0.0.5:/export rw\n"
          "22 20 0:45 /@ /b rw - btrfs /dev/vdb rw\n23 20 0:46 / /c rw - tmpfs /dev/fake rw\n");
    assert_true(hf_mountinfo_find(&list, "/")->has_device);
    assert_int_equal(hf_mountinfo_find(&list, "/")->major, 252);
    assert_int_equal(hf_mountinfo_find(&list, "/")->minor, 1);
    assert_false(hf_mountinfo_find(&list, "/a")->has_device);
    assert_true(hf_mountinfo_find(&list, "/b")->has_device);
    assert_false(hf_mountinfo_find(&list, "/c")->has_device);
}

static void what_is_no_list_of_mounts_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "x\n",
        "21 20 252:16 / /a rw\n",
        "21 20 252:16 / /a rw - ext4\n",
        "21 20 252:16 / /a rw ext4 /dev/vdb rw\n",
        "21 20 252:16 / a rw - ext4 /dev/vdb rw\n",
        "21 20 vdb / /a rw - ext4 /dev/vdb rw\n",
        "21 20 252:16 / /a\\000b rw - ext4 /dev/vdb rw\n",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(lines); i++)
        assert_corrupt(lines[i], strlen(lines[i]), "mount 1");
    assert_corrupt("", 0, "no list");
    assert_corrupt(ROOT, strlen(ROOT) - 1, "no list"); /* cut */
    assert_corrupt(ROOT "\0\n", strlen(ROOT) + 2, "no list");
    assert_corrupt(ROOT "21\n", strlen(ROOT) + 3, "mount 2");
}

static void a_list_without_measure_is_refused(void **state)
{
    (void)state;
    struct hf_buf text = HF_BUF_INIT;
    for (size_t i = 0; i < 100000; i++)
        hf_buf_str_add(&text, ROOT);
    assert_true(hf_buf_ok(&text));
    assert_corrupt(text.data, text.len, "100000 mounts");
    hf_buf_clear(&text);
    hf_buf_str_add(&text, "21 20 252:16 / /");
    for (size_t i = 0; i < HF_MOUNTINFO_NAME_MAX; i++)
        hf_buf_str_add(&text, "a");
    hf_buf_str_add(&text, " rw - ext4 /dev/vdb rw\n");
    assert_true(hf_buf_ok(&text));
    assert_corrupt(text.data, text.len, "a name of 4097 bytes");
    hf_buf_free(&text);
}

/* A circle of parents is no way to the root, and no endless loop. */
static void mounts_that_lie_on_each_other_end_the_search(void **state)
{
    (void)state;
    parse("1 2 252:1 / /a rw - ext4 /dev/vda rw\n2 1 252:2 / /b rw - ext4 /dev/vdb rw\n"
          "3 3 252:3 / /c rw - ext4 /dev/vdc rw\n");
    assert_string_equal(source_of("/c/x"), "/dev/vdc");
}

static void keeps_what_the_file_system_says_of_itself(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_mountinfo) struct hf_mountinfo l = {0};
    HF_AUTOFREE char *text = hf_asprintf(
        "21 20 0:44 / /a rw shared:1 - nfs4 nas:/x rw,addr=10.0.0.9,x=a\\040b\n"
        "22 20 0:45 / /b rw - tmpfs none\n"
        "23 20 0:46 / /c rw - overlay overlay rw,lowerdir=%05000d\n",
        0);
    (void)state;
    assert_hf_ok(hf_mountinfo_parse(text, strlen(text), &l, &err), &err);
    assert_string_equal(l.items[0].options, "rw,addr=10.0.0.9,x=a b");
    assert_string_equal(l.items[1].options, "");
    assert_string_equal(l.items[2].options, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(keeps_what_the_file_system_says_of_itself),
        HF_TEST(the_longest_mount_point_wins),
        HF_TEST(a_prefix_ends_where_a_component_ends),
        HF_TEST(of_stacked_mounts_the_top_one_wins),
        HF_TEST(a_mount_over_a_parent_hides_what_was_below),
        HF_TEST(escapes_are_undone),
        HF_TEST(any_number_of_optional_fields_may_come),
        HF_TEST(a_device_is_told_from_the_rest),
        HF_TEST(what_is_no_list_of_mounts_is_refused),
        HF_TEST(a_list_without_measure_is_refused),
        HF_TEST(mounts_that_lie_on_each_other_end_the_search),
    };
    int failed = HF_RUN_TESTS("base.mountinfo", tests);
    hf_mountinfo_free(&list);
    return failed;
}

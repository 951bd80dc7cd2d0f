/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "store/walk.h"

#include <string.h>

/* A played server: what lies in which directory, in the order in which it tells. Names that end with '/' are directories. */
static const struct {
    const char *dir, *name;
    int64_t changed_s;
} tree[] = {
    {"", "z", 9},
    {"", "a/", 9},
    {"", "a.x", 9},
    {"", ".hidden", 1},
    {"", "a0", 9},
    {"", "a.x", 9},
    {"", "b c", 9},
    {"", ".z.0000000000000001.tmp", 5},
    {"", "gone/", 5},
    {"", "empty/", 5},
    {"", ".d.tmp/", 1},
    {"", ".tmp", 1},
    {"a/", "c/", 50},
    {"a/", "b", 9},
    {"a/", "x/y", 9},
    {"a/", ".b.0000000000000002.tmp", 50},
    {"a/c/", "d", 9},
    {"a/c/", "d.tmp", 5},
    {"a/c/", ".d.0000000000000003.tmp", 5},
};

static int read_dir(struct hf_store *s, const char *prefix, struct hf_store_entries *out,
                    struct hf_err *err)
{
    (void)s;
    if (strcmp(prefix, "gone/") == 0)
        return hf_fail(err, HF_E_NOT_FOUND, "somebody removed it");
    if (strcmp(prefix, "broken/") == 0)
        return hf_fail(err, HF_E_UNREACHABLE, "no answer");
    if (strcmp(prefix, "moved/") == 0)
        return hf_store_entries_add(out, "a", false, 7, 9, err) < 0
                   ? -1
                   : hf_store_entries_add_link(out, "b", err);
    if (!prefix[0] && hf_store_entries_add_link(out, "link", err) < 0)
        return -1;
    for (size_t i = 0; i < HF_ARRAY_SIZE(tree); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", tree[i].name);
        size_t len = strlen(name);
        bool is_dir = name[len - 1] == '/';
        name[is_dir ? len - 1 : len] = '\0';
        if (strcmp(tree[i].dir, prefix) == 0 &&
            hf_store_entries_add(out, name, is_dir, 7, tree[i].changed_s, err) < 0)
            return -1;
    }
    return 0;
}

static int note(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s;", o->name);
    return strcmp(o->name, "stop") == 0;
}

static void assert_listed(struct hf_store_list what, const char *want)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store s = {.url = (char *)"played:"};
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(hf_store_walk(&s, read_dir, &what, note, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), want);
}

static void a_listing_is_in_byte_order_each_name_once_and_valid(void **state)
{
    (void)state;
    assert_listed((struct hf_store_list){.prefix = ""}, "a.x;a/b;a/c/d;a/c/d.tmp;a0;z;");
    assert_listed((struct hf_store_list){.prefix = "a/"}, "a/b;a/c/d;a/c/d.tmp;");
    assert_listed((struct hf_store_list){.prefix = "gone/"}, "");
    assert_listed((struct hf_store_list){.prefix = "", .shallow = true},
                  "a.x;a/;a0;empty/;gone/;z;");
    assert_listed((struct hf_store_list){.prefix = "", .after = "a/b"}, "a/c/d;a/c/d.tmp;a0;z;");
    assert_listed((struct hf_store_list){.prefix = "", .after = "a/c/d"}, "a/c/d.tmp;a0;z;");
    assert_listed((struct hf_store_list){.prefix = "", .after = "a/", .shallow = true},
                  "a0;empty/;gone/;z;");
}

static void a_directory_that_cannot_be_read_is_no_empty_one(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_store s = {.url = (char *)"played:"};
    const struct hf_store_list what = {.prefix = "broken/"};
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_int_equal(hf_store_walk(&s, read_dir, &what, note, &got, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "played:: broken/: no answer");
}

static void a_link_where_an_object_could_be_is_no_missing_one(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_store s = {.url = (char *)"played:"};
    const struct hf_store_list whole = {.prefix = "moved/"},
                               shallow = {.prefix = "moved/", .shallow = true};
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_int_equal(hf_store_walk(&s, read_dir, &whole, note, &got, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "played:: 'moved/b' is a link");
    assert_int_equal(hf_store_walk(&s, read_dir, &shallow, note, &got, &err), -1);
}

static struct hf_buf removed;

static int remove_tmp(struct hf_store *s, const char *name, struct hf_err *err)
{
    (void)s, (void)err;
    hf_buf_printf(&removed, "%s;", name);
    return 0;
}

static int remove_dir(struct hf_store *s, const char *name, bool *out_is_gone, struct hf_err *err)
{
    *out_is_gone = strcmp(name, "empty/") == 0;
    return remove_tmp(s, name, err);
}

static void a_sweep_takes_old_hidden_files_and_asks_for_old_directories(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_store s = {.url = (char *)"played:"};
    uint64_t n = 0;
    const struct hf_store_sweeper how = {read_dir, remove_tmp, remove_dir};
    assert_hf_ok(hf_store_sweep_tree(&s, &how, 10, &n, &err), &err);
    assert_string_equal(hf_buf_str(&removed),
                        ".z.0000000000000001.tmp;a/c/.d.0000000000000003.tmp;a/;empty/;gone/;");
    assert_int_equal(n, 3);
    hf_buf_free(&removed);
}

static void hidden_names_are_beside_the_object_and_each_is_another(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *one = hf_store_tmp_name("a/b/c", &err);
    HF_AUTOFREE char *two = hf_store_tmp_name("a/b/c", &err);
    HF_AUTOFREE char *top = hf_store_tmp_name("c", &err);
    assert_int_equal(strncmp(one, "a/b/.c.", 7), 0);
    assert_string_equal(one + strlen(one) - 4, ".tmp");
    assert_int_equal(strlen(one), strlen("a/b/.c.0123456789abcdef.tmp"));
    assert_string_not_equal(one, two);
    assert_int_equal(strncmp(top, ".c.", 3), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_listing_is_in_byte_order_each_name_once_and_valid),
        HF_TEST(a_directory_that_cannot_be_read_is_no_empty_one),
        HF_TEST(a_link_where_an_object_could_be_is_no_missing_one),
        HF_TEST(a_sweep_takes_old_hidden_files_and_asks_for_old_directories),
        HF_TEST(hidden_names_are_beside_the_object_and_each_is_another),
    };
    return HF_RUN_TESTS("store.walk", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "files/command.h"
#include "harness/hf_test.h"

#include <string.h>

static int make(const char *paths, const char *excludes, struct hf_strv *out, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv p = HF_STRV_INIT, e = HF_STRV_INIT;
    assert_int_equal(hf_strv_split(&p, paths, ',') | hf_strv_split(&e, excludes, ','), 0);
    return hf_files_command(&p, &e, out, err);
}

static size_t place_of(const struct hf_strv *v, const char *s)
{
    size_t i = 0;
    while (i < v->n && strcmp(v->items[i], s) != 0)
        i++;
    assert_true(i < v->n);
    return i;
}

static void paths_stand_behind_the_options_and_without_their_slash(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    (void)state;
    assert_hf_ok(make("/var/www/,/-rf,/", "", &v, &err), &err);
    size_t end = place_of(&v, "--");
    assert_string_equal(v.items[end + 1], "var/www");
    assert_string_equal(v.items[end + 2], "-rf");
    assert_string_equal(v.items[end + 3], ".");
    assert_int_equal(v.n, end + 4);
}

static void excluded_names_float_and_excluded_paths_do_not(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    (void)state;
    assert_hf_ok(make("/a", "/var/*/tmp,cache/,*.log", &v, &err), &err);
    size_t floating = place_of(&v, "--no-anchored"), anchored = place_of(&v, "--anchored");
    assert_true(floating < place_of(&v, "--exclude=cache"));
    assert_true(place_of(&v, "--exclude=*.log") < anchored);
    assert_true(anchored < place_of(&v, "--exclude=var/*/tmp"));
}

static void a_path_with_dots_is_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    (void)state;
    assert_int_equal(make("/var/../etc", "", &v, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "files: '/var/../etc'");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(paths_stand_behind_the_options_and_without_their_slash),
        HF_TEST(excluded_names_float_and_excluded_paths_do_not),
        HF_TEST(a_path_with_dots_is_refused),
    };
    return HF_RUN_TESTS("files.command", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "files/entry.h"
#include "harness/hf_test.h"

#include <string.h>

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void assert_comes_back(const struct hf_entry *e)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_entry) struct hf_entry back = {0};
    assert_hf_ok(hf_entry_print(e, &text, &err), &err);
    assert_int_equal(text.data[text.len - 1], '\n');
    assert_null(memchr(text.data, '\n', text.len - 1));
    assert_hf_ok(hf_entry_parse(text.data, text.len - 1, &back, &err), &err);
    assert_string_equal(back.name, e->name);
    assert_string_equal(back.link ? back.link : "", e->link ? e->link : "");
    assert_string_equal(back.sha256, e->sha256);
    assert_int_equal(back.type, e->type);
    assert_int_equal(back.size, e->size);
    assert_int_equal(back.mode, e->mode);
    assert_int_equal(back.uid, e->uid);
    assert_int_equal(back.mtime_s, e->mtime_s);
    assert_int_equal(back.mtime_ns, e->mtime_ns);
    assert_int_equal(back.has_at, e->has_at);
    assert_int_equal(back.at, e->at);
}

static void any_name_comes_back(void **state)
{
    (void)state;
    static const char *const names[] = {"a",           "new\nline", "quote\"\\",      "\303\274",
                                        "\xff\xfe no", "\xc0\xaf",  "\xed\xa0\x80 x", " "};
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        struct hf_entry e = {.name = (char *)names[i],
                             .type = HF_ENTRY_FILE,
                             .size = 1ULL << 40,
                             .mode = 04755,
                             .uid = 4294967294,
                             .mtime_s = -5,
                             .mtime_ns = 123456789,
                             .sha256 = SHA};
        assert_comes_back(&e);
        e.has_at = true; /* archives of before do not tell */
        e.at = 1ULL << 41;
        e.type = HF_ENTRY_SYMLINK;
        e.link = (char *)names[i];
        e.sha256[0] = '\0';
        assert_comes_back(&e);
    }
}

static void what_is_odd_is_corrupt(void **state)
{
    (void)state;
#define LINE(name, type, size, mode, mtime, more)                                                  \
    "{" name "\"type\":\"" type "\",\"size\":" size ",\"mode\":\"" mode                            \
    "\",\"uid\":0,\"gid\":0,\"mtime\":\"" mtime "\"" more "}"
    static const char *const lines[] = {
        "",
        "[]",
        "{}",
        LINE("", "dir", "0", "0755", "1.000000000", ""),
        LINE("\"name\":\"a\",", "socket", "0", "0755", "1.000000000", ""),
        LINE("\"name\":\"a\",", "dir", "-1", "0755", "1.000000000", ""),
        LINE("\"name\":\"a\",", "dir", "9000000000000000000", "0755", "1.000000000", ""),
        LINE("\"name\":\"a\",", "dir", "0", "99", "1.000000000", ""),
        LINE("\"name\":\"a\",", "dir", "0", "0755", "soon", ""),
        LINE("\"name\":\"a\",", "dir", "0", "0755", "1.-00000001", ""),
        LINE("\"name\":\"a\",", "dir", "0", "0755", "1.000000000", ",\"link\":\"b\""),
        LINE("\"name\":\"a\",", "symlink", "0", "0755", "1.000000000", ""),
        LINE("\"name\":\"a\",", "file", "0", "0755", "1.000000000", ""),
        LINE("\"name\":\"a\",", "file", "0", "0755", "1.000000000", ",\"sha256\":\"abc\""),
        LINE("\"name_hex\":\"6\",", "dir", "0", "0755", "1.000000000", ""),
        LINE("\"name_hex\":\"00\",", "dir", "0", "0755", "1.000000000", ""),
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(lines); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_entry) struct hf_entry e = {0};
        assert_int_equal(hf_entry_parse(lines[i], strlen(lines[i]), &e, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "");
    }
}

static void names_that_lead_out_are_told(void **state)
{
    (void)state;
    static const char *const safe[] = {".", "a", "a/b", "..a/b..", "-x", "..."};
    static const char *const unsafe[] = {"",     "/",      "/a",   "..",   "../a",
                                         "a/..", "a/../b", "a//b", "a/./b"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(safe); i++)
        assert_true(hf_entry_name_is_safe(safe[i]));
    for (size_t i = 0; i < HF_ARRAY_SIZE(unsafe); i++)
        assert_false(hf_entry_name_is_safe(unsafe[i]));
}

static void links_that_lead_out_are_told(void **state)
{
    (void)state;
    assert_false(hf_entry_link_leaves("a", "b/c"));
    assert_false(hf_entry_link_leaves("a/b", "../c"));
    assert_false(hf_entry_link_leaves("a/b", "./c"));
    assert_true(hf_entry_link_leaves("a", "/etc"));
    assert_true(hf_entry_link_leaves("a", "../c"));
    assert_true(hf_entry_link_leaves("a/b", "../../c"));
    /* "up" may be a link to "../..". */
    assert_true(hf_entry_link_leaves("x", "deep/up/.."));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(any_name_comes_back),
        HF_TEST(what_is_odd_is_corrupt),
        HF_TEST(names_that_lead_out_are_told),
        HF_TEST(links_that_lead_out_are_told),
    };
    return HF_RUN_TESTS("files.entry", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "store/address.h"

#include <string.h>

static void an_address_is_taken_apart(void **state)
{
    static const struct {
        const char *text, *user, *host, *path;
        unsigned port;
    } cases[] = {
        {"backup@nas/srv/a", "backup", "nas", "/srv/a", 22},
        {"b.u-1@[fd00::5]:2222/", "b.u-1", "fd00::5", "", 2222},
        {"10.0.0.1:1/x//", NULL, "10.0.0.1", "/x", 1},
        {"h/.hidden/@x=+~", NULL, "h", "/.hidden/@x=+~", 22},
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_store_address) struct hf_store_address a = {0};
        assert_hf_ok(hf_store_address_parse(cases[i].text, 22, &a, &err), &err);
        assert_string_equal(a.user ? a.user : "", cases[i].user ? cases[i].user : "");
        assert_string_equal(a.host, cases[i].host);
        assert_string_equal(a.path, cases[i].path);
        assert_int_equal(a.port, cases[i].port);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {
        "nas",        "",       "u@/x",   "@h/x",    "-o@h/x",  "u@h:0/x", "u@h:65536/x",
        "h:/x",       "h:x/x",  "h/a//b", "h/../x",  "h/a/.",   "h/~/x",   "h/a b",
        "h/\xc3\xa4", "[::1/x", "h h/x",  "u@v@h/x", "u:p@h/x", "h/a%20b",
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_store_address) struct hf_store_address a = {0};
        assert_int_equal(hf_store_address_parse(bad[i], 22, &a, &err), -1);
        assert_int_equal(err.cls, HF_E_CONFIG);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(an_address_is_taken_apart),
        HF_TEST(what_is_no_address_is_refused),
    };
    return HF_RUN_TESTS("store.address", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "hypervisor/hv.h"

static const struct hf_plugin_key keys[] = {
    {.name = "uri", .type = HF_KEY_STRING, .required = 1, .help = "Where it is."},
    {.name = "ca-file", .type = HF_KEY_PATH, .help = "Who signed."},
    {.name = "token-file", .type = HF_KEY_SECRET_FILE, .secret = 1, .help = "The secret."},
    {.name = "verify", .type = HF_KEY_BOOL, .help = "Look or not."},
    {.name = "port", .type = HF_KEY_INT, .help = "Which one."},
};
static const struct hf_plugin plugin = {
    .name = "fake", .keys = keys, .n_keys = HF_ARRAY_SIZE(keys)};

static void refuse(const struct hf_kv *kv, size_t n, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(hf_plugin_check_config(&plugin, kv, n, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, piece);
}

#define REFUSE(piece, ...)                                                                         \
    do {                                                                                           \
        const struct hf_kv kv_[] = {__VA_ARGS__};                                                  \
        refuse(kv_, HF_ARRAY_SIZE(kv_), piece);                                                    \
    } while (0)

static void accepts_what_the_table_asks_for(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *token = hf_test_file(state, "token", "secret\n", 0600);
    const struct hf_kv kv[] = {{"uri", "x://y"},
                               {"ca-file", "/etc/ca.pem"},
                               {"token-file", token},
                               {"verify", "No"},
                               {"port", "-1"}};
    assert_hf_ok(hf_plugin_check_config(&plugin, kv, HF_ARRAY_SIZE(kv), &err), &err);
}

static void names_the_nearest_known_key(void **state)
{
    (void)state;
    REFUSE("Did you mean 'ca-file'?", {"uri", "x"}, {"ca-fiel", "/x"});
    REFUSE("It knows: uri, ca-file, token-file, verify, port.", {"uri", "x"}, {"zzz", "1"});
}

static void explains_a_missing_key(void **state)
{
    (void)state;
    refuse(NULL, 0, "plugin 'fake' needs the key 'uri'");
    refuse(NULL, 0, "uri: Where it is.");
}

static void checks_the_type_of_each_value(void **state)
{
    (void)state;
    REFUSE("key 'uri' is empty", {"uri", ""});
    REFUSE("wants an absolute path, not 'ca.pem'", {"uri", "x"}, {"ca-file", "ca.pem"});
    REFUSE("wants yes or no, not 'maybe'", {"uri", "x"}, {"verify", "maybe"});
    REFUSE("wants a number, not '80a'", {"uri", "x"}, {"port", "80a"});
    REFUSE("wants a number, not '99999999999999999999'", {"uri", "x"},
           {"port", "99999999999999999999"});
}

static void a_key_is_given_once(void **state)
{
    (void)state;
    REFUSE("key 'uri' is given twice", {"uri", "x"}, {"uri", "y"});
}

static void a_secret_others_can_read_is_refused(void **state)
{
    const char *token = hf_test_file(state, "token", "secret\n", 0644);
    REFUSE("key 'token-file'", {"uri", "x"}, {"token-file", token});
    REFUSE("chmod", {"uri", "x"}, {"token-file", token});
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(accepts_what_the_table_asks_for),
        HF_TEST(names_the_nearest_known_key),
        HF_TEST(explains_a_missing_key),
        HF_TEST(checks_the_type_of_each_value),
        HF_TEST(a_key_is_given_once),
        HF_TEST(a_secret_others_can_read_is_refused),
    };
    return HF_RUN_TESTS("hypervisor.config", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/plugin_side.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>

struct heard {
    enum hf_log_level level;
    char line[2048];
};

static void hear(void *ctx, enum hf_log_level level, const char *message)
{
    struct heard *h = ctx;
    h->level = level;
    strncpy(h->line, message, sizeof h->line - 1);
}

HF_PRINTF(2, 3)
static void say(struct heard *h, const char *fmt, ...)
{
    struct hf_host host = {.ctx = h, .log = hear};
    va_list ap;
    va_start(ap, fmt);
    hf_host_vlog(&host, HF_LOG_WARN, fmt, ap);
    va_end(ap);
}

static void a_line_is_one_and_no_longer_than_it_may_be(void **state)
{
    (void)state;
    struct heard h = {0};
    say(&h, "one\ntwo\x1b[1m %d", 3);
    assert_string_equal(h.line, "one two [1m 3");
    assert_int_equal(h.level, HF_LOG_WARN);
    say(&h, "%2000d", 1);
    assert_int_equal(strlen(h.line), 1023);
}

static void a_key_goes_to_its_place_and_the_last_one_counts(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char *uri = NULL, *user = NULL;
    const struct hf_key_place places[] = {{"uri", &uri}, {"user", &user}};
    assert_int_equal(hf_key_take(places, 2, &(struct hf_kv){"user", "a"}, &err), 0);
    assert_int_equal(hf_key_take(places, 2, &(struct hf_kv){"user", "b"}, &err), 0);
    assert_string_equal(user, "b");
    assert_null(uri);
    assert_int_equal(hf_key_take(places, 1, &(struct hf_kv){"user", "c"}, &err), -1);
    assert_int_equal(err.cls, HF_E_CONFIG);
    assert_string_equal(err.message, "unknown key 'user'");
    assert_string_equal(user, "b");
    free(user);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_line_is_one_and_no_longer_than_it_may_be),
        HF_TEST(a_key_goes_to_its_place_and_the_last_one_counts),
    };
    return HF_RUN_TESTS("base.plugin_side", tests);
}

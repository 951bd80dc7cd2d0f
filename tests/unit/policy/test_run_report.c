/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "net/json.h"
#include "policy/run_report.h"

#include <string.h>

static struct json_object *parse(const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct json_object *doc = hf_json_parse(text, strlen(text), &err);
    assert_hf_got(doc, &err);
    return doc;
}

static void takes_the_figures_of_a_report(void **state)
{
    (void)state;
    HF_AUTOJSON struct json_object *doc =
        parse("{\"run\":\"R\",\"grade\":\"B\",\"stall_ms\":41.25,\"protected\":true,\"stores\":"
              "[{\"name\":\"a\",\"bytes\":10},{\"name\":\"b\",\"error\":\"x\"},{\"bytes\":5}]}");
    const struct hf_run_figures f = hf_run_figures(doc);
    assert_string_equal(f.run, "R");
    assert_string_equal(f.grade, "B");
    assert_true(f.stall_ms > 41.2 && f.stall_ms < 41.3);
    assert_int_equal(f.bytes, 15);
    assert_true(f.is_protected);
}

static void what_is_of_another_shape_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}", "{\"run\":7,\"grade\":null,\"stall_ms\":\"x\",\"protected\":1,\"stores\":{}}",
        "{\"stall_ms\":null,\"stores\":[{\"bytes\":-1}]}",
        "{\"stores\":[{\"bytes\":9223372036854775807},{\"bytes\":1}]}"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(texts); i++) {
        HF_AUTOJSON struct json_object *doc = parse(texts[i]);
        const struct hf_run_figures f = hf_run_figures(doc);
        assert_true(!f.run && !f.grade && f.stall_ms < 0 && f.bytes == 0 && !f.is_protected);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(takes_the_figures_of_a_report),
        HF_TEST(what_is_of_another_shape_is_none),
    };
    return HF_RUN_TESTS("policy.run_report", tests);
}

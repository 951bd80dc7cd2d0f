/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "store/s3/s3_intern.h"

#include <string.h>

static struct hf_err fail_with(void **state, long status, const char *headers, const char *body)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_s3 s = {.clock = &hf_test_clock(state)->clock};
    struct hf_http_answer a = {.status = status};
    hf_buf_str_add(&a.headers, headers);
    hf_buf_str_add(&a.body, body);
    assert_int_equal(hf_s3_fail(&s, &a, &err), -1);
    hf_http_answer_free(&a);
    return err;
}

static struct hf_err fail_code(void **state, long status, const char *code)
{
    HF_AUTOFREE char *body =
        hf_asprintf("<Error><Code>%s</Code><Message>so it is</Message></Error>", code);
    return fail_with(state, status, "", body);
}

static void codes_become_classes_with_hints_and_some_are_retried(void **state)
{
    static const struct {
        long status;
        const char *code;
        enum hf_err_class cls;
        bool is_retryable;
        const char *piece;
    } rows[] = {
        {403, "SignatureDoesNotMatch", HF_E_AUTH, false, "wrong secret"},
        {403, "InvalidAccessKeyId", HF_E_AUTH, false, "Look at the access key"},
        {403, "AccessDenied", HF_E_AUTH, false, "needs the right"},
        {404, "NoSuchBucket", HF_E_NOT_FOUND, false, "the whole store is missing"},
        {404, "NoSuchKey", HF_E_NOT_FOUND, false, "no such object"},
        {400, "EntityTooLarge", HF_E_NOSPACE, false, "Raise the quota"},
        {507, "InsufficientStorage", HF_E_NOSPACE, false, "507"},
        {400, "BadDigest", HF_E_CORRUPT, true, "damaged on their way"},
        {400, "RequestTimeout", HF_E_TIMEOUT, true, "waited too long"},
        {416, "InvalidRange", HF_E_CORRUPT, false, "truncated"},
        {200, "InternalError", HF_E_UNREACHABLE, true, "in trouble"},
        {503, "SlowDown", HF_E_UNREACHABLE, true, "slower pace"},
        {500, "Whatever", HF_E_UNREACHABLE, true, "500 Whatever: so it is"},
        {429, "Whatever", HF_E_UNREACHABLE, true, "429"},
        {501, "NotImplemented", HF_E_UNSUPPORTED, false, "501"},
        {400, "Whatever", HF_E_UNSUPPORTED, false, "400 Whatever: so it is"},
        {301, "PermanentRedirect", HF_E_CONFIG, false, "address and region"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(rows); i++) {
        struct hf_err err = fail_code(state, rows[i].status, rows[i].code);
        assert_hf_err(&err, rows[i].cls, rows[i].piece);
        assert_int_equal(err.retryable, rows[i].is_retryable);
    }
}

static void a_wrong_region_hints_at_the_right_one(void **state)
{
    struct hf_err err =
        fail_with(state, 400, "",
                  "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-x</Region></Error>");
    assert_hf_err(&err, HF_E_CONFIG, "Set the region to 'eu-x'.");
}

static void a_skewed_clock_is_told_by_how_much(void **state)
{
    static const char skewed[] = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    /* The fake clock stands at 2026-11-23T03:00:00Z. */
    struct hf_err err = fail_with(state, 403, "Date: Mon, 23 Nov 2026 04:00:00 GMT\n", skewed);
    assert_hf_err(&err, HF_E_AUTH, "3600 s behind");
    err = fail_with(state, 403, "Date: Mon, 23 Nov 2026 02:00:00 GMT\n", skewed);
    assert_hf_err(&err, HF_E_AUTH, "3600 s ahead of");
    err = fail_with(state, 403, "", skewed);
    assert_hf_err(&err, HF_E_AUTH, "is not that of the store");
}

static void what_is_no_answer_of_a_store_is_shown_printable(void **state)
{
    struct hf_err err = fail_with(state, 403, "", "<html>\x1b[31mForbidden");
    assert_hf_err(&err, HF_E_AUTH, "403: <html>?[31mForbidden");
    assert_hf_err(&err, HF_E_AUTH, "another server than the store");
    err = fail_with(state, 502, "", "<html>Bad gateway");
    assert_hf_err(&err, HF_E_UNREACHABLE, "502");
    assert_true(err.retryable);
}

static int64_t after(const char *headers)
{
    struct hf_http_answer a = {.status = 503};
    hf_buf_str_add(&a.headers, headers);
    int64_t ms = hf_http_retry_after_ms(&a);
    hf_http_answer_free(&a);
    return ms;
}

static void retry_after_is_seconds_or_a_date_and_at_most_an_hour(void **state)
{
    (void)state;
    assert_int_equal(after(""), 0);
    assert_int_equal(after("Retry-After: 7\n"), 7000);
    assert_int_equal(after("Retry-After: 99999999999\n"), 3600 * 1000);
    assert_int_equal(after("Retry-After: 99999999999999999999999\n"), 3600 * 1000);
    assert_int_equal(after("Retry-After: soon\n"), 0);
    assert_int_equal(
        after("Date: Mon, 23 Nov 2026 03:00:00 GMT\nRetry-After: Mon, 23 Nov 2026 03:00:09 GMT\n"),
        9000);
    assert_int_equal(
        after("Date: Mon, 23 Nov 2026 03:00:00 GMT\nRetry-After: Mon, 23 Nov 2026 02:00:09 GMT\n"),
        0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(codes_become_classes_with_hints_and_some_are_retried),
        HF_TEST(a_wrong_region_hints_at_the_right_one),
        HF_TEST(a_skewed_clock_is_told_by_how_much),
        HF_TEST(what_is_no_answer_of_a_store_is_shown_printable),
        HF_TEST(retry_after_is_seconds_or_a_date_and_at_most_an_hour),
    };
    return HF_RUN_TESTS("store.s3_error", tests);
}

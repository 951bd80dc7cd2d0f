/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "net/http.h"

#include <string.h>

static const char *const headers = "HTTP/1.1 200 OK\nContent-Length: 12\nETag:  \"ab\"\nX-Empty:\n"
                                   "Date: Thu, 26 Nov 2026 04:02:53 GMT\nBad-Date: yesterday\n\n";

static struct hf_http_answer answer(void)
{
    struct hf_http_answer a = {.status = 200};
    hf_buf_str_add(&a.headers, headers);
    return a;
}

static void headers_are_found_by_name_in_any_case_without_blanks_around(void **state)
{
    (void)state;
    char text[32] = "old";
    struct hf_http_answer a = answer();
    assert_true(hf_http_header(&a, "etag", text, sizeof text));
    assert_string_equal(text, "\"ab\"");
    assert_true(hf_http_header(&a, "X-EMPTY", text, sizeof text));
    assert_string_equal(text, "");
    assert_false(hf_http_header(&a, "Content", text, sizeof text));
    assert_false(hf_http_header(&a, "Length", text, sizeof text));
    assert_false(hf_http_header(&a, "12", text, sizeof text));
    hf_http_answer_free(&a);
    assert_false(hf_http_header(&a, "etag", text, sizeof text));
}

static void a_long_header_is_cut_to_what_there_is_room_for(void **state)
{
    (void)state;
    char text[8];
    struct hf_http_answer a = answer();
    assert_true(hf_http_header(&a, "Date", text, sizeof text));
    assert_string_equal(text, "Thu, 26");
    hf_http_answer_free(&a);
}

static void dates_are_seconds_and_what_is_none_is_minus_one(void **state)
{
    (void)state;
    struct hf_http_answer a = answer();
    assert_int_equal(hf_http_date(&a, "Date"), 1795665773);
    assert_int_equal(hf_http_date(&a, "Bad-Date"), -1);
    assert_int_equal(hf_http_date(&a, "Absent"), -1);
    hf_http_answer_free(&a);
}

static void what_is_cancelled_before_is_not_begun(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_cancel *c = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    hf_cancel_set(c);
    struct hf_http_opts opts = {.cancel = c};
    struct hf_http *h = hf_http_new(&opts, &err);
    assert_hf_got(h, &err);
    struct hf_http_request r = {.method = "GET", .url = "http://127.0.0.1:1/", .timeout_ms = 1000};
    struct hf_http_answer a = {0};
    assert_int_equal(hf_http_run(h, &r, &a, &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "");
    hf_http_answer_free(&a);
    hf_http_free(h);
    hf_cancel_free(c);
}

static void versions_of_libcurl_that_sign_a_plus_as_a_blank_are_known(void **state)
{
    (void)state;
    assert_true(hf_http_signs_plus(0x075801));
    assert_true(hf_http_signs_plus(0x080d00));
    assert_false(hf_http_signs_plus(0x080e00)); /* Debian 13 has 8.14.1 */
    assert_false(hf_http_signs_plus(0x081201));
    assert_true(hf_http_signs_plus(0x081300));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(headers_are_found_by_name_in_any_case_without_blanks_around),
        HF_TEST(a_long_header_is_cut_to_what_there_is_room_for),
        HF_TEST(dates_are_seconds_and_what_is_none_is_minus_one),
        HF_TEST(what_is_cancelled_before_is_not_begun),
        HF_TEST(versions_of_libcurl_that_sign_a_plus_as_a_blank_are_known),
    };
    return HF_RUN_TESTS("net.http", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "net/http.h"
#include "net/http_tls.h"

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

#define BYTES15 "000102030405060708090A0B0C0D0E"
static void reads_a_fingerprint_with_and_without_colons(void **state)
{
    (void)state;
    unsigned char a[HF_FINGERPRINT_BYTES], b[HF_FINGERPRINT_BYTES];
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_http_fingerprint(BYTES15 BYTES15 "fFaB", a, &err), &err);
    assert_int_equal(a[30], 0xff);
    assert_int_equal(a[31], 0xab);
    assert_hf_ok(hf_http_fingerprint(
                     "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:00:01:02:03:04:05:06:07:08:09:"
                     "0a:0b:0c:0d:0e:FF:AB",
                     b, &err),
                 &err);
    assert_memory_equal(a, b, sizeof a);
}

static void refuses_what_is_no_fingerprint(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "zz",
                                      "A",
                                      BYTES15,
                                      BYTES15 BYTES15 "fFa",
                                      BYTES15 BYTES15 "fFaB00",
                                      BYTES15 BYTES15 "fFaB:",
                                      ":" BYTES15 BYTES15 "fFaB"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        unsigned char out[HF_FINGERPRINT_BYTES];
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(hf_http_fingerprint(bad[i], out, &err), -1);
        assert_int_equal(err.cls, HF_E_CONFIG);
    }
}

static void the_reason_is_what_stands_behind_the_status(void **state)
{
    (void)state;
    char text[8] = "old";
    struct hf_http_answer a = {0};
    hf_http_reason(&a, text, sizeof text);
    assert_string_equal(text, "");
    hf_buf_str_add(&a.headers, "HTTP/1.1 500 VM is locked\nDate: x y z\n");
    hf_http_reason(&a, text, sizeof text);
    assert_string_equal(text, "VM is l");
    hf_buf_clear(&a.headers);
    hf_buf_str_add(&a.headers, "HTTP/1.1 500\nDate: x y z\n");
    hf_http_reason(&a, text, sizeof text);
    assert_string_equal(text, "");
    hf_http_answer_free(&a);
}

static int yes(void *ctx)
{
    (*(int *)ctx)++;
    return 1;
}

static void nobody_there_means_that_nothing_was_sent(void **state)
{
    (void)state;
    int asked = 0;
    struct hf_err err = HF_ERR_INIT;
    struct hf_http_opts opts = {.fingerprint = BYTES15 BYTES15 "FFAB"};
    struct hf_http *h = hf_http_new(&opts, &err);
    struct hf_http_request r = {.method = "POST",
                                .url = "https://127.0.0.1:1/",
                                .body = "x",
                                .body_len = 1,
                                .timeout_ms = 5000,
                                .is_once = true};
    struct hf_http_answer a = {0};
    assert_hf_got(h, &err);
    assert_int_equal(hf_http_run(h, &r, &a, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "");
    assert_false(a.was_sent);
    hf_http_free(h);
    opts = (struct hf_http_opts){.is_cancelled = yes, .cancel_ctx = &asked};
    hf_err_clear(&err);
    h = hf_http_new(&opts, &err);
    assert_hf_got(h, &err);
    assert_int_equal(hf_http_run(h, &r, &a, &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "");
    assert_int_equal(asked, 1);
    hf_http_answer_free(&a);
    hf_http_free(h);
}

static void a_fingerprint_that_is_none_is_a_mistake_of_the_configuration(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_http_opts opts = {.fingerprint = "AA:BB"};
    assert_null(hf_http_new(&opts, &err));
    assert_hf_err(&err, HF_E_CONFIG, "AA:BB");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(headers_are_found_by_name_in_any_case_without_blanks_around),
        HF_TEST(a_long_header_is_cut_to_what_there_is_room_for),
        HF_TEST(dates_are_seconds_and_what_is_none_is_minus_one),
        HF_TEST(what_is_cancelled_before_is_not_begun),
        HF_TEST(reads_a_fingerprint_with_and_without_colons),
        HF_TEST(refuses_what_is_no_fingerprint),
        HF_TEST(the_reason_is_what_stands_behind_the_status),
        HF_TEST(nobody_there_means_that_nothing_was_sent),
        HF_TEST(a_fingerprint_that_is_none_is_a_mistake_of_the_configuration),
        HF_TEST(versions_of_libcurl_that_sign_a_plus_as_a_blank_are_known),
    };
    return HF_RUN_TESTS("net.http", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "net/urlcode.h"
#include "store/s3/s3_intern.h"

#include <string.h>

static void free_parts(struct hf_s3 *s)
{
    free(s->origin);
    free(s->bucket);
    free(s->prefix);
}

static void assert_parsed(const char *url, const char *origin, const char *bucket,
                          const char *prefix)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_s3 s = {0};
    assert_hf_ok(hf_s3_url_parse(&s, url, &err), &err);
    assert_string_equal(s.origin, origin);
    assert_string_equal(s.bucket, bucket);
    assert_string_equal(s.prefix, prefix);
    free_parts(&s);
}

static void an_address_is_host_port_bucket_and_prefix(void **state)
{
    (void)state;
    assert_parsed("s3+https://s3.example.org/back", "https://s3.example.org", "back", "");
    assert_parsed("s3+http://127.0.0.1:8080/back/", "http://127.0.0.1:8080", "back", "");
    assert_parsed("s3+https://[::1]:443/my.back-up/a/b", "https://[::1]:443", "my.back-up", "a/b/");
    assert_parsed("s3+https://h/back/a//", "https://h", "back", "a/");
}

static void an_address_with_anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "s3+https://host",
        "s3+https:///bucket",
        "s3+https://user:pw@host/bucket",
        "s3+https://host:/bucket",
        "s3+https://host:999999/bucket",
        "s3+https://host:8x/bucket",
        "s3+https://host/ab",
        "s3+https://host/Bucket",
        "s3+https://host/bu..cket",
        "s3+https://host/bucket?x",
        "s3+https://host/bucket/a b",
        "s3+https://host/bucket/../x",
        "s3+https://host/bucket/.a",
        "s3+https://ho st/bucket",
        "s3+https://[::1/bucket",
        "s3+https://host/bucket/a?versions",
        "s3+https://host/-bucket",
        "s3+https://host//bucket",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(urls); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_s3 s = {0};
        assert_int_equal(hf_s3_url_parse(&s, urls[i], &err), -1);
        assert_hf_err(&err, HF_E_CONFIG, "");
        assert_lacks(err.message, "pw");
        free_parts(&s);
    }
}

static char origin[] = "https://h", bucket[] = "back", prefix[] = "pre/";
static const struct hf_s3 store = {.origin = origin, .bucket = bucket, .prefix = prefix};

static void a_path_is_encoded_once_and_nothing_more_than_needed(void **state)
{
    (void)state;
    HF_AUTOFREE char *url = hf_s3_url(&store, "a/b-c._~d@e=f+g", NULL, 0);
    assert_string_equal(url, "https://h/back/pre/a/b-c._~d%40e%3Df%2Bg");
}

static void parameters_are_sorted_encoded_and_have_a_value(void **state)
{
    (void)state;
    const struct hf_s3_param p[] = {
        {"uploads", ""}, {"prefix", "a/b *"}, {"encoding-type", "url"}, {"key-marker", "\xc3\xa4"}};
    HF_AUTOFREE char *url = hf_s3_url(&store, NULL, p, HF_ARRAY_SIZE(p));
    assert_string_equal(
        url, "https://h/back?encoding-type=url&key-marker=%C3%A4&prefix=a%2Fb%20%2A&uploads=");
    assert_null(hf_s3_url(&store, NULL, p, HF_S3_PARAMS_MAX + 1));
}

static void keys_of_a_listing_are_decoded(void **state)
{
    (void)state;
    char text[] = "a%2Fb+c%2b%C3%A4%25";
    assert_int_equal(hf_url_decode(text, true), 0);
    assert_string_equal(text, "a/b c+\xc3\xa4%");
    static const char *const bad[] = {"%", "a%2", "%zz", "%00x", "%-1"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        char copy[8];
        snprintf(copy, sizeof copy, "%s", bad[i]);
        assert_int_equal(hf_url_decode(copy, true), -1);
    }
}

static void an_etag_loses_its_quotes_and_odd_ones_are_none(void **state)
{
    (void)state;
    char etag[HF_S3_ETAG_MAX], longest[HF_S3_ETAG_MAX + 1];
    assert_int_equal(hf_s3_etag_copy("\"0aF-3\"", etag), 0);
    assert_string_equal(etag, "0aF-3");
    assert_int_equal(hf_s3_etag_copy("bare", etag), 0);
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    static const char *const odd[] = {"", "\"\"", "a<b", "a\"b", "a&amp;", "a b", "W/\"x\""};
    for (size_t i = 0; i < HF_ARRAY_SIZE(odd); i++)
        assert_int_equal(hf_s3_etag_copy(odd[i], etag), -1);
    assert_int_equal(hf_s3_etag_copy(longest, etag), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(an_address_is_host_port_bucket_and_prefix),
        HF_TEST(an_address_with_anything_else_is_refused),
        HF_TEST(a_path_is_encoded_once_and_nothing_more_than_needed),
        HF_TEST(parameters_are_sorted_encoded_and_have_a_value),
        HF_TEST(keys_of_a_listing_are_decoded),
        HF_TEST(an_etag_loses_its_quotes_and_odd_ones_are_none),
    };
    return HF_RUN_TESTS("store.s3_url", tests);
}

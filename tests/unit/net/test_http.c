/* SPDX-License-Identifier: Apache-2.0
 *
 * What is decided before a byte is sent. The conversation itself: tests/plugin/proxmox, over real TLS.
 */
#include "harness/hf_test.h"
#include "net/http.h"
#include "net/http_tls.h"

#include <string.h>

static int64_t now_ms(void *ctx)
{
    (void)ctx;
    return hf_clock_mono_ms(hf_clock_system());
}

static struct hf_http *make(const char *host, const char *pin, const char *fingerprint,
                            const char *ca, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv hosts = HF_STRV_INIT;
    struct hf_http_opts o = {.hosts = &hosts,
                             .default_port = 8006,
                             .pin = pin,
                             .fingerprint = fingerprint,
                             .ca_file = ca,
                             .now_ms = now_ms};
    if (host)
        assert_int_equal(hf_strv_add(&hosts, host), 0);
    return hf_http_new(&o, err);
}

static void takes_names_addresses_and_ports(void **state)
{
    (void)state;
    static const char *const good[] = {"pve1", "pve1.example.net:443", "10.0.0.1:8006", "[::1]",
                                       "[2001:db8::1]:443"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(good); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_http) struct hf_http *h = make(good[i], NULL, NULL, NULL, &err);
        assert_hf_got(h, &err);
        assert_string_equal(hf_http_host(h), good[i]);
    }
}

static void refuses_a_host_that_would_become_another_url(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "a/b", "user@evil", "a?b",  "a#b",
                                      "a b", "a:",  "a:x",       "[::1", "a%2f"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_null(make(bad[i], NULL, NULL, NULL, &err));
        assert_int_equal(err.cls, HF_E_CONFIG);
    }
    struct hf_err err = HF_ERR_INIT;
    assert_null(make(NULL, NULL, NULL, NULL, &err));
    assert_int_equal(err.cls, HF_E_CONFIG);
}

static void refuses_trust_that_cannot_be(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(make("a", "sha256//short", NULL, NULL, &err));
    assert_int_equal(err.cls, HF_E_CONFIG);
    assert_null(make("a", NULL, NULL, "/does/not/exist", &err));
    assert_int_equal(err.cls, HF_E_CONFIG);
    assert_null(make("a", NULL, "AA:BB", NULL, &err));
    assert_int_equal(err.cls, HF_E_CONFIG);
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

static void encodes_all_that_could_mean_something(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_http_encode(&b, "aZ9-._~ =;&+%/:!@\xc3\xa4");
    hf_http_encode_bytes(&b, "\0", 1);
    assert_string_equal(hf_buf_str(&b), "aZ9-._~%20%3D%3B%26%2B%25%2F%3A%21%40%C3%A4%00");
}

static void nobody_there_is_unreachable_and_nothing_was_sent(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_http) struct hf_http *h = make("127.0.0.1:1", NULL, NULL, NULL, &err);
    HF_AUTO(hf_http_reply) struct hf_http_reply reply = {0};
    struct hf_http_request req = {
        .method = "GET", .path = "/", .deadline_ms = now_ms(NULL) + 5000, .max_body = 100};
    assert_hf_got(h, &err);
    assert_int_equal(hf_http_do(h, &req, &reply, &err), -1);
    assert_int_equal(err.cls, HF_E_UNREACHABLE);
    assert_false(reply.was_sent);
    req.deadline_ms = now_ms(NULL) - 1;
    assert_int_equal(hf_http_do(h, &req, &reply, &err), -1);
    assert_int_equal(err.cls, HF_E_TIMEOUT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(takes_names_addresses_and_ports),
        HF_TEST(refuses_a_host_that_would_become_another_url),
        HF_TEST(refuses_trust_that_cannot_be),
        HF_TEST(reads_a_fingerprint_with_and_without_colons),
        HF_TEST(refuses_what_is_no_fingerprint),
        HF_TEST(encodes_all_that_could_mean_something),
        HF_TEST(nobody_there_is_unreachable_and_nothing_was_sent)};
    return HF_RUN_TESTS("net.http", tests);
}

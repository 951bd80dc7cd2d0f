/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "io/sha256.h"

/* The vectors of FIPS 180-2, appendix B. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void it_is_that_of_all_the_pieces(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char hex[HF_SHA256_HEX];
    HF_AUTO(hf_sha256) struct hf_sha256 *s = hf_sha256_new(&err);
    assert_hf_got(s, &err);
    assert_hf_ok(hf_sha256_add(s, "a", 1, &err), &err);
    assert_hf_ok(hf_sha256_add(s, "", 0, &err), &err);
    assert_hf_ok(hf_sha256_add(s, "bc", 2, &err), &err);
    assert_hf_ok(hf_sha256_end(s, hex, &err), &err);
    assert_string_equal(hex, ABC);
}

static void begun_anew_it_forgets(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char hex[HF_SHA256_HEX];
    HF_AUTO(hf_sha256) struct hf_sha256 *s = hf_sha256_new(&err);
    assert_hf_got(s, &err);
    assert_hf_ok(hf_sha256_add(s, "torn", 4, &err), &err); /* in the middle */
    assert_hf_ok(hf_sha256_begin(s, &err), &err);
    assert_hf_ok(hf_sha256_end(s, hex, &err), &err);
    assert_string_equal(hex, NOTHING);
    assert_hf_ok(hf_sha256_begin(s, &err), &err); /* after an end */
    assert_hf_ok(hf_sha256_add(s, "abc", 3, &err), &err);
    assert_hf_ok(hf_sha256_end(s, hex, &err), &err);
    assert_string_equal(hex, ABC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HF_TEST(it_is_that_of_all_the_pieces),
        HF_TEST(begun_anew_it_forgets),
    };
    return HF_RUN_TESTS("io.sha256", tests);
}

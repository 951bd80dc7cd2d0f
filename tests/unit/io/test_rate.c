/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "io/rate.h"

static void the_first_second_is_free_and_the_rest_is_waited_for(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_fake_clock *f = hf_test_clock(state);
    HF_AUTO(hf_io_rate) struct hf_io_rate *r = hf_io_rate_new(1000, &f->clock, NULL, &err);
    assert_hf_got(r, &err);
    hf_io_rate_take(r, 1000);
    assert_int_equal(f->slept_us, 0);
    hf_io_rate_take(r, 2500);
    assert_int_equal(f->slept_us, 2500 * 1000);
}

static void whoever_is_cancelled_does_not_wait(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_fake_clock *f = hf_test_clock(state);
    HF_AUTO(hf_cancel) struct hf_cancel *c = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    HF_AUTO(hf_io_rate) struct hf_io_rate *r = hf_io_rate_new(1000, &f->clock, c, &err);
    assert_hf_got(r, &err);
    hf_cancel_set(c);
    hf_io_rate_take(r, 600 * 1000);
    assert_int_equal(f->slept_us, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(the_first_second_is_free_and_the_rest_is_waited_for),
        HF_TEST(whoever_is_cancelled_does_not_wait),
    };
    return HF_RUN_TESTS("io.rate", tests);
}

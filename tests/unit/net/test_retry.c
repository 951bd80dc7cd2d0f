/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "net/retry.h"

static struct hf_retry of(void **state, int64_t within_ms)
{
    struct hf_fake_clock *f = hf_test_clock(state);
    return (struct hf_retry){.clock = &f->clock,
                             .deadline_ms = hf_clock_mono_ms(&f->clock) + within_ms};
}

static int64_t waited_ms(void **state, struct hf_retry *r, int64_t at_least_ms)
{
    int64_t before = hf_test_clock(state)->slept_us;
    assert_true(hf_retry_wait(r, at_least_ms));
    return (hf_test_clock(state)->slept_us - before) / 1000;
}

static void pauses_double_up_to_twenty_seconds_each_between_half_and_all_of_its_step(void **state)
{
    struct hf_retry r = of(state, 3600 * 1000);
    for (unsigned i = 0; i < 20; i++) {
        int64_t step = i < 7 && (200 << i) < 20000 ? 200 << i : 20000;
        int64_t ms = waited_ms(state, &r, 0);
        assert_in_range(ms, step / 2, step);
        assert_int_equal(r.tries, i + 1);
    }
}

static void pauses_of_many_are_not_the_same(void **state)
{
    int64_t first = -1;
    bool differ = false;
    for (int i = 0; i < 20; i++) {
        struct hf_retry r = of(state, 3600 * 1000);
        r.tries = 6;
        int64_t ms = waited_ms(state, &r, 0);
        differ = differ || (first >= 0 && ms != first);
        first = ms;
    }
    assert_true(differ);
}

static void a_server_that_says_when_is_believed(void **state)
{
    struct hf_retry r = of(state, 3600 * 1000);
    assert_int_equal(waited_ms(state, &r, 7000), 7000);
}

static void nothing_is_waited_for_what_comes_after_the_deadline(void **state)
{
    struct hf_retry r = of(state, 5000);
    assert_false(hf_retry_wait(&r, 5000));
    assert_int_equal(hf_test_clock(state)->slept_us, 0);
    assert_int_equal(r.tries, 0);
    while (hf_retry_wait(&r, 0))
        continue;
    assert_in_range(hf_test_clock(state)->slept_us, 1, 5000 * 1000);
}

static void without_a_deadline_it_goes_on(void **state)
{
    struct hf_retry r = {.clock = &hf_test_clock(state)->clock, .deadline_ms = HF_NO_DEADLINE};
    for (int i = 0; i < 100; i++)
        assert_true(hf_retry_wait(&r, 0));
}

static void a_cancel_ends_a_pause(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_retry r = of(state, 3600 * 1000);
    struct hf_cancel *c = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    r.cancel = c;
    hf_cancel_set(c);
    assert_false(hf_retry_wait(&r, 10000));
    assert_int_equal(hf_test_clock(state)->slept_us, 0);
    hf_cancel_free(c);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(pauses_double_up_to_twenty_seconds_each_between_half_and_all_of_its_step),
        HF_TEST(pauses_of_many_are_not_the_same),
        HF_TEST(a_server_that_says_when_is_believed),
        HF_TEST(nothing_is_waited_for_what_comes_after_the_deadline),
        HF_TEST(without_a_deadline_it_goes_on),
        HF_TEST(a_cancel_ends_a_pause),
    };
    return HF_RUN_TESTS("net.retry", tests);
}

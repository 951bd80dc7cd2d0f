/* SPDX-License-Identifier: Apache-2.0 */
#include "base/many.h"
#include "harness/hf_test.h"

#include <stdatomic.h>
#include <string.h>

#define N 1000

struct counts {
    atomic_int of[N];
    atomic_int begun;
    size_t fails_at;
};

static int do_one(void *ctx, size_t i, struct hf_err *err)
{
    struct counts *c = ctx;
    atomic_fetch_add(&c->of[i], 1);
    atomic_fetch_add(&c->begun, 1);
    return i == c->fails_at ? hf_fail(err, HF_E_NOSPACE, "number %zu", i) : 0;
}

static void each_is_done_once_by_any_number_of_threads(void **state)
{
    static const unsigned threads[] = {0, 1, 7, 1000};
    (void)state;
    for (size_t t = 0; t < HF_ARRAY_SIZE(threads); t++)
        for (size_t n = 0; n <= N; n += n < 3 ? 1 : 997) {
            static struct counts c;
            struct hf_err err = HF_ERR_INIT;
            memset(&c, 0, sizeof c);
            c.fails_at = N;
            assert_hf_ok(hf_many(n, threads[t], do_one, &c, &err), &err);
            for (size_t i = 0; i < N; i++)
                assert_int_equal(c.of[i], i < n);
        }
}

static void the_first_failure_ends_it(void **state)
{
    static struct counts c = {.fails_at = 10};
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    assert_int_equal(hf_many(N, 3, do_one, &c, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "number 10");
    assert_true(c.begun >= 11 && c.begun < N);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_is_done_once_by_any_number_of_threads),
        HF_TEST(the_first_failure_ends_it),
    };
    return HF_RUN_TESTS("base.many", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cancel.h"
#include "harness/hf_test.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

static int readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0);
}

static void starts_unset_and_stays_set(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *c = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    assert_false(hf_cancel_is_set(c));
    assert_int_equal(readable(hf_cancel_fd(c)), 0);
    assert_hf_ok(hf_cancel_check(c, &err), &err);

    hf_cancel_set(c);
    hf_cancel_set(c);
    for (int i = 0; i < 2; i++) { /* looking does not use it up */
        assert_true(hf_cancel_is_set(c));
        assert_int_equal(readable(hf_cancel_fd(c)), 1);
        assert_int_equal(hf_cancel_check(c, &err), -1);
        assert_hf_err(&err, HF_E_CANCELLED, "cancelled");
    }
}

static void cleared_it_is_as_new_and_names_the_signal(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *c = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    hf_cancel_signal(c, SIGINT);
    hf_cancel_signal(c, SIGTERM);
    assert_true(hf_cancel_is_set(c));
    assert_int_equal(hf_cancel_clear(c), SIGTERM);
    assert_false(hf_cancel_is_set(c));
    assert_int_equal(readable(hf_cancel_fd(c)), 0);
    assert_int_equal(hf_cancel_clear(c), 0);
    hf_cancel_set(c);
    assert_int_equal(readable(hf_cancel_fd(c)), 1);
}

static void nobody_is_never_cancelled(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_false(hf_cancel_is_set(NULL));
    assert_int_equal(hf_cancel_fd(NULL), -1);
    assert_hf_ok(hf_cancel_check(NULL, &err), &err);
    hf_cancel_free(NULL);
}

static struct hf_cancel *from_handler;

static void on_signal(int signal)
{
    (void)signal;
    hf_cancel_set(from_handler);
}

static void a_signal_handler_sets_it_and_keeps_errno(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *c = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    from_handler = c;
    struct sigaction action = {.sa_handler = on_signal}, old;
    sigaction(SIGUSR1, &action, &old);
    errno = EXDEV;
    raise(SIGUSR1);
    int seen = errno;
    sigaction(SIGUSR1, &old, NULL);
    assert_true(hf_cancel_is_set(c));
    assert_int_equal(seen, EXDEV);
}

static void setting_it_often_never_blocks(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *c = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    uint64_t nearly_full = UINT64_MAX - 1;
    assert_int_equal(write(hf_cancel_fd(c), &nearly_full, sizeof nearly_full), sizeof nearly_full);
    errno = 0;
    hf_cancel_set(c);
    assert_true(hf_cancel_is_set(c));
    assert_int_equal(errno, 0);
}

static void says_so_when_no_descriptor_is_left(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct rlimit old, none;
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    struct hf_cancel *c = hf_cancel_new(&err);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_null(c);
    assert_hf_err(&err, HF_E_INTERNAL, "cannot create an event descriptor: Too many open files");
}

static void one_until_a_deadline_is_set_by_its_parent_or_by_time(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_fake_clock *f = hf_test_clock(state);
    HF_AUTO(hf_cancel) struct hf_cancel *parent = hf_cancel_new(&err);
    assert_hf_got(parent, &err);
    HF_AUTO(hf_cancel)
    struct hf_cancel *c =
        hf_cancel_until(parent, &f->clock, hf_clock_mono_ms(&f->clock) + 50000, &err);
    assert_hf_got(c, &err);
    hf_fake_clock_advance_ms(f, 49999);
    assert_hf_ok(hf_cancel_check(c, &err), &err);
    assert_int_equal(readable(hf_cancel_fd(c)), 0);
    hf_fake_clock_advance_ms(f, 1);
    assert_int_equal(hf_cancel_check(c, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "its time is over");
    assert_false(hf_cancel_is_set(parent));

    hf_cancel_set(parent); /* which is the better reason */
    assert_int_equal(readable(hf_cancel_fd(c)), 1);
    assert_int_equal(hf_cancel_check(c, &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "cancelled");
}

static void what_polls_wakes_up_at_the_deadline(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    const struct hf_clock *clock = hf_clock_system();
    HF_AUTO(hf_cancel)
    struct hf_cancel *c = hf_cancel_until(NULL, clock, hf_clock_mono_ms(clock) + 50, &err);
    assert_hf_got(c, &err);
    struct pollfd p = {.fd = hf_cancel_fd(c), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 10000), 1);
    hf_clock_sleep_ms(clock, 2); /* the timer's clock and ours may differ by a tick */
    assert_true(hf_cancel_is_set(c));
    HF_AUTO(hf_cancel)
    struct hf_cancel *past = hf_cancel_until(NULL, clock, hf_clock_mono_ms(clock) - 5, &err);
    assert_hf_got(past, &err);
    p.fd = hf_cancel_fd(past);
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_true(hf_cancel_is_set(past));
}

static void setting_one_until_a_deadline_wakes_its_own_waiters_and_not_the_parents(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *parent = hf_cancel_new(&err);
    HF_AUTO(hf_cancel)
    struct hf_cancel *c = hf_cancel_until(parent, hf_clock_system(), HF_NO_DEADLINE, &err);
    assert_hf_got(c, &err);
    assert_int_equal(readable(hf_cancel_fd(c)), 0);
    hf_cancel_set(c);
    assert_int_equal(readable(hf_cancel_fd(c)), 1);
    assert_int_equal(hf_cancel_check(c, &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "cancelled");
    assert_false(hf_cancel_is_set(parent));
}

/* Sets the cancel in the middle of the third slice. */
struct interruption {
    struct hf_fake_clock *fake;
    struct hf_cancel *cancel;
    unsigned sleeps;
};

static int64_t interrupted_mono(void *ctx)
{
    return hf_clock_mono_us(&((struct interruption *)ctx)->fake->clock);
}

static void interrupted_sleep(void *ctx, int64_t us)
{
    struct interruption *i = ctx;
    hf_fake_clock_advance_ms(i->fake, us / 1000);
    if (++i->sleeps == 3)
        hf_cancel_set(i->cancel);
}

static void a_sleep_ends_soon_after_it_was_set(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct interruption i = {.fake = hf_test_clock(state)};
    struct hf_clock clock = {.mono_us = interrupted_mono, .sleep_us = interrupted_sleep, .ctx = &i};
    HF_AUTO(hf_cancel) struct hf_cancel *c = i.cancel = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    int64_t begin = hf_clock_mono_ms(&clock);
    assert_true(hf_cancel_sleep(c, &clock, 250));
    assert_int_equal(hf_clock_mono_ms(&clock) - begin, 250);
    assert_false(hf_cancel_sleep(c, &clock, 3600 * 1000));
    assert_int_equal(hf_clock_mono_ms(&clock) - begin, 450);
    assert_false(hf_cancel_sleep(c, &clock, 1));
    assert_int_equal(i.sleeps, 3);
    assert_true(hf_cancel_sleep(NULL, &clock, 1000));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(starts_unset_and_stays_set),
        HF_TEST(cleared_it_is_as_new_and_names_the_signal),
        HF_TEST(nobody_is_never_cancelled),
        HF_TEST(a_signal_handler_sets_it_and_keeps_errno),
        HF_TEST(setting_it_often_never_blocks),
        HF_TEST(one_until_a_deadline_is_set_by_its_parent_or_by_time),
        HF_TEST(setting_one_until_a_deadline_wakes_its_own_waiters_and_not_the_parents),
        HF_TEST(what_polls_wakes_up_at_the_deadline),
        HF_TEST(says_so_when_no_descriptor_is_left),
        HF_TEST(a_sleep_ends_soon_after_it_was_set),
    };
    return HF_RUN_TESTS("base.cancel", tests);
}

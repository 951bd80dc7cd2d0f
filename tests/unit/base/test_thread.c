/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"
#include "harness/hf_test.h"

#include <signal.h>

static void *look(void *arg)
{
    pthread_sigmask(SIG_SETMASK, NULL, arg);
    return NULL;
}

static void a_thread_blocks_signals_and_its_maker_goes_on_as_before(void **state)
{
    (void)state;
    pthread_t thread;
    sigset_t one, was, is, of_thread;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, &was);
    int e = hf_thread_start(&thread, look, &of_thread);
    pthread_sigmask(SIG_SETMASK, &was, &is);
    assert_int_equal(e, 0);
    pthread_join(thread, NULL);
    assert_true(sigismember(&of_thread, SIGTERM));
    assert_true(sigismember(&of_thread, SIGINT));
    assert_true(sigismember(&is, SIGUSR1));
    assert_false(sigismember(&is, SIGTERM));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_thread_blocks_signals_and_its_maker_goes_on_as_before),
    };
    return HF_RUN_TESTS("base.thread", tests);
}

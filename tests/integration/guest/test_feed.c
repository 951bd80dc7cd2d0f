/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that is fed through ssh, against a real sshd.
 */
#include "guest/feed_ssh.h"
#include "harness/hf_test.h"
#include "integration/guest/sshd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct hf_test_sshd sshd;
static char block[1 << 20];

static int64_t now_ms(void)
{
    return hf_clock_mono_ms(hf_clock_system());
}

static struct hf_feed *feed(const char *script, const struct hf_feed_opts *more)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct hf_feed_opts opts = more ? *more : (struct hf_feed_opts){0};
    opts.argv = argv;
    opts.clock = hf_clock_system();
    struct hf_feed *f = hf_feed_ssh(&t, &opts, &err);
    assert_hf_got(f, &err);
    return f;
}

/* n blocks; what the first failure said. */
static int write_blocks(struct hf_feed *f, int n, struct hf_err *err)
{
    for (int i = 0; i < n; i++)
        if (hf_feed_write(f, block, sizeof block, err) < 0)
            return -1;
    return 0;
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void wait_for(const char *path, off_t size)
{
    int64_t until_ms = now_ms() + 10000;
    while (size_of(path) != size && now_ms() < until_ms)
        hf_clock_sleep_ms(hf_clock_system(), 20);
    assert_int_equal(size_of(path), size);
}

static void all_of_it_arrives(void **state)
{
    char script[300];
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "got");
    snprintf(script, sizeof script, "cat >'%s'", path);
    HF_AUTO(hf_feed) struct hf_feed *f = feed(script, NULL);
    assert_hf_ok(write_blocks(f, 48, &err), &err);
    assert_hf_ok(hf_feed_write(f, "end", 3, &err), &err);
    assert_hf_ok(hf_feed_finish(f, &err), &err);
    assert_int_equal(size_of(path), 48 * (off_t)sizeof block + 3);
}

static void what_the_program_says_does_not_stop_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    HF_AUTO(hf_feed) struct hf_feed *f = feed("tee /dev/stderr", NULL);
    assert_hf_ok(write_blocks(f, 16, &err), &err);
    assert_hf_ok(hf_feed_finish(f, &err), &err);
}

static void count(void *ctx, const char *data, size_t len)
{
    (void)data;
    *(size_t *)ctx += len;
}

static void a_failure_is_told_with_the_first_line(void **state)
{
    size_t said = 0;
    struct hf_err err = HF_ERR_INIT;
    const struct hf_feed_opts opts = {.said = count, .ctx = &said};
    (void)state;
    HF_AUTO(hf_feed)
    struct hf_feed *f = feed("cat >/dev/null; printf 'no\\033room\\nmore\\n' >&2; exit 3", &opts);
    assert_hf_ok(write_blocks(f, 1, &err), &err);
    assert_int_equal(hf_feed_finish(f, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "'sh' ended with status 3: no?room");
    assert_int_equal(said, 13);
}

static void a_program_that_ends_early_has_failed_whatever_its_status(void **state)
{
    static const char *const scripts[] = {"echo enough >&2; exit 0", "echo enough >&2; exit 7",
                                          "head -c 5000000 >/dev/null; echo enough >&2"};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(scripts); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_feed) struct hf_feed *f = feed(scripts[i], NULL);
        assert_int_equal(write_blocks(f, 64, &err), -1);
        assert_hf_err(&err, HF_E_PLUGIN, ", before its input did: enough");
    }
}

/* As GNU tar does. */
static void a_program_that_knows_the_end_need_not_wait_for_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    HF_AUTO(hf_feed) struct hf_feed *f = feed("head -c 3 >/dev/null", NULL);
    assert_hf_ok(hf_feed_write(f, "end", 3, &err), &err);
    hf_clock_sleep_ms(hf_clock_system(), 500);
    assert_hf_ok(hf_feed_finish(f, &err), &err);
}

static void a_signal_is_told(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    HF_AUTO(hf_feed) struct hf_feed *f = feed("cat >/dev/null; kill -KILL $$", NULL);
    assert_hf_ok(hf_feed_write(f, "x", 1, &err), &err);
    assert_int_equal(hf_feed_finish(f, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "'sh' was ended by SIGKILL");
}

static void one_that_never_reads_is_given_up(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_feed_opts opts = {.idle_ms = 700};
    (void)state;
    HF_AUTO(hf_feed) struct hf_feed *f = feed("exec sleep 60", &opts);
    int64_t begin_ms = now_ms();
    assert_int_equal(write_blocks(f, 64, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "not done in time");
    assert_in_range(now_ms() - begin_ms, 600, 10000);
    /* Nor is one waited for that has all and does not end. */
    HF_AUTO(hf_feed) struct hf_feed *g = feed("exec sleep 60", &opts);
    assert_hf_ok(hf_feed_write(g, "x", 1, &err), &err);
    assert_int_equal(hf_feed_finish(g, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "not done in time");
}

static void *cancel_soon(void *ctx)
{
    hf_clock_sleep_ms(hf_clock_system(), 500);
    hf_cancel_set(ctx);
    return NULL;
}

static void a_cancelled_run_ends_at_once(void **state)
{
    pthread_t thread;
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    const struct hf_feed_opts opts = {.cancel = cancel};
    HF_AUTO(hf_feed) struct hf_feed *f = feed("exec sleep 60", &opts);
    int64_t begin_ms = now_ms();
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, cancel), 0);
    assert_int_equal(write_blocks(f, 64, &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "");
    assert_in_range(now_ms() - begin_ms, 400, 5000);
    pthread_join(thread, NULL);
}

static void a_cut_connection_is_told_and_ends_the_input(void **state)
{
    char script[300];
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "ended");
    snprintf(script, sizeof script, "cat >/dev/null; echo end >'%s'", path);
    HF_AUTO(hf_feed) struct hf_feed *f = feed(script, NULL);
    assert_hf_ok(write_blocks(f, 4, &err), &err);
    hf_test_sshd_cut(&sshd);
    assert_int_equal(write_blocks(f, 64, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "connection lost");
    assert_int_equal(hf_feed_finish(f, &err), -1);
    wait_for(path, 4);
}

static void closed_without_finish_the_program_sees_the_end(void **state)
{
    char script[300];
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "ended");
    snprintf(script, sizeof script, "cat >/dev/null; echo end >'%s'", path);
    struct hf_feed *f = feed(script, NULL);
    assert_hf_ok(hf_feed_write(f, "x", 1, &err), &err);
    assert_int_equal(size_of(path), -1);
    hf_feed_close(f);
    wait_for(path, 4);
}

static void no_descriptor_stays_behind(void **state)
{
    (void)state;
    int before = hf_test_count_fds();
    for (int i = 0; i < 3; i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_feed) struct hf_feed *f = feed("cat >/dev/null", NULL);
        assert_hf_ok(write_blocks(f, 1, &err), &err);
        if (i > 0)
            assert_hf_ok(hf_feed_finish(f, &err), &err);
    }
    assert_int_equal(hf_test_count_fds(), before);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(all_of_it_arrives),
        HF_TEST(what_the_program_says_does_not_stop_it),
        HF_TEST(a_failure_is_told_with_the_first_line),
        HF_TEST(a_program_that_ends_early_has_failed_whatever_its_status),
        HF_TEST(a_program_that_knows_the_end_need_not_wait_for_it),
        HF_TEST(a_signal_is_told),
        HF_TEST(one_that_never_reads_is_given_up),
        HF_TEST(a_cancelled_run_ends_at_once),
        HF_TEST(a_cut_connection_is_told_and_ends_the_input),
        HF_TEST(closed_without_finish_the_program_sees_the_end),
        HF_TEST(no_descriptor_stays_behind),
    };
    struct hf_err err = HF_ERR_INIT;
    if (hf_ssh_library_init(&err))
        return 1;
    hf_test_sshd_start(&sshd, "");
    int failed = HF_RUN_TESTS("guest.feed", tests);
    hf_test_sshd_stop(&sshd);
    hf_ssh_library_end();
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "io/aside.h"

#include <pthread.h>
#include <unistd.h>

#define MUCH ((size_t)20 << 20)

/* What is behind: takes numbered 32-bit words, fails or waits when told. */
struct behind {
    struct hf_io_sink sink;
    uint32_t next;
    atomic_size_t bytes;
    size_t fails_at;      /* bytes; 0: never */
    atomic_int is_closed; /* for writing */
    int n_finished, n_closed;
};

static int behind_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct behind *b = (struct behind *)s;
    while (b->is_closed)
        usleep(1000);
    for (size_t i = 0; i < len / 4; i++)
        if (((const uint32_t *)data)[i] != b->next++)
            return hf_fail(err, HF_E_CORRUPT, "out of order");
    b->bytes += len;
    if (b->fails_at && b->bytes >= b->fails_at)
        return hf_fail(err, HF_E_NOSPACE, "no room after %zu", b->fails_at);
    return 0;
}

static int behind_finish(struct hf_io_sink *s, struct hf_err *err)
{
    (void)err;
    ((struct behind *)s)->n_finished++;
    return 0;
}

static void behind_close(struct hf_io_sink *s)
{
    ((struct behind *)s)->n_closed++;
}

static const struct hf_io_sink_ops behind_ops = {behind_write, behind_finish, behind_close};

static struct hf_io_sink *begin(struct behind *b)
{
    struct hf_err err = HF_ERR_INIT;
    *b = (struct behind){.sink = {&behind_ops}};
    struct hf_io_sink *s = hf_io_aside_new(&b->sink, &err);
    assert_hf_got(s, &err);
    return s;
}

/* Words from 0 on, in writes of odd lengths; how many bytes went before one failed. */
static size_t write_words(struct hf_io_sink *s, size_t len, struct hf_err *err)
{
    static uint32_t words[100000];
    uint32_t n = 0;
    size_t done = 0;
    for (size_t piece = 1; done < len; piece = piece * 7 % 100003 % HF_ARRAY_SIZE(words) + 1) {
        size_t count = piece < (len - done) / 4 ? piece : (len - done) / 4;
        for (size_t i = 0; i < count; i++)
            words[i] = n++;
        if (hf_io_write(s, words, count * 4, err) < 0)
            return done;
        done += count * 4;
    }
    return done;
}

static void what_is_written_arrives_in_order_and_whole(void **state)
{
    const size_t lens[] = {0, 4, HF_IO_ASIDE_BLOCK, HF_IO_ASIDE_BLOCK * HF_IO_ASIDE_BLOCKS, MUCH};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(lens); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct behind b;
        struct hf_io_sink *s = begin(&b);
        assert_int_equal(write_words(s, lens[i], &err), lens[i]);
        assert_hf_ok(hf_io_finish(s, &err), &err);
        assert_int_equal(b.bytes, lens[i]);
        assert_int_equal(b.n_finished, 1);
        hf_io_close(s);
        assert_int_equal(b.n_closed, 1);
    }
}

static void an_error_behind_comes_home_and_stays(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct behind b;
    struct hf_io_sink *s = begin(&b);
    (void)state;
    b.fails_at = 5 << 20;
    assert_in_range(write_words(s, MUCH, &err), b.fails_at - HF_IO_ASIDE_BLOCK, MUCH - 4);
    assert_hf_err(&err, HF_E_NOSPACE, "no room after");
    size_t bytes = b.bytes;
    for (int i = 0; i < 20; i++) {
        hf_err_clear(&err);
        assert_int_equal(hf_io_write(s, "x", 1, &err), -1);
        assert_hf_err(&err, HF_E_NOSPACE, "no room after");
    }
    hf_err_clear(&err);
    assert_int_equal(hf_io_finish(s, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "no room after");
    assert_int_equal(b.bytes, bytes);
    assert_int_equal(b.n_finished, 0);
    hf_io_close(s);
    assert_int_equal(b.n_closed, 1);
}

static void an_error_with_the_last_block_is_that_of_finish(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct behind b;
    struct hf_io_sink *s = begin(&b);
    (void)state;
    b.fails_at = 400;
    assert_int_equal(write_words(s, 400, &err), 400);
    assert_int_equal(hf_io_finish(s, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "no room after");
    assert_int_equal(b.n_finished, 0);
    hf_io_close(s);
}

static void closed_without_a_finish_it_ends_and_finishes_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct behind b;
    (void)state;
    struct hf_io_sink *s = begin(&b);
    hf_io_close(s);
    assert_int_equal(b.n_closed, 1);
    s = begin(&b);
    assert_int_equal(write_words(s, MUCH, &err), MUCH);
    hf_io_close(s);
    assert_int_equal(b.n_finished, 0);
    assert_int_equal(b.n_closed, 1);
}

/* ---- bounds ----------------------------------------------------------------------------- */

struct writer {
    struct hf_io_sink *s;
    atomic_size_t done;
};

static void *write_on(void *arg)
{
    static const char block[4096];
    struct writer *w = arg;
    struct hf_err err = HF_ERR_INIT;
    while (w->done < 2 * HF_IO_ASIDE_BLOCK * HF_IO_ASIDE_BLOCKS) {
        if (hf_io_write(w->s, block, sizeof block, &err) < 0)
            break;
        w->done += sizeof block;
    }
    return NULL;
}

static void no_more_waits_than_the_blocks_hold(void **state)
{
    struct behind b;
    struct writer w = {.s = begin(&b)};
    pthread_t thread;
    (void)state;
    b.is_closed = 1;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
    for (int i = 0; w.done < HF_IO_ASIDE_BLOCK * (HF_IO_ASIDE_BLOCKS - 1) && i < 3000; i++)
        usleep(10000);
    usleep(100000);
    assert_in_range(w.done, HF_IO_ASIDE_BLOCK * (HF_IO_ASIDE_BLOCKS - 1),
                    HF_IO_ASIDE_BLOCK * HF_IO_ASIDE_BLOCKS);
    b.fails_at = 1;
    b.is_closed = 0;
    pthread_join(thread, NULL);
    hf_io_close(w.s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_is_written_arrives_in_order_and_whole),
        HF_TEST(an_error_behind_comes_home_and_stays),
        HF_TEST(an_error_with_the_last_block_is_that_of_finish),
        HF_TEST(closed_without_a_finish_it_ends_and_finishes_nothing),
        HF_TEST(no_more_waits_than_the_blocks_hold),
    };
    return HF_RUN_TESTS("io.aside", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream through a guest agent, with a real unit's script in a guest that is played.
 */
#include "base/cancel.h"
#include "guest/stream_agent.h"
#include "unit/guest/played.h"

#include <dirent.h>
#include <stdlib.h>

#define MUCH ((size_t)(5 << 20) + 12345)

/* Static in each case, as the guest is. */
struct scene {
    struct fake fake;
    struct hf_guest *g;
    struct hf_cancel *cancel;
    struct hf_stream *stream;
    struct hf_buf said;
    int n_ends;
    char name[64];
};

static void take_said(void *ctx, const char *data, size_t len)
{
    struct scene *s = ctx;
    s->n_ends += len == 0;
    hf_buf_add(&s->said, data, len);
}

static void begin(struct scene *s, void **state, int64_t life_ms, const char *const *argv)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_stream_opts opts = {
        .argv = argv, .said = take_said, .ctx = s, .clock = hf_clock_system()};
    *s = (struct scene){0};
    play(&s->fake, state);
    s->g = guest_of(&s->fake);
    assert_hf_got(s->cancel = hf_cancel_new(&err), &err);
    opts.cancel = s->cancel;
    s->stream = hf_stream_agent(s->g, RUN, life_ms, &opts, &err);
    assert_hf_got(s->stream, &err);
}

static void begin_sh(struct scene *s, void **state, int64_t life_ms, const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    begin(s, state, life_ms, argv);
}

/* Bytes of what is in the unit's directory; -1: it is gone. */
static int64_t room(const struct scene *s)
{
    HF_AUTOFREE char *dir = hf_asprintf("%s/holdfast-stream-" RUN, s->fake.run);
    struct stat st;
    int64_t sum = 0;
    DIR *d = opendir(dir);
    if (!d)
        return -1;
    for (struct dirent *e; (e = readdir(d));)
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += st.st_size;
    closedir(d);
    return sum;
}

static void wait_until_gone(const struct scene *s)
{
    for (int i = 0; room(s) >= 0 && i < SOON_MS / 10; i++)
        usleep(10000);
    assert_int_equal(room(s), -1);
}

static void end(struct scene *s)
{
    hf_stream_close(s->stream);
    wait_until_gone(s);
    hf_guest_close(s->g);
    hf_cancel_free(s->cancel);
    hf_buf_free(&s->said);
}

static void read_all(struct scene *s, struct hf_buf *out)
{
    static char buf[300000];
    struct hf_err err = HF_ERR_INIT;
    ssize_t n;
    while ((n = hf_stream_read(s->stream, buf, sizeof buf, &err)) > 0)
        hf_buf_add(out, buf, (size_t)n);
    assert_hf_ok((int)n, &err);
    assert_int_equal(s->n_ends, 1);
}

static void assert_fails(struct scene *s, enum hf_err_class cls)
{
    static char buf[65536];
    struct hf_err err = HF_ERR_INIT;
    ssize_t n;
    while ((n = hf_stream_read(s->stream, buf, sizeof buf, &err)) > 0)
        continue;
    assert_int_equal(n, -1);
    assert_int_equal(err.cls, cls);
}

/* Numbers, so that what is missing, doubled or out of order shows. */
static void assert_counts(const struct hf_buf *b, size_t len)
{
    HF_AUTO(hf_buf) struct hf_buf want = HF_BUF_INIT;
    for (int i = 1; want.len < len; i++)
        hf_buf_printf(&want, "%d\n", i);
    assert_int_equal(b->len, len);
    assert_memory_equal(b->data, want.data, len);
}

static void every_byte_comes_home_with_the_status(void **state)
{
    static struct scene s;
    const size_t lens[] = {0, 1, HF_STREAM_PIECE, 2 * HF_STREAM_PIECE, MUCH};
    for (size_t i = 0; i < HF_ARRAY_SIZE(lens); i++) {
        HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
        HF_AUTOFREE char *script =
            hf_asprintf("seq 9999999 | head -c %zu; echo well >&2; exit 7", lens[i]);
        begin_sh(&s, state, 20000, script);
        read_all(&s, &out);
        assert_counts(&out, lens[i]);
        assert_int_equal(hf_stream_status(s.stream), 7);
        assert_string_equal(hf_buf_str(&s.said), "well\n");
        end(&s);
    }
}

static void a_signal_is_a_status(void **state)
{
    static struct scene s;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    begin_sh(&s, state, 20000, "echo one; kill -KILL $$");
    read_all(&s, &out);
    assert_string_equal(hf_buf_str(&out), "one\n");
    assert_int_equal(hf_stream_status(s.stream), 128 + 9);
    end(&s);
}

static void calls_that_are_made_again_double_nothing(void **state)
{
    static struct scene s;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    HF_AUTOFREE char *script = hf_asprintf("seq 9999999 | head -c %zu", MUCH);
    begin_sh(&s, state, 20000, script);
    s.fake.lies_every = 3;
    read_all(&s, &out);
    s.fake.lies_every = 0;
    assert_counts(&out, MUCH);
    end(&s);
}

static void what_is_run_is_taken_as_it_is(void **state)
{
    static struct scene s;
    static const char *const argv[] = {
        "printf", "%s|", "$HOME", "${x} $$ $(id) `id`", "%n %%", "a\nb '\"", "-rf", "", NULL};
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    begin(&s, state, 20000, argv);
    read_all(&s, &out);
    assert_string_equal(hf_buf_str(&out), "$HOME|${x} $$ $(id) `id`|%n %%|a\nb '\"|-rf||");
    end(&s);
}

static void what_is_not_read_makes_the_program_wait(void **state)
{
    static struct scene s;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    const size_t len = 40 << 20;
    begin_sh(&s, state, 20000, "seq 9999999 | head -c 41943040; seq 999999 | head -c 2000000 >&2");
    for (int i = 0; room(&s) < HF_STREAM_AHEAD * HF_STREAM_PIECE && i < SOON_MS / 10; i++)
        usleep(10000);
    usleep(300000);
    assert_in_range(room(&s), HF_STREAM_AHEAD * HF_STREAM_PIECE,
                    (HF_STREAM_AHEAD + 1) * HF_STREAM_PIECE);
    read_all(&s, &out);
    assert_counts(&out, len);
    assert_counts(&s.said, 2000000);
    end(&s);
}

static void much_that_is_said_first_blocks_nothing(void **state)
{
    static struct scene s;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    begin_sh(&s, state, 20000, "seq 999999 | head -c 1000000 >&2; echo out");
    read_all(&s, &out);
    assert_string_equal(hf_buf_str(&out), "out\n");
    assert_counts(&s.said, 1000000);
    end(&s);
}

static void it_ends_by_itself_when_nobody_reads(void **state)
{
    static struct scene s;
    begin_sh(&s, state, 1000, "seq 99999999; sleep 1000");
    wait_until_gone(&s);
    assert_fails(&s, HF_E_UNREACHABLE);
    end(&s);
}

static void it_lives_while_its_reader_waits_for_a_silent_program(void **state)
{
    static struct scene s;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    begin_sh(&s, state, 2500, "sleep 4; echo at last");
    read_all(&s, &out);
    assert_string_equal(hf_buf_str(&out), "at last\n");
    end(&s);
}

static void a_stream_that_is_closed_in_the_middle_leaves_nothing(void **state)
{
    static struct scene s;
    struct hf_err err = HF_ERR_INIT;
    char buf[100];
    begin_sh(&s, state, 20000, "seq 99999999");
    assert_true(hf_stream_read(s.stream, buf, sizeof buf, &err) > 0);
    end(&s);
}

static void a_cancelled_run_ends_at_once(void **state)
{
    static struct scene s;
    begin_sh(&s, state, 20000, "sleep 1000");
    hf_cancel_set(s.cancel);
    assert_fails(&s, HF_E_CANCELLED);
    end(&s);
}

static void a_guest_that_lies_about_the_end_is_caught(void **state)
{
    static const char *const lies[] = {"0 5 0\n",  "0 4 1\n",  "0 4 0", "256 4 0\n",
                                       "-1 4 0\n", "0 4 0\n0", "x\n",   ""};
    static struct scene s;
    for (size_t i = 0; i < HF_ARRAY_SIZE(lies); i++) {
        begin_sh(&s, state, 20000, "printf 1234; exec >&- 2>&-; sleep 1000");
        HF_AUTOFREE char *path = hf_asprintf("%s/holdfast-stream-" RUN "/end", s.fake.run);
        HF_AUTOFD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, lies[i], strlen(lies[i])), strlen(lies[i]));
        assert_fails(&s, HF_E_CORRUPT);
        end(&s);
    }
}

static void a_piece_without_an_end_is_refused(void **state)
{
    static struct scene s;
    begin_sh(&s, state, 20000, "seq 9999999");
    s.fake.is_endless = 1;
    assert_fails(&s, HF_E_CORRUPT);
    s.fake.is_endless = 0;
    end(&s);
}

static void a_channel_that_cannot_is_told(void **state)
{
    static struct scene s;
    struct hf_err err = HF_ERR_INIT;
    static const char *const argv[] = {"true", NULL};
    struct hf_stream_opts opts = {
        .argv = argv, .said = take_said, .ctx = &s, .clock = hf_clock_system()};
    s = (struct scene){0};
    play(&s.fake, state);
    s.g = guest_of(&s.fake);
    s.fake.fails = HF_E_UNREACHABLE;
    assert_null(hf_stream_agent(s.g, RUN, 20000, &opts, &err));
    assert_int_equal(err.cls, HF_E_UNREACHABLE);
    assert_null(hf_stream_agent(s.g, "../x y", 20000, &opts, &err));
    assert_int_equal(err.cls, HF_E_INTERNAL);
    hf_guest_close(s.g);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(every_byte_comes_home_with_the_status),
        HF_TEST(a_signal_is_a_status),
        HF_TEST(calls_that_are_made_again_double_nothing),
        HF_TEST(what_is_run_is_taken_as_it_is),
        HF_TEST(what_is_not_read_makes_the_program_wait),
        HF_TEST(much_that_is_said_first_blocks_nothing),
        HF_TEST(it_ends_by_itself_when_nobody_reads),
        HF_TEST(it_lives_while_its_reader_waits_for_a_silent_program),
        HF_TEST(a_stream_that_is_closed_in_the_middle_leaves_nothing),
        HF_TEST(a_cancelled_run_ends_at_once),
        HF_TEST(a_guest_that_lies_about_the_end_is_caught),
        HF_TEST(a_piece_without_an_end_is_refused),
        HF_TEST(a_channel_that_cannot_is_told),
    };
    return HF_RUN_TESTS("guest.stream_agent", tests);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The tunnel's listener, with a backend that is asked again every few milliseconds and whose streams end in this test.
 */
#include "base/buf.h"
#include "guest/tunnel.h"
#include "guest/tunnel_backend.h"
#include "harness/hf_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TURN_MS 2
#define SOON_MS 5000

/* The way: its streams are socket pairs, the other ends of which wait in `ends`. */
struct way {
    int ends[2]; /* a pipe of descriptors of this process */
    atomic_int is_lost, n_open, refuses, n_asked;
};

struct stream {
    int fd;
};

static int way_open(void *self, void **out, struct hf_err *err)
{
    struct way *w = self;
    int pair[2];
    struct stream *s = calloc(1, sizeof *s);
    if (w->refuses || !s || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        free(s);
        return hf_fail(err, HF_E_UNREACHABLE, "the way refuses");
    }
    s->fd = pair[0];
    w->n_open++;
    *out = s;
    return write(w->ends[1], &pair[1], sizeof pair[1]) == sizeof pair[1] ? 0 : -1;
}

static ssize_t answer(ssize_t n, struct hf_err *err)
{
    if (n < 0 && errno == EAGAIN)
        return HF_TUNNEL_AGAIN;
    return n < 0 ? hf_fail(err, HF_E_UNREACHABLE, "the stream broke") : n;
}

static ssize_t way_read(void *self, void *stream, void *buf, size_t size, struct hf_err *err)
{
    ((struct way *)self)->n_asked++;
    return answer(recv(((struct stream *)stream)->fd, buf, size, MSG_DONTWAIT), err);
}

static ssize_t way_write(void *self, void *stream, const void *buf, size_t len, struct hf_err *err)
{
    (void)self;
    return answer(send(((struct stream *)stream)->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL), err);
}

static int way_finish(void *self, void *stream, struct hf_err *err)
{
    (void)self;
    (void)err;
    return shutdown(((struct stream *)stream)->fd, SHUT_WR);
}

static void way_close(void *self, void *stream)
{
    ((struct way *)self)->n_open--;
    close(((struct stream *)stream)->fd);
    free(stream);
}

static int way_work(void *self, struct hf_err *err)
{
    return ((struct way *)self)->is_lost ? hf_fail(err, HF_E_UNREACHABLE, "the way is lost") : 0;
}

static int way_wait(void *self, struct pollfd *at)
{
    (void)self;
    (void)at;
    return TURN_MS;
}

static void way_free(void *self)
{
    struct way *w = self;
    close(w->ends[0]);
    close(w->ends[1]);
    w->n_open = -1;
}

static const struct hf_tunnel_backend backend = {.name = "test",
                                                 .open = way_open,
                                                 .read = way_read,
                                                 .write = way_write,
                                                 .finish = way_finish,
                                                 .close = way_close,
                                                 .work = way_work,
                                                 .wait = way_wait,
                                                 .free = way_free};

static struct hf_tunnel *start_as(const struct hf_tunnel_backend *as, struct way *w,
                                  const char *path)
{
    struct hf_err err = HF_ERR_INIT;
    *w = (struct way){0};
    assert_int_equal(pipe(w->ends), 0);
    struct hf_tunnel *t = hf_tunnel_open(path, as, w, NULL, &err);
    assert_hf_got(t, &err);
    return t;
}

static struct hf_tunnel *start(struct way *w, const char *path)
{
    return start_as(&backend, w, path);
}

static int try_connect(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static int connect_to(const char *path)
{
    int fd = try_connect(path);
    assert_true(fd >= 0);
    return fd;
}

/* The guest's end of the next stream. */
static int guest_end(struct way *w)
{
    int fd = -1;
    assert_int_equal(read(w->ends[0], &fd, sizeof fd), sizeof fd);
    return fd;
}

/* Bytes, 0 at the end; fails when nothing comes. */
static ssize_t take(int fd, void *buf, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, SOON_MS), 1);
    return recv(fd, buf, size, 0);
}

static void assert_ended(int fd)
{
    char byte;
    assert_true(take(fd, &byte, 1) <= 0);
}

static void wait_until_open(struct way *w, int n)
{
    for (int i = 0; w->n_open != n && i < SOON_MS; i++)
        usleep(1000);
    assert_int_equal(w->n_open, n);
}

static void bytes_go_both_ways_and_halves_close(void **state)
{
    struct way w;
    char buf[16];
    const char *path = hf_test_path(state, "s");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = start(&w, path);
    int client = connect_to(path), guest = guest_end(&w);
    assert_int_equal(write(client, "ask", 3), 3);
    assert_int_equal(take(guest, buf, sizeof buf), 3);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    assert_ended(guest);
    assert_int_equal(write(guest, "answer", 6), 6);
    assert_int_equal(take(client, buf, sizeof buf), 6);
    close(guest);
    assert_ended(client);
    wait_until_open(&w, 0);
    close(client);
}

static void the_last_words_of_a_client_are_delivered(void **state)
{
    struct way w;
    char buf[16];
    const char *path = hf_test_path(state, "s");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = start(&w, path);
    int client = connect_to(path);
    assert_int_equal(write(client, "quit", 4), 4);
    close(client);
    int guest = guest_end(&w);
    assert_int_equal(take(guest, buf, sizeof buf), 4);
    assert_ended(guest);
    close(guest);
    wait_until_open(&w, 0);
}

/* Writes without waiting until nothing more is taken for a while. */
static size_t fill(int fd)
{
    static const char block[32768];
    size_t total = 0;
    for (int idle = 0; idle < 100;) {
        ssize_t n = send(fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
        idle = n > 0 ? 0 : idle + 1;
        total += n > 0 ? (size_t)n : 0;
        if (n <= 0)
            usleep(2000);
    }
    return total;
}

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void who_does_not_read_stops_the_other_side(void **state)
{
    struct way w;
    static char buf[65536];
    const char *path = hf_test_path(state, "s");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = start(&w, path);
    int client = connect_to(path), guest = guest_end(&w);
    size_t up = fill(client), down = fill(guest);
    assert_in_range(up, 65536, 2 << 20);
    assert_in_range(down, 65536, 2 << 20);
    int64_t begin_ms = cpu_ms();
    usleep(500000);
    assert_in_range(cpu_ms() - begin_ms, 0, 200);
    while (up > 0)
        up -= (size_t)take(guest, buf, sizeof buf);
    while (down > 0)
        down -= (size_t)take(client, buf, sizeof buf);
    close(guest);
    close(client);
}

static void when_the_way_is_lost_all_clients_are_closed(void **state)
{
    struct way w;
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "s");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = start(&w, path);
    int a = connect_to(path), b = connect_to(path);
    assert_false(hf_tunnel_trouble(t, &err));
    wait_until_open(&w, 2);
    w.is_lost = 1;
    assert_ended(a);
    assert_ended(b);
    assert_int_equal(try_connect(path), -1);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(hf_tunnel_trouble(t, &err));
    assert_hf_err(&err, HF_E_UNREACHABLE, "the way is lost");
    close(a);
    close(b);
}

static void a_stream_that_cannot_be_opened_closes_its_client_alone(void **state)
{
    struct way w;
    struct hf_err err = HF_ERR_INIT;
    char buf[4];
    const char *path = hf_test_path(state, "s");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = start(&w, path);
    int a = connect_to(path), guest = guest_end(&w);
    w.refuses = 1;
    int b = connect_to(path);
    assert_ended(b);
    assert_true(hf_tunnel_trouble(t, &err));
    assert_hf_err(&err, HF_E_UNREACHABLE, "the way refuses");
    assert_int_equal(write(guest, "on", 2), 2);
    assert_int_equal(take(a, buf, sizeof buf), 2);
    close(a);
    close(b);
    close(guest);
}

static void one_client_too_many_is_closed_at_once(void **state)
{
    struct way w;
    struct hf_err err = HF_ERR_INIT;
    int fds[HF_TUNNEL_CLIENTS];
    const char *path = hf_test_path(state, "s");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = start(&w, path);
    for (int i = 0; i < HF_TUNNEL_CLIENTS; i++)
        fds[i] = connect_to(path);
    int one_more = connect_to(path);
    assert_ended(one_more);
    assert_true(hf_tunnel_trouble(t, &err));
    assert_hf_err(&err, HF_E_BUSY, "8 connections");
    close(one_more);
    for (int i = 0; i < HF_TUNNEL_CLIENTS; i++)
        close(fds[i]);
    wait_until_open(&w, 0);
    close(connect_to(path));
}

static void the_end_is_quick_and_leaves_nothing(void **state)
{
    struct way w;
    const char *path = hf_test_path(state, "s");
    struct hf_tunnel *t = start(&w, path);
    int client = connect_to(path), guest = guest_end(&w);
    (void)fill(client);
    int64_t begin_ms = hf_clock_mono_ms(hf_clock_system());
    hf_tunnel_close(t);
    assert_in_range(hf_clock_mono_ms(hf_clock_system()) - begin_ms, 0, 2000);
    assert_int_equal(w.n_open, -1);
    assert_int_equal(access(path, F_OK), -1);
    close(client);
    close(guest);
}

static void a_socket_left_by_the_dead_is_replaced_and_a_living_one_not(void **state)
{
    struct way w, second = {0};
    struct hf_err err = HF_ERR_INIT;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *path = hf_test_path(state, "s");
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(left, (struct sockaddr *)&a, sizeof a), 0);
    close(left);
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = start(&w, path);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(pipe(second.ends), 0);
    assert_null(hf_tunnel_open(path, &backend, &second, NULL, &err));
    assert_hf_err(&err, HF_E_BUSY, "somebody else listens");
    assert_int_equal(second.n_open, -1);
    close(connect_to(path));
}

static void assert_refused(const char *path, enum hf_err_class cls, const char *why)
{
    struct way w = {0};
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(pipe(w.ends), 0);
    assert_null(hf_tunnel_open(path, &backend, &w, NULL, &err));
    assert_hf_err(&err, cls, why);
    assert_int_equal(w.n_open, -1);
}

/* How often the guest is asked in 100 ms, each TURN_MS unless it rests. */
static int count_asked(struct way *w)
{
    usleep(20000); /* a turn that was under way */
    int before = w->n_asked;
    usleep(100000);
    return w->n_asked - before;
}

static void while_it_rests_the_guest_is_not_asked_until_a_client_speaks(void **state)
{
    struct way w;
    char buf[16];
    struct hf_tunnel_backend resting = backend;
    resting.rests = true;
    const char *path = hf_test_path(state, "s");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = start_as(&resting, &w, path);
    int client = connect_to(path), guest = guest_end(&w);
    assert_true(count_asked(&w) > 0);
    hf_tunnel_rest(t, true);
    assert_int_equal(count_asked(&w), 0);
    assert_int_equal(write(guest, "late", 4), 4);
    assert_int_equal(count_asked(&w), 0);
    hf_tunnel_rest(t, false);
    assert_int_equal(take(client, buf, sizeof buf), 4);
    hf_tunnel_rest(t, true);
    assert_int_equal(write(client, "unlock", 6), 6); /* nobody has to wake it for that */
    assert_int_equal(take(guest, buf, sizeof buf), 6);
    assert_true(count_asked(&w) > 0);
    hf_tunnel_rest(t, true);
    close(client); /* who goes is let go */
    assert_ended(guest);
    close(guest);
    wait_until_open(&w, 0);
    hf_tunnel_rest(t, true); /* and it is closed while it rests */
}

static void one_that_costs_the_guest_nothing_does_not_rest(void **state)
{
    struct way w;
    const char *path = hf_test_path(state, "s");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = start(&w, path);
    int client = connect_to(path), guest = guest_end(&w);
    hf_tunnel_rest(t, true);
    assert_true(count_asked(&w) > 0);
    close(client);
    close(guest);
}

static void unsafe_places_are_refused(void **state)
{
    char longest[120];
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[108] = '\0';
    assert_refused(longest, HF_E_CONFIG, "over 107 bytes");
    assert_refused("here", HF_E_CONFIG, "not absolute");
    assert_refused(hf_test_path(state, "none/s"), HF_E_NOT_FOUND, "none");
    assert_refused(hf_test_file(state, "file", "precious", 0600), HF_E_CONFLICT, "not a socket");
    assert_int_equal(chmod(hf_test_dir(state), 0710), 0);
    assert_refused(hf_test_path(state, "s"), HF_E_CONFIG, "nobody else may enter");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(bytes_go_both_ways_and_halves_close),
        HF_TEST(the_last_words_of_a_client_are_delivered),
        HF_TEST(who_does_not_read_stops_the_other_side),
        HF_TEST(when_the_way_is_lost_all_clients_are_closed),
        HF_TEST(a_stream_that_cannot_be_opened_closes_its_client_alone),
        HF_TEST(one_client_too_many_is_closed_at_once),
        HF_TEST(the_end_is_quick_and_leaves_nothing),
        HF_TEST(a_socket_left_by_the_dead_is_replaced_and_a_living_one_not),
        HF_TEST(while_it_rests_the_guest_is_not_asked_until_a_client_speaks),
        HF_TEST(one_that_costs_the_guest_nothing_does_not_rest),
        HF_TEST(unsafe_places_are_refused),
    };
    return HF_RUN_TESTS("guest.tunnel", tests);
}

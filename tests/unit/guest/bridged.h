/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of test_tunnel_agent.c: bridges that run here, and a database that is a listening socket.
 */
#ifndef HF_TEST_BRIDGED_H
#define HF_TEST_BRIDGED_H

#include "guest/tunnel.h"
#include "guest/tunnel_agent.h"
#include "guest/tunnel_bridge.h"
#include "unit/guest/played.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MUCH ((size_t)200000)

/* ---- a case ----------------------------------------------------------------------------- */

/* Static in each case: the tunnel's thread outlives one that failed. */
struct scene {
    struct fake guest;
    int listener;
    struct hf_db_endpoint to;
    const char *socket;
    struct hf_tunnel *tunnel;
    struct hf_clock clock;
    _Atomic int64_t later_us; /* the tunnel's clock runs ahead by so much */
};

static int64_t mono_us(void *ctx)
{
    return hf_clock_mono_us(hf_clock_system()) + ((struct scene *)ctx)->later_us;
}

static int64_t now_ms(void)
{
    return hf_clock_mono_ms(hf_clock_system());
}

static int listen_here(unsigned *out_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *out_port = ntohs(a.sin_port);
    return fd;
}

static void prepare(struct scene *s, void **state)
{
    *s = (struct scene){.to = {.host = "127.0.0.1"}, .clock = {.mono_us = mono_us}};
    s->clock.ctx = s;
    play(&s->guest, state);
    s->listener = listen_here(&s->to.port);
    s->socket = hf_test_path(state, "s");
}

static struct hf_tunnel *try_open(struct scene *s, int64_t lifetime_ms, struct hf_err *err)
{
    return hf_tunnel_guest(guest_of(&s->guest), RUN, &s->to, s->socket, &s->clock, NULL,
                           lifetime_ms, now_ms() + SOON_MS, err);
}

static void begin(struct scene *s, void **state, int64_t lifetime_ms)
{
    struct hf_err err = HF_ERR_INIT;
    prepare(s, state);
    s->tunnel = try_open(s, lifetime_ms, &err);
    assert_hf_got(s->tunnel, &err);
}

static int n_bridges(const struct scene *s)
{
    int n = 0;
    DIR *d = opendir(s->guest.run);
    for (struct dirent *e; (e = readdir(d));)
        n += strncmp(e->d_name, "holdfast-bridge-", 16) == 0;
    closedir(d);
    return n;
}

static void wait_for_bridges(const struct scene *s, int n)
{
    for (int i = 0; n_bridges(s) != n && i < SOON_MS / 10; i++)
        usleep(10000);
    assert_int_equal(n_bridges(s), n);
}

static void end(struct scene *s)
{
    hf_tunnel_close(s->tunnel);
    wait_for_bridges(s, 0);
    close(s->listener);
}

static int client_of(const struct scene *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", s->socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, SOON_MS), 1);
}

static int server_of(const struct scene *s)
{
    wait_for(s->listener, POLLIN);
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void assert_says(int from, int to, const char *text)
{
    char buf[64] = "";
    size_t len = strlen(text);
    assert_int_equal(write(from, text, len), len);
    for (size_t n = 0; n < len;) {
        wait_for(to, POLLIN);
        ssize_t got = recv(to, buf + n, sizeof buf - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_memory_equal(buf, text, len);
}

static void assert_ended(int fd)
{
    char byte;
    wait_for(fd, POLLIN);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
}

/* One side of an exchange of MUCH bytes each way. */
struct side {
    int fd;
    const unsigned char *out, *in;
    size_t sent, got;
};

static void exchange(struct side *s)
{
    static unsigned char buf[65536];
    if (s->sent < MUCH) {
        ssize_t n = send(s->fd, s->out + s->sent, MUCH - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        s->sent += n > 0 ? (size_t)n : 0;
    }
    ssize_t n = recv(s->fd, buf, sizeof buf, MSG_DONTWAIT);
    assert_true(n != 0);
    if (n < 0)
        return;
    assert_true(s->got + (size_t)n <= MUCH);
    assert_memory_equal(buf, s->in + s->got, n);
    s->got += (size_t)n;
}

static void assert_much_goes_both_ways(int client, int server)
{
    static unsigned char up[MUCH], down[MUCH];
    struct side a = {.fd = client, .out = up, .in = down}, b = {server, down, up, 0, 0};
    unsigned x = 12345;
    for (size_t i = 0; i < MUCH; i++) {
        x = x * 1103515245 + 12345;
        up[i] = (unsigned char)(i < 512 ? i : x >> 16);
        down[i] = (unsigned char)(x >> 24);
    }
    int64_t deadline_ms = now_ms() + 2 * SOON_MS;
    while (a.got < MUCH || b.got < MUCH) {
        exchange(&a);
        exchange(&b);
        usleep(1000);
        assert_true(now_ms() < deadline_ms);
    }
}

#endif

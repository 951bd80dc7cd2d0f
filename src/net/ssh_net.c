/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolve.h"
#include "net/ssh_intern.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

/* The kernel notices a peer that has vanished: what was sent is acknowledged within this time, and an idle connection
 * is asked as often. */
#define VANISHED_MS 10000
#define IDLE_S 5
#define ASK_AGAIN_S 2
#define ADDRESSES_MAX 8
#define LOOK_MS 250 /* at the least so often: has somebody cancelled by a parent or a deadline */

static void set_manners(int fd)
{
    int on = 1, vanished_ms = VANISHED_MS, idle_s = IDLE_S, again_s = ASK_AGAIN_S;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &again_s, sizeof again_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &vanished_ms, sizeof vanished_ms);
}

/* 0 or an errno. */
static int await_connection(int fd, const struct hf_cancel *cancel, const struct hf_clock *clock,
                            int64_t until_ms)
{
    int e = 0, left_ms;
    socklen_t len = sizeof e;
    struct pollfd p[] = {{.fd = fd, .events = POLLOUT},
                         {.fd = hf_cancel_fd(cancel), .events = POLLIN}};
    while ((left_ms = hf_clock_left_ms(clock, until_ms)) > 0) {
        if (hf_cancel_is_set(cancel))
            return ECANCELED;
        if (poll(p, 2, left_ms < LOOK_MS ? left_ms : LOOK_MS) <= 0 || !p[0].revents)
            continue;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 ? errno : e;
    }
    return ETIMEDOUT;
}

static int dial_one(const struct addrinfo *a, const struct hf_cancel *cancel,
                    const struct hf_clock *clock, int64_t until_ms, int *out_fd)
{
    HF_AUTOFD int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    set_manners(fd);
    int e = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (e == EINPROGRESS)
        e = await_connection(fd, cancel, clock, until_ms);
    if (e == 0)
        *out_fd = HF_STEAL_FD(fd);
    return e;
}

int hf_ssh_dial(const struct hf_ssh_target *t, const struct hf_clock *clock, int64_t until_ms,
                struct hf_err *err)
{
    struct addrinfo *list = NULL;
    int fd = -1, e = EHOSTUNREACH, n = 0;
    if (hf_net_resolve(t->host, t->port, clock, until_ms, &list, err) < 0)
        return -1;
    for (struct addrinfo *a = list; a && n < ADDRESSES_MAX; a = a->ai_next)
        n++;
    /* Each address gets its share of the time: a dead first one must not use up all of it. */
    for (struct addrinfo *a = list; fd < 0 && n > 0; a = a->ai_next, n--) {
        int64_t now_ms = hf_clock_mono_ms(clock);
        e = dial_one(a, t->cancel, clock, now_ms + hf_clock_left_ms(clock, until_ms) / n, &fd);
    }
    freeaddrinfo(list);
    if (fd >= 0)
        return fd;
    if (hf_cancel_check(t->cancel, err) < 0)
        return -1;
    return hf_fail_sys(err, e, "cannot connect");
}

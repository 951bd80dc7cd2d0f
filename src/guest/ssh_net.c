/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/ssh_intern.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* The kernel notices a peer that has vanished: what was sent is acknowledged within this time, and an idle connection
 * is asked as often. */
#define VANISHED_MS 10000
#define IDLE_S 5
#define ASK_AGAIN_S 2
#define ADDRESSES_MAX 8

/* ---- names ------------------------------------------------------------------------------ */

/* getaddrinfo has no limit, so a thread waits for it. Not getaddrinfo_a: after a fork its helpers are gone, and it waits
 * for them. Whoever comes last, the thread or the one who gave up, frees it. */
struct question {
    struct addrinfo hints, *answer;
    int error, answered_fd;
    atomic_int n_done;
    char port[8];
    char host[];
};

static void question_leave(struct question *q)
{
    if (atomic_fetch_add(&q->n_done, 1) == 0)
        return;
    if (q->answer)
        freeaddrinfo(q->answer);
    close(q->answered_fd);
    free(q);
}
HF_DEFINE_AUTO(question, question_leave)

static void *ask(void *arg)
{
    struct question *q = arg;
    q->error = getaddrinfo(q->host, q->port, &q->hints, &q->answer);
    (void)eventfd_write(q->answered_fd, 1);
    question_leave(q);
    return NULL;
}

static int start_asking(struct question *q)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&thread, NULL, ask, q);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e == 0)
        pthread_detach(thread);
    else
        question_leave(q); /* the thread's share */
    return e;
}

static struct question *question_new(const char *host, unsigned port)
{
    size_t len = strlen(host);
    struct question *q = calloc(1, sizeof *q + len + 1);
    if (!q)
        return NULL;
    memcpy(q->host, host, len);
    snprintf(q->port, sizeof q->port, "%u", port);
    q->hints = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    q->answered_fd = eventfd(0, EFD_CLOEXEC);
    if (q->answered_fd >= 0)
        return q;
    free(q);
    return NULL;
}

static bool await_answer(const struct question *q, const struct hf_clock *clock, int64_t until_ms)
{
    int left_ms;
    struct pollfd p = {.fd = q->answered_fd, .events = POLLIN};
    while ((left_ms = hf_clock_left_ms(clock, until_ms)) > 0)
        if (poll(&p, 1, left_ms) > 0)
            return true;
    return false;
}

/* An address is no question: it needs neither resolver nor thread. */
static bool is_address(const struct question *q, struct addrinfo **out)
{
    struct addrinfo hints = q->hints;
    hints.ai_flags |= AI_NUMERICHOST;
    return getaddrinfo(q->host, q->port, &hints, out) == 0;
}

/* The list is to be freed. */
static int resolve(const char *host, unsigned port, const struct hf_clock *clock, int64_t until_ms,
                   struct addrinfo **out, struct hf_err *err)
{
    HF_AUTO(question) struct question *q = question_new(host, port);
    if (!q)
        return hf_fail_nomem(err);
    if (is_address(q, out)) {
        question_leave(q); /* no thread has a share */
        return 0;
    }
    int e = start_asking(q);
    if (e)
        return hf_fail_sys(err, e, "thread for the name '%s'", host);
    if (!await_answer(q, clock, until_ms))
        return hf_fail(err, HF_E_TIMEOUT, "no answer in time to who '%s' is", host);
    if (q->error)
        return hf_fail(err, HF_E_UNREACHABLE, "'%s': %s", host, gai_strerror(q->error));
    *out = HF_STEAL(q->answer);
    return 0;
}

/* ---- connections ------------------------------------------------------------------------ */

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
static int await_connection(int fd, const struct hf_clock *clock, int64_t until_ms)
{
    int e = 0, left_ms;
    socklen_t len = sizeof e;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    while ((left_ms = hf_clock_left_ms(clock, until_ms)) > 0) {
        if (poll(&p, 1, left_ms) <= 0)
            continue;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 ? errno : e;
    }
    return ETIMEDOUT;
}

static int dial_one(const struct addrinfo *a, const struct hf_clock *clock, int64_t until_ms,
                    int *out_fd)
{
    HF_AUTOFD int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    set_manners(fd);
    int e = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (e == EINPROGRESS)
        e = await_connection(fd, clock, until_ms);
    if (e == 0)
        *out_fd = HF_STEAL_FD(fd);
    return e;
}

int hf_ssh_dial(const char *host, unsigned port, const struct hf_clock *clock, int64_t until_ms,
                struct hf_err *err)
{
    struct addrinfo *list = NULL;
    int fd = -1, e = EHOSTUNREACH, n = 0;
    if (resolve(host, port, clock, until_ms, &list, err) < 0)
        return -1;
    for (struct addrinfo *a = list; a && n < ADDRESSES_MAX; a = a->ai_next)
        n++;
    /* Each address gets its share of the time: a dead first one must not use up all of it. */
    for (struct addrinfo *a = list; fd < 0 && n > 0; a = a->ai_next, n--) {
        int64_t now_ms = hf_clock_mono_ms(clock);
        e = dial_one(a, clock, now_ms + hf_clock_left_ms(clock, until_ms) / n, &fd);
    }
    freeaddrinfo(list);
    if (fd >= 0)
        return fd;
    return hf_fail_sys(err, e, "cannot connect");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolve.h"

#include "base/cleanup.h"
#include "base/thread.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* getaddrinfo has no limit, so a thread waits for it. Not getaddrinfo_a: after a fork its helpers are gone, and it waits
 * for them. Whoever comes last, the thread or the one who gave up, frees it. */
struct question {
    struct addrinfo hints, *answer;
    int answered_fd;
    atomic_int error; /* set after answer */
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
    int e = hf_thread_start(&thread, ask, q);
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

int hf_net_resolve(const char *host, unsigned port, const struct hf_clock *clock, int64_t until_ms,
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

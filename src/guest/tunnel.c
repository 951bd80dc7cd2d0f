/* SPDX-License-Identifier: Apache-2.0
 *
 * The tunnel's thread: one turn pumps every client in both directions until nothing moves, then waits.
 */
#include "guest/tunnel.h"

#include "base/thread.h"
#include "guest/tunnel_backend.h"
#include "guest/tunnel_socket.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define PIPE_BYTES ((size_t)64 << 10)
#define PAUSE_MS 100

/* Bytes on their way in one direction: data[at..at + len). */
struct pipe {
    size_t at, len;
    char data[PIPE_BYTES];
};

struct client {
    int fd;
    void *stream;
    struct pipe up, down; /* to the guest, to the client */
    bool is_gone;         /* closed by its owner: what it sent is delivered, nothing else */
    bool up_ended, up_finished, down_ended, down_finished;
};

struct hf_tunnel {
    struct hf_tunnel_socket socket;
    const struct hf_tunnel_backend *backend;
    void *self;
    struct hf_log *log;
    int wake_fd;
    atomic_bool is_closing, is_resting; /* said by the owner, who then wakes the thread */
    bool is_full; /* no descriptor for one more client: not asked for until PAUSE_MS have passed */
    pthread_t thread;
    struct client *clients[HF_TUNNEL_CLIENTS]; /* NULL: free */
    pthread_mutex_t lock;                      /* of trouble */
    struct hf_err trouble;
};

enum move { NOTHING, MOVED, OVER };

static size_t pipe_room(struct pipe *p)
{
    if (p->len == 0)
        p->at = 0;
    if (p->at + p->len == PIPE_BYTES && p->at > 0) {
        memmove(p->data, p->data + p->at, p->len);
        p->at = 0;
    }
    return PIPE_BYTES - p->at - p->len;
}

static void pipe_took(struct pipe *p, size_t n)
{
    p->at += n;
    p->len -= n;
}

static void note(struct hf_tunnel *t, const struct hf_err *err)
{
    pthread_mutex_lock(&t->lock);
    hf_err_copy(&t->trouble, err);
    pthread_mutex_unlock(&t->lock);
    hf_log_err(t->log, HF_LOG_DETAIL, "tunnel", err);
}

static void drop(struct hf_tunnel *t, size_t i)
{
    struct client *c = t->clients[i];
    t->clients[i] = NULL;
    t->backend->close(t->self, c->stream);
    close(c->fd);
    free(c);
}

/* ---- one direction each ----------------------------------------------------------------- */

static bool would_wait(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static enum move take_from_client(struct client *c)
{
    size_t room = pipe_room(&c->up);
    if (c->up_ended || room == 0)
        return NOTHING;
    ssize_t n = recv(c->fd, c->up.data + c->up.at + c->up.len, room, MSG_DONTWAIT);
    if (n < 0 && would_wait())
        return NOTHING;
    if (n <= 0)
        c->up_ended = true;
    else
        c->up.len += (size_t)n;
    return MOVED;
}

static enum move give_to_guest(struct hf_tunnel *t, struct client *c, struct hf_err *err)
{
    if (c->up.len > 0) {
        ssize_t n = t->backend->write(t->self, c->stream, c->up.data + c->up.at, c->up.len, err);
        if (n == HF_TUNNEL_AGAIN)
            return NOTHING;
        if (n < 0)
            return OVER;
        pipe_took(&c->up, (size_t)n);
        return MOVED;
    }
    if (!c->up_ended || c->up_finished)
        return NOTHING;
    c->up_finished = true;
    return t->backend->finish(t->self, c->stream, err) < 0 ? OVER : MOVED;
}

static enum move take_from_guest(struct hf_tunnel *t, struct client *c, struct hf_err *err)
{
    size_t room = pipe_room(&c->down);
    if (c->down_ended || room == 0)
        return NOTHING;
    ssize_t n =
        t->backend->read(t->self, c->stream, c->down.data + c->down.at + c->down.len, room, err);
    if (n == HF_TUNNEL_AGAIN)
        return NOTHING;
    if (n < 0)
        return OVER;
    c->down_ended = n == 0;
    c->down.len += (size_t)n;
    return MOVED;
}

static enum move give_to_client(struct client *c)
{
    if (c->down.len > 0) {
        ssize_t n =
            send(c->fd, c->down.data + c->down.at, c->down.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && would_wait())
            return NOTHING;
        if (n < 0) {
            c->is_gone = true;
            return NOTHING;
        }
        pipe_took(&c->down, (size_t)n);
        return MOVED;
    }
    if (!c->down_ended || c->down_finished)
        return NOTHING;
    c->down_finished = true;
    (void)shutdown(c->fd, SHUT_WR);
    return MOVED;
}

/* A client that is gone has still to have its last words delivered: COM_QUIT spares the server a warning. */
static enum move pump_gone(struct hf_tunnel *t, struct client *c, struct hf_err *err)
{
    enum move in = take_from_client(c), out = give_to_guest(t, c, err);
    if (out == OVER || (c->up_ended && c->up.len == 0))
        return OVER;
    return in == MOVED || out == MOVED ? MOVED : NOTHING;
}

static enum move pump(struct hf_tunnel *t, struct client *c, struct hf_err *err)
{
    if (c->is_gone)
        return pump_gone(t, c, err);
    enum move all[] = {take_from_client(c), give_to_guest(t, c, err), NOTHING, NOTHING};
    if (all[1] == OVER)
        return OVER;
    all[2] = take_from_guest(t, c, err);
    if (all[2] == OVER)
        return OVER;
    all[3] = give_to_client(c);
    if (c->up_finished && c->down_finished)
        return OVER;
    for (size_t i = 0; i < HF_ARRAY_SIZE(all); i++)
        if (all[i] == MOVED)
            return MOVED;
    return NOTHING;
}

/* ---- turns ------------------------------------------------------------------------------ */

/* True: something moved, so more may move. */
static bool pump_all(struct hf_tunnel *t)
{
    bool moved = false;
    for (size_t i = 0; i < HF_TUNNEL_CLIENTS; i++) {
        struct hf_err err = HF_ERR_INIT;
        if (!t->clients[i])
            continue;
        enum move m = pump(t, t->clients[i], &err);
        moved = moved || m != NOTHING;
        if (m != OVER)
            continue;
        if (err.cls != HF_E_NONE)
            note(t, &err);
        drop(t, i);
    }
    return moved;
}

static struct client *client_new(struct hf_tunnel *t, int fd, struct hf_err *err)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (t->backend->open(t->self, &c->stream, err) < 0) {
        free(c);
        return NULL;
    }
    c->fd = fd;
    return c;
}

static void let_in(struct hf_tunnel *t)
{
    struct hf_err err = HF_ERR_INIT;
    size_t i = 0;
    HF_AUTOFD int fd = accept4(t->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        t->is_full = !would_wait() && errno != ECONNABORTED;
        return;
    }
    while (i < HF_TUNNEL_CLIENTS && t->clients[i])
        i++;
    if (i < HF_TUNNEL_CLIENTS)
        t->clients[i] = client_new(t, fd, &err);
    else
        hf_fail(&err, HF_E_BUSY, "%d connections are open through the tunnel already",
                HF_TUNNEL_CLIENTS);
    if (i < HF_TUNNEL_CLIENTS && t->clients[i])
        (void)HF_STEAL_FD(fd);
    else
        note(t, &err);
}

static void ask_for(struct client *c, struct pollfd *at)
{
    *at = (struct pollfd){.fd = -1};
    if (!c || c->is_gone)
        return;
    at->fd = c->fd;
    at->events = (short)((!c->up_ended && pipe_room(&c->up) > 0 ? POLLIN : 0) |
                         (c->down.len > 0 ? POLLOUT : 0));
}

enum { WAKE, LISTEN, WAY, FIRST_CLIENT };

/* A client wants something, or there is a new one. */
static bool has_asked(const struct pollfd *fds)
{
    bool asked = fds[LISTEN].revents;
    for (size_t i = 0; i < HF_TUNNEL_CLIENTS; i++)
        asked = asked || fds[FIRST_CLIENT + i].revents;
    return asked;
}

/* False: the tunnel is to be closed. */
static bool wait_for_work(struct hf_tunnel *t, bool moved)
{
    struct pollfd fds[FIRST_CLIENT + HF_TUNNEL_CLIENTS] = {
        [WAKE] = {.fd = t->wake_fd, .events = POLLIN},
        [LISTEN] = {.fd = t->is_full ? -1 : t->socket.fd, .events = POLLIN},
        [WAY] = {.fd = -1}};
    eventfd_t woken;
    int ms = t->is_resting ? -1 : t->backend->wait(t->self, &fds[WAY]);
    for (size_t i = 0; i < HF_TUNNEL_CLIENTS; i++)
        ask_for(t->clients[i], &fds[FIRST_CLIENT + i]);
    if (t->is_full && (ms < 0 || ms > PAUSE_MS))
        ms = PAUSE_MS;
    t->is_full = false;
    if (poll(fds, HF_ARRAY_SIZE(fds), moved ? 0 : ms) < 0)
        return true; /* EINTR, or no memory: the next turn asks again */
    if (fds[WAKE].revents && eventfd_read(t->wake_fd, &woken) == 0 && t->is_closing)
        return false;
    if (fds[LISTEN].revents)
        let_in(t);
    for (size_t i = 0; i < HF_TUNNEL_CLIENTS; i++)
        if (t->clients[i] && fds[FIRST_CLIENT + i].revents & (POLLHUP | POLLERR))
            t->clients[i]->is_gone = true;
    if (has_asked(fds)) /* also when it was told to rest since: a client that goes is seen once */
        t->is_resting = false;
    return true;
}

static void *run(void *arg)
{
    struct hf_tunnel *t = arg;
    struct hf_err err = HF_ERR_INIT;
    bool moved = false;
    do {
        if (!t->is_resting && t->backend->work(t->self, &err) < 0) {
            note(t, &err);
            break;
        }
        moved = !t->is_resting && pump_all(t);
    } while (wait_for_work(t, moved));
    /* New clients are turned away before the old ones learn of it and come again. */
    hf_tunnel_socket_close(&t->socket);
    for (size_t i = 0; i < HF_TUNNEL_CLIENTS; i++)
        if (t->clients[i])
            drop(t, i);
    t->backend->free(t->self);
    return NULL;
}

/* ---- the owner's side ------------------------------------------------------------------- */

/* Signals are for the threads that expect them. */
static int start_thread(struct hf_tunnel *t, struct hf_err *err)
{
    int e = hf_thread_start(&t->thread, run, t);
    return e ? hf_fail_sys(err, e, "thread of the tunnel") : 0;
}

static void discard(struct hf_tunnel *t)
{
    if (t->wake_fd >= 0)
        close(t->wake_fd);
    hf_tunnel_socket_close(&t->socket);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

struct hf_tunnel *hf_tunnel_open(const char *socket_path, const struct hf_tunnel_backend *backend,
                                 void *self, struct hf_log *log, struct hf_err *err)
{
    struct hf_tunnel *t = calloc(1, sizeof *t);
    if (!t) {
        backend->free(self);
        hf_fail_nomem(err);
        return NULL;
    }
    *t = (struct hf_tunnel){.socket = {.fd = -1},
                            .backend = backend,
                            .self = self,
                            .log = log,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .trouble = HF_ERR_INIT};
    t->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (t->wake_fd < 0)
        hf_fail_sys(err, errno, "eventfd");
    else if (hf_tunnel_socket_open(&t->socket, socket_path, err) == 0 && start_thread(t, err) == 0)
        return t;
    backend->free(self);
    discard(t);
    return NULL;
}

bool hf_tunnel_trouble(struct hf_tunnel *t, struct hf_err *out)
{
    pthread_mutex_lock(&t->lock);
    bool is_there = t->trouble.cls != HF_E_NONE;
    if (is_there)
        hf_err_copy(out, &t->trouble);
    pthread_mutex_unlock(&t->lock);
    return is_there;
}

void hf_tunnel_rest(struct hf_tunnel *t, bool rests)
{
    if (!t->backend->rests)
        return;
    t->is_resting = rests;
    (void)eventfd_write(t->wake_fd, 1);
}

void hf_tunnel_close(struct hf_tunnel *t)
{
    if (!t)
        return;
    t->is_closing = true;
    (void)eventfd_write(t->wake_fd, 1);
    pthread_join(t->thread, NULL);
    discard(t);
}

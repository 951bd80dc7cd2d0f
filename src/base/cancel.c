/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cancel.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#define SLICE_MS 200

struct hf_cancel {
    atomic_bool set;
    atomic_int number; /* of the last signal */
    int wake_fd; /* written to when it is set */
    int fd;      /* the same; with a deadline an epoll's, of it, the parent's and the timer's */
    const struct hf_cancel *parent;
    const struct hf_clock *clock; /* NULL: no deadline */
    int64_t deadline_ms;
    int timer_fd;
};

struct hf_cancel *hf_cancel_new(struct hf_err *err)
{
    HF_AUTOFREE struct hf_cancel *c = calloc(1, sizeof *c);
    if (!c) {
        hf_fail_nomem(err);
        return NULL;
    }
    c->timer_fd = -1;
    c->wake_fd = c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->fd < 0) {
        hf_fail_sys(err, errno, "cannot create an event descriptor");
        return NULL;
    }
    return HF_STEAL(c);
}

static int watch(int epoll_fd, int fd)
{
    struct epoll_event readable = {.events = EPOLLIN};
    return fd < 0 ? -1 : epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &readable);
}

static int start_timer(struct hf_cancel *c)
{
    int64_t ms = c->deadline_ms - hf_clock_mono_ms(c->clock);
    struct itimerspec when = {.it_value = {.tv_nsec = 1}}; /* 0 would mean never */
    if (ms > 0)
        when.it_value = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return c->timer_fd < 0 ? -1 : timerfd_settime(c->timer_fd, 0, &when, NULL);
}

struct hf_cancel *hf_cancel_until(const struct hf_cancel *parent, const struct hf_clock *clock,
                                  int64_t deadline_ms, struct hf_err *err)
{
    HF_AUTO(hf_cancel) struct hf_cancel *c = calloc(1, sizeof *c);
    if (!c) {
        hf_fail_nomem(err);
        return NULL;
    }
    c->parent = parent;
    c->clock = clock;
    c->deadline_ms = deadline_ms;
    c->timer_fd = -1;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->fd = epoll_create1(EPOLL_CLOEXEC);
    if (c->fd < 0 || start_timer(c) < 0 || watch(c->fd, c->timer_fd) < 0 ||
        watch(c->fd, c->wake_fd) < 0 ||
        (parent && watch(c->fd, parent->fd) < 0)) {
        hf_fail_sys(err, errno, "cannot create a timer");
        return NULL;
    }
    return HF_STEAL(c);
}

void hf_cancel_free(struct hf_cancel *c)
{
    if (!c)
        return;
    int saved = errno;
    if (c->timer_fd >= 0)
        close(c->timer_fd);
    if (c->wake_fd >= 0 && c->wake_fd != c->fd)
        close(c->wake_fd);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
    errno = saved;
}

void hf_cancel_set(struct hf_cancel *c)
{
    int saved = errno; /* a signal handler must not disturb the code it interrupts */
    uint64_t one = 1;
    atomic_store(&c->set, true);
    /* Fails only when the counter is full, and then the descriptor is readable anyway. */
    ssize_t written = write(c->wake_fd, &one, sizeof one);
    (void)written;
    errno = saved;
}

void hf_cancel_signal(struct hf_cancel *c, int number)
{
    atomic_store(&c->number, number);
    hf_cancel_set(c);
}

/* The descriptor is emptied first: a signal that comes in between is lost in neither. */
int hf_cancel_clear(struct hf_cancel *c)
{
    uint64_t times;
    ssize_t n = read(c->wake_fd, &times, sizeof times);
    (void)n; /* nothing in it: it was not set */
    atomic_store(&c->set, false);
    return atomic_exchange(&c->number, 0);
}

static bool was_set(const struct hf_cancel *c)
{
    return c && (atomic_load(&c->set) || was_set(c->parent));
}

static bool is_late(const struct hf_cancel *c)
{
    return c && ((c->clock && hf_clock_is_past(c->clock, c->deadline_ms)) || is_late(c->parent));
}

bool hf_cancel_is_set(const struct hf_cancel *c)
{
    return was_set(c) || is_late(c);
}

int hf_cancel_fd(const struct hf_cancel *c)
{
    return c ? c->fd : -1;
}

int hf_cancel_check(const struct hf_cancel *c, struct hf_err *err)
{
    if (was_set(c))
        return hf_fail(err, HF_E_CANCELLED, "cancelled");
    return is_late(c) ? hf_fail(err, HF_E_TIMEOUT, "its time is over") : 0;
}

bool hf_cancel_sleep(const struct hf_cancel *c, const struct hf_clock *clock, int64_t ms)
{
    for (; ms > 0 && !hf_cancel_is_set(c); ms -= SLICE_MS)
        hf_clock_sleep_ms(clock, ms < SLICE_MS ? ms : SLICE_MS);
    return !hf_cancel_is_set(c);
}

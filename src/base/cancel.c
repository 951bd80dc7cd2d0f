/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cancel.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>

struct hf_cancel {
    atomic_bool set;
    atomic_int number; /* of the last signal */
    int fd;
};

struct hf_cancel *hf_cancel_new(struct hf_err *err)
{
    HF_AUTOFREE struct hf_cancel *c = calloc(1, sizeof *c);
    if (!c) {
        hf_fail_nomem(err);
        return NULL;
    }
    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->fd < 0) {
        hf_fail_sys(err, errno, "cannot create an event descriptor");
        return NULL;
    }
    return HF_STEAL(c);
}

void hf_cancel_free(struct hf_cancel *c)
{
    if (!c)
        return;
    int saved = errno;
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
    ssize_t written = write(c->fd, &one, sizeof one);
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
    ssize_t n = read(c->fd, &times, sizeof times);
    (void)n; /* nothing in it: it was not set */
    atomic_store(&c->set, false);
    return atomic_exchange(&c->number, 0);
}

bool hf_cancel_is_set(const struct hf_cancel *c)
{
    return c && atomic_load(&c->set);
}

int hf_cancel_fd(const struct hf_cancel *c)
{
    return c ? c->fd : -1;
}

int hf_cancel_check(const struct hf_cancel *c, struct hf_err *err)
{
    return hf_cancel_is_set(c) ? hf_fail(err, HF_E_CANCELLED, "cancelled") : 0;
}

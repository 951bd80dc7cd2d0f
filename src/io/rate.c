/* SPDX-License-Identifier: Apache-2.0 */
#include "io/rate.h"

#include <pthread.h>

#define SECOND_US 1000000

struct hf_io_rate {
    pthread_mutex_t lock;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel;
    double bytes_per_us;
    int64_t free_at_us; /* when all that was taken has gone */
};

struct hf_io_rate *hf_io_rate_new(uint64_t bytes_per_s, const struct hf_clock *clock,
                                  const struct hf_cancel *cancel, struct hf_err *err)
{
    struct hf_io_rate *r = calloc(1, sizeof *r);
    if (!r || pthread_mutex_init(&r->lock, NULL) != 0) {
        free(r);
        hf_fail_nomem(err);
        return NULL;
    }
    r->clock = clock;
    r->cancel = cancel;
    r->bytes_per_us = (double)(bytes_per_s ? bytes_per_s : 1) / SECOND_US;
    r->free_at_us = hf_clock_mono_us(clock) - SECOND_US;
    return r;
}

void hf_io_rate_free(struct hf_io_rate *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void hf_io_rate_take(struct hf_io_rate *r, size_t bytes)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    int64_t now = hf_clock_mono_us(r->clock);
    if (r->free_at_us < now - SECOND_US)
        r->free_at_us = now - SECOND_US;
    r->free_at_us += (int64_t)((double)bytes / r->bytes_per_us);
    int64_t wait = r->free_at_us - now;
    pthread_mutex_unlock(&r->lock);
    if (wait > 0)
        (void)hf_cancel_sleep(r->cancel, r->clock, (wait + 999) / 1000);
}

struct rate_sink {
    struct hf_io_sink sink, *next;
    struct hf_io_rate *rate;
};

static int rate_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct rate_sink *r = (struct rate_sink *)s;
    hf_io_rate_take(r->rate, len);
    return hf_io_write(r->next, data, len, err);
}

static int rate_finish(struct hf_io_sink *s, struct hf_err *err)
{
    return hf_io_finish(((struct rate_sink *)s)->next, err);
}

static void rate_close(struct hf_io_sink *s)
{
    hf_io_close(((struct rate_sink *)s)->next);
    free(s);
}

static const struct hf_io_sink_ops rate_ops = {rate_write, rate_finish, rate_close};

struct hf_io_sink *hf_io_rate_sink_new(struct hf_io_rate *r, struct hf_io_sink *next,
                                       struct hf_err *err)
{
    struct rate_sink *s = calloc(1, sizeof *s);
    if (!s) {
        hf_io_close(next);
        hf_fail_nomem(err);
        return NULL;
    }
    s->sink.ops = &rate_ops;
    s->next = next;
    s->rate = r;
    return &s->sink;
}

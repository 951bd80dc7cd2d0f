/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/deliver.h"

#include "base/thread.h"
#include "daemon/deliver_intern.h"

#include <string.h>
#include <time.h>

#define LOOK_MS INT64_C(60000) /* at the least so often while something waits: clocks jump */
#define PATIENCE_MS 60000      /* what has passed by then is no news */

/* ---- ways under the lock ----------------------------------------------------------------- */

static void release(struct hf_alarms_deliver *d, struct ways *w)
{
    pthread_mutex_lock(&d->lock);
    bool is_last = w && --w->users == 0;
    pthread_mutex_unlock(&d->lock);
    if (is_last)
        ways_free(w);
}

static struct ways *hold(struct hf_alarms_deliver *d)
{
    pthread_mutex_lock(&d->lock);
    struct ways *w = d->ways;
    if (w)
        w->users++;
    pthread_mutex_unlock(&d->lock);
    return w;
}

/* ---- the thread -------------------------------------------------------------------------- */

static void trouble(struct hf_alarms_deliver *d, const struct hf_err *err)
{
    if (!d->is_in_trouble)
        hf_log(d->opts.log, HF_LOG_ERROR, "notify", "messages cannot be sent: %s", err->message);
    d->is_in_trouble = true;
    hf_catalog_close(HF_STEAL(d->catalog));
}

static void pause_for(struct hf_alarms_deliver *d, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int rc = 0;
    pthread_mutex_lock(&d->lock);
    while (!d->is_kicked && !hf_cancel_is_set(d->stop) && rc == 0)
        rc = ms < 0 ? pthread_cond_wait(&d->wake, &d->lock)
                    : pthread_cond_timedwait(&d->wake, &d->lock, &until);
    d->is_kicked = false;
    pthread_mutex_unlock(&d->lock);
}

static int64_t round_and_wait(struct hf_alarms_deliver *d)
{
    struct hf_err err = HF_ERR_INIT;
    int64_t wait_ms = -1;
    struct ways *ways = hold(d);
    if (!ways)
        return -1;
    if (deliver_round(d, ways, &wait_ms, &err) < 0) {
        trouble(d, &err);
        wait_ms = LOOK_MS;
    } else {
        d->is_in_trouble = false;
    }
    if (deliver_speech(d, ways, &wait_ms, &err) < 0)
        wait_ms = LOOK_MS;
    release(d, ways);
    return wait_ms > LOOK_MS ? LOOK_MS : wait_ms;
}

static void *work(void *ctx)
{
    struct hf_alarms_deliver *d = ctx;
    while (!hf_cancel_is_set(d->stop)) {
        int64_t ms = round_and_wait(d);
        if (ms != 0)
            pause_for(d, ms);
    }
    hf_catalog_close(HF_STEAL(d->catalog));
    return NULL;
}

/* ---- from outside ------------------------------------------------------------------------ */

static int init_wake(struct hf_alarms_deliver *d)
{
    pthread_condattr_t attr;
    if (pthread_mutex_init(&d->lock, NULL) != 0 || pthread_condattr_init(&attr) != 0)
        return -1;
    int rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) || pthread_cond_init(&d->wake, &attr)
                 ? -1
                 : 0;
    pthread_condattr_destroy(&attr);
    return rc;
}

static void deliver_free(struct hf_alarms_deliver *d)
{
    ways_free(d->ways);
    hf_cancel_free(d->stop);
    hf_strv_free(&d->told);
    free(d);
}

struct hf_alarms_deliver *hf_alarms_deliver_open(const struct hf_alarms_deliver_opts *opts,
                                                 struct hf_err *err)
{
    struct hf_alarms_deliver *d = calloc(1, sizeof *d);
    if (!d || init_wake(d) < 0) {
        free(d);
        hf_fail_nomem(err);
        return NULL;
    }
    d->opts = *opts;
    if (opts->host)
        snprintf(d->host, sizeof d->host, "%s", opts->host);
    else if (gethostname(d->host, sizeof d->host - 1) < 0)
        snprintf(d->host, sizeof d->host, "localhost");
    d->stop = hf_cancel_new(err);
    int rc = d->stop ? hf_thread_start(&d->thread, work, d) : 0;
    if (rc)
        hf_fail_sys(err, rc, "cannot start a thread");
    if (d->stop && !rc)
        return d;
    deliver_free(d);
    return NULL;
}

static void signal_thread(struct hf_alarms_deliver *d)
{
    pthread_mutex_lock(&d->lock);
    d->is_kicked = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

void hf_alarms_deliver_kick(struct hf_alarms_deliver *d)
{
    signal_thread(d);
}

void hf_alarms_deliver_trouble(struct hf_alarms_deliver *d, const char *text)
{
    pthread_mutex_lock(&d->lock);
    struct speech *s = &d->speech;
    if (text && !s->is_on) {
        s->since_us = hf_clock_wall_us(d->opts.clock);
        s->due_ms = hf_clock_mono_ms(d->opts.clock) + PATIENCE_MS;
    }
    if (text)
        hf_alarm_text(text, s->text);
    s->is_on = text != NULL;
    pthread_mutex_unlock(&d->lock);
    signal_thread(d);
}

int hf_alarms_deliver_configure(struct hf_alarms_deliver *d, const struct hf_config *config,
                                struct hf_err *err)
{
    struct ways *fresh = ways_of(config, err);
    if (!fresh)
        return -1;
    pthread_mutex_lock(&d->lock);
    struct ways *old = d->ways;
    d->ways = fresh;
    pthread_mutex_unlock(&d->lock);
    release(d, old);
    signal_thread(d);
    return 0;
}

void hf_alarms_deliver_close(struct hf_alarms_deliver *d)
{
    if (!d)
        return;
    hf_cancel_set(d->stop);
    signal_thread(d);
    pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    deliver_free(d);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/deliver.h"

#include "base/thread.h"
#include "daemon/deliver_intern.h"

#include <string.h>
#include <time.h>

#define GIVE_UP_US (INT64_C(3) * 24 * 3600 * 1000000)
#define LOOK_MS INT64_C(60000) /* at the least so often while something waits: clocks jump */

struct hf_alarms_deliver {
    struct hf_alarms_deliver_opts opts;
    char host[256];
    struct hf_cancel *stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_kicked;    /* under lock */
    struct ways *ways; /* under lock; NULL before the first configure */
    /* of the thread alone */
    struct hf_catalog *catalog;
    bool is_in_trouble; /* said already */
};

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

/* ---- a message --------------------------------------------------------------------------- */

static int give_up(struct hf_alarms_deliver *d, const struct hf_message *m, const char *why,
                   struct hf_err *err)
{
    hf_log(d->opts.log, HF_LOG_WARN, "notify", "%s is not told of '%s%s' of %s %s: %s", m->target,
           m->alarm.kind, m->is_recovery ? " is over" : "", m->alarm.policy, m->alarm.vm, why);
    return hf_message_drop(d->catalog, m->id, err);
}

static int failed(struct hf_alarms_deliver *d, struct way *w, const struct hf_message *m,
                  const struct hf_err *why, struct hf_err *err)
{
    int64_t now = hf_clock_wall_us(d->opts.clock), delay;
    if (w->failures++ == 0)
        hf_log(d->opts.log, HF_LOG_WARN, "notify", "%s cannot be told: %s", w->name, why->message);
    delay = deliver_delay_ms(w->failures);
    w->not_before_ms = hf_clock_mono_ms(d->opts.clock) + delay;
    if (now - m->at_us > GIVE_UP_US)
        return give_up(d, m, why->message, err);
    return hf_message_later(d->catalog, m->id, m->tries + 1,
                            now + deliver_delay_ms(m->tries + 1) * 1000, err);
}

static int deliver_one(struct hf_alarms_deliver *d, const struct ways *ways,
                       const struct hf_message *m, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct way *w = ways_find(ways, m->target);
    if (!w)
        return give_up(d, m, "there is no such section any more", err);
    if (w->not_before_ms > hf_clock_mono_ms(d->opts.clock))
        return 0; /* another one has just failed */
    if (deliver_send(w, m, d->host, d->stop, &why) < 0)
        return hf_cancel_is_set(d->stop) ? 0 : failed(d, w, m, &why, err);
    if (w->failures > 0)
        hf_log(d->opts.log, HF_LOG_INFO, "notify", "%s can be told again", w->name);
    w->failures = 0;
    return hf_message_drop(d->catalog, m->id, err);
}

/* *wait_ms: until the next round; -1: until somebody kicks. */
static int go_round(struct hf_alarms_deliver *d, const struct ways *ways, int64_t *wait_ms,
                    struct hf_err *err)
{
    HF_AUTO(queue) struct queue q = {0};
    if (!d->catalog)
        d->catalog = hf_catalog_open(d->opts.state_dir, d->opts.clock, err);
    if (!d->catalog || queue_fill(&q, d->catalog, ways, d->opts.clock, err) < 0)
        return -1;
    for (size_t i = 0; i < q.n && !hf_cancel_is_set(d->stop); i++)
        if (deliver_one(d, ways, &q.letters[i].m, err) < 0)
            return -1;
    *wait_ms = q.n ? 0 : q.wait_ms; /* something has changed: look again */
    return 0;
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
    if (go_round(d, ways, &wait_ms, &err) < 0) {
        trouble(d, &err);
        wait_ms = LOOK_MS;
    } else {
        d->is_in_trouble = false;
    }
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

/* SPDX-License-Identifier: Apache-2.0
 *
 * What the thread of daemon/deliver.h does whenever it wakes.
 */
#include "daemon/deliver_intern.h"

#include <string.h>

#define GIVE_UP_US (INT64_C(3) * 24 * 3600 * 1000000)

/* ---- taken out --------------------------------------------------------------------------- */

/* Where the catalog cannot be written (a full disk) what was delivered stays in it: it is remembered, or it would be sent again and again
 * for as long as that lasts. */
static int drop_done(struct hf_alarms_deliver *d, struct hf_err *err)
{
    if (d->n_done > 0 && hf_messages_drop(d->catalog, d->done, d->n_done, err) < 0)
        return -1;
    d->n_done = 0;
    return 0;
}

static int take_out(struct hf_alarms_deliver *d, const struct hf_message *const *m, size_t n,
                    struct hf_err *err)
{
    for (size_t i = 0; i < n; i++)
        d->done[i] = (struct hf_message_key){m[i]->id, m[i]->at_us};
    d->n_done = n;
    return drop_done(d, err);
}

static int give_up(struct hf_alarms_deliver *d, const struct hf_message *m, const char *why,
                   struct hf_err *err)
{
    hf_log(d->opts.log, HF_LOG_WARN, "notify", "%s is not told of '%s%s' of %s %s: %s", m->target,
           m->alarm.kind, m->is_recovery ? " is over" : "", m->alarm.policy, m->alarm.vm, why);
    return take_out(d, &m, 1, err);
}

/* ---- a letter ---------------------------------------------------------------------------- */

static void went_well(struct hf_alarms_deliver *d, struct way *w)
{
    if (w->failures > 0)
        hf_log(d->opts.log, HF_LOG_INFO, "notify", "%s can be told again", w->name);
    w->failures = 0;
    w->most = 2 * w->most < DELIVER_BATCH ? 2 * w->most : DELIVER_BATCH;
    way_spend(w, hf_clock_mono_ms(d->opts.clock));
}

/* The next letter is a smaller one: should something in it be what the server does not take, it is found. */
static void went_wrong(struct hf_alarms_deliver *d, struct way *w, size_t n,
                       const struct hf_err *why)
{
    if (w->failures++ == 0)
        hf_log(d->opts.log, HF_LOG_WARN, "notify", "%s cannot be told: %s", w->name, why->message);
    w->most = n / 2 > 1 ? n / 2 : 1;
    w->not_before_ms = hf_clock_mono_ms(d->opts.clock) + deliver_delay_ms(w->failures);
}

static int put_off(struct hf_alarms_deliver *d, const struct hf_message *const *m, size_t n,
                   const struct hf_err *why, struct hf_err *err)
{
    const int64_t now = hf_clock_wall_us(d->opts.clock);
    size_t n_later = 0;
    HF_AUTOFREE struct hf_message_later *later = calloc(n, sizeof *later);
    if (!later)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const uint32_t tries = m[i]->tries + 1;
        if (now - m[i]->at_us <= GIVE_UP_US)
            later[n_later++] =
                (struct hf_message_later){m[i]->id, tries, now + deliver_delay_ms(tries) * 1000};
        else if (give_up(d, m[i], why->message, err) < 0)
            return -1;
    }
    return hf_messages_later(d->catalog, later, n_later, err);
}

static int send_letter(struct hf_alarms_deliver *d, struct way *w,
                       const struct hf_message *const *m, size_t n, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (deliver_send(w, m, n, d->host, d->stop, &why) == 0) {
        went_well(d, w);
        return take_out(d, m, n, err);
    }
    if (hf_cancel_is_set(d->stop))
        return 0;
    went_wrong(d, w, n, &why);
    return put_off(d, m, n, &why, err);
}

/* ---- a round ----------------------------------------------------------------------------- */

/* One by one while it may get as many as there are, else all in one. */
static int serve(struct hf_alarms_deliver *d, struct way *w, const struct queue *q,
                 struct hf_err *err)
{
    const struct hf_message *m[DELIVER_BATCH];
    size_t n = 0;
    for (size_t i = 0; i < q->n; i++)
        if (strcmp(q->letters[i].m.target, w->name) == 0)
            m[n++] = &q->letters[i].m;
    if (n == 0 || hf_cancel_is_set(d->stop))
        return 0;
    if (n <= way_room(w, hf_clock_mono_ms(d->opts.clock)))
        n = 1;
    return send_letter(d, w, m, n < w->most ? n : w->most, err);
}

static int give_up_strays(struct hf_alarms_deliver *d, const struct ways *ways,
                          const struct queue *q, struct hf_err *err)
{
    for (size_t i = 0; i < q->n; i++)
        if (!ways_find(ways, q->letters[i].m.target) &&
            give_up(d, &q->letters[i].m, "there is no such section any more", err) < 0)
            return -1;
    return 0;
}

int deliver_round(struct hf_alarms_deliver *d, const struct ways *ways, int64_t *wait_ms,
                  struct hf_err *err)
{
    HF_AUTO(queue) struct queue q = {0};
    if (!d->catalog)
        d->catalog = hf_catalog_open(d->opts.state_dir, d->opts.clock, err);
    if (!d->catalog || drop_done(d, err) < 0 ||
        queue_fill(&q, d->catalog, ways, d->opts.clock, err) < 0 ||
        give_up_strays(d, ways, &q, err) < 0)
        return -1;
    for (size_t i = 0; i < ways->n; i++)
        if (serve(d, &ways->items[i], &q, err) < 0)
            return -1;
    *wait_ms = q.n ? 0 : q.wait_ms; /* something has changed: look again */
    if (q.n == 0)
        hf_catalog_close(HF_STEAL(d->catalog)); /* it may be another one by then */
    return 0;
}

/* ---- without the catalog ----------------------------------------------------------------- */

static int say(struct hf_alarms_deliver *d, const struct way *w, const struct speech *s,
               struct hf_err *err)
{
    const struct hf_message m = {.target = w->name,
                                 .is_recovery = !s->is_on,
                                 .alarm = {.kind = HF_ALARM_DAEMON,
                                           .policy = "",
                                           .vm = "",
                                           .since_us = s->since_us,
                                           .text = s->is_on ? s->text : "works again"},
                                 .at_us = s->is_on ? s->since_us : hf_clock_wall_us(d->opts.clock),
                                 .tries = w->failures};
    const struct hf_message *all = &m;
    return deliver_send(w, &all, 1, d->host, d->stop, err);
}

static void forget(struct hf_strv *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->items[i], name) != 0)
            continue;
        free(v->items[i]);
        v->items[i] = v->items[--v->n];
        v->items[v->n] = NULL;
        return;
    }
}

static void shorten(int64_t *io_wait_ms, int64_t ms)
{
    if (*io_wait_ms < 0 || ms < *io_wait_ms)
        *io_wait_ms = ms < 0 ? 0 : ms;
}

int deliver_speech(struct hf_alarms_deliver *d, const struct ways *ways, int64_t *io_wait_ms,
                   struct hf_err *err)
{
    pthread_mutex_lock(&d->lock);
    const struct speech s = d->speech;
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < ways->n && !hf_cancel_is_set(d->stop); i++) {
        struct hf_err why = HF_ERR_INIT;
        struct way *w = &ways->items[i];
        const int64_t now = hf_clock_mono_ms(d->opts.clock);
        const int64_t left =
            s.is_on && s.due_ms > w->not_before_ms ? s.due_ms - now : w->not_before_ms - now;
        if (!w->hears_daemon || hf_strv_has(&d->told, w->name) == s.is_on)
            continue;
        if (left > 0) {
            shorten(io_wait_ms, left);
        } else if (say(d, w, &s, &why) < 0) {
            went_wrong(d, w, 1, &why);
            shorten(io_wait_ms, deliver_delay_ms(w->failures));
        } else {
            went_well(d, w);
            if (!s.is_on)
                forget(&d->told, w->name);
            else if (hf_strv_add(&d->told, w->name) < 0)
                return hf_fail_nomem(err);
        }
    }
    return 0;
}

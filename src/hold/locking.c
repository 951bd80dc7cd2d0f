/* SPDX-License-Identifier: Apache-2.0
 *
 * The database's lock as a hold.
 */
#include "base/point.h"
#include "hold/holding.h"

static int unlock(void *self, struct hf_err *err)
{
    struct holding *h = self;
    HF_POINT("hold.before_unlock");
    int result = hf_db_lock_unlock(h->plan->lock, err);
    int64_t released_us = hf_db_lock_released_us(h->plan->lock);
    if (!released_us)
        holding_degrade(h, "the unlock was not acknowledged", err);

    hf_timeline_mark_at(&h->out->timeline, "unlocked",
                        released_us ? released_us : holding_now_us(h));
    HF_POINT("hold.after_unlock");
    return result;
}

/* With something at rest already, waiting for the lock is part of the hold: half of it at the most, so that the capture
 * still has its time. */
static int64_t not_after_ms(const struct holding *h)
{
    return h->deadline_ms == HF_NO_DEADLINE ? HF_NO_DEADLINE
                                            : h->deadline_ms - h->plan->hold_limit_ms / 2;
}

/* A hold in that it comes in their order: it has nothing to let go, and what fails here must not keep the lock. */
static int begin_readers(void *self, struct hf_err *err)
{
    struct holding *h = self;
    const struct hf_hold_readers *r = h->plan->readers;
    if (!h->out->captured)
        return 0;
    HF_POINT("hold.before_readers");
    if (r->begin(r->ctx, h->deadline_ms, err) < 0) {
        hf_wrap(err, "readers of the instant");
        return holding_break(h, err);
    }
    holding_mark(h, "readers_begun");
    return 0;
}

static int push_readers(struct holding *h, struct hf_err *err)
{
    struct hf_hold hold = {.name = "readers", .self = h, .release = begin_readers};
    return h->plan->readers ? hf_hold_stack_push(&h->stack, &hold, err) : 0;
}

int holding_lock(struct holding *h, struct hf_err *err)
{
    struct hf_db_lock_timing t = {0};
    struct hf_hold hold = {.name = "database lock", .self = h, .release = unlock};
    int result = hf_db_lock_acquire(h->plan->lock, not_after_ms(h), &t, err);
    h->out->attempts = t.attempts;
    h->out->worst_attempt_ms = (double)t.worst_failed_us / 1000.0;
    if (result < 0)
        return -1;
    hf_timeline_mark_at(&h->out->timeline, "lock_begin", t.begin_us);
    hf_timeline_mark_at(&h->out->timeline, "locked", t.held_us);
    holding_start_limit(h, t.held_us / 1000);
    if (hf_hold_stack_push(&h->stack, &hold, err) < 0 || push_readers(h, err) < 0)
        return -1;
    HF_POINT("hold.after_lock");
    return 0;
}

void holding_restore_server(struct holding *h)
{
    struct hf_err cause = HF_ERR_INIT;
    if (hf_db_lock_restore(h->plan->lock, &cause) == 0)
        return;
    hf_log_err(h->plan->log, HF_LOG_WARN, "hold", &cause);
    h->out->has_open_ends = true;
}

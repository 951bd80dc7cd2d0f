/* SPDX-License-Identifier: Apache-2.0
 *
 * Services and the database at rest: stopped under one dead-man, kept at rest under a second one, started again.
 */
#include "base/point.h"
#include "db/ping.h"
#include "hold/holding.h"

/* Arming and disarming are one command each in the guest. */
#define COMMAND_MS 15000

static int64_t within(const struct holding *h, int64_t ms)
{
    return holding_now_ms(h) + ms;
}

static int arm(struct holding *h, const char *name, int64_t after_ms, bool *is_armed,
               struct hf_err *err)
{
    *is_armed = true; /* also when it is unclear */
    return hf_deadman_arm_start(h->plan->guest, name, h->plan->rest->to_start, after_ms,
                                within(h, COMMAND_MS), err);
}

/* ---- the database ----------------------------------------------------------------------- */

/* Its rest ends with the start below, so this is the last moment to look. */
static void verify_database(struct holding *h)
{
    struct hf_err cause = HF_ERR_INIT;
    if (h->out->captured &&
        hf_services_verify(h->plan->rest->database, within(h, COMMAND_MS), &cause) < 0)
        holding_degrade(h, "the database did not stay stopped", &cause);
}

static int wait_for_database(struct holding *h, int64_t deadline_ms, struct hf_err *err)
{
    const struct hf_db_target *target = h->plan->rest->db_target;
    struct hf_err cause = HF_ERR_INIT;
    if (!target || hf_db_ping_until(target, deadline_ms, h->plan->clock, NULL, &cause) == 0)
        return 0;
    if (cause.cls == HF_E_AUTH) { /* it answers, and that is the question here */
        hf_log_err(h->plan->log, HF_LOG_WARN, "hold", &cause);
        return 0;
    }
    hf_err_copy(err, &cause);
    return hf_left(err, "the database, which was started again and does not accept connections");
}

/* What did not come back keeps its dead-men: one more chance. */
static int start_database(void *self, struct hf_err *err)
{
    struct holding *h = self;
    verify_database(h);
    HF_POINT("hold.before_start");
    int64_t deadline_ms = within(h, h->plan->rest->start_timeout_ms);
    if (hf_services_start(h->plan->rest->database, deadline_ms, err) < 0 ||
        wait_for_database(h, deadline_ms, err) < 0)
        return holding_break(h, err);
    holding_mark(h, "started");
    HF_POINT("hold.after_start");
    return 0;
}

static int stop_database(struct holding *h, struct hf_err *err)
{
    const struct hf_hold_services *r = h->plan->rest;
    struct hf_hold hold = {.name = "database", .self = h, .release = start_database};
    if (hf_hold_stack_push(&h->stack, &hold, err) < 0)
        return -1;
    HF_POINT("hold.before_stop");
    holding_mark(h, "stop_begin");
    if (hf_services_stop(r->database, within(h, r->stop_timeout_ms), err) < 0)
        return -1;
    holding_mark(h, "stopped");
    HF_POINT("hold.after_stop");
    return 0;
}

/* ---- services --------------------------------------------------------------------------- */

static int start_services(void *self, struct hf_err *err)
{
    struct holding *h = self;
    const struct hf_hold_services *r = h->plan->rest;
    HF_POINT("hold.before_services_start");
    if (hf_services_start(r->set, within(h, r->start_timeout_ms), err) < 0)
        return holding_break(h, err);
    holding_mark(h, "services_started");
    HF_POINT("hold.after_services_start");
    return 0;
}

static int stop_services(struct holding *h, struct hf_err *err)
{
    const struct hf_hold_services *r = h->plan->rest;
    struct hf_hold hold = {.name = "services", .self = h, .release = start_services};
    if (hf_hold_stack_push(&h->stack, &hold, err) < 0)
        return -1;
    HF_POINT("hold.before_services_stop");
    holding_mark(h, "services_stop_begin");
    if (hf_services_stop(r->set, within(h, r->stop_timeout_ms), err) < 0)
        return -1;
    holding_mark(h, "services_stopped");
    HF_POINT("hold.after_services_stop");
    return 0;
}

/* ---- both ------------------------------------------------------------------------------- */

int holding_rest(struct holding *h, struct hf_err *err)
{
    const struct hf_hold_services *r = h->plan->rest;
    const int64_t limit_ms = h->plan->hold_limit_ms;
    bool is_guarded = r->to_start->n > 0; /* what does not run needs no dead-man */
    /* Services and database have stop_timeout each. */
    int64_t stopping_ms = r->stop_timeout_ms * ((r->set != NULL) + (r->database != NULL));
    if (is_guarded &&
        arm(h, r->deadman_stopping, stopping_ms + limit_ms, &h->is_stopping_armed, err) < 0)
        return -1;
    if ((r->set && stop_services(h, err) < 0) || (r->database && stop_database(h, err) < 0))
        return -1;
    holding_start_limit(h, holding_now_ms(h));
    if (!is_guarded)
        return 0;
    if (arm(h, r->deadman_resting, limit_ms, &h->is_resting_armed, err) < 0)
        return -1;
    /* The first one stays: it is due later, and to disarm it costs time that the lock needs. */
    HF_POINT("hold.after_rearm");
    return 0;
}

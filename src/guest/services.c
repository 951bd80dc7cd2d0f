/* SPDX-License-Identifier: Apache-2.0
 *
 * Stop, verify, start. What belongs to the set was found by hf_services_open (services_open.c).
 */
#include "guest/services.h"

#include "base/point.h"
#include "guest/services_intern.h"

#include <stdlib.h>
#include <string.h>

/* Between two looks at what a unit has left: often at first, when it is only on its way out. */
#define PAUSE_MS 100
#define LONG_PAUSE_MS 1000
#define SOON_MS 2000
#define ANSWER_MS 1000
/* What shells and Java make of an orderly end by SIGTERM; systemd calls it a failure. */
#define EXIT_BY_SIGTERM 143

void hf_services_free(struct hf_services *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_rounds; i++)
        hf_unit_list_free(&s->rounds[i]);
    hf_strv_free(&s->asked);
    hf_strv_free(&s->to_stop);
    hf_strv_free(&s->to_start);
    hf_strv_free(&s->idle);
    free(s->rests);
    free(s);
}

const struct hf_strv *hf_services_to_start(const struct hf_services *s)
{
    return &s->to_start;
}

const struct hf_strv *hf_services_idle(const struct hf_services *s)
{
    return &s->idle;
}

/* ---- stop -------------------------------------------------------------------------------- */

static bool ended_well(const struct hf_unit *u)
{
    return u->state == HF_UNIT_INACTIVE ||
           (strcmp(u->result, "exit-code") == 0 && u->exit_status == EXIT_BY_SIGTERM);
}

static int judge_stopped(const struct hf_unit *u, struct hf_err *err)
{
    if (!hf_unit_is_idle(u))
        return hf_fail(err, HF_E_CONFLICT, "unit '%s' was stopped and is %s again", u->id,
                       u->state_word);
    if (!hf_unit_is_empty(u)) {
        hf_fail(err, HF_E_CONFLICT, "unit '%s' is stopped, and processes of it still run", u->id);
        return hf_hint(err,
                       "systemd leaves them to themselves (KillMode= in systemd.kill(5)), such as "
                       "jobs of cron: wait for their end, or raise stop-timeout. "
                       "'systemctl status %s' names them.",
                       u->id);
    }
    if (!ended_well(u)) {
        hf_fail(err, HF_E_CONFLICT, "unit '%s' did not stop cleanly: %s", u->id,
                u->result[0] ? u->result : u->state_word);
        return hf_hint(err, "See 'journalctl -u %s' in the guest.", u->id);
    }
    return 0;
}

static void remember(struct hf_services *s, const struct hf_unit *u, bool ran)
{
    struct hf_rest *r = &s->rests[s->n_rests++];
    r->state = u->state;
    r->ran = ran;
    memcpy(r->invocation, u->invocation, sizeof r->invocation);
}

/* Of the time that is left, what the guest may wait: it has to come home with its answer, too. */
static int64_t stop_limit(const struct hf_services *s, int64_t deadline_ms)
{
    int64_t left_ms = hf_clock_left_ms(s->clock, deadline_ms);
    return left_ms > 4 * ANSWER_MS ? left_ms - ANSWER_MS : left_ms * 3 / 4;
}

/* Its last processes may be on their way out when systemctl comes home, and jobs of cron are left to end by themselves. */
static int wait_until_empty(struct hf_services *s, const char *name, int64_t deadline_ms,
                            struct hf_unit_list *look, struct hf_err *err)
{
    char *item[] = {(char *)name, NULL};
    struct hf_strv names = {.items = item, .n = 1};
    int64_t began_ms = hf_clock_mono_ms(s->clock), until_ms = began_ms + stop_limit(s, deadline_ms);
    while (hf_unit_is_idle(&look->items[0]) && !hf_unit_is_empty(&look->items[0])) {
        bool is_soon = hf_clock_mono_ms(s->clock) < began_ms + SOON_MS;
        int64_t pause_ms = is_soon ? PAUSE_MS : LONG_PAUSE_MS;
        if (hf_clock_left_ms(s->clock, until_ms) <= pause_ms)
            break;
        hf_clock_sleep_ms(s->clock, pause_ms);
        hf_unit_list_free(look);
        if (hf_units_show(s->guest, &names, deadline_ms, look, err) < 0)
            return -1;
    }
    return 0;
}

static int stop_one(struct hf_services *s, const char *name, int64_t deadline_ms,
                    struct hf_err *err)
{
    HF_AUTO(hf_unit_list) struct hf_unit_list look = HF_UNIT_LIST_INIT;
    int64_t began_ms = hf_clock_mono_ms(s->clock);
    if (HF_POINT_ERR("services.before_stop", err) != 0)
        return -1;
    if (hf_units_stop_one(s->guest, name, stop_limit(s, deadline_ms), deadline_ms, &look, err) < 0)
        return hf_wrap(err, "stop of unit '%s'", name);
    if (HF_POINT_ERR("services.after_stop", err) != 0)
        return -1;
    if (wait_until_empty(s, name, deadline_ms, &look, err) < 0)
        return hf_wrap(err, "look at unit '%s'", name);
    if (judge_stopped(&look.items[0], err) < 0)
        return -1;
    remember(s, &look.items[0], true);
    hf_log(s->log, HF_LOG_DETAIL, "services", "%s stopped after %lld ms", name,
           (long long)(hf_clock_mono_ms(s->clock) - began_ms));
    return 0;
}

int hf_services_stop(struct hf_services *s, int64_t deadline_ms, struct hf_err *err)
{
    s->n_rests = 0;
    s->is_stopped = false;
    for (size_t i = 0; i < s->to_stop.n; i++)
        if (stop_one(s, s->to_stop.items[i], deadline_ms, err) < 0)
            return -1;
    for (size_t i = 0; i < s->idle.n; i++)
        remember(s, hf_services_known(s, s->idle.items[i]), false);
    s->is_stopped = true;
    return 0;
}

/* ---- verify ------------------------------------------------------------------------------ */

static int judge_rest(const struct hf_rest *was, const struct hf_unit *is, struct hf_err *err)
{
    if (is->state != was->state)
        return hf_fail(err, HF_E_CONFLICT, "unit '%s' did not stay at rest: it is %s", is->id,
                       is->state_word);
    if (!hf_unit_is_empty(is))
        return hf_fail(err, HF_E_CONFLICT, "unit '%s' did not stay at rest: processes of it run",
                       is->id);
    /* What never ran since it was loaded, or was forgotten before we looked first, has none in either look. */
    if (was->ran && !is->invocation[0])
        return hf_fail(err, HF_E_CONFLICT,
                       "systemd has forgotten unit '%s' since it stopped: nothing proves that it "
                       "stayed at rest",
                       is->id);
    if (is->invocation[0] && strcmp(is->invocation, was->invocation) != 0)
        return hf_fail(err, HF_E_CONFLICT,
                       "unit '%s' did not stay at rest: it was started and stopped in between",
                       is->id);
    return 0;
}

int hf_services_verify(struct hf_services *s, int64_t deadline_ms, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    HF_AUTO(hf_unit_list) struct hf_unit_list now = HF_UNIT_LIST_INIT;
    if (!s->is_stopped)
        return hf_fail(err, HF_E_INTERNAL, "the services were not stopped");
    for (size_t i = 0; i < s->n_rests; i++) {
        bool ran = i < s->to_stop.n;
        if (hf_strv_add(&names, ran ? s->to_stop.items[i] : s->idle.items[i - s->to_stop.n]) < 0)
            return hf_fail_nomem(err);
    }
    if (hf_units_show(s->guest, &names, deadline_ms, &now, err) < 0)
        return hf_wrap(err, "look at the services at rest");
    for (size_t i = 0; i < now.n; i++)
        if (judge_rest(&s->rests[i], &now.items[i], err) < 0)
            return -1;
    return 0;
}

int hf_services_start(struct hf_services *s, int64_t deadline_ms, struct hf_err *err)
{
    s->is_stopped = false;
    return hf_units_start(s->guest, &s->to_start, s->clock, deadline_ms, err);
}

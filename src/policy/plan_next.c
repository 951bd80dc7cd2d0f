/* SPDX-License-Identifier: Apache-2.0
 *
 * When a pair comes next. Nothing here depends on what the others do.
 */
#include "policy/plan_intern.h"

#define RETRIES 3
#define OVERDUE_S 3600
#define PUT_OFF_S 10
#define PUT_OFF_MAX_S 300

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static const struct hf_config_policy *config_of(const struct hf_plan_pair *pair)
{
    return pair->policy->config;
}

/* Whole seconds, and not 0 where there is a part of one. */
static int64_t seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

static int64_t retry_s(const struct hf_plan_pair *pair)
{
    return seconds(config_of(pair)->retry);
}

int64_t hf_plan_interval_s(const struct hf_plan_pair *pair)
{
    return seconds(config_of(pair)->drill);
}

/* ---- clocks that jumped ----------------------------------------------------------------- */

void hf_plan_settle(struct hf_plan_pair *pair, int64_t now_s)
{
    struct hf_plan_state *s = &pair->state;
    if (s->served_s > now_s + HF_PLAN_AHEAD_S)
        *s = (struct hf_plan_state){.served_s = now_s, .was_ahead = true};
    if (s->served_s < 0)
        s->served_s = 0;
    s->ended_s = min_of(s->ended_s, now_s);
    pair->not_before_s = min_of(pair->not_before_s, now_s + PUT_OFF_MAX_S);
}

/* ---- due times -------------------------------------------------------------------------- */

static int64_t start_of(const struct hf_plan_pair *pair, int64_t due_s)
{
    return due_s == HF_NO_TIME ? due_s
                               : hf_policy_start(pair->policy, pair->vm->config->label, due_s);
}

/* The first due time after after_s. Each is asked for twice: as what follows, then as what comes. */
static struct hf_plan_moment first_after(struct hf_plan_pair *pair, int64_t after_s)
{
    if (pair->has_memo && pair->memo_of_s == after_s)
        return pair->memo;
    pair->memo.due_s =
        pair->is_drill ? after_s + hf_plan_interval_s(pair)
                       : hf_schedule_next(&config_of(pair)->schedule, pair->policy->zone, after_s);
    pair->memo.start_s = start_of(pair, pair->memo.due_s);
    pair->memo_of_s = after_s;
    pair->has_memo = true;
    return pair->memo;
}

/* The last drill whose start has come; the first one's has. Starts are in the order of due times, so halving finds it. */
static int64_t last_drill(const struct hf_plan_pair *pair, int64_t now_s)
{
    const int64_t every = hf_plan_interval_s(pair), served = pair->state.served_s;
    int64_t low = 1, high = max_of((now_s - served) / every, 1);
    while (low < high) {
        const int64_t middle = high - (high - low) / 2;
        if (start_of(pair, served + middle * every) <= now_s)
            low = middle;
        else
            high = middle - 1;
    }
    return served + low * every;
}

static int64_t last_started(const struct hf_plan_pair *pair, int64_t now_s)
{
    if (pair->is_drill)
        return last_drill(pair, now_s);
    return hf_policy_due(pair->policy, pair->vm->config->label, pair->state.served_s, now_s).due_s;
}

/* ---- windows ---------------------------------------------------------------------------- */

static int64_t open_from(const struct hf_plan_pair *pair, int64_t at_s)
{
    const int64_t at = max_of(at_s, pair->not_before_s);
    return at == HF_NO_TIME ? at : hf_window_open(&config_of(pair)->window, pair->policy->zone, at);
}

static int64_t closed_from(const struct hf_plan_pair *pair, int64_t at_s)
{
    return at_s == HF_NO_TIME ? at_s
                              : hf_window_close(&config_of(pair)->window, pair->policy->zone, at_s);
}

/* ---- what comes next -------------------------------------------------------------------- */

/* Each time; one that failed before was tried. */
static bool found_busy(const struct hf_plan_pair *pair)
{
    return pair->state.attempts == 1 && pair->state.outcome == HF_PLAN_BUSY;
}

/* The latest of the due times that have come. */
static void next_is_due(struct hf_plan_pair *pair, struct hf_plan_moment first, int64_t now_s,
                        struct hf_plan_next *out)
{
    struct hf_plan_moment after = first_after(pair, first.due_s);
    *out = (struct hf_plan_next){.due_s = first.due_s,
                                 .since_s = first.start_s,
                                 .attempt = 1,
                                 .has_missed = found_busy(pair)};
    if (after.start_s <= now_s) {
        out->due_s = last_started(pair, now_s);
        /* Those that begin together are one. */
        out->has_missed = out->has_missed || start_of(pair, out->due_s) > first.start_s;
        after = first_after(pair, out->due_s);
    }
    out->begin_s = open_from(pair, now_s);
    out->until_s = min_of(after.start_s, closed_from(pair, out->begin_s));
}

/* After this many attempts; HF_NO_TIME: no more. */
static int64_t retry_at(const struct hf_plan_pair *pair)
{
    const struct hf_plan_state *s = &pair->state;
    const int64_t retry = retry_s(pair);
    if (retry == 0 || s->attempts == 0)
        return HF_NO_TIME;
    if (s->outcome == HF_PLAN_BUSY)
        return s->ended_s + retry;
    if (s->outcome != HF_PLAN_FAILED || s->attempts > RETRIES)
        return HF_NO_TIME;
    return s->ended_s + (retry << (s->attempts - 1));
}

static bool next_is_retry(struct hf_plan_pair *pair, struct hf_plan_moment first, int64_t now_s,
                          struct hf_plan_next *out)
{
    const struct hf_plan_state *s = &pair->state;
    const int64_t at = retry_at(pair), begin = open_from(pair, max_of(at, now_s));
    if (begin >= first.due_s)
        return false;
    *out = (struct hf_plan_next){
        .due_s = s->served_s,
        .since_s = at,
        .begin_s = begin,
        .until_s = min_of(first.due_s, closed_from(pair, begin)),
        /* One that found the VM busy has not tried anything. */
        .attempt = s->attempts + (s->outcome == HF_PLAN_FAILED),
    };
    return true;
}

void hf_plan_find_next(struct hf_plan_pair *pair, int64_t now_s, struct hf_plan_next *out)
{
    const struct hf_plan_moment first = first_after(pair, pair->state.served_s);
    if (first.start_s <= now_s) {
        next_is_due(pair, first, now_s, out);
        return;
    }
    if (next_is_retry(pair, first, now_s, out))
        return;
    *out = (struct hf_plan_next){.due_s = first.due_s,
                                 .since_s = first.start_s,
                                 .begin_s = open_from(pair, first.start_s),
                                 .attempt = 1};
    out->until_s = out->begin_s; /* then it is looked at again */
}

/* A due time that found the VM busy each time is owed still: nothing was done for it. */
bool hf_plan_is_overdue(struct hf_plan_pair *pair, int64_t now_s)
{
    const int64_t served = pair->state.served_s;
    const int64_t since =
        found_busy(pair) ? start_of(pair, served) : first_after(pair, served).start_s;
    const int64_t patience = max_of(OVERDUE_S, 2 * retry_s(pair));
    return since < now_s - patience;
}

/* ---- nothing came of it ----------------------------------------------------------------- */

void hf_plan_put_off(struct hf_plan_pair *pair, int64_t now_s)
{
    int64_t wait = 0;
    for (unsigned i = 1; i < pair->withdrawn && wait < PUT_OFF_MAX_S; i++)
        wait = wait ? 2 * wait : PUT_OFF_S;
    pair->not_before_s = now_s + min_of(wait, PUT_OFF_MAX_S);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The attempts: short ones, each undone completely before the next, until the lock is granted or
 * time is up.
 */
#include "base/buf.h"
#include "base/point.h"
#include "db/blockers.h"
#include "db/dberr.h"
#include "db/lock_state.h"
#include "db/watchdog.h"

#include <inttypes.h>
#include <stdio.h>

/* Pauses between attempts: the site works off what piled up. They grow by half each time. */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 2000
#define PAUSE_SLICE_MS 20
/* The server ends a vanished holder's session this long after hold-limit; also longer than any
 * pause. */
#define WAIT_MARGIN_S 3

struct attempt {
    int64_t first_us; /* before its first statement */
    int64_t begin_us; /* 0: nobody's writes had to wait so far */
    int64_t deadline_ms;
    int64_t allowed_ms; /* all attempts together */
    bool may_retry;
};

static int64_t now_us(const struct hf_db_lock *lock)
{
    return hf_clock_mono_us(lock->opts.clock);
}

static int seconds(int64_t ms)
{
    return (int)((ms + 999) / 1000);
}

/* lock_wait_timeout is the second line, should the helper's session be lost. */
static int set_timeouts(struct hf_db_lock *lock, struct hf_err *err)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SET SESSION wait_timeout = %d, lock_wait_timeout = %d",
             seconds(lock->opts.hold_limit_ms) + WAIT_MARGIN_S,
             seconds(lock->opts.stall_budget_ms) + 1);
    return hf_db_exec(lock->holder, sql, err);
}

static bool stalls_writers(const struct hf_db_lock *lock, const struct hf_db_step *s)
{
    bool stalls_plain = s->stalls == HF_STALLS_PLAIN_TABLES || s->stalls == HF_STALLS_PLAIN_OR_NODE;
    return s->stalls == HF_STALLS_WRITERS ||
           (s->stalls == HF_STALLS_PLAIN_OR_NODE && lock->facts.is_galera) ||
           (stalls_plain && hf_db_facts_has_plain_tables(&lock->facts));
}

/* What is left of the budget counts from the first statement that made writers wait; a statement
 * that makes only DDL wait has a budget of its own. */
static int64_t limit_ms(const struct hf_db_lock *lock, const struct hf_db_step *s,
                        const struct attempt *a)
{
    int64_t limit_ms = a->deadline_ms - now_us(lock) / 1000;
    int64_t budget_ms = lock->opts.stall_budget_ms;
    if (a->begin_us)
        budget_ms -= (now_us(lock) - a->begin_us) / 1000;
    bool has_budget = a->begin_us || s->stalls == HF_STALLS_DDL || stalls_writers(lock, s);
    if (has_budget && budget_ms < limit_ms)
        limit_ms = budget_ms;
    return limit_ms > 1 ? limit_ms : 1;
}

static int fail_blocked(struct hf_db_lock *lock, struct hf_err *err)
{
    hf_fail(err, HF_E_TIMEOUT, "database %s: the lock was not granted", hf_db_name(lock->helper));
    err->retryable = true;
    return -1;
}

static int look_first(struct hf_db_lock *lock, struct attempt *a, struct hf_err *err)
{
    hf_strv_free(&lock->blockers);
    if (hf_db_blockers_of(lock->helper, hf_db_id(lock->holder), &lock->blockers, err)) {
        /* Too busy to say who works: not the moment to lock. */
        a->may_retry = hf_db_errno_is_interrupted(hf_db_errno(lock->helper));
        return -1;
    }
    if (lock->blockers.n == 0)
        return 0;
    a->may_retry = true;
    return fail_blocked(lock, err);
}

/* The last step, and in the same breath where history stands under it. */
static int grant(struct hf_db_lock *lock, struct hf_err *err)
{
    hf_db_reading_free(&lock->at);
    return hf_db_reading_run(lock->holder, lock->grant_sql, &lock->at, err);
}

static int run_watched(struct hf_db_lock *lock, const struct hf_db_step *s, struct attempt *a,
                       struct hf_err *err)
{
    HF_AUTO(hf_db_watch)
    struct hf_db_watch w = {
        .helper = lock->helper,
        .victim = hf_db_id(lock->holder),
        .limit_ms = limit_ms(lock, s, a),
        .cancel = lock->opts.cancel,
    };
    if (hf_db_watch_begin(&w, err))
        return -1;
    if (!a->begin_us && stalls_writers(lock, s))
        a->begin_us = now_us(lock);
    int rc = s[1].sql ? hf_db_exec(lock->holder, s->sql, err) : grant(lock, err);
    bool was_killed = hf_db_watch_end(&w);
    if (w.blockers.n) {
        hf_strv_free(&lock->blockers);
        lock->blockers = w.blockers;
        w.blockers = (struct hf_strv)HF_STRV_INIT;
    }
    unsigned code = hf_db_errno(lock->holder);
    a->may_retry = was_killed || hf_db_errno_is_interrupted(code) || hf_db_errno_is_lost(code);
    /* Granted and killed at the same time: the kill may still be pending in that session. */
    return was_killed ? fail_blocked(lock, err) : rc;
}

static int run_steps(struct hf_db_lock *lock, struct attempt *a, struct hf_err *err)
{
    for (const struct hf_db_step *s = lock->method->steps; s->sql; s++) {
        if (s->look_first && look_first(lock, a, err))
            return -1;
        HF_POINT("db.before_lock_step");
        if (run_watched(lock, s, a, err))
            return -1;
        HF_POINT("db.after_lock_step");
    }
    return 0;
}

/* Without a stage to end, START itself was what failed. */
static int undo_statement(struct hf_db_lock *lock, const char *sql)
{
    struct hf_err err = HF_ERR_INIT;
    if (!sql || hf_db_exec(lock->holder, sql, &err) == 0 ||
        hf_db_errno(lock->holder) == HF_DB_ERRNO_NO_STAGE)
        return 0;
    hf_log(lock->opts.log, HF_LOG_WARN, "db", "%s: %s; closing the session", sql, err.message);
    return -1;
}

/* A failed FLUSH TABLES WITH READ LOCK can leave half of the lock (MySQL 5.7 to 9.7): whatever
 * happened, the unlock is sent, and a session that does not take it is closed, which unlocks as
 * well. */
static void undo_attempt(struct hf_db_lock *lock)
{
    if (!lock->holder)
        return;
    HF_POINT("db.before_attempt_undo");
    if (undo_statement(lock, lock->method->unlock) ||
        undo_statement(lock, lock->method->unlock_ddl))
        hf_db_lock_end_holder(lock);
    HF_POINT("db.after_attempt_undo");
}

/* No longer than there is time, in the whole seconds that the library counts in. */
static int reopen(struct hf_db_lock *lock, const struct attempt *a, struct hf_err *err)
{
    const unsigned configured_s = lock->target.connect_timeout_s;
    int64_t left_ms = a->deadline_ms - now_us(lock) / 1000;
    unsigned left_s = left_ms > 1000 ? (unsigned)(left_ms / 1000) : 1;
    if (!configured_s || left_s < configured_s)
        lock->target.connect_timeout_s = left_s < 10 ? left_s : 10;
    int rc = hf_db_lock_open_holder(lock, err);
    lock->target.connect_timeout_s = configured_s;
    return rc;
}

static int try_once(struct hf_db_lock *lock, struct attempt *a, struct hf_db_lock_timing *out,
                    struct hf_err *err)
{
    if (!lock->holder && reopen(lock, a, err)) {
        hf_db_lock_close_holder(lock);
        /* The server may still be busy ending the lost session, which carries the mark. */
        a->may_retry = err->cls == HF_E_BUSY;
        return -1;
    }
    HF_POINT("db.before_lock");
    if (set_timeouts(lock, err)) {
        a->may_retry = hf_db_errno_is_lost(hf_db_errno(lock->holder));
        return -1;
    }
    a->first_us = now_us(lock);
    if (run_steps(lock, a, err))
        return -1;
    out->begin_us = a->begin_us ? a->begin_us : a->first_us;
    out->held_us = now_us(lock);
    HF_POINT("db.after_lock");
    return 0;
}

static void note_failure(struct hf_db_lock *lock, const struct attempt *a,
                         struct hf_db_lock_timing *out, const struct hf_err *err)
{
    int64_t cost_us = a->begin_us ? now_us(lock) - a->begin_us : 0;
    if (cost_us > out->worst_failed_us)
        out->worst_failed_us = cost_us;
    hf_log(lock->opts.log, HF_LOG_DETAIL, "db",
           "attempt %" PRIu32 " failed, writers waited %" PRId64 " ms: %s%s%s", out->attempts,
           cost_us / 1000, err->message, lock->blockers.n ? ": " : "",
           lock->blockers.n ? lock->blockers.items[0] : "");
}

static void name_blockers(const struct hf_strv *v, struct hf_buf *b)
{
    for (size_t i = 0; i < v->n && i < 3; i++)
        hf_buf_printf(b, "%s%s", i ? "; " : "", v->items[i]);
    if (v->n > 3)
        hf_buf_printf(b, "; and %zu more", v->n - 3);
}

static int give_up(struct hf_db_lock *lock, const struct attempt *a,
                   const struct hf_db_lock_timing *t, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf who = HF_BUF_INIT;
    name_blockers(&lock->blockers, &who);
    hf_fail(err, HF_E_TIMEOUT, "database %s: no lock within %.1f s (%" PRIu32 " attempt%s): %s",
            hf_db_name(lock->helper), (double)a->allowed_ms / 1000.0, t->attempts,
            t->attempts == 1 ? "" : "s",
            who.len ? hf_buf_str(&who) : "nobody could be seen who blocks it");
    err->retryable = true;
    if (a->allowed_ms < lock->opts.quiesce_timeout_ms)
        return hf_hint(err,
                       "Nothing is held. No more time was left to wait for it. Choose a quieter "
                       "time, or raise hold-limit.");
    return hf_hint(
        err, "Nothing is held. Choose a quieter time, or raise quiesce-timeout or stall-budget.");
}

/* Returns -1 when the time is up or the run is cancelled. */
static int pause_between(struct hf_db_lock *lock, int64_t *pause_ms, const struct attempt *a,
                         const struct hf_db_lock_timing *t, struct hf_err *err)
{
    int64_t until_ms = now_us(lock) / 1000 + *pause_ms;
    *pause_ms = *pause_ms * 3 / 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : *pause_ms * 3 / 2;
    if (until_ms >= a->deadline_ms)
        return give_up(lock, a, t, err);
    while (now_us(lock) / 1000 < until_ms && !hf_cancel_is_set(lock->opts.cancel))
        hf_clock_sleep_ms(lock->opts.clock, PAUSE_SLICE_MS);
    return hf_cancel_check(lock->opts.cancel, err);
}

/* A run in which something else is at rest already has less time than quiesce-timeout. */
static int64_t time_allowed_ms(const struct hf_db_lock *lock, int64_t now_ms, int64_t not_after_ms)
{
    int64_t most_ms = lock->opts.quiesce_timeout_ms;
    if (not_after_ms >= now_ms + most_ms)
        return most_ms;
    return not_after_ms > now_ms ? not_after_ms - now_ms : 0;
}

int hf_db_lock_acquire(struct hf_db_lock *lock, int64_t not_after_ms, struct hf_db_lock_timing *out,
                       struct hf_err *err)
{
    int64_t begin_ms = now_us(lock) / 1000;
    int64_t allowed_ms = time_allowed_ms(lock, begin_ms, not_after_ms);
    int64_t pause_ms = PAUSE_FIRST_MS;
    *out = (struct hf_db_lock_timing){0};
    lock->released_us = 0;
    lock->doubt = (struct hf_err)HF_ERR_INIT;
    hf_db_reading_free(&lock->until);
    for (;;) {
        struct attempt a = {.deadline_ms = begin_ms + allowed_ms, .allowed_ms = allowed_ms};
        struct hf_err why = HF_ERR_INIT;
        if (hf_cancel_check(lock->opts.cancel, err))
            return -1;
        if (allowed_ms == 0)
            return give_up(lock, &a, out, err);
        out->attempts++;
        if (try_once(lock, &a, out, &why) == 0)
            break;
        undo_attempt(lock);
        note_failure(lock, &a, out, &why);
        if (hf_cancel_check(lock->opts.cancel, err))
            return -1;
        if (!a.may_retry) {
            hf_err_copy(err, &why);
            return -1;
        }
        if (pause_between(lock, &pause_ms, &a, out, err))
            return -1;
    }
    lock->is_held = true;
    return 0;
}

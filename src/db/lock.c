/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens while the lock is held, and its end.
 */
#include "db/lock.h"

#include "base/point.h"
#include "db/dberr.h"
#include "db/lock_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct hf_db_lock_plan *hf_db_lock_get_plan(const struct hf_db_lock *lock)
{
    return &lock->plan;
}

const struct hf_db_position *hf_db_lock_position(const struct hf_db_lock *lock)
{
    return &lock->at.position;
}

const struct hf_db_position *hf_db_lock_position_after(const struct hf_db_lock *lock)
{
    return &lock->until.position;
}

static bool is_read_again(const struct hf_db_lock *lock)
{
    return !lock->plan.is_light && lock->until.sources.n > 0;
}

const struct hf_db_sources *hf_db_lock_sources(const struct hf_db_lock *lock)
{
    return is_read_again(lock) ? &lock->until.sources : &lock->at.sources;
}

void hf_db_lock_take_sources(struct hf_db_lock *lock, struct hf_db_sources *out)
{
    struct hf_db_sources *from = is_read_again(lock) ? &lock->until.sources : &lock->at.sources;
    *out = *from;
    *from = (struct hf_db_sources)HF_DB_SOURCES_INIT;
}

int64_t hf_db_lock_released_us(const struct hf_db_lock *lock)
{
    return lock->released_us;
}

int hf_db_lock_flush_log(struct hf_db_lock *lock, struct hf_err *err)
{
    HF_POINT("db.before_settle");
    int rc = hf_db_exec(lock->holder, lock->method->settle, err);
    HF_POINT("db.after_settle");
    return rc;
}

static int need_held(const struct hf_db_lock *lock, struct hf_err *err)
{
    if (lock->is_held)
        return 0;
    return hf_fail(err, HF_E_INTERNAL, "the database lock is not held");
}

int hf_db_lock_settle_log(struct hf_db_lock *lock, struct hf_err *err)
{
    if (need_held(lock, err))
        return -1;
    return lock->plan.settles_log ? hf_db_lock_flush_log(lock, err) : 0;
}

static int tell_difference(const char *what, const struct hf_db_position *was,
                           const struct hf_db_position *is, struct hf_err *err)
{
    return hf_fail(err, HF_E_CONFLICT, "the position %s: from %s:%" PRIu64 " to %s:%" PRIu64 "%s",
                   what, was->file, was->offset, is->file, is->offset,
                   strcmp(was->gtid, is->gtid) ? ", with other GTIDs" : "");
}

/* What the last reading under the lock says of the hold. In light commits go on, and the two positions are the bracket
 * in which the picture lies; a smaller one means that the binlog was reset, or is another server's. */
static int judge(struct hf_db_lock *lock, struct hf_err *err)
{
    const struct hf_db_reading *now = &lock->until;
    /* A proxy that changes servers or sessions behind our back would show here. */
    if (now->connection != hf_db_id(lock->holder) || now->mark_owner != now->connection)
        return hf_fail(err, HF_E_CONFLICT,
                       "session %" PRIu64 " answers, and the lock was taken by session %" PRIu64,
                       now->connection, hf_db_id(lock->holder));
    const struct hf_db_position *was = &lock->at.position, *is = &now->position;
    if (lock->plan.is_light)
        return hf_db_position_can_follow(is, was)
                   ? 0
                   : tell_difference("went back under the light lock", was, is, err);
    return hf_db_position_equal(was, is) ? 0
                                         : tell_difference("moved under the lock", was, is, err);
}

int hf_db_lock_verify(struct hf_db_lock *lock, struct hf_err *err)
{
    if (lock->doubt.cls == HF_E_NONE && lock->released_us)
        return 0;
    if (lock->doubt.cls == HF_E_NONE)
        return hf_fail(err, HF_E_INTERNAL, "the database lock was not released yet");
    hf_err_copy(err, &lock->doubt);
    return -1;
}

/* The reading was refused, or it is not known whether the unlock behind it was heard: once more by itself. Where it
 * was heard, BACKUP STAGE END has nothing to end. */
static int unlock_alone(struct hf_db_lock *lock, struct hf_err *err)
{
    struct hf_err refused = HF_ERR_INIT;
    if (hf_db_exec(lock->holder, lock->method->unlock, &refused) == 0 ||
        hf_db_errno(lock->holder) == HF_DB_ERRNO_NO_STAGE)
        return 0;
    hf_err_copy(err, &refused);
    bool was_gone = hf_db_errno_is_lost(hf_db_errno(lock->holder));
    /* Refused: the end of the session unlocks for certain. */
    hf_db_lock_end_holder(lock);
    return was_gone ? hf_wrap(err, "the session that held the lock is gone")
                    : hf_wrap(err, "the unlock was refused and the session closed");
}

static int read_and_unlock(struct hf_db_lock *lock, struct hf_err *err)
{
    HF_POINT("db.before_unlock");
    if (hf_db_reading_run(lock->holder, lock->release_sql, &lock->until, &lock->doubt) == 0) {
        int ignored = judge(lock, &lock->doubt);
        (void)ignored; /* the verdict is kept for verify; the unlock was heard either way */
        return 0;
    }
    if (!hf_db_errno_is_lost(hf_db_errno(lock->holder)))
        return unlock_alone(lock, err);
    hf_wrap(&lock->doubt, "the session that held the lock is gone");
    hf_err_copy(err, &lock->doubt);
    hf_db_lock_end_holder(lock);
    return -1;
}

static int unlock(struct hf_db_lock *lock, struct hf_err *err)
{
    if (read_and_unlock(lock, err))
        return -1;
    lock->released_us = hf_clock_mono_us(lock->opts.clock);
    HF_POINT("db.after_unlock");
    struct hf_err ddl = HF_ERR_INIT;
    if (lock->method->unlock_ddl && hf_db_exec(lock->holder, lock->method->unlock_ddl, &ddl))
        hf_db_lock_end_holder(lock);
    return 0;
}

int hf_db_lock_unlock(struct hf_db_lock *lock, struct hf_err *err)
{
    if (need_held(lock, err))
        return -1;
    lock->is_held = false;
    return unlock(lock, err);
}

int hf_db_lock_restore(struct hf_db_lock *lock, struct hf_err *err)
{
    return hf_db_lock_restore_variables(lock, err);
}

int hf_db_lock_release(struct hf_db_lock *lock, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    int rc = hf_db_lock_unlock(lock, err);
    if (hf_db_lock_restore(lock, rc ? &second : err) == 0)
        return rc;
    return rc ? hf_also(err, &second) : -1;
}

void hf_db_lock_free(struct hf_db_lock *lock)
{
    if (!lock)
        return;
    hf_db_close(lock->holder);
    hf_db_close(lock->helper);
    hf_db_facts_free(&lock->facts);
    hf_grants_free(&lock->grants);
    hf_strv_free(&lock->plan.warnings);
    hf_strv_free(&lock->blockers);
    hf_db_reading_free(&lock->at);
    hf_db_reading_free(&lock->until);
    free(lock->run_id);
    free(lock->mark);
    free(lock->grant_sql);
    free(lock->release_sql);
    free(lock->sync_why);
    free(lock->light_why);
    free(lock);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Durable at commit for the time of a run: which variables stand in the way, set, and set back.
 *
 * Why before the lock and not under it: what has to be brought down under the lock is paid by every writer. Set
 * before, each commit costs a sync of its own until the lock comes, and the lock itself costs nothing more.
 */
#include "base/point.h"
#include "db/dberr.h"
#include "db/lock_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const names[HF_DB_VARIABLES] = {"innodb_flush_log_at_trx_commit", "sync_binlog"};
#define HARD "1"

bool hf_db_variable_is_known(const char *name)
{
    for (size_t i = 0; i < HF_DB_VARIABLES; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Its value now, when commits are not durable because of it. */
static bool is_relaxed(const struct hf_db_facts *f, size_t i, int64_t *out_value)
{
    *out_value = i == 0 ? f->flush_log : f->sync_binlog;
    return i == 0 ? !hf_db_facts_redo_is_durable(f) : !hf_db_facts_binlog_is_durable(f);
}

bool hf_db_facts_are_relaxed(const struct hf_db_facts *f)
{
    int64_t value;
    return is_relaxed(f, 0, &value) || is_relaxed(f, 1, &value);
}

static int set(struct hf_db_lock *lock, size_t i, int64_t value, struct hf_err *err)
{
    char sql[96];
    char *old_value = lock->old_values[i];
    snprintf(old_value, sizeof lock->old_values[i], "%" PRId64, value);
    if (lock->opts.on_variable &&
        lock->opts.on_variable(lock->opts.on_variable_ctx, names[i], old_value, HARD, err))
        return hf_wrap(err, "%s stays %s", names[i], old_value);
    snprintf(sql, sizeof sql, "SET GLOBAL %s = " HARD, names[i]);
    HF_POINT("db.before_variable");
    /* Also when no answer comes: it may have been done. */
    lock->is_set[i] = true;
    if (hf_db_exec(lock->holder, sql, err)) {
        lock->is_set[i] = hf_db_errno_is_lost(hf_db_errno(lock->holder));
        return -1;
    }
    HF_POINT("db.after_variable");
    return 0;
}

int hf_db_lock_harden(struct hf_db_lock *lock, struct hf_err *err)
{
    int64_t value;
    for (size_t i = 0; lock->plan.hardens && i < HF_DB_VARIABLES; i++)
        if (is_relaxed(&lock->facts, i, &value) && set(lock, i, value, err))
            return -1;
    /* What was committed before: from the server's memory to the disk, now that the server does that. */
    return lock->is_set[0] ? hf_db_lock_flush_log(lock, err) : 0;
}

int hf_db_lock_flush_binlog(struct hf_db_lock *lock, struct hf_err *err)
{
    /* The file that is closed is synced, whatever sync_binlog says. */
    return lock->is_set[1] ? hf_db_exec(lock->holder, "FLUSH LOCAL BINARY LOGS", err) : 0;
}

static int set_back(struct hf_db_lock *lock, size_t i, struct hf_err *err)
{
    HF_POINT("db.before_restore");
    if (hf_db_variable_restore(lock->helper, names[i], lock->old_values[i], HARD, err))
        return hf_left(err, "%s of database %s is " HARD ", was %s", names[i],
                       hf_db_name(lock->helper), lock->old_values[i]);
    lock->is_set[i] = false;
    HF_POINT("db.after_restore");
    return 0;
}

int hf_db_lock_restore_variables(struct hf_db_lock *lock, struct hf_err *err)
{
    int result = 0;
    for (size_t i = 0; i < HF_DB_VARIABLES; i++) {
        struct hf_err one = HF_ERR_INIT;
        if (!lock->is_set[i] || set_back(lock, i, &one) == 0)
            continue;
        if (result == 0)
            hf_err_copy(err, &one);
        else
            hf_also(err, &one);
        result = -1;
    }
    return result;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Durable at commit for the time of a run, and a Galera node out of its cluster's way: which variables stand in the
 * way, set, and set back.
 *
 * Why before the lock and not under it: what has to be brought down under the lock is paid by every writer. Set
 * before, each commit costs a sync of its own until the lock comes, and the lock itself costs nothing more.
 *
 * Why a Galera node is desynced although BACKUP STAGE and FLUSH TABLES WITH READ LOCK do that by themselves: theirs
 * ends with the lock, when the node has a queue to work off, and from that moment it makes all writers of the
 * cluster wait (flow control).
 */
#include "base/point.h"
#include "db/dberr.h"
#include "db/lock_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a node may work off what queued up under the lock, before it is put back in step anyway. */
#define CATCH_UP_MS 30000
#define CATCH_UP_POLL_MS 50

enum { REDO, BINLOG, DESYNC };

/* In the order in which they are set and set back. */
static const struct variable {
    const char *name;
    const char *wanted;
} variables[HF_DB_VARIABLES] = {
    [REDO] = {"innodb_flush_log_at_trx_commit", "1"},
    [BINLOG] = {"sync_binlog", "1"},
    [DESYNC] = {"wsrep_desync", "ON"},
};

static bool is_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 10 && !text[digits];
}

bool hf_db_variable_is_known(const char *name, const char *value)
{
    for (size_t i = 0; i < HF_DB_VARIABLES; i++)
        if (strcmp(variables[i].name, name) == 0)
            return i == DESYNC ? !strcmp(value, "OFF") || !strcmp(value, "ON") : is_number(value);
    return false;
}

bool hf_db_facts_are_relaxed(const struct hf_db_facts *f)
{
    return !hf_db_facts_redo_is_durable(f) || !hf_db_facts_binlog_is_durable(f);
}

/* Has harden to set it? Then old is what it has to become again. */
static bool wants(const struct hf_db_lock *lock, size_t i, char old[HF_DB_VARIABLE_TEXT])
{
    const struct hf_db_facts *f = &lock->facts;
    if (i == DESYNC) {
        snprintf(old, HF_DB_VARIABLE_TEXT, "OFF");
        return lock->plan.desyncs;
    }
    snprintf(old, HF_DB_VARIABLE_TEXT, "%" PRId64, i == REDO ? f->flush_log : f->sync_binlog);
    return lock->plan.hardens &&
           !(i == REDO ? hf_db_facts_redo_is_durable(f) : hf_db_facts_binlog_is_durable(f));
}

static int set(struct hf_db_lock *lock, size_t i, const char *old, struct hf_err *err)
{
    char sql[96];
    const struct variable *v = &variables[i];
    snprintf(lock->old_values[i], sizeof lock->old_values[i], "%s", old);
    if (lock->opts.on_variable &&
        lock->opts.on_variable(lock->opts.on_variable_ctx, v->name, old, v->wanted, err))
        return hf_wrap(err, "%s stays %s", v->name, old);
    snprintf(sql, sizeof sql, "SET GLOBAL %s = %s", v->name, v->wanted);
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
    char old[HF_DB_VARIABLE_TEXT];
    for (size_t i = 0; i < HF_DB_VARIABLES; i++)
        if (wants(lock, i, old) && set(lock, i, old, err))
            return -1;
    /* What was committed before: from the server's memory to the disk, now that the server does that. */
    return lock->is_set[REDO] ? hf_db_lock_flush_log(lock, err) : 0;
}

int hf_db_lock_flush_binlog(struct hf_db_lock *lock, struct hf_err *err)
{
    /* The file that is closed is synced, whatever sync_binlog says. */
    return lock->is_set[BINLOG] ? hf_db_exec(lock->holder, "FLUSH LOCAL BINARY LOGS", err) : 0;
}

static int take_queue(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    (void)err;
    if (n >= 2 && values[1])
        *(int64_t *)ctx = strtoll(values[1], NULL, 10);
    return 0;
}

/* A node that does not catch up in time is put back in step all the same: its cluster then waits for it, which is what
 * its operator has set it up to do. So nothing here is a failure. */
static void catch_up(struct hf_db_lock *lock)
{
    const struct hf_clock *clock = lock->opts.clock;
    int64_t deadline_ms = hf_clock_mono_ms(clock) + CATCH_UP_MS;
    struct hf_err err = HF_ERR_INIT;
    for (;;) {
        int64_t queue = 0;
        if (hf_db_query(lock->helper, "SHOW GLOBAL STATUS LIKE 'wsrep_local_recv_queue'",
                        take_queue, &queue, &err)) {
            hf_log_err(lock->opts.log, HF_LOG_WARN, "db", &err);
            return;
        }
        if (queue == 0)
            return;
        if (hf_clock_is_past(clock, deadline_ms)) {
            hf_log(lock->opts.log, HF_LOG_WARN, "db",
                   "the Galera node still has %" PRId64 " write sets to apply", queue);
            return;
        }
        hf_clock_sleep_ms(clock, CATCH_UP_POLL_MS);
    }
}

static int set_back(struct hf_db_lock *lock, size_t i, struct hf_err *err)
{
    const struct variable *v = &variables[i];
    if (i == DESYNC)
        catch_up(lock);
    HF_POINT("db.before_restore");
    if (hf_db_variable_restore(lock->helper, v->name, lock->old_values[i], v->wanted, err))
        return hf_left(err, "%s of database %s is %s, was %s", v->name, hf_db_name(lock->helper),
                       v->wanted, lock->old_values[i]);
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

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/lock.h - `quiesce = lock`: commits of one server blocked, and proof that they were; `quiesce = light`: only its
 * DDL blocked, and between which two positions the picture was taken.
 *
 * prepare      (outside the hold) opens two sessions - one that will hold, one that can KILL - proves
 *              privileges, picks the method, finds what must be done for durability, and takes the
 *              named user lock holdfast.RUN by which anybody can find and kill the session of a dead run.
 * harden       (outside the hold) makes the server durable at commit for the time of the run, where it is
 *              not: innodb_flush_log_at_trx_commit and sync_binlog become 1, so that nothing has to be
 *              brought down under the lock. What was committed before goes down by a sync in the guest,
 *              or by flush_binlog. release sets them back. A Galera node is desynced for the time of the run
 *              (wsrep_desync), unless it is already: its cluster does not wait while it catches up afterwards.
 * acquire      attempts until quiesce_timeout or not_after_ms, whichever comes first. Each may make writers wait at the most stall_budget; then
 *              it is killed, UNLOCK TABLES / BACKUP STAGE END sent, and after a pause tried again. Blockers
 *              are looked up before each attempt where the method would queue the site behind them. On
 *              failure nothing is held; TIMEOUT, naming who blocks. wait_timeout is just above hold_limit:
 *              a host that vanishes costs that long at the most.
 * settle_log   (held) writes the redo log where it lies in the server's own memory and could not be hardened
 *              (MySQL manual, FLUSH ENGINE LOGS).
  * unlock       reads the position again and lets go, in one round trip, acknowledged by the server.
 *              UNREACHABLE when the session was gone: then the server released earlier by itself, or it is made
 *              to by the second session, and the grade is void. released_us: it was acknowledged.
 * restore      sets the variables back, when nobody waits any more and the picture is taken. One that could not be is
 *              named in `left`, and nothing else is. On a Galera node it first waits, at most 30 s, until what
 *              queued up under the lock is applied: let go of everything else before.
 * release      both, where nothing else is at rest.

 * verify       (after release) was it the same session that held, and the same position all the while?
 *              CONFLICT and its kin otherwise: the hold proves nothing. In light: the same session, and no position
 *              before the first one.
 * free         abandon: closes the sessions, which releases everything but the variables. Takes NULL.
 *
 * Light: writers never wait, so the position moves, and position and position_after are the bracket. Nothing that was
 * acknowledged before the capture may be missing in the picture, so the server has to be durable at commit, by its
 * settings or by harden, and all its user tables transactional; a Galera node stops its writers under any lock, and old
 * servers have no such lock. Where it is not possible the plan says why, and it is the lock (plan.is_light).
 * MySQL: the offset of the first position may include commits whose sync is still under way, its GTID set does not.
 *
 * Crash: the lock dies with its session; the variables do not, hence on_variable is called (journal!)
 * before each is changed. hf_db_lock_kill and hf_db_variable_restore do both from another process.
 * Threads: one at a time. Method table and each server's quirks: lock_methods.c.
 */
#ifndef HF_DB_LOCK_H
#define HF_DB_LOCK_H

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/strv.h"
#include "db/conn.h"
#include "db/position.h"
#include "db/source.h"

#include <stdbool.h>
#include <stdint.h>

/* Name of the user lock that marks the session of a run (GET_LOCK, at most 64 characters). */
#define HF_DB_MARK_PREFIX "holdfast."

struct hf_db_lock;

enum hf_db_mode {
    HF_DB_MODE_LOCK,
    HF_DB_MODE_LIGHT, /* where the server lets it; rights are asked for as for LOCK, which it may come to */
};

struct hf_db_lock_opts {
    enum hf_db_mode mode;
    const struct hf_db_target *target; /* copied; the strings in it are borrowed until free */
    const char *run_id;
    int64_t stall_budget_ms;
    int64_t quiesce_timeout_ms;
    int64_t hold_limit_ms;
    const struct hf_clock *clock; /* NULL: system */
    struct hf_cancel *cancel;     /* may be NULL */
    struct hf_log *log;           /* may be NULL */
    /* Called before SET GLOBAL name = … : write old_value to the journal. Failure: the variable stays. */
    int (*on_variable)(void *ctx, const char *name, const char *old_value, const char *new_value,
                       struct hf_err *err);
    void *on_variable_ctx;
};

/* What prepare found out. Strings belong to the lock. */
struct hf_db_lock_plan {
    const char *
        method; /* "backup-stage", "instance+ftwrl", "ftwrl"; light: "backup-stage-ddl", "instance" */
    bool is_light;
    const char *light_refused_why; /* light was asked for and this is in the way, or NULL */
    const char *server;            /* "MariaDB 10.11.19", "MySQL 9.7.4" */
    bool has_binlog;
    bool hardens; /* harden has something to do */
    /* The guest must sync (or freeze) under the lock, or acknowledged commits can be missing. */
    bool needs_sync;
    const char *
        needs_sync_why; /* "2 non-transactional tables (shop.log, …)", "sync_binlog = 0", or NULL */
    bool settles_log;   /* settle_log has something to do */
    bool lacks_variable_right; /* … but not the right to: acknowledged commits can be missing: not
                                  grade B */
    bool is_replica;
    bool is_galera;
    bool desyncs; /* harden has to take the node out of its cluster's flow control */
    struct hf_strv warnings;
};

struct hf_db_lock *hf_db_lock_prepare(const struct hf_db_lock_opts *opts, struct hf_err *err)
    HF_CHECKED;
const struct hf_db_lock_plan *hf_db_lock_get_plan(const struct hf_db_lock *lock);

struct hf_db_lock_timing {
    int64_t begin_us; /* monotonic, before the first statement of the SUCCESSFUL attempt that can
                         make a writer wait (DDL alone does not count); in light no writer waits: before its
                         first statement, and the stall is 0 whatever passes until the release */
    int64_t held_us;  /* when the server had granted it */
    int64_t worst_failed_us; /* the longest that a failed attempt may have made writers wait, its
                                undoing included */
    uint32_t attempts;
};
/* not_after_ms: absolute monotonic, on the clock of the options; HF_NO_DEADLINE: quiesce_timeout alone counts. For a run
 * in which something else is at rest already. */
int hf_db_lock_acquire(struct hf_db_lock *lock, int64_t not_after_ms, struct hf_db_lock_timing *out,
                       struct hf_err *err) HF_CHECKED;
int hf_db_lock_harden(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;
/* Rotates the binlog, which syncs it: for guests in which nothing can run `sync`. After harden, before acquire. */
int hf_db_lock_flush_binlog(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;
int hf_db_lock_settle_log(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;
/* Read right after the lock was granted; borrowed. has_binlog false: only the session proves. */
const struct hf_db_position *hf_db_lock_position(const struct hf_db_lock *lock);
/* Read right before the unlock, once it was released; before, and when it could not be read: empty. */
const struct hf_db_position *hf_db_lock_position_after(const struct hf_db_lock *lock);
/* Read with the position; after the release of a lock what was read before the unlock, which is as true and can be more
 * exact (db/source.h). Borrowed. Empty: no replica, or the account may not ask (plan.warnings tells). */
const struct hf_db_sources *hf_db_lock_sources(const struct hf_db_lock *lock);
/* The same, for who outlives the lock: moved to *out, which is empty before. */
void hf_db_lock_take_sources(struct hf_db_lock *lock, struct hf_db_sources *out);
int hf_db_lock_verify(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;
int hf_db_lock_unlock(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;
int hf_db_lock_restore(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;
int hf_db_lock_release(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;
/* Monotonic instant at which the server had acknowledged the unlock: the end of the stall. 0: not
 * yet. */
int64_t hf_db_lock_released_us(const struct hf_db_lock *lock);
void hf_db_lock_free(struct hf_db_lock *lock);
HF_DEFINE_AUTO(hf_db_lock, hf_db_lock_free)

/* For guardian and recover: kills the session that carries the run's mark, if any. Idempotent. */
int hf_db_lock_kill(struct hf_db_conn *conn, const char *run_id, struct hf_err *err) HF_CHECKED;
/* For the emergency: every session of conn's account but conn is told to end, whatever run it belongs to. */
int hf_db_lock_kill_all(struct hf_db_conn *conn, unsigned *out_ended, struct hf_err *err) HF_CHECKED;
/* … and sets the variable back to old_value if it still has new_value. Only names that harden
 * may set. Idempotent. A Galera node is put back in step at once, without waiting until it has caught up. */
int hf_db_variable_restore(struct hf_db_conn *conn, const char *name, const char *old_value,
                           const char *new_value, struct hf_err *err) HF_CHECKED;

/* Rights and obstacles, for `check`: missing GRANT statements (complete, copyable) and what would
 * block now
 * ("connection 42 (app@10.0.0.7, db shop): ALTER TABLE orders …, 13 s"). Literals in statements are
 * replaced by '?'. */
int hf_db_missing_grants(struct hf_db_conn *conn, struct hf_strv *out, struct hf_err *err)
    HF_CHECKED;
int hf_db_blockers(struct hf_db_conn *conn, struct hf_strv *out, struct hf_err *err) HF_CHECKED;

#endif

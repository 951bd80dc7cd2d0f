/* SPDX-License-Identifier: Apache-2.0
 *
 * The way back from outside: what guardian and recover do for a run that died, and a run for a session that it lost.
 */
#include "base/buf.h"
#include "base/point.h"
#include "db/lock_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A killed session rolls back and lets go in milliseconds; one that does not within this time is
 * told. */
#define GONE_WITHIN_MS 10000
#define GONE_POLL_MS 5

static int owner_of(struct hf_db_conn *c, const char *sql, uint64_t *out, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    if (hf_db_value(c, sql, &id, err))
        return -1;
    *out = id ? strtoull(id, NULL, 10) : 0;
    return 0;
}

static int kill_session(struct hf_db_conn *c, uint64_t id, struct hf_err *err)
{
    char sql[40];
    snprintf(sql, sizeof sql, "KILL %" PRIu64, id);
    HF_POINT("db.before_kill");
    /* 1094, no such thread: it went by itself. */
    if (hf_db_exec(c, sql, err) && hf_db_errno(c) != 1094)
        return -1;
    HF_POINT("db.after_kill");
    return 0;
}

static int wait_gone(struct hf_db_conn *c, const char *sql, uint64_t id, struct hf_err *err)
{
    const struct hf_clock *clock = hf_clock_system();
    int64_t deadline_ms = hf_clock_mono_ms(clock) + GONE_WITHIN_MS;
    for (;;) {
        uint64_t owner = 0;
        if (owner_of(c, sql, &owner, err))
            return -1;
        if (owner != id)
            return 0;
        if (hf_clock_is_past(clock, deadline_ms))
            break;
        hf_clock_sleep_ms(clock, GONE_POLL_MS);
    }
    hf_fail(err, HF_E_TIMEOUT, "database %s: session %" PRIu64 " does not end", hf_db_name(c), id);
    return hf_left(err, "session %" PRIu64 " on database %s may still hold the lock", id,
                   hf_db_name(c));
}

int hf_db_lock_kill(struct hf_db_conn *conn, const char *run_id, struct hf_err *err)
{
    HF_AUTOFREE char *name = hf_asprintf(HF_DB_MARK_PREFIX "%s", run_id);
    HF_AUTOFREE char *quoted = name ? hf_db_quote(conn, name) : NULL;
    HF_AUTOFREE char *sql = quoted ? hf_asprintf("SELECT IS_USED_LOCK(%s)", quoted) : NULL;
    uint64_t id = 0;
    if (!sql)
        return hf_fail_nomem(err);
    if (owner_of(conn, sql, &id, err))
        return -1;
    if (!id)
        return 0;
    struct hf_err refused = HF_ERR_INIT;
    if (kill_session(conn, id, &refused)) {
        hf_err_copy(err, &refused);
        return hf_left(err, "session %" PRIu64 " on database %s holds the lock", id,
                       hf_db_name(conn));
    }
    return wait_gone(conn, sql, id, err);
}

void hf_db_lock_end_holder(struct hf_db_lock *lock)
{
    struct hf_err err = HF_ERR_INIT;
    hf_db_lock_close_holder(lock);
    if (lock->helper && hf_db_lock_kill(lock->helper, lock->run_id, &err))
        hf_log(lock->opts.log, HF_LOG_WARN, "db", "the lost session is not ended: %s", err.message);
}

/* Its text becomes part of a statement, and comes from a file. */
static int check_variable(const char *name, const char *old_value, struct hf_err *err)
{
    if (hf_db_variable_is_known(name, old_value))
        return 0;
    return hf_fail(err, HF_E_CORRUPT, "the journal wants variable '%.64s' set to '%.64s'", name,
                   old_value);
}

/* A switch is read as a number. */
static bool is_value(const char *now, const char *value)
{
    return !strcmp(now, value) || (!strcmp(value, "ON") && !strcmp(now, "1"));
}

int hf_db_variable_restore(struct hf_db_conn *conn, const char *name, const char *old_value,
                           const char *new_value, struct hf_err *err)
{
    HF_AUTOFREE char *now = NULL;
    char sql[96];
    if (check_variable(name, old_value, err))
        return -1;
    snprintf(sql, sizeof sql, "SELECT @@global.%s", name);
    if (hf_db_value(conn, sql, &now, err))
        return -1;
    /* Somebody else has set it since: theirs stays. */
    if (!now || !is_value(now, new_value))
        return 0;
    snprintf(sql, sizeof sql, "SET GLOBAL %s = %s", name, old_value);
    return hf_db_exec(conn, sql, err);
}

/* ---- release: whoever holds, and whatever run it was ------------------------------------- */

struct sessions {
    uint64_t ids[64];
    size_t n;
};

static int add_session(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct sessions *s = ctx;
    (void)n;
    (void)err;
    if (values[0] && s->n < HF_ARRAY_SIZE(s->ids))
        s->ids[s->n++] = strtoull(values[0], NULL, 10);
    return 0;
}

int hf_db_lock_kill_all(struct hf_db_conn *conn, unsigned *out_ended, struct hf_err *err)
{
    /* An account always sees its own sessions. Both sides lose the host part. */
    static const char sql[] =
        "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER = "
        "SUBSTRING_INDEX(USER(), '@', 1)";
    struct sessions found = {.n = 0};
    if (hf_db_query(conn, sql, add_session, &found, err) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++)
        if (kill_session(conn, found.ids[i], err) < 0)
            return -1;
    *out_ended = (unsigned)found.n;
    return 0;
}

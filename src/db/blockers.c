/* SPDX-License-Identifier: Apache-2.0 */
#include "db/blockers.h"

#include "base/buf.h"
#include "db/lock.h"
#include "db/redact.h"
#include "db/server.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum { ID, USER, HOST, DB, SECONDS, HOLDS, STATEMENT, COLUMNS };

/* Younger statements end by themselves within a stall budget. Ages are in whole seconds. */
#define OLD_S 1

/* Waits for somebody's backup or read lock: a victim, not a cause. */
#define VICTIM_STATES                                                                              \
    "'Waiting for backup lock', 'Waiting for global read lock', 'Waiting for commit lock'"

/* The server's own, and those that apply or send another server's changes. */
#define FOREIGN_COMMANDS                                                                           \
    "'Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID', 'Slave_SQL', 'Slave_IO', "              \
    "'Slave_worker', 'Connect', 'Delayed insert'"

/* Everywhere: statements of some age. */
#define BY_PROCESSLIST                                                                             \
    "SELECT id, user, host, db, time, NULL, info FROM information_schema.processlist "             \
    "WHERE id NOT IN (CONNECTION_ID(), %" PRIu64 ") AND command NOT IN (" FOREIGN_COMMANDS ") "    \
    "AND user NOT IN ('system user', 'event_scheduler') AND time >= %d "                           \
    "AND COALESCE(state, '') NOT IN (" VICTIM_STATES ") %s ORDER BY time DESC, id LIMIT 10"

/* The stages wait for no reader. */
#define NO_READERS                                                                                 \
    "AND info NOT RLIKE '^[[:space:](]*(SELECT|WITH|SHOW|EXPLAIN|ANALYZE "                         \
    "FORMAT|DO|SET|KILL)[[:>:]]'"

/* MariaDB with the plugin metadata_lock_info: exactly who is inside the backup lock. An idle
 * session is there because of LOCK TABLES … WRITE or another backup. Transactional writes in flight
 * (TRANS_DML) end by themselves, and the stages do not wait for them. */
#define BY_LOCK_INFO                                                                               \
    "SELECT p.id, p.user, p.host, p.db, p.time, "                                                  \
    "IF(p.command = 'Sleep', CONCAT('holds ', GROUP_CONCAT(DISTINCT m.lock_mode), COALESCE("       \
    "(SELECT CONCAT(' on ', MIN(CONCAT(t.table_schema, '.', t.table_name))) FROM "                 \
    "information_schema.metadata_lock_info t WHERE t.thread_id = p.id AND t.lock_mode = "          \
    "'MDL_SHARED_NO_READ_WRITE'), '')), NULL), p.info FROM information_schema.metadata_lock_info " \
    "m JOIN information_schema.processlist p ON p.id = m.thread_id WHERE m.lock_type = "           \
    "'Backup lock' AND m.lock_mode <> 'MDL_BACKUP_TRANS_DML' "                                     \
    "AND p.id NOT IN (CONNECTION_ID(), %" PRIu64 ") AND p.user <> 'system user' "                  \
    "AND (p.command = 'Sleep' OR p.time >= %d) "                                                   \
    "AND COALESCE(p.state, '') NOT IN (" VICTIM_STATES                                             \
    ") GROUP BY p.id ORDER BY p.time DESC LIMIT 10"

/* MariaDB without it: an idle session does not show what it holds. The locked table does, to whom may read it;
 * and the session is one of those that have done nothing for a while. */
#define BY_IDLENESS                                                                                \
    "SELECT id, user, host, db, time, 'idle', NULL FROM information_schema.processlist "           \
    "WHERE id NOT IN (CONNECTION_ID(), %" PRIu64 ") AND command = 'Sleep' AND time >= %d "         \
    "AND user NOT IN ('system user', SUBSTRING_INDEX(USER(), '@', 1)) ORDER BY time, id LIMIT 3"
#define BY_OPEN_TABLES "SHOW OPEN TABLES WHERE In_use > 0 AND `Database` <> 'mysql'"

/* MySQL 8.0+: statements of some age that use user tables or hold what writes and DDL hold
 * (GLOBAL, BACKUP LOCK); and idle sessions with LOCK TABLES … WRITE (SHARED_NO_READ_WRITE) or READ
 * (SHARED_READ_ONLY), FLUSH TABLES t WITH READ LOCK (SHARED_NO_WRITE), HANDLER (EXPLICIT). An idle
 * transaction holds SHARED_READ and SHARED_WRITE and is in nobody's way. Idle with GLOBAL is a
 * session that just ended a write: the tables are not read in one instant. */
#define BY_METADATA_LOCKS                                                                          \
    "SELECT t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST, t.PROCESSLIST_DB, "          \
    "t.PROCESSLIST_TIME, IF(t.PROCESSLIST_COMMAND = 'Sleep', CONCAT('holds ', "                    \
    "GROUP_CONCAT(DISTINCT m.LOCK_TYPE), ' on ', MIN(CONCAT(m.OBJECT_SCHEMA, '.', "                \
    "m.OBJECT_NAME))), NULL), t.PROCESSLIST_INFO "                                                 \
    "FROM performance_schema.threads t JOIN performance_schema.metadata_locks m "                  \
    "ON m.OWNER_THREAD_ID = t.THREAD_ID AND m.LOCK_STATUS = 'GRANTED' "                            \
    "WHERE t.PROCESSLIST_ID NOT IN (CONNECTION_ID(), %" PRIu64 ") AND t.NAME = "                   \
    "'thread/sql/one_connection' AND COALESCE(t.PROCESSLIST_STATE, '') NOT IN (" VICTIM_STATES ")" \
    " AND IF(t.PROCESSLIST_COMMAND = 'Sleep', m.OBJECT_TYPE = 'TABLE' AND (m.LOCK_DURATION = "     \
    "'EXPLICIT' OR m.LOCK_TYPE IN ('SHARED_READ_ONLY', 'SHARED_NO_WRITE', "                        \
    "'SHARED_NO_READ_WRITE')), t.PROCESSLIST_TIME >= %d AND (m.OBJECT_TYPE IN ('GLOBAL', "         \
    "'BACKUP LOCK') AND m.LOCK_TYPE = 'INTENTION_EXCLUSIVE' OR m.OBJECT_TYPE = 'TABLE' AND "       \
    "m.OBJECT_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema'))) "       \
    "GROUP BY t.THREAD_ID, t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST, "             \
    "t.PROCESSLIST_DB, t.PROCESSLIST_TIME, t.PROCESSLIST_COMMAND, t.PROCESSLIST_INFO "             \
    "ORDER BY t.PROCESSLIST_TIME DESC LIMIT 10"

/* The port says nothing to a person. */
static int host_length(const char *host)
{
    const char *colon = strrchr(host, ':');
    return (int)(colon ? (size_t)(colon - host) : strlen(host));
}

char *hf_db_blocker_text(char *const *row)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTOFREE char *statement = row[STATEMENT] ? hf_db_redact(row[STATEMENT]) : NULL;
    const char *host = row[HOST] ? row[HOST] : "";
    if (row[STATEMENT] && !statement)
        return NULL;
    hf_buf_printf(&b, "connection %s (%s%s%.*s%s%s): ", row[ID] ? row[ID] : "?",
                  row[USER] ? row[USER] : "", *host ? "@" : "", host_length(host), host,
                  row[DB] ? ", db " : "", row[DB] ? row[DB] : "");
    hf_buf_printf(&b, "%s, %s s",
                  row[HOLDS]  ? row[HOLDS]
                  : statement ? statement
                              : "no statement",
                  row[SECONDS] ? row[SECONDS] : "?");
    return hf_buf_steal(&b);
}

static int take_blocker(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    if (n != COLUMNS)
        return hf_fail(err, HF_E_INTERNAL, "the list of sessions has %u columns", n);
    char *text = hf_db_blocker_text(values);
    return !text || hf_strv_take(ctx, text) ? hf_fail_nomem(err) : 0;
}

struct tables {
    struct hf_buf text;
    unsigned n;
};

static int take_table(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct tables *t = ctx;
    (void)err;
    if (n >= 2 && values[0] && values[1] && t->n++ < 3)
        hf_buf_printf(&t->text, "%s%s.%s", t->n > 1 ? ", " : "", values[0], values[1]);
    return 0;
}

/* The places in format: the holder, the least age, and in some more conditions. */
static int ask(struct hf_db_conn *c, const char *format, uint64_t holder, int seconds,
               const char *more, struct hf_strv *out, struct hf_err *err)
{
    HF_AUTOFREE char *sql = hf_asprintf(format, holder, seconds, more);
    return sql ? hf_db_query(c, sql, take_blocker, out, err) : hf_fail_nomem(err);
}

static int has_lock_info(struct hf_db_conn *c, bool *out, struct hf_err *err)
{
    HF_AUTOFREE char *n = NULL;
    int rc = hf_db_value(c,
                         "SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_name = "
                         "'METADATA_LOCK_INFO' AND plugin_status = 'ACTIVE'",
                         &n, err);
    *out = n && strcmp(n, "0") != 0;
    return rc;
}

/* An attempt waits and no statement is to blame. In ordinary traffic tables are in use all the
 * time, so this is a guess and says so. */
static int guess(struct hf_db_conn *c, uint64_t holder, struct hf_strv *out, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv idle = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct tables t = {.text = HF_BUF_INIT};
    int rc = hf_db_query(c, BY_OPEN_TABLES, take_table, &t, err);
    if (rc == 0)
        rc = ask(c, BY_IDLENESS, holder, OLD_S, "", &idle, err);
    hf_buf_str_add(&text, "perhaps LOCK TABLES by an idle session, or another backup (");
    if (t.n)
        hf_buf_printf(&text, "tables in use: %s; ", hf_buf_str(&t.text));
    for (size_t i = 0; i < idle.n; i++)
        hf_buf_printf(&text, "%s; ", idle.items[i]);
    hf_buf_str_add(&text, "the plugin metadata_lock_info would name it)");
    hf_buf_free(&t.text);
    if (rc)
        return rc;
    char *line = hf_buf_steal(&text);
    return !line || hf_strv_take(out, line) ? hf_fail_nomem(err) : 0;
}

static int ask_mariadb(struct hf_db_conn *c, uint64_t holder, struct hf_strv *out,
                       struct hf_err *err)
{
    bool has_info = false;
    if (has_lock_info(c, &has_info, err))
        return -1;
    if (has_info)
        return ask(c, BY_LOCK_INFO, holder, OLD_S, "", out, err);
    return ask(c, BY_PROCESSLIST, holder, OLD_S, NO_READERS, out, err);
}

int hf_db_blockers_of(struct hf_db_conn *conn, uint64_t holder, struct hf_strv *out,
                      struct hf_err *err)
{
    const struct hf_db_server *s = hf_db_server(conn);
    if (hf_db_is_mariadb(s, 100400))
        return ask_mariadb(conn, holder, out, err);
    if (hf_db_is_mysql(s, 80000))
        return ask(conn, BY_METADATA_LOCKS, holder, OLD_S, "", out, err);
    return ask(conn, BY_PROCESSLIST, holder, OLD_S, "", out, err);
}

int hf_db_suspects(struct hf_db_conn *conn, uint64_t holder, struct hf_strv *out,
                   struct hf_err *err)
{
    const struct hf_db_server *s = hf_db_server(conn);
    if (hf_db_blockers_of(conn, holder, out, err))
        return -1;
    if (out->n)
        return 0;
    if (hf_db_is_mariadb(s, 100400))
        return guess(conn, holder, out, err);
    return ask(conn, hf_db_is_mysql(s, 80000) ? BY_METADATA_LOCKS : BY_PROCESSLIST, holder, 0, "",
               out, err);
}

int hf_db_blockers(struct hf_db_conn *conn, struct hf_strv *out, struct hf_err *err)
{
    return hf_db_blockers_of(conn, 0, out, err);
}

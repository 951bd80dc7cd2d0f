/* SPDX-License-Identifier: Apache-2.0 */
#include "db/facts.h"

#include "base/buf.h"
#include "db/dberr.h"
#include "db/server.h"
#include "db/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STR_(x) #x
#define STR(x) STR_(x)

/* SHOW and not SELECT @@…: a variable that a server does not have is a missing row, no error. */
#define SETTINGS                                                                                   \
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN "                                                \
    "('log_bin', 'sync_binlog', 'innodb_flush_log_at_trx_commit', 'wsrep_on', 'wsrep_provider', "  \
    "'wsrep_desync')"

#define NODE                                                                                       \
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status', "           \
    "'wsrep_cluster_size', 'wsrep_local_state_comment')"

/* Engines whose data needs no flush: durable by redo, without data of their own, or elsewhere. Aria
 * is not among them, transactional = 1 or not: its last rows were lost as well (MariaDB 10.3
 * to 11.8). By what is no table: MariaDB has kinds beside BASE TABLE (SYSTEM VERSIONED, SEQUENCE). */
#define PLAIN_TABLES                                                                               \
    "CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE engine NOT IN "    \
    "('InnoDB', 'MEMORY', 'BLACKHOLE', 'FEDERATED', 'SPIDER', 'SEQUENCE') AND table_type NOT IN "  \
    "('VIEW', 'SYSTEM VIEW', 'TEMPORARY') AND table_schema NOT IN ('mysql', 'sys', "               \
    "'information_schema', 'performance_schema') "                                                 \
    "LIMIT 4"
_Static_assert(HF_DB_TABLES_NAMED + 1 == 4, "LIMIT in PLAIN_TABLES");

#define TABLES_LIMIT_S 10

static bool is_on(const char *value)
{
    return !strcasecmp(value, "ON") || !strcmp(value, "1");
}

/* What is no number counts as 0. */
static int64_t number(const char *text)
{
    return strtoll(text, NULL, 10);
}

struct settings {
    struct hf_db_facts *facts;
    bool is_wsrep_on, has_provider;
};

static int take_setting(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct settings *s = ctx;
    struct hf_db_facts *f = s->facts;
    (void)err;
    if (n < 2 || !values[0] || !values[1])
        return 0;
    if (!strcmp(values[0], "log_bin"))
        f->has_binlog = is_on(values[1]);
    else if (!strcmp(values[0], "wsrep_on"))
        s->is_wsrep_on = is_on(values[1]);
    else if (!strcmp(values[0], "wsrep_provider"))
        s->has_provider = values[1][0] && strcmp(values[1], "none") != 0;
    else if (!strcmp(values[0], "wsrep_desync"))
        f->galera.is_desynced = is_on(values[1]);
    else if (!strcmp(values[0], "sync_binlog"))
        f->sync_binlog = number(values[1]);
    else if (!strcmp(values[0], "innodb_flush_log_at_trx_commit"))
        f->flush_log = (int)number(values[1]);
    return 0;
}

static int take_node(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct hf_db_galera *g = ctx;
    (void)err;
    if (n < 2 || !values[0] || !values[1])
        return 0;
    if (!strcmp(values[0], "wsrep_ready"))
        g->is_ready = is_on(values[1]);
    else if (!strcmp(values[0], "wsrep_cluster_status"))
        g->is_primary = !strcmp(values[1], "Primary");
    else if (!strcmp(values[0], "wsrep_cluster_size"))
        g->size = number(values[1]);
    else if (!strcmp(values[0], "wsrep_local_state_comment"))
        snprintf(g->state, sizeof g->state, "%s", values[1]);
    return 0;
}

static int take_running(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    (void)err;
    *(bool *)ctx |= n > 0 && values[n - 1] && (is_on(values[n - 1]) || number(values[n - 1]) > 0);
    return 0;
}

/* For an account that may not ask where the sources stand. MariaDB tells everybody in its status, of a replica that
 * runs; MySQL since 5.7 only in performance_schema, which an account may be barred from: then the server counts as no
 * replica, which only costs a line in the plan. */
static int find_running(struct hf_db_conn *c, struct hf_db_facts *out, struct hf_err *err)
{
    struct hf_err denied = HF_ERR_INIT;
    if (hf_db_is_mariadb(hf_db_server(c), 0))
        return hf_db_query(c,
                           "SHOW GLOBAL STATUS WHERE Variable_name IN ('Slave_running', "
                           "'Slaves_running')",
                           take_running, &out->is_replica, err);
    if (hf_db_query(c,
                    "SELECT COUNT(*) FROM performance_schema.replication_connection_configuration "
                    "WHERE HOST <> ''",
                    take_running, &out->is_replica, &denied) == 0)
        return 0;
    if (!hf_db_errno_is_lost(hf_db_errno(c)))
        return 0;
    hf_err_copy(err, &denied);
    return -1;
}

static int find_replica(struct hf_db_conn *c, struct hf_db_facts *out, struct hf_err *err)
{
    HF_AUTO(hf_db_sources) struct hf_db_sources sources = HF_DB_SOURCES_INIT;
    struct hf_err denied = HF_ERR_INIT;
    if (hf_db_sources_read(c, &sources, &denied) == 0) {
        out->reads_sources = true;
        out->is_replica = sources.n > 0;
        return 0;
    }
    if (denied.cls == HF_E_AUTH || denied.cls == HF_E_UNSUPPORTED)
        return find_running(c, out, err);
    hf_err_copy(err, &denied);
    return -1;
}

int hf_db_facts_read(struct hf_db_conn *c, struct hf_db_facts *out, struct hf_err *err)
{
    struct settings s = {.facts = out};
    if (hf_db_query(c, SETTINGS, take_setting, &s, err))
        return -1;
    out->is_galera = s.is_wsrep_on && s.has_provider;
    if (out->is_galera && hf_db_query(c, NODE, take_node, &out->galera, err))
        return -1;
    return find_replica(c, out, err);
}

static int take_table(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct hf_db_facts *f = ctx;
    if (n < 1 || !values[0])
        return 0;
    return hf_strv_add(&f->tables, values[0]) ? hf_fail_nomem(err) : 0;
}

int hf_db_facts_find_tables(struct hf_db_conn *c, bool can_see, struct hf_db_facts *out,
                            struct hf_err *err)
{
    /* MariaDB 10.1+ has the limit as a prefix, MySQL 5.7+ as a hint. */
    const char *sql =
        hf_db_is_mariadb(hf_db_server(c), 0)
            ? "SET STATEMENT max_statement_time = " STR(TABLES_LIMIT_S) " FOR "
                                                                        "SELECT " PLAIN_TABLES
            : "SELECT /*+ MAX_EXECUTION_TIME(" STR(TABLES_LIMIT_S) "000) */ " PLAIN_TABLES;
    out->tables_unknown = !can_see;
    if (hf_db_query(c, sql, take_table, out, err) == 0)
        return 0;
    out->tables_unknown = true;
    return hf_db_errno_is_interrupted(hf_db_errno(c)) ? 0 : -1;
}

void hf_db_facts_free(struct hf_db_facts *f)
{
    hf_strv_free(&f->tables);
}

bool hf_db_facts_redo_is_durable(const struct hf_db_facts *f)
{
    return f->flush_log == 1 || f->flush_log == 3;
}

bool hf_db_facts_binlog_is_durable(const struct hf_db_facts *f)
{
    return !f->has_binlog || f->sync_binlog == 1;
}

bool hf_db_facts_has_plain_tables(const struct hf_db_facts *f)
{
    return f->tables.n > 0 || f->tables_unknown;
}

int hf_db_facts_check_node(const struct hf_db_facts *f, const char *name, struct hf_err *err)
{
    const struct hf_db_galera *g = &f->galera;
    bool is_synced = !strcmp(g->state, "Synced") || g->is_desynced;
    if (!f->is_galera || (g->is_ready && g->is_primary && is_synced))
        return 0;
    hf_fail(
        err, HF_E_BUSY,
        "database %s is a Galera node that is not in step with its cluster: %s%s, wsrep_ready = %s",
        name, g->state[0] ? g->state : "no state",
        g->is_primary ? "" : ", not in the primary component", g->is_ready ? "ON" : "OFF");
    err->retryable = true;
    return -1;
}

static void name_tables(const struct hf_db_facts *f, struct hf_buf *b)
{
    bool more = f->tables.n > HF_DB_TABLES_NAMED;
    size_t shown = more ? HF_DB_TABLES_NAMED : f->tables.n;
    hf_buf_printf(b, "%s%zu non-transactional table%s (", more ? "more than " : "", shown,
                  shown == 1 ? "" : "s");
    for (size_t i = 0; i < shown; i++)
        hf_buf_printf(b, "%s%s", i ? ", " : "", f->tables.items[i]);
    hf_buf_str_add(b, more ? ", …)" : ")");
}

int hf_db_facts_why_sync(const struct hf_db_facts *f, bool is_hardened, char **out,
                         struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    if (f->tables.n > 0)
        name_tables(f, &b);
    else if (f->tables_unknown)
        hf_buf_str_add(&b, "perhaps non-transactional tables (they could not be listed)");
    if (!is_hardened && !hf_db_facts_redo_is_durable(f))
        hf_buf_printf(&b, "%sinnodb_flush_log_at_trx_commit = %d", b.len ? "; " : "", f->flush_log);
    if (!is_hardened && !hf_db_facts_binlog_is_durable(f))
        hf_buf_printf(&b, "%ssync_binlog = %" PRId64, b.len ? "; " : "", f->sync_binlog);
    if (!hf_buf_ok(&b))
        return hf_fail_nomem(err);
    *out = b.len ? hf_buf_steal(&b) : NULL;
    return 0;
}

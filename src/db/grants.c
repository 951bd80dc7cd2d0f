/* SPDX-License-Identifier: Apache-2.0 */
#include "db/grants.h"

#include "base/buf.h"
#include "db/lock.h"
#include "db/server.h"

#include <string.h>

/* MariaDB from which SUPER no longer includes BINLOG ADMIN, which sync_binlog wants (MDEV-29668). */
#define SUPER_IS_SPLIT 110001

bool hf_grants_has(const struct hf_grants *g, const char *privilege)
{
    return g->all || hf_strv_has(&g->global, privilege);
}

bool hf_grants_sees_tables(const struct hf_grants *g)
{
    /* Any right on a table makes it visible; SHOW DATABASES, EVENT and LOCK TABLES do not. */
    static const char *const any[] = {"SELECT",  "SHOW VIEW",  "INSERT", "UPDATE", "DELETE",
                                      "TRIGGER", "REFERENCES", "INDEX",  "ALTER"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(any); i++)
        if (hf_grants_has(g, any[i]))
            return true;
    return false;
}

bool hf_grants_settles_log(const struct hf_grants *g)
{
    /* RELOAD itself: FLUSH_TABLES does not do. */
    return hf_grants_has(g, "RELOAD");
}

bool hf_grants_sets_variables(const struct hf_grants *g, const struct hf_db_server *s,
                              const struct hf_db_facts *f)
{
    if (!hf_grants_settles_log(g))
        return false;
    if (s->flavour == HF_DB_MYSQL)
        return hf_grants_has(g, "SUPER") || hf_grants_has(g, "SYSTEM_VARIABLES_ADMIN");
    bool wants_binlog_admin = s->version >= SUPER_IS_SPLIT && !hf_db_facts_binlog_is_durable(f);
    return hf_grants_has(g, "SUPER") && (!wants_binlog_admin || hf_grants_has(g, "BINLOG ADMIN"));
}

bool hf_grants_desyncs(const struct hf_grants *g, const struct hf_db_server *s)
{
    /* None of MariaDB's finer rights will do (10.11). */
    return hf_grants_has(g, "SUPER") ||
           (hf_db_is_mysql(s, 80000) && hf_grants_has(g, "SYSTEM_VARIABLES_ADMIN"));
}

bool hf_grants_reads_log_status(const struct hf_grants *g, const struct hf_db_server *s)
{
    return hf_db_is_mysql(s, 80011) && g->reads_performance && hf_grants_has(g, "BACKUP_ADMIN");
}

static int add_list(struct hf_grants *g, const char *from, const char *to, struct hf_err *err)
{
    HF_AUTOFREE char *list = strndup(from, (size_t)(to - from));
    HF_AUTO(hf_strv) struct hf_strv items = HF_STRV_INIT;
    if (!list || hf_strv_split(&items, list, ','))
        return hf_fail_nomem(err);
    for (size_t i = 0; i < items.n; i++) {
        if (!strncmp(items.items[i], "ALL", 3))
            g->all = true;
        /* One name on all versions: MariaDB 10.5+ shows the new one for a grant of the old. */
        const char *name =
            strcmp(items.items[i], "BINLOG MONITOR") ? items.items[i] : "REPLICATION CLIENT";
        if (hf_strv_add(&g->global, name))
            return hf_fail_nomem(err);
    }
    return 0;
}

int hf_grants_add_line(struct hf_grants *g, const char *line, struct hf_err *err)
{
    static const char grant[] = "GRANT ";
    const char *on = strstr(line, " ON ");
    if (strncmp(line, grant, strlen(grant)) != 0 || !on)
        return 0;
    const char *object = on + strlen(" ON ");
    const char *list = line + strlen(grant);
    bool is_global = !strncmp(object, "*.* ", 4);
    bool is_performance = !strncmp(object, "`performance_schema`.* ", 23);
    const char *select = strstr(line, "SELECT");
    if ((is_global || is_performance) && ((select && select < on) || !strncmp(list, "ALL", 3)))
        g->reads_performance = true;
    return is_global ? add_list(g, list, on, err) : 0;
}

static int take_line(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    return n < 1 || !values[0] ? 0 : hf_grants_add_line(ctx, values[0], err);
}

int hf_grants_read(struct hf_db_conn *c, struct hf_grants *out, struct hf_err *err)
{
    return hf_db_query(c, "SHOW GRANTS", take_line, out, err);
}

void hf_grants_free(struct hf_grants *g)
{
    hf_strv_free(&g->global);
}

void hf_grants_missing_free(struct hf_grants_missing *m)
{
    hf_strv_free(&m->hard);
    hf_strv_free(&m->soft);
}

/* What is wanted of whom, and when. `instead` does as well. */
enum want_when {
    ALWAYS,
    WITH_BINLOG,
    WITH_LAZY_LOG, /* innodb_flush_log_at_trx_commit = 0: settle_log has to work */
    WITHOUT_LAZY_LOG,
    WITH_LAZY_LOG_AND_BINLOG, /* … and sync_binlog is not 1 either: both are set, or none */
    ON_REPLICA,               /* where it stands in its sources' history */
    ON_GALERA,                /* wsrep_desync */
};

static const struct want {
    enum hf_db_flavour flavour;
    unsigned since, before; /* versions; before 0: no end */
    enum want_when when;
    bool hard;
    const char *privilege, *instead;
} wants[] = {
    /* BACKUP STAGE, FLUSH TABLES WITH READ LOCK, FLUSH LOCAL ENGINE LOGS */
    {HF_DB_MARIADB, 0, 0, ALWAYS, true, "RELOAD", NULL},
    /* SHOW MASTER STATUS */
    {HF_DB_MARIADB, 0, 0, WITH_BINLOG, true, "REPLICATION CLIENT", "SUPER"},
    /* with stages it only names who blocks; FTWRL must not be tried without having looked */
    {HF_DB_MARIADB, 0, 100400, ALWAYS, true, "PROCESS", NULL},
    {HF_DB_MARIADB, 100400, 0, ALWAYS, false, "PROCESS", NULL},
    {HF_DB_MARIADB, 0, 0, WITH_LAZY_LOG, false, "SUPER", NULL},
    {HF_DB_MARIADB, SUPER_IS_SPLIT, 0, WITH_LAZY_LOG_AND_BINLOG, false, "BINLOG ADMIN", NULL},
    {HF_DB_MARIADB, 0, 0, ALWAYS, false, "SHOW VIEW", "SELECT"},
    {HF_DB_MARIADB, 0, 0, ON_GALERA, false, "SUPER", NULL},
    /* SHOW ALL SLAVES STATUS; REPLICATION CLIENT, now BINLOG MONITOR, does not do since 10.5.2 */
    {HF_DB_MARIADB, 0, 100502, ON_REPLICA, false, "REPLICATION CLIENT", "SUPER"},
    {HF_DB_MARIADB, 100502, 100509, ON_REPLICA, false, "REPLICATION SLAVE ADMIN", "SUPER"},
    {HF_DB_MARIADB, 100509, 0, ON_REPLICA, false, "SLAVE MONITOR", "SUPER"},
    /* LOCK INSTANCE FOR BACKUP, performance_schema.log_status */
    {HF_DB_MYSQL, 80000, 0, ALWAYS, true, "BACKUP_ADMIN", NULL},
    {HF_DB_MYSQL, 0, 80023, ALWAYS, true, "RELOAD", NULL},
    {HF_DB_MYSQL, 80023, 0, WITHOUT_LAZY_LOG, true, "FLUSH_TABLES", "RELOAD"},
    {HF_DB_MYSQL, 80023, 0, WITH_LAZY_LOG, true, "RELOAD", NULL},
    {HF_DB_MYSQL, 0, 80000, WITH_BINLOG, true, "REPLICATION CLIENT", "SUPER"},
    /* 8.0+ shows all sessions in performance_schema.threads, without PROCESS */
    {HF_DB_MYSQL, 0, 80000, ALWAYS, true, "PROCESS", NULL},
    {HF_DB_MYSQL, 0, 0, ALWAYS, false, "SHOW VIEW", "SELECT"},
    {HF_DB_MYSQL, 0, 80000, ON_GALERA, false, "SUPER", NULL},
    {HF_DB_MYSQL, 80000, 0, ON_GALERA, false, "SYSTEM_VARIABLES_ADMIN", "SUPER"},
    {HF_DB_MYSQL, 0, 0, ON_REPLICA, false, "REPLICATION CLIENT", "SUPER"},
};

static bool applies(const struct want *w, const struct hf_db_server *s, const struct hf_db_facts *f)
{
    if (w->flavour != s->flavour || s->version < w->since || (w->before && s->version >= w->before))
        return false;
    switch (w->when) {
    case WITH_BINLOG:
        return f->has_binlog;
    case WITH_LAZY_LOG:
        return f->flush_log == 0;
    case WITHOUT_LAZY_LOG:
        return f->flush_log != 0;
    case WITH_LAZY_LOG_AND_BINLOG:
        return f->flush_log == 0 && !hf_db_facts_binlog_is_durable(f);
    case ON_REPLICA:
        return f->is_replica;
    case ON_GALERA:
        return f->is_galera && !f->galera.is_desynced;
    case ALWAYS:
        break;
    }
    return true;
}

static bool has(const struct hf_grants *g, const struct want *w)
{
    if (!strcmp(w->privilege, "SHOW VIEW"))
        return hf_grants_sees_tables(g);
    return hf_grants_has(g, w->privilege) || (w->instead && hf_grants_has(g, w->instead));
}

int hf_grants_find_missing(const struct hf_grants *g, const struct hf_db_server *s,
                           const struct hf_db_facts *f, struct hf_grants_missing *out,
                           struct hf_err *err)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(wants); i++) {
        const struct want *w = &wants[i];
        bool is_listed =
            hf_strv_has(&out->hard, w->privilege) || hf_strv_has(&out->soft, w->privilege);
        if (applies(w, s, f) && !has(g, w) && !is_listed &&
            hf_strv_add(w->hard ? &out->hard : &out->soft, w->privilege))
            return hf_fail_nomem(err);
    }
    /* threads, metadata_locks (who blocks: looked at before each FTWRL), log_status */
    out->performance = s->flavour == HF_DB_MYSQL && !g->reads_performance;
    out->performance_hard = out->performance && hf_db_is_mysql(s, 80000);
    return 0;
}

/* "app@10.0.0.%" to 'app'@'10.0.0.%': at the last '@', for a user may have one in the name. */
static void add_account(struct hf_buf *b, const char *account)
{
    const char *at = strrchr(account, '@');
    hf_buf_str_add(b, "'");
    for (const char *p = account; *p; p++) {
        if (p == at)
            hf_buf_str_add(b, "'@'");
        else if (*p == '\'')
            hf_buf_str_add(b, "''");
        else
            hf_buf_add(b, p, 1);
    }
    hf_buf_str_add(b, "'");
}

static int add_statement(const char *privileges, const char *object, const char *account,
                         struct hf_strv *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_buf_printf(&b, "GRANT %s ON %s TO ", privileges, object);
    add_account(&b, account);
    hf_buf_str_add(&b, ";");
    char *statement = hf_buf_steal(&b);
    return !statement || hf_strv_take(out, statement) ? hf_fail_nomem(err) : 0;
}

static void join(struct hf_buf *b, const struct hf_strv *v)
{
    for (size_t i = 0; i < v->n; i++)
        hf_buf_printf(b, "%s%s", b->len ? ", " : "", v->items[i]);
}

int hf_grants_statements(const struct hf_grants_missing *m, const char *account, bool hard_only,
                         struct hf_strv *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf global = HF_BUF_INIT;
    join(&global, &m->hard);
    if (!hard_only)
        join(&global, &m->soft);
    if (!hf_buf_ok(&global))
        return hf_fail_nomem(err);
    if (global.len && add_statement(hf_buf_str(&global), "*.*", account, out, err))
        return -1;
    if (hard_only ? m->performance_hard : m->performance)
        return add_statement("SELECT", "performance_schema.*", account, out, err);
    return 0;
}

int hf_db_missing_grants(struct hf_db_conn *conn, struct hf_strv *out, struct hf_err *err)
{
    HF_AUTO(hf_grants) struct hf_grants g = HF_GRANTS_INIT;
    HF_AUTO(hf_db_facts) struct hf_db_facts f = HF_DB_FACTS_INIT;
    HF_AUTO(hf_grants_missing) struct hf_grants_missing m = {0};
    HF_AUTOFREE char *account = NULL;
    if (hf_grants_read(conn, &g, err) || hf_db_facts_read(conn, &f, err) ||
        hf_grants_find_missing(&g, hf_db_server(conn), &f, &m, err) ||
        hf_db_value(conn, "SELECT CURRENT_USER()", &account, err))
        return -1;
    return hf_grants_statements(&m, account ? account : "", false, out, err);
}

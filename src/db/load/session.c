/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "db/dump/escape.h"
#include "db/load/state.h"
#include "db/server.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

/* unique_checks stays on: off, MariaDB 10.6 and later load an empty table by way of a sort, which took half as much processor time again
 * here (docs/performance.md), and no other session may insert meanwhile. */
#define MODES "foreign_key_checks = 0, sql_notes = 0, time_zone = '+00:00', wait_timeout = 86400"

int hf_load_sql(struct hf_db_conn *c, struct hf_err *err, const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&sql, fmt, ap);
    va_end(ap);
    return hf_buf_ok(&sql) ? hf_db_exec(c, hf_buf_str(&sql), err) : hf_fail_nomem(err);
}

int hf_load_query(struct hf_db_conn *c, char *sql, hf_db_row_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTOFREE char *owned = sql;
    return owned ? hf_db_query(c, owned, emit, ctx, err) : hf_fail_nomem(err);
}

char *hf_load_full_name(const struct hf_load_table *t)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_sql_add_names(&b, t->schema->target, t->name);
    return hf_buf_steal(&b);
}

static int add_line(struct hf_load *l, struct hf_strv *list, const char *fmt, va_list ap,
                    struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_buf_vprintf(&b, fmt, ap);
    pthread_mutex_lock(&l->lock);
    int rc = hf_buf_ok(&b) ? hf_strv_add(list, hf_buf_str(&b)) : -1;
    pthread_mutex_unlock(&l->lock);
    return rc ? hf_fail_nomem(err) : 0;
}

int hf_load_warn(struct hf_load *l, struct hf_err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = add_line(l, &l->result->warnings, fmt, ap, err);
    va_end(ap);
    return rc;
}

int hf_load_differ(struct hf_load *l, struct hf_err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = add_line(l, &l->result->differences, fmt, ap, err);
    va_end(ap);
    return rc;
}

static int set_modes(struct hf_load *l, struct hf_db_conn *c, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    if (hf_db_exec(c, "SET SESSION " MODES, err))
        return -1;
    if (l->opts->no_binlog && hf_db_exec(c, "SET SESSION sql_log_bin = 0", err))
        return hf_hint(err, "--no-binlog needs BINLOG ADMIN or SUPER on the target.");
    const struct hf_db_server *s = hf_db_server(c);
    /* Foreign keys are added to versioned tables, whose history that does not touch. */
    if (hf_db_is_mariadb(s, 100300) &&
        hf_db_exec(c, "SET SESSION system_versioning_alter_history = KEEP", err))
        return -1;
    /* Dumps of servers that allow them have such keys, and tables without a primary key; may be refused: then so it is. */
    if (hf_db_is_mysql(s, 80013))
        (void)!hf_db_exec(c, "SET SESSION sql_require_primary_key = 0", &ignored);
    if (hf_db_is_mysql(s, 80030))
        (void)!hf_db_exec(c, "SET SESSION sql_generate_invisible_primary_key = 0", &ignored);
    if (hf_db_is_mysql(s, 80400))
        (void)!hf_db_exec(c, "SET SESSION restrict_fk_on_non_standard_key = 0", &ignored);
    return 0;
}

struct hf_db_conn *hf_load_session(struct hf_load *l, struct hf_err *err)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&l->target, err);
    if (!c || set_modes(l, c, err))
        return NULL;
    return HF_STEAL(c);
}

int hf_load_session_reset(struct hf_load *l, struct hf_db_conn *c, const char *schema,
                          struct hf_err *err)
{
    (void)l;
    HF_AUTO(hf_buf) struct hf_buf use = HF_BUF_INIT;
    hf_buf_str_add(&use, "USE ");
    hf_sql_add_name(&use, schema ? schema : "");
    if (!hf_buf_ok(&use))
        return hf_fail_nomem(err);
    if (hf_db_exec(c,
                   "SET NAMES utf8mb4, SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', "
                   "SESSION foreign_key_checks = 0, SESSION time_zone = '+00:00'",
                   err))
        return -1;
    return schema ? hf_db_exec(c, hf_buf_str(&use), err) : 0;
}

/* ---- facts ------------------------------------------------------------------------------------- */

static int take_facts(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct hf_load *l = ctx;
    (void)err;
    if (n < 6 || !v[0] || !v[1] || !v[2])
        return 0;
    l->max_packet = strtoull(v[0], NULL, 10);
    bool is_logged = strcmp(v[2], "0") != 0 && !l->opts->no_binlog;
    bool is_by_row = v[3] && strcasecmp(v[3], "ROW") == 0;
    bool is_wrapped = v[5] && strcmp(v[5], "0") != 0; /* Galera: a stream cannot be sent again */
    l->can_infile = strcmp(v[1], "0") != 0 && (!is_logged || is_by_row) && !is_wrapped;
    l->innodb_is_default = v[4] && strcasecmp(v[4], "InnoDB") == 0;
    return 0;
}

int hf_load_facts(struct hf_load *l, struct hf_err *err)
{
    bool is_mariadb = l->server->flavour == HF_DB_MARIADB;
    HF_AUTOFREE char *sql =
        hf_asprintf("SELECT @@max_allowed_packet, @@GLOBAL.local_infile, @@GLOBAL.log_bin, "
                    "@@SESSION.binlog_format, @@SESSION.default_storage_engine, %s",
                    is_mariadb ? "@@GLOBAL.wsrep_on" : "0");
    if (!sql)
        return hf_fail_nomem(err);
    if (hf_db_query(l->main, sql, take_facts, l, err))
        return -1;
    if (l->max_packet < 1024)
        return hf_fail(err, HF_E_UNSUPPORTED, "the server does not tell its max_allowed_packet");
    if (l->folder->largest_statement < l->max_packet)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED,
            "the dump has a statement of %llu bytes, the server takes %zu (max_allowed_packet)",
            (unsigned long long)l->folder->largest_statement, l->max_packet);
    return hf_hint(err, "Raise max_allowed_packet on the server; nothing was changed.");
}

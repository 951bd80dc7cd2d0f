/* SPDX-License-Identifier: Apache-2.0
 *
 * Schemas and tables before the rows, keys and foreign keys behind them.
 */
#include "base/point.h"
#include "db/dump/columns.h"
#include "db/dump/escape.h"
#include "db/load/ddl.h"
#include "db/load/lex.h"
#include "db/load/local.h"
#include "db/load/state.h"

#include <string.h>
#include <strings.h>

/* Below this (as stored) another ALTER costs more than the indexes do. */
#define STRIP_FROM_BYTES ((uint64_t)1 << 20)
#define DEADLOCK 1213
#define LOCK_WAIT 1205
#define ATTEMPTS 20
#define BACK_OFF_MS 25

/* ---- schemas ------------------------------------------------------------------------------------ */

struct schema_creation {
    struct hf_load *l;
    const struct hf_load_schema *schema;
    bool done;
};

/* The schema under its name on the target, with the defaults that stand behind the name in the dump. */
static int create_schema(void *ctx, const struct hf_sql_what *w, const char *text, size_t len,
                         struct hf_err *err)
{
    struct schema_creation *s = ctx;
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    const char *rest = w->name + w->name_len;
    hf_buf_str_add(&sql, "CREATE DATABASE IF NOT EXISTS ");
    hf_sql_add_name(&sql, s->schema->target);
    hf_buf_add(&sql, rest, (size_t)(text + len - rest));
    s->done = true;
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_run(s->l->main, sql.data, sql.len, NULL, err))
        return -1;
    if (!s->l->opts->replace || !s->schema->is_selected || rest == text + len)
        return 0;
    /* One that was there keeps its own defaults, which the next table without any would take. */
    hf_buf_clear(&sql);
    hf_buf_str_add(&sql, "ALTER DATABASE ");
    hf_sql_add_name(&sql, s->schema->target);
    hf_buf_add(&sql, rest, (size_t)(text + len - rest));
    return hf_buf_ok(&sql) ? hf_db_run(s->l->main, sql.data, sql.len, NULL, err)
                           : hf_fail_nomem(err);
}

static int one_schema(struct hf_load *l, const struct hf_load_schema *schema, struct hf_err *err)
{
    struct schema_creation s = {.l = l, .schema = schema};
    struct hf_load_script script = {.file = &schema->create,
                                    .skip = HF_SQL_DROP,
                                    .take = create_schema,
                                    .taken = HF_SQL_CREATE_SCHEMA,
                                    .ctx = &s};
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    if (hf_load_script(l, l->main, &script, err))
        return -1;
    hf_buf_str_add(&sql, "CREATE DATABASE IF NOT EXISTS ");
    hf_sql_add_name(&sql, schema->target);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return s.done ? 0 : hf_db_exec(l->main, hf_buf_str(&sql), err);
}

static bool has_selected(const struct hf_load_schema *s)
{
    for (size_t i = 0; i < s->n_tables; i++)
        if (s->tables[i]->is_selected)
            return true;
    return s->is_selected;
}

int hf_load_schemas(struct hf_load *l, struct hf_err *err)
{
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        struct hf_load_schema *s = l->folder->schemas[i];
        if (!has_selected(s))
            continue;
        l->result->schemas++;
        if (one_schema(l, s, err))
            return hf_wrap(err, "schema %s", s->target);
    }
    return 0;
}

/* ---- tables ------------------------------------------------------------------------------------- */

struct table_creation {
    struct hf_load *l;
    struct hf_db_conn *c;
    struct hf_load_table *t;
    bool done;
};

static int create_table(void *ctx, const struct hf_sql_what *w, const char *text, size_t len,
                        struct hf_err *err)
{
    struct table_creation *x = ctx;
    struct hf_load_table *t = x->t;
    HF_AUTO(hf_sql_ddl) struct hf_sql_ddl ddl = HF_SQL_DDL_INIT;
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    (void)w;
    x->done = true;
    if (hf_sql_rewrite(&x->l->rename, text, len, &sql, err) ||
        hf_sql_ddl_split(sql.data, sql.len, x->l->innodb_is_default, t->stored < STRIP_FROM_BYTES,
                         &ddl, err))
        return -1;
    if (ddl.is_sequence)
        t->kind = HF_LOAD_SEQUENCE;
    if (ddl.is_sequence || t->kind != HF_LOAD_TABLE)
        t->is_plain = false;
    t->keys = ddl.keys;
    t->fks = ddl.fks;
    ddl.keys = ddl.fks = (struct hf_buf)HF_BUF_INIT;
    if (t->is_there)
        return 0;
    HF_POINT("load.before_table");
    return hf_db_run(x->c, ddl.create.data, ddl.create.len, NULL, err);
}

/* A table that an interrupted run made and brought no rows to is made again: it may be one half of what it should be. A session of that
 * run may have been committing rows of it since progress was read; the drop has waited for it. */
static int drop_empty(struct hf_db_conn *c, const struct hf_load_table *t, struct hf_err *err)
{
    static const char *const words[] = {"TABLE", "VIEW", "SEQUENCE"};
    HF_AUTOFREE char *name = hf_load_full_name(t);
    if (!name)
        return hf_fail_nomem(err);
    if (t->kind == HF_LOAD_SEQUENCE)
        return hf_load_sql(c, err, "DROP %s IF EXISTS %s", words[t->kind], name);
    return hf_load_sql(c, err, "DROP TABLE IF EXISTS %s", name) ||
                   hf_load_sql(c, err, "DROP VIEW IF EXISTS %s", name) ||
                   hf_load_progress_forget(c, t, err)
               ? -1
               : 0;
}

static bool has_done_files(const struct hf_load_table *t)
{
    for (size_t i = 0; i < t->n_files; i++)
        if (t->files[i].is_done)
            return true;
    return false;
}

static int one_table(struct hf_load *l, struct hf_db_conn **c, void *job, struct hf_err *err)
{
    struct hf_load_table *t = job;
    struct table_creation x = {.l = l, .c = *c, .t = t};
    struct hf_load_script script = {.file = &t->create,
                                    .schema = t->schema->target,
                                    .name = t->name,
                                    .run =
                                        HF_SQL_CREATE_SEQUENCE | HF_SQL_SETVAL | HF_SQL_CREATE_VIEW,
                                    .skip = HF_SQL_DROP,
                                    .take = create_table,
                                    .taken = HF_SQL_CREATE_TABLE,
                                    .ctx = &x};
    t->is_there = l->result->was_resumed && has_done_files(t);
    if (l->result->was_resumed && !t->is_there && drop_empty(*c, t, err))
        return hf_wrap(err, "%s.%s", t->schema->target, t->name);
    if (hf_load_script(l, *c, &script, err))
        return hf_wrap(err, "%s.%s", t->schema->target, t->name);
    if (!x.done && t->kind == HF_LOAD_TABLE)
        return hf_fail(err, HF_E_CORRUPT, "%s creates no table", t->create.name);
    return 0;
}

/* The selected tables of a kind; *n of them. Freed by the caller; NULL: no memory. */
static void **select_tables(const struct hf_load *l, unsigned kinds, size_t *n)
{
    size_t total = 1;
    for (size_t i = 0; i < l->folder->n_schemas; i++)
        total += l->folder->schemas[i]->n_tables;
    void **jobs = calloc(total, sizeof *jobs);
    *n = 0;
    for (size_t i = 0; jobs && i < l->folder->n_schemas; i++) {
        const struct hf_load_schema *s = l->folder->schemas[i];
        for (size_t j = 0; j < s->n_tables; j++)
            if (s->tables[j]->is_selected && s->tables[j]->create.name &&
                (kinds & 1u << s->tables[j]->kind))
                jobs[(*n)++] = s->tables[j];
    }
    return jobs;
}

static int create_kind(struct hf_load *l, unsigned kinds, const char *phase, struct hf_err *err)
{
    size_t n = 0;
    HF_AUTOFREE void **jobs = select_tables(l, kinds, &n);
    return jobs ? hf_load_pool(l, phase, one_table, jobs, n, err) : hf_fail_nomem(err);
}

/* ---- what the server made of them ------------------------------------------------------------------ */

/* TABLE_NAME, ENGINE, TABLE_TYPE */
static int take_table(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct hf_load_table *t = n >= 3 && v[0] ? hf_load_schema_find(ctx, v[0]) : NULL;
    (void)err;
    if (!t || !v[1])
        return 0;
    t->is_transactional = strcasecmp(v[1], "InnoDB") == 0 || strcasecmp(v[1], "ROCKSDB") == 0;
    t->is_window = hf_columns_of_others(v[1]);
    t->is_versioned = v[2] && strcmp(v[2], "SYSTEM VERSIONED") == 0;
    return 0;
}

/* TABLE_NAME of those with columns that LOAD DATA reads otherwise than INSERT */
static int take_typed(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct hf_load_table *t = n && v[0] ? hf_load_schema_find(ctx, v[0]) : NULL;
    (void)err;
    if (t)
        t->needs_sql = true;
    return 0;
}

static int look_at_schema(struct hf_load *l, struct hf_load_schema *s, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
    hf_sql_add_text(&name, s->target);
    if (!hf_buf_ok(&name))
        return hf_fail_nomem(err);
    if (hf_load_query(l->main,
                      hf_asprintf("SELECT TABLE_NAME, ENGINE, TABLE_TYPE FROM "
                                  "information_schema.TABLES WHERE TABLE_SCHEMA = %s",
                                  hf_buf_str(&name)),
                      take_table, s, err))
        return -1;
    return hf_load_query(
        l->main,
        hf_asprintf("SELECT DISTINCT TABLE_NAME FROM information_schema.COLUMNS WHERE "
                    "TABLE_SCHEMA = %s AND DATA_TYPE IN ('bit', 'json', 'vector', 'year')",
                    hf_buf_str(&name)),
        take_typed, s, err);
}

int hf_load_tables(struct hf_load *l, struct hf_err *err)
{
    /* A default of a table may need a sequence. */
    if (create_kind(l, 1u << HF_LOAD_SEQUENCE, "sequences", err) ||
        create_kind(l, 1u << HF_LOAD_TABLE | 1u << HF_LOAD_VIEW, "tables", err))
        return -1;
    for (size_t i = 0; i < l->folder->n_schemas; i++)
        if (has_selected(l->folder->schemas[i]) && look_at_schema(l, l->folder->schemas[i], err))
            return -1;
    return 0;
}

/* ---- behind the rows ----------------------------------------------------------------------------- */

/* Keys of a table come by one ALTER, which is atomic: one of them there means all. */
static int has_any(struct hf_db_conn *c, const struct hf_load_table *t, const char *what, bool *out,
                   struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    HF_AUTOFREE char *hit = NULL;
    hf_buf_printf(&sql, "SELECT 1 FROM information_schema.%s = ", what);
    hf_sql_add_text(&sql, t->schema->target);
    hf_buf_str_add(&sql, " AND TABLE_NAME = ");
    hf_sql_add_text(&sql, t->name);
    hf_buf_str_add(&sql, " LIMIT 1");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_value(c, hf_buf_str(&sql), &hit, err))
        return -1;
    *out = hit != NULL;
    return 0;
}

/* Each ALTER that adds a foreign key locks both tables: two of them that point to each other's meet in a deadlock. */
static int run_alter(struct hf_load *l, struct hf_db_conn *c, const struct hf_buf *sql,
                     struct hf_err *err)
{
    for (int i = 1; hf_db_run(c, sql->data, sql->len, NULL, err) != 0; i++) {
        unsigned code = hf_db_errno(c);
        if ((code != DEADLOCK && code != LOCK_WAIT) || i == ATTEMPTS || atomic_load(&l->stop))
            return -1;
        hf_clock_sleep_ms(l->clock, BACK_OFF_MS * i);
        hf_err_clear(err);
    }
    return 0;
}

static int alter(struct hf_load *l, struct hf_db_conn *c, const struct hf_load_table *t,
                 const struct hf_buf *what, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(&sql, "ALTER TABLE ");
    hf_sql_add_names(&sql, t->schema->target, t->name);
    hf_buf_str_add(&sql, " ");
    hf_buf_add(&sql, what->data, what->len);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_load_session_reset(l, c, t->schema->target, err) || run_alter(l, c, &sql, err))
        return hf_wrap(err, "keys of %s.%s", t->schema->target, t->name);
    return 0;
}

int hf_load_keys(struct hf_load *l, struct hf_db_conn *c, struct hf_load_table *t,
                 struct hf_err *err)
{
    bool is_done = false;
    if (t->keys.len == 0)
        return 0;
    if (t->is_there &&
        has_any(c, t, "STATISTICS WHERE INDEX_NAME <> 'PRIMARY' AND TABLE_SCHEMA", &is_done, err))
        return -1;
    HF_POINT("load.before_keys");
    return is_done ? 0 : alter(l, c, t, &t->keys, err);
}

static int one_fk(struct hf_load *l, struct hf_db_conn **c, void *job, struct hf_err *err)
{
    struct hf_load_table *t = job;
    bool is_done = false;
    if (t->is_there &&
        has_any(*c, t, "REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA", &is_done, err))
        return -1;
    HF_POINT("load.before_foreign_keys");
    return is_done ? 0 : alter(l, *c, t, &t->fks, err);
}

int hf_load_foreign_keys(struct hf_load *l, struct hf_err *err)
{
    size_t n = 0, with = 0;
    HF_AUTOFREE void **jobs = select_tables(l, 1u << HF_LOAD_TABLE, &n);
    if (!jobs)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        if (((struct hf_load_table *)jobs[i])->fks.len)
            jobs[with++] = jobs[i];
    return hf_load_pool(l, "foreign keys", one_fk, jobs, with, err);
}

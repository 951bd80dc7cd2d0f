/* SPDX-License-Identifier: Apache-2.0
 *
 * Three queries for the whole server, not some per table. Ordered by bytes, since names that only differ in case are two.
 */
#include "db/dump/list.h"

#include "db/dump/columns.h"
#include "db/dump/escape.h"
#include "db/server.h"

#include <string.h>

#define HISTORY_SINCE 101100 /* MariaDB: system_versioning_insert_history */

static const char not_ours[] = "('information_schema', 'performance_schema', 'mysql', 'sys')";

/* ---- what was selected ------------------------------------------------------------------ */

/* AND … for `only`; names with a dot in them are looked for both ways. */
static void add_selection(struct hf_buf *b, const struct hf_strv *only, const char *schema_column,
                          const char *table_column)
{
    if (!only || only->n == 0)
        return;
    hf_buf_str_add(b, " AND (FALSE");
    for (size_t i = 0; i < only->n; i++) {
        const char *item = only->items[i], *dot = strchr(item, '.');
        hf_buf_printf(b, " OR BINARY %s = ", schema_column);
        hf_sql_add_text(b, item);
        for (; dot; dot = strchr(dot + 1, '.')) {
            HF_AUTOFREE char *schema = strndup(item, (size_t)(dot - item));
            hf_buf_printf(b, " OR (BINARY %s = ", schema_column);
            hf_sql_add_text(b, schema ? schema : "");
            if (table_column) {
                hf_buf_printf(b, " AND BINARY %s = ", table_column);
                hf_sql_add_text(b, dot + 1);
            }
            hf_buf_str_add(b, ")");
        }
    }
    hf_buf_str_add(b, ")");
}

static bool is_whole(const struct hf_dump *d, const struct hf_dump_schema *s)
{
    return !d->opts.only || d->opts.only->n == 0 || hf_strv_has(d->opts.only, s->name);
}

static bool has_item(const struct hf_dump *d, const char *item)
{
    for (size_t i = 0; i < d->n_schemas; i++)
        if (!strcmp(d->schemas[i].name, item) && is_whole(d, &d->schemas[i]))
            return true;
    for (size_t i = 0; i < d->n_tables; i++) {
        const struct hf_dump_table *t = &d->tables[i];
        size_t n = strlen(t->schema->name);
        if (!strncmp(item, t->schema->name, n) && item[n] == '.' && !strcmp(item + n + 1, t->name))
            return true;
    }
    return false;
}

static int check_selection(const struct hf_dump *d, struct hf_err *err)
{
    for (size_t i = 0; d->opts.only && i < d->opts.only->n; i++)
        if (!has_item(d, d->opts.only->items[i]))
            return hf_fail(err, HF_E_NOT_FOUND, "no schema or table is called '%s'",
                           d->opts.only->items[i]);
    return 0;
}

/* ---- schemas ---------------------------------------------------------------------------- */

static int keep_schema(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct hf_dump *d = ctx;
    if (n < 3 || !values[0])
        return 0;
    struct hf_dump_schema *more = realloc(d->schemas, (d->n_schemas + 1) * sizeof *more);
    if (!more)
        return hf_fail_nomem(err);
    d->schemas = more;
    struct hf_dump_schema *s = &d->schemas[d->n_schemas++];
    *s = (struct hf_dump_schema){
        .name = strdup(values[0]),
        .charset = strdup(values[1] ? values[1] : ""),
        .collation = strdup(values[2] ? values[2] : ""),
    };
    return s->name && s->charset && s->collation ? 0 : hf_fail_nomem(err);
}

static int list_schemas(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_printf(&sql,
                  "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME "
                  "FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN %s",
                  not_ours);
    add_selection(&sql, d->opts.only, "SCHEMA_NAME", NULL);
    hf_buf_str_add(&sql, " ORDER BY BINARY SCHEMA_NAME");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_query(c, hf_buf_str(&sql), keep_schema, d, err) < 0)
        return -1;
    for (size_t i = 0; i < d->n_schemas; i++)
        if (!(d->schemas[i].file = hf_dump_names_get(d->names, d->schemas[i].name)))
            return hf_fail_nomem(err);
    return 0;
}

/* ---- tables ----------------------------------------------------------------------------- */

static int by_name(const void *key, const void *element)
{
    return strcmp(key, ((const struct hf_dump_schema *)element)->name);
}

static struct hf_dump_schema *find_schema(struct hf_dump *d, const char *name)
{
    return d->n_schemas ? bsearch(name, d->schemas, d->n_schemas, sizeof *d->schemas, by_name)
                        : NULL;
}

static enum hf_dump_kind kind_of(const char *type)
{
    if (strstr(type, "VIEW"))
        return HF_DUMP_VIEW;
    return !strcmp(type, "SEQUENCE") ? HF_DUMP_SEQUENCE : HF_DUMP_TABLE;
}

static struct hf_dump_table *new_table(struct hf_dump *d)
{
    if ((d->n_tables & (d->n_tables - 1)) == 0) {
        size_t cap = d->n_tables ? 2 * d->n_tables : 16;
        struct hf_dump_table *more = realloc(d->tables, cap * sizeof *more);
        if (!more)
            return NULL;
        d->tables = more;
    }
    struct hf_dump_table *t = &d->tables[d->n_tables++];
    *t = (struct hf_dump_table){0};
    return t;
}

/* TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, transactions (YES, NO, NULL: no engine) */
static int keep_table(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct hf_dump *d = ctx;
    struct hf_dump_schema *s = n < 7 || !values[0] || !values[1] ? NULL : find_schema(d, values[0]);
    if (!s)
        return 0; /* made since the schemas were listed */
    struct hf_dump_table *t = new_table(d);
    if (!t)
        return hf_fail_nomem(err);
    const char *file = hf_dump_names_get(d->names, values[1]);
    t->schema = s;
    t->kind = kind_of(values[2] ? values[2] : "");
    t->is_versioned = values[2] && !strcmp(values[2], "SYSTEM VERSIONED");
    t->name = strdup(values[1]);
    t->file = file ? hf_asprintf("%s.%s", s->file, file) : NULL;
    t->engine = values[3] && t->kind != HF_DUMP_VIEW ? strdup(values[3]) : NULL;
    if (!t->name || !t->file || (values[3] && t->kind != HF_DUMP_VIEW && !t->engine))
        return hf_fail_nomem(err);
    t->is_window = hf_columns_of_others(t->engine);
    t->is_plain =
        t->kind == HF_DUMP_TABLE && !t->is_window && !(values[6] && !strcmp(values[6], "YES"));
    t->estimated_rows = values[4] ? strtoull(values[4], NULL, 10) : 0;
    t->estimated_bytes = values[5] && t->kind == HF_DUMP_TABLE ? strtoull(values[5], NULL, 10) : 0;
    d->expected_bytes += t->estimated_bytes;
    if (s->n++ == 0)
        s->first = d->n_tables - 1;
    return 0;
}

static int table_sql(const struct hf_dump *d, const char *select, struct hf_buf *sql,
                     struct hf_err *err)
{
    hf_buf_printf(sql, "%s WHERE t.TABLE_SCHEMA NOT IN %s", select, not_ours);
    add_selection(sql, d->opts.only, "t.TABLE_SCHEMA", "t.TABLE_NAME");
    hf_buf_str_add(sql, " ORDER BY BINARY t.TABLE_SCHEMA, BINARY t.TABLE_NAME");
    return hf_buf_ok(sql) ? 0 : hf_fail_nomem(err);
}

static int list_tables(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    if (table_sql(d,
                  "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, t.TABLE_TYPE, t.ENGINE, t.TABLE_ROWS, "
                  "t.DATA_LENGTH, e.TRANSACTIONS FROM information_schema.TABLES t LEFT JOIN "
                  "information_schema.ENGINES e ON e.ENGINE = t.ENGINE",
                  &sql, err) < 0)
        return -1;
    return hf_db_query(c, hf_buf_str(&sql), keep_table, d, err);
}

static struct hf_dump_table *find_table(struct hf_dump *d, const char *schema, const char *name)
{
    const struct hf_dump_schema *s = find_schema(d, schema);
    size_t low = s ? s->first : 0, high = s ? s->first + s->n : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, d->tables[middle].name);
        if (order == 0)
            return &d->tables[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static int keep_trigger(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    if (n < 3 || !values[0] || !values[1] || !values[2])
        return 0;
    struct hf_dump_table *t = find_table(ctx, values[0], values[1]);
    return t && hf_strv_add(&t->triggers, values[2]) < 0 ? hf_fail_nomem(err) : 0;
}

static int list_triggers(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_printf(&sql,
                  "SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME FROM "
                  "information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA NOT IN %s",
                  not_ours);
    add_selection(&sql, d->opts.only, "EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE");
    hf_buf_str_add(&sql, " ORDER BY EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, ACTION_TIMING, "
                         "EVENT_MANIPULATION, ACTION_ORDER");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_db_query(c, hf_buf_str(&sql), keep_trigger, d, err);
}

/* ---- settings --------------------------------------------------------------------------- */

static int keep_variable(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    if (n < 2 || !values[0])
        return 0;
    return hf_strv_take(ctx, hf_asprintf("%s=%s", values[0], values[1] ? values[1] : "")) < 0
               ? hf_fail_nomem(err)
               : 0;
}

static int read_variables(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err)
{
    static const char sql[] =
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('sql_mode', 'time_zone', "
        "'character_set_server', 'collation_server', 'lower_case_table_names', "
        "'max_allowed_packet', 'innodb_page_size', 'default_storage_engine', "
        "'explicit_defaults_for_timestamp', 'log_bin_trust_function_creators')";
    if (hf_db_query(c, sql, keep_variable, &d->variables, err) < 0)
        return -1;
    return hf_db_value(c, "SELECT VERSION()", &d->server_text, err);
}

/* ---- in order --------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    const struct hf_dump_table *x = *(struct hf_dump_table *const *)a,
                               *y = *(struct hf_dump_table *const *)b;
    if (x->estimated_bytes != y->estimated_bytes)
        return x->estimated_bytes < y->estimated_bytes ? 1 : -1;
    return x < y ? -1 : x > y;
}

static int sort_tables(struct hf_dump *d, struct hf_err *err)
{
    d->order = calloc(d->n_tables + 1, sizeof(struct hf_dump_table *));
    if (!d->order)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < d->n_tables; i++)
        d->order[i] = &d->tables[i];
    qsort(d->order, d->n_tables, sizeof *d->order, by_size);
    return 0;
}

static int check_plain(const struct hf_dump *d, struct hf_err *err)
{
    for (size_t i = 0; d->opts.plain == HF_DUMP_REFUSE && i < d->n_tables; i++) {
        const struct hf_dump_table *t = &d->tables[i];
        if (!t->is_plain)
            continue;
        hf_fail(err, HF_E_UNSUPPORTED,
                "table %s.%s is %s: no transaction shows it as of one instant", t->schema->name,
                t->name, t->engine ? t->engine : "without an engine");
        return hf_hint(
            err, "Dump it under the lock (--nontransactional lock), or convert it to InnoDB.");
    }
    return 0;
}

int hf_dump_list(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err)
{
    if (list_schemas(d, c, err) < 0 || list_tables(d, c, err) < 0 || list_triggers(d, c, err) < 0 ||
        read_variables(d, c, err) < 0 || check_selection(d, err) < 0 || check_plain(d, err) < 0)
        return -1;
    bool can_load_history = hf_db_is_mariadb(&d->server, HISTORY_SINCE);
    for (size_t i = 0; i < d->n_tables; i++)
        if (d->tables[i].is_versioned && !can_load_history) {
            d->tables[i].is_versioned = false;
            hf_dump_warn(
                d,
                "table %s.%s: only current rows are dumped, not its history: MariaDB before 10.11 "
                "cannot load it",
                d->tables[i].schema->name, d->tables[i].name);
        }
    return sort_tables(d, err);
}

/* ---- once more -------------------------------------------------------------------------- */

struct comparing {
    struct hf_dump *d;
    size_t next;
};

static int fail_changed(const char *schema, const char *table, const char *what, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFLICT, "table %s.%s was %s while the dump began", schema, table, what);
    err->retryable = true;
    return hf_hint(err, "Dump when no table is made or dropped.");
}

/* Both lists have the same order. Names alone: for more, servers open every table once again. */
static int compare_table(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct comparing *c = ctx;
    if (n < 2 || !values[0] || !values[1])
        return 0;
    const struct hf_dump_table *t = c->next < c->d->n_tables ? &c->d->tables[c->next] : NULL;
    int order = t ? strcmp(values[0], t->schema->name) : -1;
    if (order == 0)
        order = strcmp(values[1], t->name);
    if (order < 0)
        return fail_changed(values[0], values[1], "created", err);
    if (order > 0)
        return fail_changed(t->schema->name, t->name, "dropped", err);
    c->next++;
    return 0;
}

int hf_dump_compare(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err)
{
    struct comparing now = {.d = d};
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    if (table_sql(d, "SELECT t.TABLE_SCHEMA, t.TABLE_NAME FROM information_schema.TABLES t", &sql,
                  err) < 0 ||
        hf_db_query(c, hf_buf_str(&sql), compare_table, &now, err) < 0)
        return -1;
    if (now.next == d->n_tables)
        return 0;
    const struct hf_dump_table *t = &d->tables[now.next];
    return fail_changed(t->schema->name, t->name, "dropped", err);
}

void hf_dump_list_free(struct hf_dump *d)
{
    for (size_t i = 0; i < d->n_tables; i++) {
        struct hf_dump_table *t = &d->tables[i];
        free(t->name);
        free(t->file);
        free(t->engine);
        hf_strv_free(&t->triggers);
        hf_strv_free(&t->columns);
        hf_dump_file_free(&t->schema_file);
        hf_dump_file_free(&t->view_file);
        hf_dump_file_free(&t->trigger_file);
        hf_row_plan_free(&t->plan);
        for (size_t k = 0; k < t->n_files; k++)
            hf_dump_file_free(&t->files[k]);
        free(t->files);
    }
    for (size_t i = 0; i < d->n_schemas; i++) {
        free(d->schemas[i].name);
        free(d->schemas[i].charset);
        free(d->schemas[i].collation);
        hf_dump_file_free(&d->schemas[i].create_file);
        hf_dump_file_free(&d->schemas[i].post_file);
    }
    free(d->tables);
    free(d->schemas);
    free(d->order);
    hf_strv_free(&d->variables);
}

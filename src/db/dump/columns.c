/* SPDX-License-Identifier: Apache-2.0
 *
 * Generated columns are left out: the server fills them in. ROW START and ROW END look generated, and are data: the history of
 * a table with system versioning.
 */
#include "db/dump/columns.h"

#include "db/dump/escape.h"
#include "db/dump/split.h"

#include <string.h>

struct reading {
    struct hf_columns *out;
    bool is_mariadb;
    unsigned period; /* columns of it that were found */
    bool by_transaction;
    size_t seen;
};

static void add_where(struct hf_buf *b, const char *schema, const char *table)
{
    /* The plain comparison lets the server look at one table only, the other one tells Foo from foo. */
    hf_buf_str_add(b, " WHERE TABLE_SCHEMA = ");
    hf_sql_add_text(b, schema);
    hf_buf_str_add(b, " AND TABLE_NAME = ");
    hf_sql_add_text(b, table);
    hf_buf_str_add(b, " AND BINARY TABLE_SCHEMA = ");
    hf_sql_add_text(b, schema);
    hf_buf_str_add(b, " AND BINARY TABLE_NAME = ");
    hf_sql_add_text(b, table);
}

static int add_column(struct reading *r, const char *name, const char *type, struct hf_err *err)
{
    if (hf_strv_add(&r->out->names, name) < 0)
        return hf_fail_nomem(err);
    return hf_row_plan_add(&r->out->plan, name, type, r->is_mariadb, err);
}

/* COLUMN_NAME, DATA_TYPE, EXTRA, GENERATION_EXPRESSION */
static int keep_column(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct reading *r = ctx;
    if (n < 4 || !values[0] || !values[1])
        return 0;
    r->seen++;
    const char *extra = values[2] ? values[2] : "", *expression = values[3] ? values[3] : "";
    if (!strcmp(expression, "ROW START") || !strcmp(expression, "ROW END")) {
        r->period++;
        r->by_transaction |= strcmp(values[1], "timestamp") != 0;
        if (!r->out->is_versioned || r->by_transaction)
            return 0;
    } else if (strstr(extra, "VIRTUAL GENERATED") || strstr(extra, "STORED GENERATED")) {
        return 0;
    }
    return add_column(r, values[0], values[1], err);
}

/* Versioned without columns of its own for it: then the period is in two that are not listed. */
static int add_period(struct reading *r, struct hf_err *err)
{
    if (!r->out->is_versioned || r->period > 0)
        return 0;
    return add_column(r, "row_start", "timestamp", err) < 0 ||
                   add_column(r, "row_end", "timestamp", err) < 0
               ? -1
               : 0;
}

static int keep_key(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct hf_columns *out = ctx;
    if (n < 3 || !values[0] || !values[1] || out->key || !hf_split_can(values[1]))
        return 0;
    out->key = strdup(values[0]);
    out->key_type = strdup(values[1]);
    out->key_charset = values[2] ? strdup(values[2]) : NULL;
    return !out->key || !out->key_type || (values[2] && !out->key_charset) ? hf_fail_nomem(err) : 0;
}

int hf_columns_read_key(struct hf_db_conn *c, const char *schema, const char *table,
                        struct hf_columns *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(
        &sql, "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME FROM information_schema.COLUMNS");
    add_where(&sql, schema, table);
    hf_buf_str_add(&sql,
                   " AND COLUMN_NAME = (SELECT COLUMN_NAME FROM information_schema.STATISTICS");
    add_where(&sql, schema, table);
    hf_buf_str_add(&sql, " AND INDEX_NAME = 'PRIMARY' AND SEQ_IN_INDEX = 1 AND SUB_PART IS NULL)");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_db_query(c, hf_buf_str(&sql), keep_key, out, err);
}

int hf_columns_read(struct hf_db_conn *c, const char *schema, const char *table,
                    struct hf_columns *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    struct reading r = {.out = out, .is_mariadb = hf_db_server(c)->flavour == HF_DB_MARIADB};
    hf_buf_str_add(&sql, "SELECT COLUMN_NAME, DATA_TYPE, EXTRA, GENERATION_EXPRESSION FROM "
                         "information_schema.COLUMNS");
    add_where(&sql, schema, table);
    hf_buf_str_add(&sql, " ORDER BY ORDINAL_POSITION");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_query(c, hf_buf_str(&sql), keep_column, &r, err) < 0)
        return -1;
    if (r.seen == 0)
        return hf_fail(err, HF_E_NOT_FOUND, "it is not there any more");
    if (r.by_transaction)
        out->is_versioned = false;
    return add_period(&r, err);
}

void hf_columns_free(struct hf_columns *c)
{
    hf_row_plan_free(&c->plan);
    hf_strv_free(&c->names);
    free(c->key);
    free(c->key_type);
    free(c->key_charset);
}

bool hf_columns_of_others(const char *engine)
{
    static const char *const engines[] = {"MRG_MyISAM", "MRG_MYISAM", "FEDERATED"};
    for (size_t i = 0; engine && i < HF_ARRAY_SIZE(engines); i++)
        if (!strcmp(engine, engines[i]))
            return true;
    return false;
}

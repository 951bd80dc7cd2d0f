/* SPDX-License-Identifier: Apache-2.0
 *
 * What belongs to a schema as a whole: its own definition, routines, packages, events.
 */
#include "db/dump/escape.h"
#include "db/dump/objects.h"
#include "db/dump/out.h"
#include "db/dump/program.h"
#include "db/dump/statement.h"

#include <string.h>

static int write_as(struct hf_dump *d, const struct hf_dump_schema *s, const char *ending,
                    const struct hf_buf *text, struct hf_dump_file *file, struct hf_err *err)
{
    HF_AUTOFREE char *name = hf_asprintf("%s-schema-%s.sql", s->file, ending);
    return name ? hf_dump_out_text(d, name, text, file, err) : hf_fail_nomem(err);
}

static int write_create(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_schema *s,
                        struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT, text = HF_BUF_INIT;
    HF_AUTO(hf_strv) struct hf_strv row = HF_STRV_INIT;
    hf_buf_str_add(&sql, "SHOW CREATE DATABASE IF NOT EXISTS ");
    hf_sql_add_name(&sql, s->name);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_dump_show(c, hf_buf_str(&sql), 1, &row, err) < 0)
        return -1;
    hf_dump_add_head(&text);
    if (hf_statement_add(&text, row.items[1], hf_statement_mode(NULL, NULL), err) < 0)
        return -1;
    return write_as(d, s, "create", &text, &s->create_file, err);
}

/* ---- routines and events ---------------------------------------------------------------- */

/* Pairs "FUNCTION", "name". */
static int keep_pair(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    if (n < 2 || !values[0] || !values[1])
        return 0;
    return hf_strv_add(ctx, values[0]) < 0 || hf_strv_add(ctx, values[1]) < 0 ? hf_fail_nomem(err)
                                                                              : 0;
}

/* Functions first: nothing else is looked at when a routine is made, but a package body wants its package. */
static int list(struct hf_db_conn *c, const char *select, const char *column, const char *schema,
                const char *order, struct hf_strv *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_printf(&sql, "%s WHERE %s = ", select, column);
    hf_sql_add_text(&sql, schema);
    hf_buf_printf(&sql, " AND BINARY %s = ", column);
    hf_sql_add_text(&sql, schema);
    hf_buf_printf(&sql, " ORDER BY %s", order);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_db_query(c, hf_buf_str(&sql), keep_pair, out, err);
}

static int list_programs(struct hf_db_conn *c, struct hf_dump_schema *s, struct hf_strv *out,
                         struct hf_err *err)
{
    if (list(c, "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES",
             "ROUTINE_SCHEMA", s->name, "ROUTINE_TYPE, ROUTINE_NAME", out, err) < 0)
        return -1;
    s->routines = (unsigned)(out->n / 2);
    if (list(c, "SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS", "EVENT_SCHEMA",
             s->name, "EVENT_NAME", out, err) < 0)
        return -1;
    s->events = (unsigned)(out->n / 2) - s->routines;
    return 0;
}

/* Columns of SHOW CREATE EVENT: name, sql_mode, time_zone, text, charset, collation, collation of the schema; of the others
 * the same without time_zone. */
static int add_program(struct hf_dump *d, struct hf_db_conn *c, const struct hf_dump_schema *s,
                       const char *type, const char *name, struct hf_buf *text, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    HF_AUTO(hf_strv) struct hf_strv row = HF_STRV_INIT;
    unsigned at = !strcmp(type, "EVENT") ? 3 : 2;
    hf_buf_printf(&sql, "SHOW CREATE %s ", type);
    hf_sql_add_names(&sql, s->name, name);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_dump_show(c, hf_buf_str(&sql), at, &row, err) < 0)
        return -1;
    if (row.n < at + 4)
        return hf_fail(err, HF_E_UNSUPPORTED, "SHOW CREATE %s has %zu columns", type, row.n);
    struct hf_program p = {
        .sql_mode = row.items[1],
        .time_zone = at == 3 ? row.items[2] : NULL,
        .text = row.items[at],
        .charset = row.items[at + 1],
        .collation = row.items[at + 2],
        .schema_collation = row.items[at + 3],
        .default_collation = s->collation,
    };
    return hf_program_add(text, &p, d->opts.strip_definers, err);
}

static int add_programs(struct hf_dump *d, struct hf_db_conn *c, const struct hf_dump_schema *s,
                        const struct hf_strv *found, struct hf_buf *text, struct hf_err *err)
{
    for (size_t i = 0; i + 1 < found->n; i += 2)
        if (add_program(d, c, s, found->items[i], found->items[i + 1], text, err) < 0)
            return hf_wrap(err, "%s %s.%s", found->items[i], s->name, found->items[i + 1]);
    return 0;
}

static int write_post(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_schema *s,
                      struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv found = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (list_programs(c, s, &found, err) < 0)
        return -1;
    if (found.n == 0)
        return 0;
    if (hf_program_use(c, s->name, err) < 0)
        return -1;
    hf_dump_add_head(&text);
    if (add_programs(d, c, s, &found, &text, err) < 0)
        return -1;
    return write_as(d, s, "post", &text, &s->post_file, err);
}

int hf_dump_schema_objects(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_schema *s,
                           struct hf_err *err)
{
    if (write_create(d, c, s, err) < 0 || write_post(d, c, s, err) < 0)
        return hf_wrap(err, "schema %s", s->name);
    return 0;
}

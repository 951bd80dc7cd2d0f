/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables, views, sequences, triggers.
 */
#include "db/dump/objects.h"

#include "db/dump/escape.h"
#include "db/dump/out.h"
#include "db/dump/program.h"
#include "db/dump/statement.h"

#include <string.h>

void hf_dump_add_head(struct hf_buf *b)
{
    hf_buf_str_add(b, "/*!40101 SET NAMES utf8mb4 */;\n"
                      "/*!40014 SET FOREIGN_KEY_CHECKS=0 */;\n"
                      "/*!40101 SET SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n"
                      "/*!40103 SET TIME_ZONE='+00:00' */;\n");
}

struct shown {
    struct hf_strv *row;
    unsigned text;
    bool is_hidden;
};

static int keep_row(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct shown *s = ctx;
    if (s->row->n > 0)
        return 0;
    s->is_hidden = s->text >= n || !values[s->text];
    for (unsigned i = 0; i < n; i++)
        if (hf_strv_add(s->row, values[i] ? values[i] : "") < 0)
            return hf_fail_nomem(err);
    return 0;
}

int hf_dump_show(struct hf_db_conn *c, const char *sql, unsigned text, struct hf_strv *row,
                 struct hf_err *err)
{
    struct shown s = {.row = row, .text = text};
    if (hf_db_query(c, sql, keep_row, &s, err) < 0)
        return -1;
    if (row->n == 0)
        return hf_fail(err, HF_E_NOT_FOUND, "database %s: it is not there any more", hf_db_name(c));
    if (!s.is_hidden)
        return 0;
    hf_fail(err, HF_E_AUTH, "database %s: the account may not see its definition", hf_db_name(c));
    return hf_hint(err, "GRANT it SELECT, SHOW VIEW, TRIGGER and EVENT ON *.*.");
}

static int show_create(struct hf_db_conn *c, const char *what, const struct hf_dump_table *t,
                       unsigned text, struct hf_strv *row, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_printf(&sql, "SHOW CREATE %s ", what);
    hf_sql_add_names(&sql, t->schema->name, t->name);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_dump_show(c, hf_buf_str(&sql), text, row, err);
}

static int write_as(struct hf_dump *d, const struct hf_dump_table *t, const char *ending,
                    const struct hf_buf *text, struct hf_dump_file *file, struct hf_err *err)
{
    HF_AUTOFREE char *name = hf_asprintf("%s-schema%s.sql", t->file, ending);
    return name ? hf_dump_out_text(d, name, text, file, err) : hf_fail_nomem(err);
}

int hf_dump_table_definition(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                             struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv row = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (show_create(c, "TABLE", t, 1, &row, err) < 0)
        return -1;
    hf_dump_add_head(&text);
    if (hf_statement_add(&text, row.items[1], hf_statement_mode(NULL, NULL), err) < 0)
        return -1;
    return write_as(d, t, "", &text, &t->schema_file, err);
}

/* ---- sequences -------------------------------------------------------------------------- */

static int add_value(struct hf_db_conn *c, const struct hf_dump_table *t, struct hf_buf *text,
                     struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    HF_AUTO(hf_strv) struct hf_strv row = HF_STRV_INIT;
    hf_buf_str_add(&sql, "SELECT next_not_cached_value, cycle_count FROM ");
    hf_sql_add_names(&sql, t->schema->name, t->name);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_dump_show(c, hf_buf_str(&sql), 0, &row, err) < 0)
        return -1;
    hf_buf_str_add(text, "DO SETVAL(");
    hf_sql_add_name(text, t->name);
    hf_buf_printf(text, ", %lld, 0, %lld);\n", strtoll(row.items[0], NULL, 10),
                  strtoll(row.items[1], NULL, 10));
    return 0;
}

int hf_dump_sequence(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                     struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv row = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (show_create(c, "SEQUENCE", t, 1, &row, err) < 0)
        return -1;
    hf_dump_add_head(&text);
    if (hf_statement_add(&text, row.items[1], hf_statement_mode(NULL, NULL), err) < 0 ||
        add_value(c, t, &text, err) < 0)
        return -1;
    return write_as(d, t, "-sequence", &text, &t->schema_file, err);
}

/* ---- views ------------------------------------------------------------------------------ */

static int keep_column(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    return n && values[0] && hf_strv_add(ctx, values[0]) < 0 ? hf_fail_nomem(err) : 0;
}

static int read_columns(struct hf_db_conn *c, struct hf_dump_table *t, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(&sql, "SHOW COLUMNS FROM ");
    hf_sql_add_names(&sql, t->schema->name, t->name);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_db_query(c, hf_buf_str(&sql), keep_column, &t->columns, err);
}

/* Another view may name this one before it is there, so each has a stand-in with its columns: a view as well, which has no
 * limit of its own to the number and width of columns. */
static int write_stand_in(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                          struct hf_err *err)
{
    enum { NO_SUCH_TABLE = 1146, NO_SUCH_COLUMN = 1054, INVALID_VIEW = 1356 };
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct hf_err why = HF_ERR_INIT;
    if (read_columns(c, t, &why) < 0) {
        unsigned code = hf_db_errno(c);
        if (code != INVALID_VIEW && code != NO_SUCH_TABLE && code != NO_SUCH_COLUMN) {
            hf_err_copy(err, &why);
            return -1;
        }
        hf_dump_warn(d, "view %s.%s is broken in the server (%s): no server will create it",
                     t->schema->name, t->name, why.message);
        return 0;
    }
    hf_dump_add_head(&text);
    hf_buf_str_add(&text, "CREATE VIEW ");
    hf_sql_add_name(&text, t->name);
    hf_buf_str_add(&text, " AS SELECT");
    for (size_t i = 0; i < t->columns.n; i++) {
        hf_buf_str_add(&text, i ? ",\n 1 AS " : "\n 1 AS ");
        hf_sql_add_name(&text, t->columns.items[i]);
    }
    hf_buf_str_add(&text, ";\n");
    return write_as(d, t, "", &text, &t->schema_file, err);
}

static int write_view(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                      struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv row = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (show_create(c, "VIEW", t, 1, &row, err) < 0)
        return -1;
    if (row.n < 4)
        return hf_fail(err, HF_E_UNSUPPORTED, "SHOW CREATE VIEW has %zu columns", row.n);
    hf_dump_add_head(&text);
    hf_buf_str_add(&text, "DROP TABLE IF EXISTS ");
    hf_sql_add_name(&text, t->name);
    hf_buf_str_add(&text, ";\nDROP VIEW IF EXISTS ");
    hf_sql_add_name(&text, t->name);
    hf_buf_str_add(&text, ";\n");
    struct hf_program p = {
        .text = row.items[1], .charset = row.items[2], .collation = row.items[3]};
    if (hf_program_add(&text, &p, d->opts.strip_definers, err) < 0)
        return -1;
    return write_as(d, t, "-view", &text, &t->view_file, err);
}

int hf_dump_view(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                 struct hf_err *err)
{
    if (write_stand_in(d, c, t, err) < 0 || hf_program_use(c, t->schema->name, err) < 0)
        return -1;
    return write_view(d, c, t, err);
}

/* ---- triggers --------------------------------------------------------------------------- */

static int add_trigger(struct hf_dump *d, struct hf_db_conn *c, const struct hf_dump_table *t,
                       const char *name, struct hf_buf *text, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv row = HF_STRV_INIT;
    struct hf_dump_table as = *t;
    as.name = (char *)name;
    if (show_create(c, "TRIGGER", &as, 2, &row, err) < 0)
        return hf_wrap(err, "trigger %s", name);
    if (row.n < 6)
        return hf_fail(err, HF_E_UNSUPPORTED, "SHOW CREATE TRIGGER has %zu columns", row.n);
    struct hf_program p = {
        .sql_mode = row.items[1],
        .text = row.items[2],
        .charset = row.items[3],
        .collation = row.items[4],
        .schema_collation = row.items[5],
        .default_collation = t->schema->collation,
    };
    if (hf_program_add(text, &p, d->opts.strip_definers, err) < 0)
        return hf_wrap(err, "trigger %s", name);
    return 0;
}

int hf_dump_triggers(struct hf_dump *d, struct hf_db_conn *c, struct hf_dump_table *t,
                     struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (t->triggers.n == 0)
        return 0;
    if (hf_program_use(c, t->schema->name, err) < 0)
        return -1;
    hf_dump_add_head(&text);
    for (size_t i = 0; i < t->triggers.n; i++)
        if (add_trigger(d, c, t, t->triggers.items[i], &text, err) < 0)
            return -1;
    return write_as(d, t, "-triggers", &text, &t->trigger_file, err);
}

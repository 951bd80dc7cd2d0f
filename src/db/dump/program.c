/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/program.h"

#include "db/dump/escape.h"
#include "db/dump/statement.h"

#include <string.h>

int hf_program_use(struct hf_db_conn *c, const char *schema, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(&sql, "USE ");
    hf_sql_add_name(&sql, schema);
    return hf_buf_ok(&sql) ? hf_db_exec(c, hf_buf_str(&sql), err) : hf_fail_nomem(err);
}

static void add_setting(struct hf_buf *b, const char *name, const char *value)
{
    hf_buf_printf(b, "SET %s = ", name);
    hf_sql_add_text(b, value);
    hf_buf_str_add(b, ";\n");
}

static void add_schema_collation(struct hf_buf *b, const char *collation)
{
    hf_buf_str_add(b, "ALTER DATABASE COLLATE ");
    hf_sql_add_text(b, collation);
    hf_buf_str_add(b, ";\n");
}

int hf_program_add(struct hf_buf *b, const struct hf_program *p, bool strip_definer,
                   struct hf_err *err)
{
    bool other = p->schema_collation && *p->schema_collation && p->default_collation &&
                 strcmp(p->schema_collation, p->default_collation) != 0;
    if (strip_definer)
        hf_statement_strip_definer(p->text);
    if (other)
        add_schema_collation(b, p->schema_collation);
    add_setting(b, "sql_mode", p->sql_mode ? p->sql_mode : "");
    add_setting(b, "character_set_client", p->charset);
    add_setting(b, "collation_connection", p->collation);
    if (p->time_zone)
        add_setting(b, "time_zone", p->time_zone);
    if (hf_statement_add(b, p->text, hf_statement_mode(p->sql_mode, p->charset), err) < 0)
        return -1;
    if (other)
        add_schema_collation(b, p->default_collation);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/content.h"

#include "db/dump/columns.h"
#include "db/dump/escape.h"
#include "db/stream.h"

int hf_content_prepare(struct hf_db_conn *c, struct hf_err *err)
{
    return hf_db_exec(c, "SET NAMES binary, SESSION time_zone = '+00:00'", err);
}

static int sum_rows(struct hf_db_conn *c, const struct hf_columns *columns, const char *sql,
                    struct hf_content *out, struct hf_err *err)
{
    HF_AUTO(hf_db_stream) struct hf_db_stream s = HF_DB_STREAM_INIT;
    struct hf_row_buffer b = {0};
    int rc = hf_db_stream_open(c, sql, &s, err) ? -1 : 1;
    while (rc > 0 && (rc = hf_db_stream_next(&s, err)) > 0) {
        b.len = 0;
        if (hf_row_add(&b, &columns->plan, s.values, s.lengths, &out->sum, err))
            rc = -1;
        out->rows++;
    }
    hf_row_buffer_free(&b);
    return rc;
}

int hf_content_read(struct hf_db_conn *c, const char *schema, const char *table, bool with_history,
                    struct hf_content *out, struct hf_err *err)
{
    HF_AUTO(hf_columns) struct hf_columns columns = HF_COLUMNS_INIT;
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    *out = (struct hf_content){0};
    columns.is_versioned = with_history;
    if (hf_columns_read(c, schema, table, &columns, err))
        return -1;
    hf_buf_printf(&sql, "SELECT %s FROM ", hf_buf_str(&columns.plan.select));
    hf_sql_add_names(&sql, schema, table);
    hf_buf_str_add(&sql, columns.is_versioned ? " FOR SYSTEM_TIME ALL" : "");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return sum_rows(c, &columns, hf_buf_str(&sql), out, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/local.h"

#include "db/session.h"

#include <stdio.h>
#include <string.h>

static int drain(struct hf_db_conn *c, struct hf_err *err)
{
    MYSQL_RES *res = mysql_use_result(c->mysql);
    while (res && mysql_fetch_row(res))
        continue;
    int rc = mysql_errno(c->mysql) ? hf_db_session_fail(c, err) : 0;
    mysql_free_result(res);
    return rc;
}

int hf_db_run(struct hf_db_conn *c, const char *sql, size_t len, uint64_t *affected,
              struct hf_err *err)
{
    c->last_errno = 0;
    if (mysql_real_query(c->mysql, sql, (unsigned long)len))
        return hf_db_session_fail(c, err);
    if (affected)
        *affected = mysql_affected_rows(c->mysql);
    return mysql_field_count(c->mysql) ? drain(c, err) : 0;
}

/* ---- LOAD DATA LOCAL --------------------------------------------------------------------------- */

struct feeding {
    hf_db_feed feed;
    void *ctx;
};

static int feed_begin(void **handle, const char *file, void *ctx)
{
    (void)file; /* whatever the server asks for, this is what it gets */
    *handle = ctx;
    return 0;
}

static int feed_read(void *handle, char *buf, unsigned len)
{
    struct feeding *f = handle;
    int n = f->feed(f->ctx, buf, len);
    return n < 0
               ? 0
               : n; /* the caller looks at ctx; an error here would leave the protocol in the middle */
}

static void feed_end(void *handle)
{
    (void)handle;
}

static int feed_error(void *handle, char *text, unsigned len)
{
    (void)handle;
    snprintf(text, len, "refused");
    return 2000;
}

static void read_info(const char *info, struct hf_db_local_result *out)
{
    unsigned long long rows = 0, deleted = 0, skipped = 0, warnings = 0;
    if (info && sscanf(info, "Records: %llu Deleted: %llu Skipped: %llu Warnings: %llu", &rows,
                       &deleted, &skipped, &warnings) == 4)
        *out = (struct hf_db_local_result){rows, skipped, warnings};
}

int hf_db_load_local(struct hf_db_conn *c, const char *sql, hf_db_feed feed, void *ctx,
                     struct hf_db_local_result *out, struct hf_err *err)
{
    struct feeding f = {feed, ctx};
    *out = (struct hf_db_local_result){.warnings = 1};
    mysql_set_local_infile_handler(c->mysql, feed_begin, feed_read, feed_end, feed_error, &f);
    int rc = hf_db_run(c, sql, strlen(sql), NULL, err);
    if (rc == 0)
        read_info(mysql_info(c->mysql), out);
    hf_db_refuse_infile(c->mysql);
    return rc;
}

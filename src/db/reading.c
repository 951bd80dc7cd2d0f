/* SPDX-License-Identifier: Apache-2.0 */
#include "db/reading.h"

#include "base/buf.h"
#include "db/server.h"

#include <stdlib.h>
#include <string.h>

/* The result sets that can come are told apart by their number of columns. */
enum {
    WHO_COLUMNS = 3,        /* GTID set, connection, owner of the mark */
    STATUS_COLUMNS_MIN = 4, /* SHOW MASTER STATUS: 4 in MariaDB, 5 in MySQL; the first two matter */
    ALL_COLUMNS = 6,        /* log_status: connection, owner, file, offset, GTID set, LSN */
};

static const char *status_statement(const struct hf_db_server *s)
{
    /* MySQL 8.2 brought the new name, 8.4 dropped the old one. */
    return hf_db_is_mysql(s, 80200) ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
}

static const char *gtid_expression(const struct hf_db_server *s)
{
    if (s->flavour == HF_DB_MARIADB)
        return "@@global.gtid_binlog_pos";
    return hf_db_is_mysql(s, 50600) ? "@@global.gtid_executed" : "''";
}

static char *position_sql(const struct hf_db_server *s, const struct hf_db_reading_opts *opts)
{
    HF_AUTOFREE char *owner =
        opts->mark ? hf_asprintf("IS_USED_LOCK(%s)", opts->mark) : strdup("NULL");
    if (!owner)
        return NULL;
    if (opts->has_log_status)
        return hf_asprintf("SELECT CONNECTION_ID(), %s, "
                           "JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file')), "
                           "JSON_EXTRACT(LOCAL, '$.binary_log_position'), "
                           "JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.gtid_executed')), "
                           "JSON_EXTRACT(STORAGE_ENGINES, '$.InnoDB.LSN') "
                           "FROM performance_schema.log_status",
                           owner);
    if (!opts->has_binlog)
        return hf_asprintf("SELECT '', CONNECTION_ID(), %s", owner);
    return hf_asprintf("%s; SELECT %s, CONNECTION_ID(), %s", status_statement(s),
                       gtid_expression(s), owner);
}

char *hf_db_reading_sql(const struct hf_db_server *s, const struct hf_db_reading_opts *opts)
{
    HF_AUTOFREE char *position = position_sql(s, opts);
    if (!position || !opts->has_sources)
        return HF_STEAL(position);
    return hf_asprintf("%s; %s", position, hf_db_sources_sql(s));
}

static uint64_t number(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

static int keep(char **slot, const char *text, struct hf_err *err)
{
    free(*slot);
    *slot = strdup(text ? text : "");
    return *slot ? 0 : hf_fail_nomem(err);
}

/* MySQL breaks long sets into lines. */
static int keep_gtid(struct hf_db_position *p, const char *text, struct hf_err *err)
{
    if (keep(&p->gtid, text, err))
        return -1;
    char *w = p->gtid;
    for (const char *r = p->gtid; *r; r++)
        if (*r != '\n')
            *w++ = *r;
    *w = '\0';
    return 0;
}

static int keep_file(struct hf_db_position *p, const char *file, const char *offset,
                     struct hf_err *err)
{
    p->has_binlog = file && *file;
    p->offset = number(offset);
    return keep(&p->file, file, err);
}

struct taking {
    struct hf_db_reading *reading;
    const struct hf_db_conn *conn;
};

static int take_row(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    const struct taking *t = ctx;
    struct hf_db_reading *r = t->reading;
    if (hf_db_sources_is_row(t->conn, n))
        return hf_db_sources_take_row(&r->sources, t->conn, n, v, err);
    if (n == ALL_COLUMNS) {
        r->connection = number(v[0]);
        r->mark_owner = number(v[1]);
        r->position.has_lsn = v[5] != NULL;
        r->position.lsn = number(v[5]);
        return keep_file(&r->position, v[2], v[3], err) || keep_gtid(&r->position, v[4], err) ? -1
                                                                                              : 0;
    }
    if (n == WHO_COLUMNS) {
        r->connection = number(v[1]);
        r->mark_owner = number(v[2]);
        return keep_gtid(&r->position, v[0], err);
    }
    if (n >= STATUS_COLUMNS_MIN)
        return keep_file(&r->position, v[0], v[1], err);
    return hf_fail(err, HF_E_UNSUPPORTED, "a position of %u columns is not understood", n);
}

/* Without a binlog there is no position: file and set of MySQL's log_status say nothing then. */
static int conclude(struct hf_db_reading *r, struct hf_err *err)
{
    struct hf_db_position *p = &r->position;
    if (!p->has_binlog)
        p->offset = 0;
    if ((!p->has_binlog || !p->file) && keep(&p->file, "", err))
        return -1;
    return (!p->has_binlog || !p->gtid) && keep(&p->gtid, "", err) ? -1 : 0;
}

int hf_db_reading_run(struct hf_db_conn *c, const char *sql, struct hf_db_reading *out,
                      struct hf_err *err)
{
    HF_AUTO(hf_db_reading) struct hf_db_reading r = HF_DB_READING_INIT;
    struct taking t = {.reading = &r, .conn = c};
    if (hf_db_query(c, sql, take_row, &t, err) || conclude(&r, err))
        return -1;
    *out = r;
    r = (struct hf_db_reading)HF_DB_READING_INIT;
    return 0;
}

void hf_db_reading_free(struct hf_db_reading *r)
{
    hf_db_position_free(&r->position);
    hf_db_sources_free(&r->sources);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "db/source.h"

#include "db/server.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 512
/* Sets of a long-lived MySQL topology have a line per server that ever wrote. */
#define GTID_MAX_BYTES (256 * 1024)

/* One thing under its names in MariaDB and old MySQL, and in MySQL since 8.0.22. The number of columns and their order
 * change with nearly every release. */
struct column {
    const char *name, *new_name;
};

static const struct column host = {"Master_Host", "Source_Host"},
                           port = {"Master_Port", "Source_Port"},
                           file = {"Relay_Master_Log_File", "Relay_Source_Log_File"},
                           offset = {"Exec_Master_Log_Pos", "Exec_Source_Log_Pos"},
                           channel = {"Connection_name", "Channel_Name"},
                           gtid = {"Gtid_Slave_Pos", "Executed_Gtid_Set"};

const char *hf_db_sources_sql(const struct hf_db_server *s)
{
    if (s->flavour == HF_DB_MARIADB)
        return "SHOW ALL SLAVES STATUS";
    return hf_db_is_mysql(s, 80022) ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
}

/* Its index, or n. */
static unsigned find(const struct hf_db_conn *c, unsigned n, const struct column *col)
{
    for (unsigned i = 0; i < n; i++) {
        const char *name = hf_db_column(c, i);
        if (!strcmp(name, col->name) || !strcmp(name, col->new_name))
            return i;
    }
    return n;
}

bool hf_db_sources_is_row(const struct hf_db_conn *c, unsigned n)
{
    return find(c, n, &offset) < n;
}

/* What comes from a server goes into reports and logs. MySQL breaks long GTID sets into lines. */
static char *copy(const char *text, size_t max, struct hf_err *err)
{
    char *out = calloc(1, strnlen(text, max) + 1), *w = out;
    for (const char *p = text; out && *p; p++) {
        bool is_bad = (unsigned char)*p < 0x20 && *p != '\n';
        if (is_bad || (size_t)(p - text) >= max) {
            free(out);
            hf_fail(err, HF_E_CORRUPT, "the state of a replication source is not understood");
            return NULL;
        }
        if (*p != '\n')
            *w++ = *p;
    }
    if (!out)
        hf_fail_nomem(err);
    return out;
}

static void source_free(struct hf_db_source *s)
{
    free(s->channel);
    free(s->host);
    free(s->file);
    free(s->gtid);
    *s = (struct hf_db_source){0};
}

void hf_db_sources_free(struct hf_db_sources *s)
{
    for (size_t i = 0; i < s->n; i++)
        source_free(&s->items[i]);
    s->n = 0;
    s->more = false;
}

struct row {
    const struct hf_db_conn *conn;
    unsigned n;
    char *const *values;
};

/* "": there is no such column, or it is NULL. */
static const char *value(const struct row *r, const struct column *col)
{
    unsigned i = find(r->conn, r->n, col);
    return i < r->n && r->values[i] ? r->values[i] : "";
}

static int fill(struct hf_db_source *s, const struct row *r, struct hf_err *err)
{
    if (!(s->channel = copy(value(r, &channel), NAME_MAX_BYTES, err)) ||
        !(s->host = copy(value(r, &host), NAME_MAX_BYTES, err)) ||
        !(s->file = copy(value(r, &file), NAME_MAX_BYTES, err)) ||
        !(s->gtid = copy(value(r, &gtid), GTID_MAX_BYTES, err)))
        return -1;
    s->port = (unsigned)strtoul(value(r, &port), NULL, 10);
    s->offset = strtoull(value(r, &offset), NULL, 10);
    return 0;
}

int hf_db_sources_take_row(struct hf_db_sources *s, const struct hf_db_conn *c, unsigned n,
                           char *const *values, struct hf_err *err)
{
    struct row r = {.conn = c, .n = n, .values = values};
    /* The members of a group replicate by other means, over channels of their own. */
    if (!strncmp(value(&r, &channel), "group_replication_", 18))
        return 0;
    if (s->n == HF_DB_SOURCES_MAX) {
        s->more = true;
        return 0;
    }
    if (fill(&s->items[s->n], &r, err) == 0) {
        s->n++;
        return 0;
    }
    source_free(&s->items[s->n]);
    return -1;
}

struct reading {
    struct hf_db_sources *out;
    const struct hf_db_conn *conn;
};

static int take(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct reading *r = ctx;
    return hf_db_sources_take_row(r->out, r->conn, n, values, err);
}

int hf_db_sources_read(struct hf_db_conn *c, struct hf_db_sources *out, struct hf_err *err)
{
    struct reading r = {.out = out, .conn = c};
    return hf_db_query(c, hf_db_sources_sql(hf_db_server(c)), take, &r, err);
}

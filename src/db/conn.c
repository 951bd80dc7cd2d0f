/* SPDX-License-Identifier: Apache-2.0 */
#include "db/conn.h"

#include "db/dberr.h"
#include "db/server.h"
#include "db/session.h"

#include <stdlib.h>
#include <string.h>

int hf_db_library_init(struct hf_err *err)
{
    if (mysql_library_init(0, NULL, NULL))
        return hf_fail(err, HF_E_INTERNAL, "the MySQL client library does not start");
    return 0;
}

void hf_db_library_end(void)
{
    mysql_library_end();
}

static int take_identity(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct hf_db_conn *c = ctx;
    if (n < 2 || !values[0] || !values[1])
        return hf_fail(err, HF_E_UNSUPPORTED, "the server does not say who it is");
    c->id = strtoull(values[0], NULL, 10);
    return hf_db_server_parse(values[1], &c->server, err);
}

struct hf_db_conn *hf_db_open(const struct hf_db_target *t, struct hf_err *err)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = calloc(1, sizeof *c);
    if (!c) {
        hf_fail_nomem(err);
        return NULL;
    }
    /* CONNECTION_ID() and not mysql_thread_id(): the protocol's field has 32 bits only, and a
     * proxy's number is not the server's. */
    if (hf_db_connect(c, t, err) ||
        hf_db_query(c, "SELECT CONNECTION_ID(), VERSION()", take_identity, c, err))
        return NULL;
    return HF_STEAL(c);
}

void hf_db_close(struct hf_db_conn *c)
{
    if (!c)
        return;
    if (c->mysql)
        mysql_close(c->mysql);
    free(c->name);
    free(c);
}

const struct hf_db_server *hf_db_server(const struct hf_db_conn *c)
{
    return &c->server;
}

const char *hf_db_name(const struct hf_db_conn *c)
{
    return c->name;
}

uint64_t hf_db_id(const struct hf_db_conn *c)
{
    return c->id;
}

unsigned hf_db_errno(const struct hf_db_conn *c)
{
    return c->last_errno;
}

int hf_db_session_fail(struct hf_db_conn *c, struct hf_err *err)
{
    c->last_errno = mysql_errno(c->mysql);
    /* Over TLS Connector/C calls a lost connection an error of TLS; a refused one it was before. */
    if (c->last_errno == 2026)
        c->last_errno = 2013;
    return hf_db_fail(err, c->name, c->last_errno, mysql_error(c->mysql));
}

/* All rows are read even when emit refuses one: the session stays usable. */
static int read_rows(struct hf_db_conn *c, MYSQL_RES *res, hf_db_row_cb emit, void *ctx,
                     struct hf_err *err)
{
    int rc = 0;
    unsigned n = mysql_num_fields(res);
    c->shown = res;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));)
        if (rc == 0 && emit)
            rc = emit(ctx, n, row, err) ? -1 : 0;
    if (rc == 0 && mysql_errno(c->mysql))
        rc = hf_db_session_fail(c, err);
    c->shown = NULL;
    mysql_free_result(res);
    return rc;
}

const char *hf_db_column(const struct hf_db_conn *c, unsigned i)
{
    const MYSQL_FIELD *fields = c->shown ? mysql_fetch_fields(c->shown) : NULL;
    return fields && i < mysql_num_fields(c->shown) ? fields[i].name : "";
}

static int read_result(struct hf_db_conn *c, hf_db_row_cb emit, void *ctx, struct hf_err *err)
{
    MYSQL_RES *res = mysql_use_result(c->mysql);
    if (res)
        return read_rows(c, res, emit, ctx, err);
    return mysql_errno(c->mysql) ? hf_db_session_fail(c, err) : 0;
}

int hf_db_query(struct hf_db_conn *c, const char *sql, hf_db_row_cb emit, void *ctx,
                struct hf_err *err)
{
    c->last_errno = 0;
    if (mysql_real_query(c->mysql, sql, (unsigned long)strlen(sql)))
        return hf_db_session_fail(c, err);
    int rc = 0, more = 0;
    do {
        /* The first failure is told; results behind it are read all the same. */
        struct hf_err later = HF_ERR_INIT;
        if (read_result(c, rc == 0 ? emit : NULL, ctx, rc == 0 ? err : &later))
            rc = -1;
        more = mysql_next_result(c->mysql);
    } while (more == 0);
    if (rc == 0 && more > 0)
        rc = hf_db_session_fail(c, err);
    return rc;
}

int hf_db_exec(struct hf_db_conn *c, const char *sql, struct hf_err *err)
{
    return hf_db_query(c, sql, NULL, NULL, err);
}

static int keep_first(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    char **out = ctx;
    if (*out || n == 0 || !values[0])
        return 0;
    *out = strdup(values[0]);
    return *out ? 0 : hf_fail_nomem(err);
}

int hf_db_value(struct hf_db_conn *c, const char *sql, char **out, struct hf_err *err)
{
    HF_AUTOFREE char *first = NULL;
    *out = NULL;
    if (hf_db_query(c, sql, keep_first, &first, err))
        return -1;
    *out = HF_STEAL(first);
    return 0;
}

char *hf_db_quote(struct hf_db_conn *c, const char *text)
{
    size_t len = strlen(text);
    char *out = malloc(2 * len + 3);
    if (!out)
        return NULL;
    out[0] = '\'';
    size_t n = mysql_real_escape_string(c->mysql, out + 1, text, (unsigned long)len);
    out[n + 1] = '\'';
    out[n + 2] = '\0';
    return out;
}

int hf_db_allow_several(struct hf_db_conn *c, struct hf_err *err)
{
    c->last_errno = 0;
    return mysql_set_server_option(c->mysql, MYSQL_OPTION_MULTI_STATEMENTS_ON)
               ? hf_db_session_fail(c, err)
               : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/users.h"

#include "db/dump/escape.h"
#include "db/dump/objects.h"
#include "db/dump/out.h"
#include "db/dump/statement.h"
#include "db/server.h"

#include <string.h>

/* Not .sql: myloader would take it for rows of a table. */
#define FILE_NAME "holdfast-users.sql.txt"

struct account {
    char *user, *host;
    bool is_role; /* MariaDB: a role is not an account, and has no host */
    bool is_unknown;
};

struct accounts {
    struct account *items;
    size_t n;
};

static void accounts_free(struct accounts *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->items[i].user);
        free(a->items[i].host);
    }
    free(a->items);
}
HF_DEFINE_AUTO_VALUE(accounts, accounts_free)

static int keep_account(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct accounts *a = ctx;
    if (n < 3 || !values[0] || !values[1] || !values[2])
        return 0;
    struct account *more = realloc(a->items, (a->n + 1) * sizeof *more);
    if (!more)
        return hf_fail_nomem(err);
    a->items = more;
    a->items[a->n++] = (struct account){
        .user = strdup(values[0]), .host = strdup(values[1]), .is_role = *values[2] == 'Y'};
    return a->items[a->n - 1].user && a->items[a->n - 1].host ? 0 : hf_fail_nomem(err);
}

/* Roles first. */
static int list(struct hf_db_conn *c, bool is_mariadb, struct accounts *out, struct hf_err *err)
{
    const char *sql =
        is_mariadb ? "SELECT User, Host, is_role FROM mysql.user WHERE User NOT IN ('mariadb.sys') "
                     "ORDER BY is_role DESC, User, Host"
                   : "SELECT User, Host, 'N' FROM mysql.user WHERE User NOT IN ('mysql.sys', "
                     "'mysql.session', 'mysql.infoschema') ORDER BY User, Host";
    return hf_db_query(c, sql, keep_account, out, err);
}

static bool is_public(const struct account *a)
{
    return a->is_role && !strcmp(a->user, "PUBLIC");
}

static void add_account(struct hf_buf *b, const struct account *a)
{
    if (is_public(a)) {
        hf_buf_str_add(b, "PUBLIC");
        return;
    }
    hf_sql_add_text(b, a->user);
    if (a->is_role)
        return;
    hf_buf_str_add(b, "@");
    hf_sql_add_text(b, a->host);
}

/* ---- one account ------------------------------------------------------------------------ */

void hf_users_strip_default_role(char *text)
{
    static const char clause[] = " DEFAULT ROLE ";
    char *begin = strstr(text, clause);
    char *end = begin ? strstr(begin, " REQUIRE ") : NULL;
    if (end)
        memmove(begin, end, strlen(end) + 1);
}

static int add_statement(struct hf_buf *b, const char *text, struct hf_err *err)
{
    return hf_statement_add(b, text, hf_statement_mode(NULL, NULL), err);
}

static int add_create(struct hf_db_conn *c, const struct account *a, struct hf_buf *b,
                      struct hf_err *err)
{
    static const char create[] = "CREATE USER ";
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT, text = HF_BUF_INIT;
    HF_AUTO(hf_strv) struct hf_strv row = HF_STRV_INIT;
    if (is_public(a))
        return 0;
    if (a->is_role) {
        hf_buf_str_add(b, "CREATE ROLE IF NOT EXISTS ");
        add_account(b, a);
        hf_buf_str_add(b, ";\n");
        return 0;
    }
    hf_buf_str_add(&sql, "SHOW CREATE USER ");
    add_account(&sql, a);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_dump_show(c, hf_buf_str(&sql), 0, &row, err) < 0)
        return -1;
    hf_users_strip_default_role(row.items[0]);
    if (strncmp(row.items[0], create, sizeof create - 1) != 0)
        return hf_fail(err, HF_E_UNSUPPORTED, "SHOW CREATE USER does not begin with CREATE USER");
    hf_buf_printf(&text, "CREATE USER IF NOT EXISTS %s", row.items[0] + sizeof create - 1);
    return hf_buf_ok(&text) ? add_statement(b, hf_buf_str(&text), err) : hf_fail_nomem(err);
}

/* With skip_name_resolve a server ignores accounts whose host is a name: they are in its table only. */
static int try_create(struct hf_dump *d, struct hf_db_conn *c, struct account *a, struct hf_buf *b,
                      struct hf_err *err)
{
    enum { NO_SUCH_ACCOUNT = 1133, NO_SUCH_GRANT = 1141 };
    if (add_create(c, a, b, err) == 0)
        return 0;
    if (hf_db_errno(c) != NO_SUCH_ACCOUNT && hf_db_errno(c) != NO_SUCH_GRANT)
        return -1;
    a->is_unknown = true;
    hf_dump_warn(d, "account '%s'@'%s' is left out: the running server does not know it", a->user,
                 a->host);
    hf_err_clear(err);
    return 0;
}

struct granting {
    struct hf_buf *b;
};

static int keep_grant(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct granting *g = ctx;
    return n && values[0] ? add_statement(g->b, values[0], err) : 0;
}

static int add_grants(struct hf_db_conn *c, const struct account *a, struct hf_buf *b,
                      struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    struct granting g = {b};
    hf_buf_str_add(&sql, "SHOW GRANTS FOR ");
    add_account(&sql, a);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_db_query(c, hf_buf_str(&sql), keep_grant, &g, err);
}

/* ---- default roles of MySQL ------------------------------------------------------------- */

/* USER, HOST, DEFAULT_ROLE_USER, DEFAULT_ROLE_HOST, ordered; several roles of one account make one statement. */
struct defaults {
    struct hf_buf *b;
    char *user, *host;
};

static int keep_default(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct defaults *x = ctx;
    for (unsigned i = 0; i < 4; i++)
        if (n < 4 || !values[i])
            return 0;
    bool is_next = x->user && !strcmp(x->user, values[0]) && !strcmp(x->host, values[1]);
    if (is_next) {
        hf_buf_str_add(x->b, ", ");
    } else {
        hf_buf_str_add(x->b, x->user ? ";\nALTER USER " : "ALTER USER ");
        add_account(x->b, &(struct account){.user = values[0], .host = values[1]});
        hf_buf_str_add(x->b, " DEFAULT ROLE ");
        free(x->user);
        free(x->host);
        x->user = strdup(values[0]);
        x->host = strdup(values[1]);
        if (!x->user || !x->host)
            return hf_fail_nomem(err);
    }
    add_account(x->b, &(struct account){.user = values[2], .host = values[3]});
    return 0;
}

static int add_default_roles(struct hf_db_conn *c, struct hf_buf *b, struct hf_err *err)
{
    struct defaults x = {.b = b};
    int rc = hf_db_query(c,
                         "SELECT USER, HOST, DEFAULT_ROLE_USER, DEFAULT_ROLE_HOST FROM "
                         "mysql.default_roles ORDER BY 1, 2, 3, 4",
                         keep_default, &x, err);
    if (x.user)
        hf_buf_str_add(b, ";\n");
    free(x.user);
    free(x.host);
    return rc;
}

static int add_all(struct hf_dump *d, struct hf_db_conn *c, struct hf_buf *text, struct hf_err *err)
{
    HF_AUTO(accounts) struct accounts all = {0};
    bool is_mariadb = d->server.flavour == HF_DB_MARIADB;
    if (list(c, is_mariadb, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < all.n; i++)
        if (try_create(d, c, &all.items[i], text, err) < 0)
            return hf_wrap(err, "account '%s'@'%s'", all.items[i].user, all.items[i].host);
    for (size_t i = 0; i < all.n; i++)
        if (!all.items[i].is_unknown && add_grants(c, &all.items[i], text, err) < 0)
            return hf_wrap(err, "account '%s'@'%s'", all.items[i].user, all.items[i].host);
    return is_mariadb ? 0 : add_default_roles(c, text, err);
}

int hf_dump_users(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    /* A hash can hold any byte: as hexadecimal digits it can be read back. */
    if (hf_db_is_mysql(&d->server, 80017) &&
        hf_db_exec(c, "SET SESSION print_identified_with_as_hex = 1", err) < 0)
        return -1;
    hf_dump_add_head(&text);
    if (add_all(d, c, &text, err) < 0)
        return hf_wrap(err, "accounts and grants");
    return hf_dump_out_text(d, FILE_NAME, &text, &d->users_file, err);
}

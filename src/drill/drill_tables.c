/* SPDX-License-Identifier: Apache-2.0
 *
 * Which tables there are, and CHECK TABLE of each.
 */
#include "base/buf.h"
#include "base/point.h"
#include "db/dump/escape.h"
#include "drill/drill_intern.h"

#include <string.h>
#include <strings.h>

#define BATCH 16u
#define NAMED_MAX 20u /* bad tables in one reason */

/* ---- which ------------------------------------------------------------------------------ */

static int take_table(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct drill *d = ctx;
    if (n < 3 || !values[0] || !values[1] || !values[2])
        return 0;
    if (hf_strv_add(&d->schemas, values[0]) < 0 || hf_strv_add(&d->tables, values[1]) < 0 ||
        hf_strv_add(&d->types, values[2]) < 0)
        return hf_fail_nomem(err);
    return 0;
}

int drill_list_tables(struct drill *d, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (!d->db ||
        hf_db_query(
            d->db,
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES"
            " WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN"
            " ('mysql', 'information_schema', 'performance_schema', 'sys')"
            " ORDER BY TABLE_SCHEMA, TABLE_NAME",
            take_table, d, &why) == 0)
        return 0;
    hf_drill_note(&d->checks, "tables", HF_DRILL_FAILED, "they cannot be listed: %s", why.message);
    return drill_heed(d, &why, err);
}

/* ---- CHECK TABLE ------------------------------------------------------------------------ */

struct checking {
    struct drill *d;
    struct hf_buf bad; /* "shop.orders (Corrupt), …" */
    size_t n_bad, n_ok;
    char last_bad[512]; /* a table has several lines */
};

static bool is_status(const char *type, const char *text, const char *wanted)
{
    return strcasecmp(type, "status") == 0 && strcasecmp(text, wanted) == 0;
}

/* A note: its engine cannot check. */
static bool is_bad(const char *type, const char *text)
{
    if (strcasecmp(type, "error") == 0)
        return true;
    return strcasecmp(type, "status") == 0 && !is_status(type, text, "OK") &&
           !is_status(type, text, "Table is already up to date");
}

static int take_line(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct checking *c = ctx;
    (void)err;
    if (n < 4 || !v[0] || !v[2] || !v[3])
        return 0;
    c->n_ok += is_status(v[2], v[3], "OK") || is_status(v[2], v[3], "Table is already up to date");
    if (!is_bad(v[2], v[3]) || strncmp(c->last_bad, v[0], sizeof c->last_bad - 1) == 0)
        return 0;
    snprintf(c->last_bad, sizeof c->last_bad, "%s", v[0]);
    if (c->n_bad++ < NAMED_MAX)
        hf_buf_printf(&c->bad, "%s%.200s (%.200s)", c->bad.len ? ", " : "", v[0], v[3]);
    return 0;
}

static char *statement(const struct drill *d, size_t from, size_t to)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(&sql, "CHECK TABLE ");
    for (size_t i = from; i < to; i++) {
        hf_buf_str_add(&sql, i > from ? ", " : "");
        hf_sql_add_names(&sql, d->schemas.items[i], d->tables.items[i]);
    }
    hf_buf_str_add(&sql, " MEDIUM");
    return hf_buf_steal(&sql);
}

/* The whole of a batch was refused, or the server ended over it. */
static int note_refused(struct checking *c, size_t from, size_t to, const struct hf_err *why,
                        struct hf_err *err)
{
    struct drill *d = c->d;
    enum hf_drill_result result =
        why->cls == HF_E_AUTH && !c->n_bad ? HF_DRILL_SKIPPED : HF_DRILL_FAILED;
    hf_drill_note(&d->checks, HF_DRILL_TABLES, result, "%s%s%s.%s to %s.%s: %s",
                  c->n_bad ? hf_buf_str(&c->bad) : "", c->n_bad ? "; " : "", d->schemas.items[from],
                  d->tables.items[from], d->schemas.items[to - 1], d->tables.items[to - 1],
                  why->message);
    return drill_heed(d, why, err);
}

static void note_checked(struct checking *c)
{
    size_t n = c->d->tables.n;
    struct hf_drill_checks *to = &c->d->checks;
    if (c->n_bad)
        hf_drill_note(to, HF_DRILL_TABLES, HF_DRILL_FAILED, "%zu of %zu tables are damaged: %s%s",
                      c->n_bad, n, hf_buf_str(&c->bad), c->n_bad > NAMED_MAX ? ", ..." : "");
    else if (c->n_ok < n)
        hf_drill_note(to, HF_DRILL_TABLES, c->n_ok ? HF_DRILL_OK : HF_DRILL_SKIPPED,
                      "%zu of %zu tables; the engines of the others cannot check", c->n_ok, n);
    else
        hf_drill_note(to, HF_DRILL_TABLES, HF_DRILL_OK, "%zu tables", n);
}

static int check_all(struct checking *c, struct hf_err *err)
{
    struct drill *d = c->d;
    struct hf_err why = HF_ERR_INIT;
    if (hf_db_exec(d->db, "SET NAMES utf8mb4", &why) < 0)
        return note_refused(c, 0, d->tables.n, &why, err);
    for (size_t i = 0; i < d->tables.n; i += BATCH) {
        size_t end = i + BATCH < d->tables.n ? i + BATCH : d->tables.n;
        HF_AUTOFREE char *sql = statement(d, i, end);
        if (!sql)
            return hf_fail_nomem(err);
        if (hf_db_query(d->db, sql, take_line, c, &why) < 0)
            return note_refused(c, i, end, &why, err);
    }
    note_checked(c);
    return 0;
}

int drill_check_tables(struct drill *d, struct hf_err *err)
{
    struct checking c = {.d = d};
    if (HF_POINT_ERR("drill.before_check_table", err) < 0)
        return -1;
    if (!d->db)
        hf_drill_note(&d->checks, HF_DRILL_TABLES, HF_DRILL_SKIPPED,
                      "the session with the database was lost");
    else if (d->tables.n == 0)
        hf_drill_note(&d->checks, HF_DRILL_TABLES, HF_DRILL_SKIPPED,
                      "the account of db-defaults-file sees no table: it needs SELECT on what is "
                      "to be checked");
    if (!d->db || d->tables.n == 0)
        return 0;
    int rc = check_all(&c, err);
    hf_buf_free(&c.bad);
    return rc;
}

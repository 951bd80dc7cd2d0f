/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/split.h"

#include "base/buf.h"
#include "db/dump/escape.h"
#include "db/stream.h"

#include <inttypes.h>
#include <string.h>

/* Halvings one below the other: no 64-bit range has more. */
#define DEPTH_MAX 64
#define PIECES_MAX 100000

struct splitting {
    struct hf_db_conn *c;
    const struct hf_split *s;
    hf_split_cb emit;
    void *ctx;
    uint64_t made;
    char *from; /* the bound behind which the next piece begins, as a literal; NULL: none yet */
};

static bool is_one_of(const char *type, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(type, list[i]))
            return true;
    return false;
}

static bool is_integer(const char *type)
{
    static const char *const integers[] = {"tinyint", "smallint", "mediumint", "int", "bigint"};
    return is_one_of(type, integers, HF_ARRAY_SIZE(integers));
}

bool hf_split_can(const char *type)
{
    static const char *const others[] = {"char", "varchar",  "binary",    "varbinary",
                                         "date", "datetime", "timestamp", "decimal"};
    return is_integer(type) || is_one_of(type, others, HF_ARRAY_SIZE(others));
}

int64_t hf_split_middle(int64_t low, int64_t high)
{
    return low + (int64_t)(((uint64_t)high - (uint64_t)low) / 2);
}

/* The piece from the last bound up to `to` (a literal, owned; NULL: to the end). */
static int emit_up_to(struct splitting *x, char *to, uint64_t rows, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf where = HF_BUF_INIT;
    HF_AUTOFREE char *end = to;
    if (x->from) {
        hf_sql_add_name(&where, x->s->column);
        hf_buf_printf(&where, " >= %s", x->from);
    }
    if (end) {
        hf_buf_str_add(&where, x->from ? " AND " : "");
        hf_sql_add_name(&where, x->s->column);
        hf_buf_printf(&where, " < %s", end);
    }
    if (!hf_buf_ok(&where))
        return hf_fail_nomem(err);
    bool is_all = where.len == 0;
    char *text = is_all ? NULL : hf_buf_steal(&where);
    if (!is_all && !text)
        return hf_fail_nomem(err);
    free(x->from);
    x->from = HF_STEAL(end);
    x->made++;
    return x->emit(x->ctx, text, rows, err);
}

static void add_from(const struct splitting *x, struct hf_buf *b)
{
    hf_buf_str_add(b, " FROM ");
    hf_sql_add_names(b, x->s->schema, x->s->table);
}

/* ---- integers --------------------------------------------------------------------------- */

struct bounds {
    int64_t low, high;
    bool ok;
};

/* Above INT64_MAX (BIGINT UNSIGNED) only the part below is halved; the last piece has no upper bound. */
static int keep_bounds(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct bounds *b = ctx;
    (void)err;
    if (n < 2 || !values[0] || !values[1])
        return 0;
    errno = 0;
    b->low = strtoll(values[0], NULL, 10);
    b->high = strtoll(values[1], NULL, 10); /* INT64_MAX when it does not fit */
    b->ok = b->low < b->high;
    return 0;
}

static int read_bounds(struct splitting *x, struct bounds *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(&sql, "SELECT MIN(");
    hf_sql_add_name(&sql, x->s->column);
    hf_buf_str_add(&sql, "), MAX(");
    hf_sql_add_name(&sql, x->s->column);
    hf_buf_str_add(&sql, ")");
    add_from(x, &sql);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_db_query(x->c, hf_buf_str(&sql), keep_bounds, out, err);
}

struct estimate {
    unsigned column; /* of `rows` in EXPLAIN's answer */
    uint64_t rows;
};

static int keep_estimate(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct estimate *e = ctx;
    (void)err;
    if (e->column < n && values[e->column])
        e->rows = strtoull(values[e->column], NULL, 10);
    return 0;
}

static int estimate_rows(struct splitting *x, int64_t low, int64_t high, uint64_t *out,
                         struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    /* MySQL has a column `partitions` before, and another form as its default in some versions. */
    struct estimate e = {.column = x->s->is_mariadb ? 8 : 9};
    hf_buf_str_add(&sql,
                   x->s->is_mariadb ? "EXPLAIN SELECT 1" : "EXPLAIN FORMAT=TRADITIONAL SELECT 1");
    add_from(x, &sql);
    /* With FORCE INDEX MySQL does not look into the index at all. */
    hf_buf_str_add(&sql, " USE INDEX (PRIMARY) WHERE ");
    hf_sql_add_name(&sql, x->s->column);
    hf_buf_printf(&sql, " >= %" PRId64 " AND ", low);
    hf_sql_add_name(&sql, x->s->column);
    hf_buf_printf(&sql, " <= %" PRId64, high);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_query(x->c, hf_buf_str(&sql), keep_estimate, &e, err) < 0)
        return -1;
    *out = e.rows;
    return 0;
}

/* How a range's rows are shared by its halves. InnoDB never says more than half of the table: who has that much may have all
 * that the other one lacks. */
static int estimate_halves(struct splitting *x, int64_t low, int64_t middle, int64_t high,
                           uint64_t rows, uint64_t out[2], struct hf_err *err)
{
    if (estimate_rows(x, low, middle, &out[0], err) < 0 ||
        estimate_rows(x, middle + 1, high, &out[1], err) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (2 * out[i] + 2 >= x->s->rows && rows > out[!i])
            out[i] = rows - out[!i];
    return 0;
}

/* [low, high] with about so many rows; the bound to the right is written down by whoever owns what is left of it. */
static int halve(struct splitting *x, int64_t low, int64_t high, uint64_t rows, bool is_last,
                 unsigned depth, struct hf_err *err)
{
    if (rows > x->s->piece_rows + x->s->piece_rows / 2 && low < high && depth < DEPTH_MAX &&
        x->made < PIECES_MAX) {
        int64_t middle = hf_split_middle(low, high);
        uint64_t half[2] = {0};
        if (estimate_halves(x, low, middle, high, rows, half, err) < 0 ||
            halve(x, low, middle, half[0], false, depth + 1, err) < 0)
            return -1;
        return halve(x, middle + 1, high, half[1], is_last, depth + 1, err);
    }
    /* Few rows here: let the next piece have them too, unless it is the end. */
    if (!is_last && rows < x->s->piece_rows / 4)
        return 0;
    char *to = is_last ? NULL : hf_asprintf("%" PRId64, high + 1);
    return is_last || to ? emit_up_to(x, to, rows, err) : hf_fail_nomem(err);
}

static int split_integer(struct splitting *x, struct hf_err *err)
{
    struct bounds b = {0};
    if (read_bounds(x, &b, err) < 0)
        return -1;
    if (!b.ok)
        return emit_up_to(x, NULL, x->s->rows, err);
    return halve(x, b.low, b.high, x->s->rows, true, 0, err);
}

/* ---- everything else -------------------------------------------------------------------- */

/* As a literal that means the same bytes whatever the session's character set is. */
static char *literal(const struct hf_split *s, const char *value, size_t len)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    bool is_bytes = s->charset || strstr(s->type, "binary");
    if (!is_bytes) {
        hf_sql_add_text(&b, value);
        return hf_buf_steal(&b);
    }
    if (s->charset)
        hf_buf_printf(&b, "_%s ", s->charset);
    hf_buf_str_add(&b, "X'");
    for (size_t i = 0; i < len; i++)
        hf_buf_printf(&b, "%02X", (unsigned char)value[i]);
    hf_buf_str_add(&b, "'");
    return hf_buf_steal(&b);
}

/* The key that stands piece_rows behind the last bound; *out NULL: nearer to the end than that. */
static int next_bound(struct splitting *x, char **out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    HF_AUTO(hf_db_stream) struct hf_db_stream rows = HF_DB_STREAM_INIT;
    hf_buf_str_add(&sql, "SELECT ");
    hf_sql_add_name(&sql, x->s->column);
    add_from(x, &sql);
    hf_buf_str_add(&sql, " FORCE INDEX (PRIMARY)");
    if (x->from) {
        hf_buf_str_add(&sql, " WHERE ");
        hf_sql_add_name(&sql, x->s->column);
        hf_buf_printf(&sql, " > %s", x->from);
    }
    hf_buf_str_add(&sql, " ORDER BY ");
    hf_sql_add_name(&sql, x->s->column);
    hf_buf_printf(&sql, " LIMIT 1 OFFSET %" PRIu64, x->s->piece_rows);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_stream_open(x->c, hf_buf_str(&sql), &rows, err) < 0)
        return -1;
    int got = 0;
    while ((got = hf_db_stream_next(&rows, err)) == 1)
        if (!*out && rows.values[0] && !(*out = literal(x->s, rows.values[0], rows.lengths[0])))
            return hf_fail_nomem(err);
    return got;
}

static int walk(struct splitting *x, struct hf_err *err)
{
    while (x->made < PIECES_MAX) {
        char *bound = NULL;
        if (next_bound(x, &bound, err) < 0) {
            free(bound);
            return -1;
        }
        if (emit_up_to(x, bound, x->s->piece_rows, err) < 0)
            return -1;
        if (!x->from)
            return 0;
    }
    return emit_up_to(x, NULL, x->s->piece_rows, err);
}

int hf_split_run(struct hf_db_conn *c, const struct hf_split *s, hf_split_cb emit, void *ctx,
                 struct hf_err *err)
{
    struct splitting x = {.c = c, .s = s, .emit = emit, .ctx = ctx};
    int rc = is_integer(s->type) ? split_integer(&x, err) : walk(&x, err);
    free(x.from);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/table.h"

#include "base/list.h"
#include "base/point.h"
#include "db/dump/columns.h"
#include "db/dump/escape.h"
#include "db/dump/objects.h"
#include "db/dump/out.h"
#include "db/dump/split.h"
#include "db/dump/work.h"
#include "db/stream.h"

#include <inttypes.h>
#include <string.h>

/* Table data that a piece shall have, as the server counts it. */
#define PIECE_BYTES ((uint64_t)32 << 20)
/* A little under the smallest max_allowed_packet that a server of today is likely to have. */
#define STATEMENT_BYTES ((size_t)1000 << 10)

static const char head[] = "/*!40101 SET NAMES binary */;\n"
                           "/*!40014 SET FOREIGN_KEY_CHECKS=0 */;\n"
                           "/*!40101 SET SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n"
                           "/*!40103 SET TIME_ZONE='+00:00' */;\n";
static const char history_head[] = "/*M!101100 SET system_versioning_insert_history=1 */;\n";

static void add_source(struct hf_buf *b, const struct hf_dump_table *t)
{
    hf_buf_str_add(b, " FROM ");
    hf_sql_add_names(b, t->schema->name, t->name);
    if (t->is_versioned)
        hf_buf_str_add(b, " FOR SYSTEM_TIME ALL");
}

/* ---- planning --------------------------------------------------------------------------- */

/* From here to the next table its definition stays as it is: the transaction has used it. */
static int hold_definition(struct hf_dump_worker *w, const struct hf_dump_table *t,
                           struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    if (w->holds == t)
        return 0;
    w->holds = NULL;
    hf_buf_str_add(&sql, "SELECT 1");
    add_source(&sql, t);
    hf_buf_str_add(&sql, " LIMIT 0");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_exec(w->conn, "ROLLBACK TO SAVEPOINT holdfast", err) < 0 ||
        hf_db_exec(w->conn, hf_buf_str(&sql), err) < 0)
        return -1;
    w->holds = t;
    return 0;
}

struct planning {
    struct hf_dump *d;
    struct hf_dump_table *t;
    uint64_t row_bytes; /* on average */
};

static int add_piece(void *ctx, char *where, uint64_t rows, struct hf_err *err)
{
    struct planning *p = ctx;
    return hf_dump_piece_add(p->d, p->t, where, rows * p->row_bytes, err);
}

static int split(struct hf_dump_worker *w, struct hf_dump_table *t, struct hf_columns *c,
                 struct hf_err *err)
{
    bool is_large = t->estimated_bytes > PIECE_BYTES + PIECE_BYTES / 2 && t->estimated_rows > 1000;
    if (is_large && hf_columns_read_key(w->conn, t->schema->name, t->name, c, err) < 0)
        return -1;
    if (!c->key)
        return hf_dump_piece_add(w->dump, t, NULL, t->estimated_bytes, err);
    struct planning p = {.d = w->dump, .t = t, .row_bytes = t->estimated_bytes / t->estimated_rows};
    struct hf_split s = {
        .schema = t->schema->name,
        .table = t->name,
        .column = c->key,
        .type = c->key_type,
        .charset = c->key_charset,
        .rows = t->estimated_rows,
        .piece_rows = PIECE_BYTES / (p.row_bytes ? p.row_bytes : 1),
        .is_mariadb = w->dump->server.flavour == HF_DB_MARIADB,
    };
    return hf_split_run(w->conn, &s, add_piece, &p, err);
}

static int plan(struct hf_dump_worker *w, struct hf_dump_table *t, struct hf_err *err)
{
    HF_AUTO(hf_columns) struct hf_columns c = HF_COLUMNS_INIT;
    bool wants_history = c.is_versioned = t->is_versioned;
    if (hf_columns_read(w->conn, t->schema->name, t->name, &c, err) < 0)
        return -1;
    if (wants_history && !c.is_versioned)
        hf_dump_warn(
            w->dump,
            "table %s.%s: only current rows are dumped: a history by transactions cannot be loaded",
            t->schema->name, t->name);
    t->is_versioned = c.is_versioned;
    t->plan = c.plan;
    c.plan = (struct hf_row_plan){0};
    t->columns = c.names;
    c.names = (struct hf_strv)HF_STRV_INIT;
    return split(w, t, &c, err);
}

static int begin_table(struct hf_dump_worker *w, struct hf_dump_table *t, struct hf_err *err)
{
    if (hold_definition(w, t, err) < 0)
        return -1;
    /* Under the lock nothing but rows: the rest has time. */
    if (!w->dump->only_plain && (hf_dump_table_definition(w->dump, w->conn, t, err) < 0 ||
                                 hf_dump_triggers(w->dump, w->conn, t, err) < 0))
        return -1;
    return t->is_read || t->is_window ? 0 : plan(w, t, err);
}

int hf_dump_table_begin(struct hf_dump_worker *w, struct hf_dump_table *t, struct hf_err *err)
{
    int rc = 0;
    switch (t->kind) {
    case HF_DUMP_TABLE:
        rc = begin_table(w, t, err);
        break;
    case HF_DUMP_VIEW:
        rc = hf_dump_view(w->dump, w->conn, t, err);
        break;
    case HF_DUMP_SEQUENCE:
        rc = hf_dump_sequence(w->dump, w->conn, t, err);
        break;
    }
    return rc < 0 ? hf_dump_wrap(t, err) : 0;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* A data file that is being written. */
struct writing {
    struct hf_dump_worker *w;
    const struct hf_dump_table *t;
    struct hf_io_sink *sink;
    struct hf_buf insert; /* "INSERT INTO …" up to the first row */
    size_t in_statement;  /* rows */
    struct hf_dump_file file;
};

static void writing_close(struct writing *x)
{
    hf_io_close(x->sink);
    hf_buf_free(&x->insert);
    hf_dump_file_free(&x->file);
}
HF_DEFINE_AUTO_VALUE(writing, writing_close)

static void add_insert(struct hf_buf *b, const struct hf_dump_table *t)
{
    hf_buf_str_add(b, "INSERT INTO ");
    hf_sql_add_name(b, t->name);
    hf_buf_printf(b, " (%s) VALUES\n", hf_buf_str(&t->plan.names));
}

/* No row, no file: so it is opened with the first one. */
static int open_file(struct writing *x, const struct hf_dump_piece *p, struct hf_err *err)
{
    struct hf_dump *d = x->w->dump;
    HF_AUTOFREE char *name =
        hf_asprintf("%s.%05zu.sql%s", x->t->file, p->number, hf_io_packing_suffix(d->opts.packing));
    if (!name)
        return hf_fail_nomem(err);
    x->sink = hf_dump_out_open(d, name, x->w->packer, &x->file, err);
    if (!x->sink)
        return -1;
    add_insert(&x->insert, x->t);
    if (!hf_buf_ok(&x->insert))
        return hf_fail_nomem(err);
    if (hf_row_buffer_add(&x->w->buffer, head, sizeof head - 1, err) < 0)
        return -1;
    return x->t->is_versioned
               ? hf_row_buffer_add(&x->w->buffer, history_head, sizeof history_head - 1, err)
               : 0;
}

/* The first len bytes of the buffer are a statement. */
static int write_statement(struct writing *x, size_t len, size_t n_rows, struct hf_err *err)
{
    struct hf_dump *d = x->w->dump;
    if (hf_io_write(x->sink, x->w->buffer.data, len, err) < 0)
        return -1;
    d->bytes += len;
    d->rows += n_rows;
    for (uint64_t old = d->largest_statement; len > old;)
        if (atomic_compare_exchange_weak(&d->largest_statement, &old, len))
            break;
    return 0;
}

static int end_statement(struct writing *x, struct hf_err *err)
{
    struct hf_row_buffer *b = &x->w->buffer;
    if (hf_row_buffer_add(b, ";\n", 2, err) < 0 ||
        write_statement(x, b->len, x->in_statement, err) < 0)
        return -1;
    x->in_statement = 0;
    hf_row_buffer_clear(b);
    return 0;
}

/* The row that begins at `row` made the statement too long: it moves to the next one. Two bytes are between it and the row
 * before, ",\n". */
static int move_row(struct writing *x, size_t row, struct hf_err *err)
{
    struct hf_row_buffer *b = &x->w->buffer;
    size_t len = b->len - row;
    memcpy(b->data + row - 2, ";\n", 2);
    if (write_statement(x, row, x->in_statement, err) < 0)
        return -1;
    memmove(b->data + x->insert.len, b->data + row, len);
    memcpy(b->data, x->insert.data, x->insert.len);
    b->len = x->insert.len + len;
    x->in_statement = 0;
    return 0;
}

static int add_row(struct writing *x, const struct hf_db_stream *rows, struct hf_err *err)
{
    struct hf_row_buffer *b = &x->w->buffer;
    const char *before = x->in_statement ? ",\n" : hf_buf_str(&x->insert);
    if (hf_row_buffer_add(b, before, x->in_statement ? 2 : x->insert.len, err) < 0)
        return -1;
    size_t row = b->len;
    if (hf_row_add(b, &x->t->plan, rows->values, rows->lengths, &x->file.checksum, err) < 0)
        return -1;
    x->file.rows++;
    if (b->len > STATEMENT_BYTES && x->in_statement && move_row(x, row, err) < 0)
        return -1;
    x->in_statement++;
    return b->len > STATEMENT_BYTES ? end_statement(x, err) : 0;
}

static int check_stop(const struct hf_dump *d, struct hf_err *err)
{
    return atomic_load_explicit(&d->stop, memory_order_relaxed)
               ? hf_fail(err, HF_E_CANCELLED, "stopped")
               : 0;
}

static int copy_rows(struct writing *x, const struct hf_dump_piece *p, struct hf_db_stream *rows,
                     struct hf_err *err)
{
    int got = 0;
    while ((got = hf_db_stream_next(rows, err)) == 1) {
        if (check_stop(x->w->dump, err) < 0 || (!x->sink && open_file(x, p, err) < 0) ||
            add_row(x, rows, err) < 0)
            return -1;
    }
    if (got < 0)
        return -1;
    return x->in_statement ? end_statement(x, err) : 0;
}

static int select_sql(const struct hf_dump_piece *p, struct hf_buf *sql, struct hf_err *err)
{
    const struct hf_dump_table *t = p->table;
    hf_buf_printf(sql, "SELECT /*!40001 SQL_NO_CACHE */ %s",
                  t->plan.n ? hf_buf_str(&t->plan.select) : "1");
    add_source(sql, t);
    if (p->where)
        hf_buf_printf(sql, " WHERE %s", p->where);
    return hf_buf_ok(sql) ? 0 : hf_fail_nomem(err);
}

/* The piece is whole: its file counts. */
static int keep_file(struct writing *x, struct hf_dump_table *t, struct hf_err *err)
{
    struct hf_dump *d = x->w->dump;
    int rc = 0;
    pthread_mutex_lock(&d->lock);
    if (x->sink) {
        struct hf_dump_file *more =
            hf_list_room(t->files, t->n_files, &t->files_cap, sizeof *more, 1);
        if (!more)
            rc = hf_fail_nomem(err);
        else
            t->files = more;
    }
    if (rc == 0 && x->sink) {
        t->files[t->n_files++] = x->file;
        t->rows += x->file.rows;
        t->checksum += x->file.checksum;
        x->file = (struct hf_dump_file){0};
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

static int read_piece(struct hf_dump_worker *w, struct hf_dump_piece *p, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    HF_AUTO(writing) struct writing x = {.w = w, .t = p->table};
    HF_AUTO(hf_db_stream) struct hf_db_stream rows = HF_DB_STREAM_INIT;
    hf_row_buffer_clear(&w->buffer);
    if (hold_definition(w, p->table, err) < 0 || select_sql(p, &sql, err) < 0 ||
        hf_db_stream_open(w->conn, hf_buf_str(&sql), &rows, err) < 0 ||
        copy_rows(&x, p, &rows, err) < 0)
        return -1;
    HF_POINT("dump.before_file");
    if (x.sink && hf_io_finish(x.sink, err) < 0)
        return -1;
    return keep_file(&x, p->table, err);
}

int hf_dump_piece_read(struct hf_dump_worker *w, struct hf_dump_piece *p, struct hf_err *err)
{
    if (read_piece(w, p, err) < 0)
        return hf_dump_wrap(p->table, err);
    w->dump->done_bytes += p->estimated_bytes;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/dump.h"

#include "base/point.h"
#include "db/dump/list.h"
#include "db/dump/manifest.h"
#include "db/dump/out.h"
#include "db/dump/state.h"
#include "db/dump/work.h"
#include "db/server.h"
#include "db/stream.h"

#include <string.h>

/* A server may take its time before the first row comes: another session has the table, or its disk is slow. */
#define READ_TIMEOUT_S 3600
#define LONGEST_ROW (1UL << 30)
#define MAX_PACKET_MIN 1000000000ULL

/* Of a session that reads: it may be slow (we compress), idle (others still read), and is never to be cut short by a limit
 * that is meant for applications. Bytes come as they are. */
static const char settings[] =
    "SET SESSION time_zone = '+00:00', net_write_timeout = 3600, net_read_timeout = 3600, "
    "wait_timeout = 86400, sql_select_limit = DEFAULT, sql_quote_show_create = 1, "
    "character_set_results = binary, transaction_isolation = 'REPEATABLE-READ'";
static const char settings_mariadb[] =
    "SET SESSION time_zone = '+00:00', net_write_timeout = 3600, net_read_timeout = 3600, "
    "wait_timeout = 86400, sql_select_limit = DEFAULT, sql_quote_show_create = 1, "
    "character_set_results = binary, tx_isolation = 'REPEATABLE-READ', max_statement_time = 0";

int hf_dump_wrap(const struct hf_dump_table *t, struct hf_err *err)
{
    static const char *const kinds[] = {"table", "view", "sequence"};
    return hf_wrap(err, "%s %s.%s", kinds[t->kind], t->schema->name, t->name);
}

void hf_dump_warn(struct hf_dump *d, const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&d->lock);
    /* Without memory for it there soon is an error that says so. */
    if (hf_buf_ok(&text) && hf_strv_add(&d->warnings, hf_buf_str(&text)) == 0)
        hf_log(d->opts.log, HF_LOG_WARN, "dump", "%s", hf_buf_str(&text));
    pthread_mutex_unlock(&d->lock);
}

void hf_dump_file_free(struct hf_dump_file *f)
{
    free(HF_STEAL(f->name));
}

/* ---- open ------------------------------------------------------------------------------- */

static int set_session(struct hf_db_conn *c, struct hf_err *err)
{
    const struct hf_db_server *s = hf_db_server(c);
    if (s->flavour == HF_DB_MARIADB)
        return hf_db_exec(c, settings_mariadb, err);
    if (hf_db_exec(c, settings, err) < 0 ||
        hf_db_exec(c, "SET SESSION max_execution_time = 0", err) < 0)
        return -1;
    /* Sizes as they are now, not as they were when somebody last asked. */
    return hf_db_is_mysql(s, 80000)
               ? hf_db_exec(c, "SET SESSION information_schema_stats_expiry = 0", err)
               : 0;
}

static int open_worker(struct hf_dump *d, struct hf_dump_worker *w, struct hf_err *err)
{
    w->dump = d;
    w->conn = hf_db_open(&d->target, err);
    if (!w->conn || set_session(w->conn, err) < 0)
        return -1;
    w->packer = hf_io_packer_new(d->opts.packing, d->opts.level, err);
    return w->packer ? 0 : -1;
}

static int open_workers(struct hf_dump *d, struct hf_err *err)
{
    unsigned n = d->opts.threads ? d->opts.threads : HF_DUMP_THREADS;
    n = n > HF_DUMP_THREADS_MAX ? HF_DUMP_THREADS_MAX : n;
    d->workers = calloc(n, sizeof *d->workers);
    if (!d->workers)
        return hf_fail_nomem(err);
    for (unsigned i = 0; i < n; i++) {
        d->n_workers++;
        if (open_worker(d, &d->workers[i], err) < 0)
            return -1;
    }
    d->server = *hf_db_server(d->workers[0].conn);
    return 0;
}

static int init_queue(struct hf_dump *d, struct hf_err *err)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int rc = pthread_mutex_init(&d->lock, NULL);
    if (rc == 0)
        rc = pthread_cond_init(&d->changed, &attr);
    pthread_condattr_destroy(&attr);
    d->last_piece = &d->first_piece;
    return rc ? hf_fail_sys(err, rc, "cannot make a lock") : 0;
}

static int prepare(struct hf_dump *d, struct hf_err *err)
{
    if ((!d->dir && !d->opts.place) || !d->names)
        return hf_fail_nomem(err);
    if (open_workers(d, err) < 0)
        return -1;
    struct hf_db_conn *c = d->workers[0].conn;
    if (hf_dump_list(d, c, err) < 0 || hf_dump_check_rights(d, c, err) < 0)
        return -1;
    return hf_dump_out_begin(d, err);
}

struct hf_dump *hf_dump_open(const struct hf_dump_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_dump) struct hf_dump *d = calloc(1, sizeof *d);
    if (!d) {
        hf_fail_nomem(err);
        return NULL;
    }
    d->folder.fd = -1;
    d->failed = (struct hf_err)HF_ERR_INIT;
    d->opts = *opts;
    if (!d->opts.clock)
        d->opts.clock = hf_clock_system();
    d->target = *opts->target;
    d->target.io_timeout_s = READ_TIMEOUT_S;
    d->target.max_row_bytes = LONGEST_ROW;
    d->dir = opts->place ? NULL : strdup(opts->dir);
    d->place = opts->place ? *opts->place : hf_io_folder_place(&d->folder);
    d->started_us = hf_clock_wall_us(d->opts.clock);
    if (init_queue(d, err) < 0)
        return NULL;
    d->names = hf_dump_names_new(err);
    if (prepare(d, err) < 0)
        return NULL;
    return HF_STEAL(d);
}

/* ---- attach and read -------------------------------------------------------------------- */

/* Sent to all, then the answers of all: the sessions begin in the same moment. */
static int in_all(struct hf_dump *d, const char *sql, int64_t deadline_ms, struct hf_err *err)
{
    for (unsigned i = 0; i < d->n_workers; i++)
        if (hf_db_send(d->workers[i].conn, sql, err) < 0)
            return -1;
    for (unsigned i = 0; i < d->n_workers; i++)
        if (hf_db_wait(d->workers[i].conn, d->opts.clock, deadline_ms, err) < 0 ||
            hf_db_receive(d->workers[i].conn, err) < 0)
            return -1;
    return 0;
}

void hf_dump_heed(struct hf_dump *d, struct hf_cancel *cancel)
{
    d->opts.cancel = cancel;
}

int hf_dump_attach(struct hf_dump *d, int64_t deadline_ms, struct hf_err *err)
{
    if (HF_POINT_ERR("dump.attach", err) < 0)
        return -1;
    return in_all(d, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", deadline_ms, err);
}

int hf_dump_read_locked(struct hf_dump *d, struct hf_err *err)
{
    if (d->opts.plain != HF_DUMP_LOCKED)
        return 0;
    if (in_all(d, "SAVEPOINT holdfast", HF_NO_DEADLINE, err) < 0)
        return -1;
    return hf_dump_work(d, true, err);
}

static void warn_of_large_statements(struct hf_dump *d)
{
    if (d->largest_statement < MAX_PACKET_MIN)
        return;
    hf_dump_warn(d, "a row needs a statement of %llu bytes: more than a server takes",
                 (unsigned long long)d->largest_statement);
}

int hf_dump_run(struct hf_dump *d, const struct hf_db_position *position, struct hf_err *err)
{
    if (in_all(d, "SAVEPOINT holdfast", HF_NO_DEADLINE, err) < 0 ||
        hf_dump_compare(d, d->workers[0].conn, err) < 0 ||
        HF_POINT_ERR("dump.before_rows", err) < 0 || hf_dump_work(d, false, err) < 0)
        return -1;
    warn_of_large_statements(d);
    if (hf_dump_metadata_write(d, position, err) < 0 ||
        hf_dump_manifest_write(d, position, err) < 0 || hf_dump_out_finish(d, err) < 0)
        return -1;
    return 0;
}

void hf_dump_close(struct hf_dump *d)
{
    if (!d)
        return;
    for (unsigned i = 0; i < d->n_workers; i++) {
        hf_db_close(d->workers[i].conn);
        hf_io_packer_free(d->workers[i].packer);
        hf_row_buffer_free(&d->workers[i].buffer);
    }
    free(d->workers);
    hf_dump_list_free(d);
    hf_dump_file_free(&d->users_file);
    hf_strv_free(&d->warnings);
    hf_dump_names_free(d->names);
    free(d->server_text);
    free(d->dir);
    hf_io_folder_close(&d->folder);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* ---- sums ------------------------------------------------------------------------------- */

static void add_file(struct hf_dump_totals *t, const struct hf_dump_file *f)
{
    if (!f->name)
        return;
    t->files++;
    t->bytes += f->digest.bytes;
    t->stored_bytes += f->stored_bytes;
}

struct hf_dump_totals hf_dump_totals(const struct hf_dump *d)
{
    struct hf_dump_totals t = {.schemas = d->n_schemas};
    add_file(&t, &d->users_file);
    for (size_t i = 0; i < d->n_schemas; i++) {
        add_file(&t, &d->schemas[i].create_file);
        add_file(&t, &d->schemas[i].post_file);
    }
    for (size_t i = 0; i < d->n_tables; i++) {
        const struct hf_dump_table *x = &d->tables[i];
        t.tables += x->kind == HF_DUMP_TABLE;
        t.views += x->kind == HF_DUMP_VIEW;
        t.rows += x->rows;
        add_file(&t, &x->schema_file);
        add_file(&t, &x->view_file);
        add_file(&t, &x->trigger_file);
        for (size_t k = 0; k < x->n_files; k++)
            add_file(&t, &x->files[k]);
    }
    return t;
}

const struct hf_strv *hf_dump_warnings(const struct hf_dump *d)
{
    return &d->warnings;
}

int hf_dump_plain_tables(const struct hf_dump *d, struct hf_strv *out, struct hf_err *err)
{
    for (size_t i = 0; i < d->n_tables; i++) {
        const struct hf_dump_table *t = &d->tables[i];
        if (t->is_plain && !t->is_read &&
            hf_strv_take(out, hf_asprintf("%s.%s", t->schema->name, t->name)) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

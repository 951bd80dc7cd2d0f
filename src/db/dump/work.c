/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/work.h"

#include "db/dump/objects.h"
#include "db/dump/table.h"
#include "db/dump/users.h"
#include "db/stream.h"

#include <mysql.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_MS 200

enum job_kind { JOB_NONE, JOB_USERS, JOB_SCHEMA, JOB_TABLE, JOB_PIECE };

struct job {
    enum job_kind kind;
    struct hf_dump_schema *schema;
    struct hf_dump_table *table;
    struct hf_dump_piece *piece;
};

/* ---- the queue; all with the lock held -------------------------------------------------- */

static bool pop_piece(struct hf_dump *d, struct job *out)
{
    struct hf_dump_piece *p = d->first_piece;
    if (!p)
        return false;
    d->first_piece = p->next;
    if (!d->first_piece)
        d->last_piece = &d->first_piece;
    *out = (struct job){.kind = JOB_PIECE, .piece = p, .table = p->table};
    return true;
}

static bool pop_table(struct hf_dump *d, struct job *out)
{
    while (d->next_table < d->n_tables) {
        struct hf_dump_table *t = d->order[d->next_table++];
        if (d->only_plain && !t->is_plain)
            continue;
        d->planning++;
        *out = (struct job){.kind = JOB_TABLE, .table = t};
        return true;
    }
    return false;
}

static bool pop_other(struct hf_dump *d, struct job *out)
{
    if (d->only_plain)
        return false;
    if (d->opts.users && !d->users_taken) {
        d->users_taken = true;
        *out = (struct job){.kind = JOB_USERS};
        return true;
    }
    if (d->next_schema == d->n_schemas)
        return false;
    *out = (struct job){.kind = JOB_SCHEMA, .schema = &d->schemas[d->next_schema++]};
    return true;
}

/* Waits while another worker may still make pieces. NONE: nothing is left, or all stop. */
static struct job take(struct hf_dump *d)
{
    struct job job = {.kind = JOB_NONE};
    pthread_mutex_lock(&d->lock);
    while (!d->stop && !pop_other(d, &job) && !pop_piece(d, &job) && !pop_table(d, &job) &&
           d->planning > 0)
        pthread_cond_wait(&d->changed, &d->lock);
    pthread_mutex_unlock(&d->lock);
    return job;
}

int hf_dump_piece_add(struct hf_dump *d, struct hf_dump_table *t, char *where, uint64_t bytes,
                      struct hf_err *err)
{
    struct hf_dump_piece *p = calloc(1, sizeof *p);
    if (!p) {
        free(where);
        return hf_fail_nomem(err);
    }
    *p = (struct hf_dump_piece){.table = t, .where = where, .estimated_bytes = bytes};
    pthread_mutex_lock(&d->lock);
    p->number = t->pieces_made++;
    *d->last_piece = p;
    d->last_piece = &p->next;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    return 0;
}

/* Of its pieces none is left to read, and none comes: the plan is of no more use. */
static void end_table(struct hf_dump *d, struct hf_dump_table *t)
{
    t->is_read |= d->only_plain;
    hf_row_plan_free(&t->plan);
    if (!d->only_plain)
        d->tables_done++;
}

static void end_job(struct hf_dump *d, const struct job *job)
{
    pthread_mutex_lock(&d->lock);
    if (job->kind == JOB_TABLE)
        d->planning--;
    if (job->kind == JOB_PIECE)
        job->table->pieces_done++;
    if (job->kind == JOB_TABLE)
        job->table->is_planned = true;
    if (job->table && job->table->is_planned && job->table->pieces_done == job->table->pieces_made)
        end_table(d, job->table);
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    if (job->piece)
        free(job->piece->where);
    free(job->piece);
}

/* Sessions that wait for the server wake up with an error. */
static void stop(struct hf_dump *d)
{
    d->stop = true;
    for (unsigned i = 0; i < d->n_workers; i++)
        hf_db_cut(d->workers[i].conn);
    pthread_cond_broadcast(&d->changed);
}

static void fail_all(struct hf_dump *d, const struct hf_err *why)
{
    pthread_mutex_lock(&d->lock);
    if (d->failed.cls == HF_E_NONE)
        hf_err_copy(&d->failed, why);
    if (!d->stop)
        stop(d);
    pthread_mutex_unlock(&d->lock);
}

/* ---- workers ---------------------------------------------------------------------------- */

static int do_job(struct hf_dump_worker *w, const struct job *job, struct hf_err *err)
{
    switch (job->kind) {
    case JOB_USERS:
        return hf_dump_users(w->dump, w->conn, err);
    case JOB_SCHEMA:
        return hf_dump_schema_objects(w->dump, w->conn, job->schema, err);
    case JOB_TABLE:
        return hf_dump_table_begin(w, job->table, err);
    case JOB_PIECE:
        return hf_dump_piece_read(w, job->piece, err);
    case JOB_NONE:
        break;
    }
    return 0;
}

static void *work(void *arg)
{
    struct hf_dump_worker *w = arg;
    struct hf_dump *d = w->dump;
    struct hf_err err = HF_ERR_INIT;
    mysql_thread_init();
    for (;;) {
        struct job job = take(d);
        if (job.kind == JOB_NONE)
            break;
        int rc = do_job(w, &job, &err);
        end_job(d, &job);
        if (rc < 0) {
            fail_all(d, &err);
            break;
        }
    }
    mysql_thread_end();
    pthread_mutex_lock(&d->lock);
    d->running--;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* ---- the caller's thread ---------------------------------------------------------------- */

static void report(struct hf_dump *d)
{
    if (!d->opts.progress)
        return;
    struct hf_dump_progress p = {
        .bytes = d->bytes,
        .rows = d->rows,
        .expected_bytes = d->expected_bytes,
        .done_bytes = d->done_bytes,
        .tables = d->n_tables,
        .tables_done = d->tables_done,
    };
    d->opts.progress(d->opts.progress_ctx, &p);
}

static void wait_a_moment(struct hf_dump *d)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&d->changed, &d->lock, &until);
}

static void watch(struct hf_dump *d)
{
    struct hf_err cancelled = HF_ERR_INIT;
    pthread_mutex_lock(&d->lock);
    while (d->running > 0) {
        wait_a_moment(d);
        pthread_mutex_unlock(&d->lock);
        report(d);
        if (!d->stop && hf_cancel_check(d->opts.cancel, &cancelled) < 0)
            fail_all(d, &cancelled);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
}

static void drop_pieces(struct hf_dump *d)
{
    struct job job;
    while (pop_piece(d, &job)) {
        free(job.piece->where);
        free(job.piece);
    }
}

int hf_dump_work(struct hf_dump *d, bool only_plain, struct hf_err *err)
{
    unsigned started = 0;
    d->only_plain = only_plain;
    d->next_table = 0;
    d->running = d->n_workers;
    for (; started < d->n_workers; started++) {
        struct hf_dump_worker *w = &d->workers[started];
        int rc = pthread_create(&w->thread, NULL, work, w);
        if (rc == 0)
            continue;
        struct hf_err why = HF_ERR_INIT;
        hf_fail_sys(&why, rc, "cannot start a thread");
        d->running -= d->n_workers - started;
        fail_all(d, &why);
        break;
    }
    watch(d);
    for (unsigned i = 0; i < started; i++)
        pthread_join(d->workers[i].thread, NULL);
    drop_pieces(d);
    if (d->failed.cls == HF_E_NONE)
        return 0;
    hf_err_copy(err, &d->failed);
    return -1;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/state.h - what the parts of a load share; private to db/load/.
 */
#ifndef HF_DB_LOAD_STATE_H
#define HF_DB_LOAD_STATE_H

#include "db/load/folder.h"
#include "db/load/load.h"
#include "db/load/rewrite.h"
#include "db/load/statement.h"

#include <pthread.h>
#include <stdatomic.h>

#define HF_LOAD_SCHEMA "holdfast_load"

struct hf_load {
    const struct hf_load_opts *opts;
    const struct hf_clock *clock;
    struct hf_db_target target;
    struct hf_load_folder *folder;
    struct hf_sql_rename rename;
    struct hf_load_result *result;
    struct hf_db_conn *main; /* everything that is not done by workers */
    const struct hf_db_server *server;
    size_t max_packet;
    bool can_infile; /* LOAD DATA LOCAL is on, and would not be logged as a statement */
    bool innodb_is_default;
    unsigned threads;
    struct hf_db_conn *sessions[HF_LOAD_THREADS_MAX];
    pthread_mutex_t lock; /* of result's lists and of the error */
    struct hf_err err;    /* the first of the workers */
    atomic_bool stop;
    _Atomic uint64_t rows, bytes, stored;
    uint64_t stored_total;
    const char *phase;
};

/* ---- session.c ---- */
struct hf_db_conn *hf_load_session(struct hf_load *l, struct hf_err *err) HF_CHECKED;
/* Back to known modes, in the schema (NULL: in none), before a file. */
int hf_load_session_reset(struct hf_load *l, struct hf_db_conn *c, const char *schema,
                          struct hf_err *err) HF_CHECKED;
int hf_load_facts(struct hf_load *l, struct hf_err *err) HF_CHECKED;
/* hf_db_exec of a formatted text. %s is put in as it is. */
int hf_load_sql(struct hf_db_conn *c, struct hf_err *err, const char *fmt, ...) HF_PRINTF(3, 4)
    HF_CHECKED;
/* hf_db_query of a text that is freed; NULL: no memory. */
int hf_load_query(struct hf_db_conn *c, char *sql, hf_db_row_cb emit, void *ctx, struct hf_err *err)
    HF_CHECKED;
/* `schema`.`table` on the target, to be freed; NULL: no memory. */
char *hf_load_full_name(const struct hf_load_table *t);
int hf_load_warn(struct hf_load *l, struct hf_err *err, const char *fmt, ...) HF_PRINTF(3, 4)
    HF_CHECKED;
int hf_load_differ(struct hf_load *l, struct hf_err *err, const char *fmt, ...) HF_PRINTF(3, 4)
    HF_CHECKED;

/* ---- pool.c ---- */
typedef int (*hf_load_job)(struct hf_load *l, struct hf_db_conn **c, void *job, struct hf_err *err);
/* Each of n jobs (pointers) by the next free worker, in this order; the first error stops all. A job may put another
 * session into *c. */
int hf_load_pool(struct hf_load *l, const char *phase, hf_load_job run, void **jobs, size_t n,
                 struct hf_err *err) HF_CHECKED;

/* ---- target.c: what is there already ---- */
int hf_load_check_target(struct hf_load *l, struct hf_err *err) HF_CHECKED;
/* Drops what the load is going to make. */
int hf_load_drop(struct hf_load *l, struct hf_err *err) HF_CHECKED;

/* ---- programs.c ---- */
/* Adds "PROCEDURE `shop`.`p`" of each routine, trigger and event that is to be loaded and is there already. */
int hf_load_find_programs(struct hf_load *l, struct hf_strv *there, struct hf_err *err) HF_CHECKED;

/* ---- progress.c: the tables in HF_LOAD_SCHEMA ---- */
/* *is_resumed: a load of this dump was interrupted after its drop; files are marked as done. */
int hf_load_progress_look(struct hf_load *l, bool *is_resumed, struct hf_err *err) HF_CHECKED;
int hf_load_progress_begin(struct hf_load *l, struct hf_err *err) HF_CHECKED;
int hf_load_progress_dropped(struct hf_load *l, struct hf_err *err) HF_CHECKED;
/* In the transaction that is open on c. */
int hf_load_progress_file(struct hf_db_conn *c, const struct hf_load_file *file, struct hf_err *err)
    HF_CHECKED;
/* None of the table's files is loaded: it was emptied, or made anew. What a dying load committed of it meanwhile is forgotten, too. */
int hf_load_progress_forget(struct hf_db_conn *c, const struct hf_load_table *t, struct hf_err *err)
    HF_CHECKED;
/* Was the file's transaction committed? For a session that was lost while committing. */
int hf_load_progress_has(struct hf_db_conn *c, const struct hf_load_file *file, bool *out,
                         struct hf_err *err) HF_CHECKED;
int hf_load_progress_end(struct hf_load *l, struct hf_err *err) HF_CHECKED;

/* ---- tables.c ---- */
int hf_load_schemas(struct hf_load *l, struct hf_err *err) HF_CHECKED;
int hf_load_tables(struct hf_load *l, struct hf_err *err) HF_CHECKED;
int hf_load_keys(struct hf_load *l, struct hf_db_conn *c, struct hf_load_table *t,
                 struct hf_err *err) HF_CHECKED;
int hf_load_foreign_keys(struct hf_load *l, struct hf_err *err) HF_CHECKED;

/* ---- file.c ---- */
/* One data file, in one transaction with its progress; deadlocks and lost sessions are tried again where that is safe. */
int hf_load_file(struct hf_load *l, struct hf_db_conn **c, struct hf_load_table *t,
                 struct hf_load_file *file, struct hf_err *err) HF_CHECKED;

/* ---- data.c ---- */
int hf_load_data(struct hf_load *l, struct hf_err *err) HF_CHECKED;

/* ---- script.c ---- */
struct hf_load_script {
    const struct hf_load_file *file;
    const char *schema; /* on the target, or NULL */
    const char *name;   /* the one object it is about, or NULL */
    unsigned run, skip; /* kinds of statements; all others are refused */
    bool
        has_own_modes; /* programs of a dump that does not say under which modes they were made: the server's */
    bool is_look; /* to know what is in it: the file is run later */
    /* Instead of running a statement; NULL: run it. */
    int (*take)(void *ctx, const struct hf_sql_what *w, const char *text, size_t len,
                struct hf_err *err);
    unsigned taken; /* kinds that go to take */
    void *ctx;
};
int hf_load_script(struct hf_load *l, struct hf_db_conn *c, const struct hf_load_script *s,
                   struct hf_err *err) HF_CHECKED;
/* Does the name as written in a statement mean `name`? */
bool hf_load_is_name(const char *text, size_t len, const char *name);
/* Context for an error about a place in a file. Returns -1. */
int hf_load_at(struct hf_err *err, const struct hf_load_file *file, uint64_t offset);

/* ---- objects.c: what comes after the rows ---- */
int hf_load_objects(struct hf_load *l, struct hf_err *err) HF_CHECKED;

/* ---- verify.c ---- */
int hf_load_verify(struct hf_load *l, struct hf_err *err) HF_CHECKED;

#endif

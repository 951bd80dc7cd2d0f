/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/state.h - the inside of a dump, shared by the files of this folder.
 *
 * Who may write what: lists are made before the workers start and stay as they are. A table's or schema's members are
 * the worker's that has its job; files, rows, checksum and pieces of a table, and everything under "queue", are guarded by lock.
 */
#ifndef HF_DB_DUMP_STATE_H
#define HF_DB_DUMP_STATE_H

#include "db/dump/dump.h"
#include "db/dump/names.h"
#include "db/dump/rows.h"
#include "io/folder.h"
#include "io/sink.h"

#include <pthread.h>
#include <stdatomic.h>

struct hf_dump_file {
    char *name; /* NULL: there is no such file */
    struct hf_io_digest digest;
    uint64_t stored_bytes;
    uint64_t rows, checksum; /* data files */
};

enum hf_dump_kind { HF_DUMP_TABLE, HF_DUMP_VIEW, HF_DUMP_SEQUENCE };

struct hf_dump_table {
    struct hf_dump_schema *schema;
    char *name;
    char *file; /* SCHEMA.TABLE of its file names */
    enum hf_dump_kind kind;
    char *engine;      /* NULL: a view */
    bool is_plain;     /* without transactions */
    bool is_window;    /* what it shows are rows of other tables or servers: MERGE, FEDERATED */
    bool is_versioned; /* its history is dumped, too */
    uint64_t estimated_rows, estimated_bytes;
    struct hf_strv triggers, columns; /* columns: those of the data files */
    struct hf_dump_file schema_file, view_file, trigger_file;
    struct hf_row_plan plan;
    struct hf_dump_file *files;
    size_t n_files, files_cap;
    uint64_t rows, checksum;
    size_t pieces_made, pieces_done;
    bool is_planned; /* no more pieces come */
    bool is_read;    /* by read_locked */
};

struct hf_dump_schema {
    char *name;
    const char *file; /* SCHEMA of its file names */
    char *charset, *collation;
    struct hf_dump_file create_file, post_file;
    unsigned routines, events;
    size_t first, n; /* its tables */
};

/* A part of a table's rows: one data file. */
struct hf_dump_piece {
    struct hf_dump_table *table;
    char *where; /* NULL: all rows */
    size_t number;
    uint64_t estimated_bytes;
    struct hf_dump_piece *next;
};

struct hf_dump_worker {
    struct hf_dump *dump;
    struct hf_db_conn *conn;
    struct hf_io_packer *packer;
    struct hf_row_buffer buffer;
    const struct hf_dump_table
        *holds; /* table whose definition this session keeps from being changed */
    pthread_t thread;
};

struct hf_dump {
    struct hf_dump_opts opts;
    struct hf_db_target target;
    char *dir;                  /* NULL: another place */
    struct hf_io_folder folder; /* dir */
    struct hf_io_place place;
    int64_t started_us; /* wall */
    struct hf_db_server server;
    struct hf_dump_names *names;
    struct hf_dump_worker *workers;
    unsigned n_workers;
    struct hf_dump_schema *schemas;
    size_t n_schemas;
    struct hf_dump_table *tables; /* by schema and name */
    size_t n_tables;
    struct hf_strv variables; /* "name=value": settings for the manifest */
    struct hf_dump_file users_file;
    struct hf_strv warnings; /* lock */
    char *server_text;       /* VERSION() */

    /* queue */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct hf_dump_table **order; /* biggest first */
    size_t next_table, next_schema;
    bool users_taken, only_plain;
    struct hf_dump_piece *first_piece, **last_piece;
    unsigned planning; /* workers that may still make pieces */
    unsigned running;
    struct hf_err failed; /* the first; class NONE: none */
    atomic_bool stop;

    _Atomic uint64_t bytes, rows, done_bytes, largest_statement;
    _Atomic size_t tables_done;
    uint64_t expected_bytes;
};

/* "table shop.orders" in front. Returns -1. */
int hf_dump_wrap(const struct hf_dump_table *t, struct hf_err *err);
void hf_dump_warn(struct hf_dump *d, const char *fmt, ...) HF_PRINTF(2, 3);
void hf_dump_file_free(struct hf_dump_file *f);

#endif

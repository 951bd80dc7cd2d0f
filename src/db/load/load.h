/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/load.h - a dump (a directory, or what else plays one) into a server, by several sessions.
 *
 * Order: everything is checked (files, what is on the target, foreign keys that point into it); with `replace`, what is to be replaced
 * is dropped; schemas, sequences, tables without foreign keys and mostly without secondary indexes; rows, biggest table first,
 * each table's indexes as soon as its rows are in; foreign keys; accounts; routines; grants; views; triggers; events; then
 * counts and checksums are compared. A table that is there already is refused before anything is changed, unless `replace`.
 *
 * Crash: what is loaded is kept in the schema holdfast_load on the target, each data file in the transaction of its rows. `resume`
 * goes on from there: nothing is loaded twice, nothing is left out. Tables without transactions are emptied and loaded again. The
 * schema is dropped when all is done. Threads: one caller; workers are its own. Memory: some MiB per worker, and the longest
 * statement twice.
 */
#ifndef HF_DB_LOAD_LOAD_H
#define HF_DB_LOAD_LOAD_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strv.h"
#include "db/conn.h"
#include "io/files.h"

#define HF_LOAD_THREADS 2
#define HF_LOAD_THREADS_MAX 64

enum hf_load_verify {
    HF_LOAD_VERIFY_FULL, /* rows counted, and their checksum taken where the dump has one */
    HF_LOAD_VERIFY_ROWS,
    HF_LOAD_VERIFY_NONE,
};

struct hf_load_progress {
    uint64_t stored_done, stored_total; /* bytes of data files as they lie there */
    uint64_t rows;
    const char *phase; /* "rows", "indexes", … */
};

struct hf_load_opts {
    const struct hf_db_target *target; /* borrowed */
    const char *dir;
    struct hf_io_files *files;       /* instead of a directory, borrowed; NULL: dir */
    unsigned threads;                /* 0: HF_LOAD_THREADS */
    const char *only, *as, *definer; /* as on the command line, or NULL */
    bool replace, resume, users, no_binlog, force_incomplete;
    enum hf_load_verify verify;
    const struct hf_clock *clock; /* NULL: system */
    struct hf_cancel *cancel;     /* may be NULL */
    struct hf_log *log;           /* may be NULL */
    void (*progress)(void *ctx,
                     const struct hf_load_progress *p); /* some times a second, or NULL */
    void *progress_ctx;
};

struct hf_load_result {
    size_t schemas, tables, views;
    uint64_t rows, bytes,
        stored_bytes; /* rows and bytes of this run; a resumed one brings the rest */
    bool was_resumed;
    bool is_holdfast;
    size_t compared_rows, compared_checksums; /* tables */
    struct hf_strv differences;               /* empty: the target holds what the dump says */
    struct hf_strv warnings;
};

/* 0: loaded, result->differences says whether all is right. -1: not all of it; left says what is there. */
int hf_load_run(const struct hf_load_opts *opts, struct hf_load_result *out, struct hf_err *err)
    HF_CHECKED;
void hf_load_result_free(struct hf_load_result *r);
HF_DEFINE_AUTO_VALUE(hf_load_result, hf_load_result_free)

#endif

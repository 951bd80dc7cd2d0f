/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/dump.h - everything in a server as SQL files, by several sessions that see one instant.
 *
 * open    (outside the lock) opens the sessions, proves rights, lists what there is, makes the directory with INCOMPLETE in it.
 *         Refuses a directory that is not empty.
 * attach  (while the caller holds commits back) each session begins its consistent snapshot, all in the same moment: about
 *         a millisecond. From here on every transactional table is read as of this instant.
 * read_locked (still held; only with HF_DUMP_LOCKED) the rows of the non-transactional tables.
 * run     (after the release) everything else: rows by all workers, tables split by primary key, biggest first; then the
 *         manifest; all synced; INCOMPLETE removed. No file stands under its final name before it is whole.
 * close   ends sessions. Before run succeeded that means: abandoned. Files stay, INCOMPLETE too. Takes NULL.
 *
 * What is in the directory: docs/dump-format.md. Nothing in the server is changed, so a crash leaves nothing there: the
 * sessions end with us. Names and texts of the server are data, never part of a path or of a statement unquoted; the text of a
 * CREATE statement is checked (db/dump/statement.h). Errors name the object.
 *
 * Threads: one caller; workers are its own. Memory: some 10 MiB and four times the largest row, per worker.
 */
#ifndef HF_DB_DUMP_DUMP_H
#define HF_DB_DUMP_DUMP_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strv.h"
#include "db/conn.h"
#include "db/position.h"
#include "io/pack.h"
#include "io/place.h"

#define HF_DUMP_THREADS 2
#define HF_DUMP_THREADS_MAX 64

struct hf_dump;

enum hf_dump_plain {                 /* rows of tables without transactions */
                     HF_DUMP_AFTER,  /* read after the release, and marked */
                     HF_DUMP_LOCKED, /* read by read_locked */
                     HF_DUMP_REFUSE, /* open fails (UNSUPPORTED) when there are any */
};

struct hf_dump_progress {
    uint64_t bytes, rows; /* of SQL, so far */
    uint64_t
        expected_bytes; /* of table data as the server estimates it: only its ratio to done_bytes means something */
    uint64_t done_bytes;
    size_t tables, tables_done;
};

struct hf_dump_opts {
    const struct hf_db_target *target; /* copied; its strings are borrowed until close */
    const char *dir;                   /* NULL with a place */
    const struct hf_io_place
        *place;       /* where the files go instead, and no INCOMPLETE; borrowed until close */
    unsigned threads; /* 0: HF_DUMP_THREADS */
    enum hf_io_packing packing;
    int level; /* of compression; 0: the usual */
    const struct hf_strv
        *only; /* "shop", "crm.orders"; NULL or empty: everything. Borrowed until close */
    enum hf_dump_plain plain;
    bool strip_definers;
    bool users;                   /* accounts and grants too */
    const struct hf_clock *clock; /* NULL: system */
    struct hf_cancel *cancel;     /* may be NULL */
    struct hf_log *log;           /* may be NULL */
    void (*progress)(void *ctx,
                     const struct hf_dump_progress *p); /* some times a second, may be NULL */
    void *progress_ctx;
};

struct hf_dump *hf_dump_open(const struct hf_dump_opts *opts, struct hf_err *err) HF_CHECKED;
/* From now on another one ends it, borrowed until close: what is left to do may have a limit of its own. */
void hf_dump_heed(struct hf_dump *d, struct hf_cancel *cancel);
/* TIMEOUT: not all had begun by then; the dump is of no use any more. */
int hf_dump_attach(struct hf_dump *d, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
int hf_dump_read_locked(struct hf_dump *d, struct hf_err *err) HF_CHECKED;
/* position: of the instant of attach; NULL or has_binlog false: the server has none. */
int hf_dump_run(struct hf_dump *d, const struct hf_db_position *position, struct hf_err *err)
    HF_CHECKED;
void hf_dump_close(struct hf_dump *d);
HF_DEFINE_AUTO(hf_dump, hf_dump_close)

/* After run: sums for people and programs; the same names as in `dump --json`. */
struct hf_dump_totals {
    size_t schemas, tables, views, files;
    uint64_t rows, bytes, stored_bytes;
};
struct hf_dump_totals hf_dump_totals(const struct hf_dump *d);
const struct hf_strv *hf_dump_warnings(const struct hf_dump *d);
/* "shop.log" of each whose rows are not of the instant. */
int hf_dump_plain_tables(const struct hf_dump *d, struct hf_strv *out, struct hf_err *err)
    HF_CHECKED;

#endif

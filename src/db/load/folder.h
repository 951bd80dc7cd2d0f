/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/folder.h - what a dump holds, be it a directory or what else is read by name (io/files.h): schemas, tables, and the files of each.
 *
 * Read from holdfast.json (docs/dump-format.md), or from the file names and `metadata` of mydumper (0.9 to 1.0). Everything in
 * it is foreign input: names lead nowhere but into this directory, sizes and counts are bounded. A file that the manifest names and
 * that is missing or has another size is found here, before anything is changed anywhere; all of them are named.
 */
#ifndef HF_DB_LOAD_FOLDER_H
#define HF_DB_LOAD_FOLDER_H

#include "base/buf.h"
#include "base/strv.h"
#include "io/files.h"

#include <stdatomic.h>
#include <stdint.h>

#define HF_LOAD_ROWS_UNKNOWN (-1)

struct hf_load_file {
    char *name;       /* in the directory; NULL: there is none */
    uint64_t stored;  /* bytes as it lies there */
    uint64_t bytes;   /* of the content; 0: not known */
    char sha256[65];  /* of the content; "": not known */
    int64_t rows;     /* HF_LOAD_ROWS_UNKNOWN */
    bool is_done;     /* by the load that is resumed */
    int64_t loaded;   /* rows it brought */
    const char *lack; /* "missing", "another size": let pass by force; NULL: as it should be */
};

enum hf_load_kind { HF_LOAD_TABLE, HF_LOAD_VIEW, HF_LOAD_SEQUENCE };

struct hf_load_table {
    struct hf_load_schema *schema;
    char *name, *file; /* file: "SCHEMA.TABLE" of its file names */
    enum hf_load_kind kind;
    struct hf_load_file create, view, triggers;
    struct hf_load_file *files;
    size_t n_files;
    int64_t rows;      /* as the dump says */
    char checksum[17]; /* "": not known */
    uint64_t stored;   /* of all its data files */
    bool
        is_of_no_instant; /* its rows were read without transaction, while it may have been written to */
    bool is_selected;
    /* While loading. */
    struct hf_buf keys, fks;                   /* what ALTER TABLE has to add; see db/load/ddl.h */
    bool is_versioned;                         /* with a history */
    bool is_transactional, is_plain, is_there; /* there: created by the load that is resumed */
    bool is_window;                            /* shows rows of other tables: MERGE, FEDERATED */
    bool needs_sql;                            /* LOAD DATA would read its values otherwise */
    atomic_bool slow;                          /* LOAD DATA was refused or changed something once */
    atomic_size_t files_left;
};

struct hf_load_schema {
    char *name, *file, *target; /* target: what it is called where it is loaded */
    struct hf_load_file create, post,
        triggers; /* triggers: of all its tables, as mydumper 1.0 writes them */
    struct hf_load_table **tables;
    size_t n_tables;
    struct hf_load_table **by_name; /* sorted; see hf_load_schema_find */
    bool is_selected;
};

struct hf_load_folder {
    struct hf_io_files *files, *own; /* own: what is closed with it, or NULL */
    bool is_holdfast;
    char id[65]; /* SHA-256 of manifest or metadata: which dump this is */
    struct hf_load_schema **schemas;
    size_t n_schemas;
    struct hf_load_file users;
    uint64_t largest_statement; /* 0: not known */
    char *server;               /* "mariadb 10.11.19", or NULL */
    struct hf_strv warnings;
};

/* force: INCOMPLETE, metadata.partial and torn parts are accepted; what is there is loaded. */
struct hf_load_folder *hf_load_folder_open(const char *dir, bool force, struct hf_err *err)
    HF_CHECKED;
/* The same of what is read by name; borrows it. */
struct hf_load_folder *hf_load_folder_read(struct hf_io_files *files, bool force,
                                           struct hf_err *err) HF_CHECKED;
/* Of a manifest alone, whose files lie elsewhere. */
struct hf_load_folder *hf_load_folder_parse(const char *text, size_t len, struct hf_err *err)
    HF_CHECKED;
void hf_load_folder_close(struct hf_load_folder *f);
HF_DEFINE_AUTO(hf_load_folder, hf_load_folder_close)

/* "schema,schema.table": the others are not selected. NOT_FOUND: names something that is not there. */
int hf_load_folder_select(struct hf_load_folder *f, const char *only, struct hf_err *err)
    HF_CHECKED;

/* NULL: there is none of that name. */
struct hf_load_table *hf_load_schema_find(const struct hf_load_schema *s, const char *name);

/* Part of opening. CORRUPT: names all that are missing or torn, unless force lets them pass; then each has its lack. */
int hf_load_check_files(struct hf_load_folder *f, bool force, struct hf_err *err) HF_CHECKED;

/* For manifest.c and mydumper.c: a new one at the end; NULL: no memory. Texts are copied. */
struct hf_load_schema *hf_load_folder_add_schema(struct hf_load_folder *f, const char *name,
                                                 const char *file);
struct hf_load_table *hf_load_folder_add_table(struct hf_load_schema *s, const char *name,
                                               const char *file);
struct hf_load_file *hf_load_folder_add_file(struct hf_load_table *t);

/* Fill f from the manifest's text, from the directory's names. */
int hf_load_read_manifest(struct hf_load_folder *f, const char *text, size_t len,
                          struct hf_err *err) HF_CHECKED;
int hf_load_read_mydumper(struct hf_load_folder *f, const char *metadata, struct hf_err *err)
    HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/places.h - where a server's files lie: what a picture of its disks has to contain.
 *
 * Directories as the server names them, in the file system that it sees (a chroot or container of its own is not
 * looked through), made absolute against the datadir, without "." and "..", each path once. A directory inside the
 * datadir is listed when a setting names it: it may be a mount of its own. Symbolic links are not followed, so what
 * somebody linked out of the datadir by hand (and MyISAM tables with DATA DIRECTORY, which are such links) is not seen.
 */
#ifndef HF_DB_PLACES_H
#define HF_DB_PLACES_H

#include "base/cleanup.h"
#include "db/conn.h"

#include <stdbool.h>
#include <stddef.h>

#define HF_DB_PLACES_MAX 96
/* Directories of tablespaces outside the datadir among them. */
#define HF_DB_PLACES_TABLESPACES_MAX 64

struct hf_db_place {
    /* "datadir", "innodb data", "redo", "undo", "doublewrite", "binlog", "relay log", "aria log", "tablespace";
     * "innodb data" may be a raw device; "tmp": what is there may be lost. Never freed. */
    const char *what;
    char *path;
};

struct hf_db_places {
    struct hf_db_place items[HF_DB_PLACES_MAX]; /* the datadir first */
    size_t n;
    bool more; /* there are others */
    bool
        tablespaces_unknown; /* they could not be listed: the right to (PROCESS) or the time (10 s) was missing */
};

#define HF_DB_PLACES_INIT                                                                          \
    {                                                                                              \
        0                                                                                          \
    }

void hf_db_places_free(struct hf_db_places *p); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_db_places, hf_db_places_free)

/* out must be empty. CORRUPT: what the server says is no path (control characters, over 4096 bytes, no absolute
 * datadir). */
int hf_db_places(struct hf_db_conn *conn, struct hf_db_places *out, struct hf_err *err) HF_CHECKED;

#endif

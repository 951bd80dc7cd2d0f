/* SPDX-License-Identifier: Apache-2.0
 *
 * db/source.h - where a replica stands in the history of its sources.
 *
 * Read in the packet that is granted the lock, so no applier has committed since: a new replica can be made from the
 * picture, beside the one it was taken of. MariaDB: SHOW ALL SLAVES STATUS; MySQL: SHOW REPLICA STATUS, before 8.0.22
 * SHOW SLAVE STATUS.
 * MySQL with applier threads (replica_parallel_workers, 4 by default since 8.0.27): the GTID set is exact, and file and
 * offset are those of the last checkpoint, at most replica_checkpoint_period (300 ms) old: a lower bound. Under a lock
 * that is held for longer than that they catch up, so they are read again with the unlock.
 */
#ifndef HF_DB_SOURCE_H
#define HF_DB_SOURCE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "db/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* MySQL allows 256 channels, and nobody has so many. */
#define HF_DB_SOURCES_MAX 64

struct hf_db_source {
    char *channel; /* "": the one without a name */
    char *host;
    unsigned port;
    char *file; /* of the source's binlog: executed up to file:offset */
    uint64_t offset;
    char *gtid; /* of the whole server: MariaDB gtid_slave_pos, MySQL gtid_executed; "": none */
};

struct hf_db_sources {
    struct hf_db_source items[HF_DB_SOURCES_MAX];
    size_t n;
    bool more; /* channels beyond HF_DB_SOURCES_MAX were left out */
};

#define HF_DB_SOURCES_INIT                                                                         \
    {                                                                                              \
        0                                                                                          \
    }

void hf_db_sources_free(struct hf_db_sources *s); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_db_sources, hf_db_sources_free)

/* AUTH when the account may not ask. Without any lock; out must be empty. A server that is no replica has none. */
int hf_db_sources_read(struct hf_db_conn *c, struct hf_db_sources *out, struct hf_err *err)
    HF_CHECKED;

/* For a packet of several statements: the statement, and its rows among those of others. */
const char *hf_db_sources_sql(const struct hf_db_server *s);
bool hf_db_sources_is_row(const struct hf_db_conn *c, unsigned n);
/* CORRUPT for texts that are too long or hold control characters. */
int hf_db_sources_take_row(struct hf_db_sources *s, const struct hf_db_conn *c, unsigned n,
                           char *const *values, struct hf_err *err) HF_CHECKED;

#endif

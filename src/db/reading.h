/* SPDX-License-Identifier: Apache-2.0
 *
 * db/reading.h - a position and whose session read it, in one round trip.
 *
 * The text is made once, outside the hold; inside it costs one message each way.
 */
#ifndef HF_DB_READING_H
#define HF_DB_READING_H

#include "base/cleanup.h"
#include "db/conn.h"
#include "db/position.h"
#include "db/source.h"

struct hf_db_reading {
    struct hf_db_position position;
    uint64_t connection; /* CONNECTION_ID() */
    uint64_t mark_owner; /* the session that holds the mark, 0: none */
    struct hf_db_sources sources;
};

#define HF_DB_READING_INIT                                                                         \
    {                                                                                              \
        0                                                                                          \
    }

/* How this server tells: log_status (MySQL 8.0+, when the account may read it) or SHOW … STATUS. */
struct hf_db_reading_opts {
    bool has_binlog;
    bool has_log_status;
    const char *mark; /* name of a user lock, quoted; NULL: none is looked for */
    bool has_sources; /* a replica: where it stands in its sources' history as well */
};

/* To be freed; NULL: no memory. Needs hf_db_allow_several. */
char *hf_db_reading_sql(const struct hf_db_server *s, const struct hf_db_reading_opts *opts);
int hf_db_reading_run(struct hf_db_conn *c, const char *sql, struct hf_db_reading *out,
                      struct hf_err *err) HF_CHECKED;
void hf_db_reading_free(struct hf_db_reading *r);
HF_DEFINE_AUTO_VALUE(hf_db_reading, hf_db_reading_free)

#endif

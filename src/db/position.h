/* SPDX-License-Identifier: Apache-2.0
 *
 * db/position.h - where a server's history stands: binlog file and offset, GTID set, LSN.
 *
 * Sources: MariaDB 10.4+ SHOW MASTER STATUS and @@gtid_binlog_pos; MySQL 8.2+ SHOW BINARY LOG
 * STATUS, before SHOW MASTER STATUS, and @@gtid_executed; MySQL 8.0+ with BACKUP_ADMIN
 * performance_schema.log_status, which reads all of it and the LSN in one instant.
 * The LSN moves under any lock (purge): it is recorded, never compared.
 */
#ifndef HF_DB_POSITION_H
#define HF_DB_POSITION_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct hf_db_conn;

struct hf_db_position {
    bool has_binlog; /* false: binlog is off, and file/offset/gtid say nothing */
    char *file;      /* "binlog.000003" */
    uint64_t offset;
    char *gtid; /* "" when the server has none; MySQL sets can be long */
    bool has_lsn;
    uint64_t lsn;
};

#define HF_DB_POSITION_INIT                                                                        \
    {                                                                                              \
        0                                                                                          \
    }

void hf_db_position_free(struct hf_db_position *p); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_db_position, hf_db_position_free)

/* Same file, offset and GTID set; the LSN does not count. Both without binlog: true (and proves
 * nothing). */
bool hf_db_position_equal(const struct hf_db_position *a, const struct hf_db_position *b);
/* Can `later` have come after `earlier`, or be the same? The same file and no smaller offset, or a file of the same
 * name with a higher number. Both without binlog: true (and proves nothing). */
bool hf_db_position_can_follow(const struct hf_db_position *later,
                               const struct hf_db_position *earlier);
int hf_db_position_copy(struct hf_db_position *dst, const struct hf_db_position *src,
                        struct hf_err *err) HF_CHECKED;

/* Where the server stands now, without any lock. out must be empty. */
int hf_db_position_read(struct hf_db_conn *c, struct hf_db_position *out, struct hf_err *err)
    HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/binlog.h - the writes since a position, as binlog files that mysqlbinlog reads.
 *
 * Asked of the server as a replica would ask (REPLICATION SLAVE), so that it works wherever a session does: over tcp, ssh
 * or the guest agent, and with both flavours. Each file of the server from the position on becomes a file of the same name
 * in dir; the first one has the head of the server's file and goes on at the position. Events are stored as they
 * came, checksums included. With the same session open and its read lock held, nothing is missing that was acknowledged.
 * The dump ends where the log ended when it was reached.
 * Hostile input: names from the server are checked before they become files; the size is bounded by the caller.
 * Crash: files may be incomplete; nothing of the server is changed.
 */
#ifndef HF_DB_BINLOG_H
#define HF_DB_BINLOG_H

#include "base/strv.h"
#include "db/conn.h"

struct hf_db_binlog {
    const char *file; /* from here on */
    uint64_t offset;
    const char *dir;    /* exists, private, empty */
    uint64_t max_bytes; /* NOSPACE: there is more */
};

/* May the account do it, and is there a binlog? AUTH (the hint is the GRANT), UNSUPPORTED: binlog is off. */
int hf_db_binlog_check(struct hf_db_conn *c, struct hf_err *err) HF_CHECKED;
/* Blocks commits until c is closed: what was acknowledged before is in the binlog now, nothing comes after. TIMEOUT: somebody
 * was in the way for `within_s` seconds, and nothing is held. */
int hf_db_binlog_hold(struct hf_db_conn *c, unsigned within_s, struct hf_err *err) HF_CHECKED;
/* A session of its own. out_files: names in dir, in order. */
int hf_db_binlog_save(const struct hf_db_target *t, const struct hf_db_binlog *what,
                      struct hf_strv *out_files, uint64_t *out_bytes, struct hf_err *err)
    HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/local.h - statements as bytes, and LOAD DATA LOCAL from a stream of ours.
 *
 * A server may ask for any file of this host in answer to any statement: the client library's own way of opening files is never
 * used. What a session sends is what `feed` returns, and only during hf_db_load_local.
 */
#ifndef HF_DB_LOAD_LOCAL_H
#define HF_DB_LOAD_LOCAL_H

#include "db/conn.h"

/* Any bytes; *affected (may be NULL): rows. */
int hf_db_run(struct hf_db_conn *c, const char *sql, size_t len, uint64_t *affected,
              struct hf_err *err) HF_CHECKED;

/* Up to len bytes; 0: the end, -1: failed, the reason is kept by ctx. */
typedef int (*hf_db_feed)(void *ctx, char *buf, unsigned len);

struct hf_db_local_result {
    uint64_t rows, skipped, warnings;
};

/* The session was opened with target.local_infile. Whether feed failed is the caller's to look at: the server takes a
 * stream that ends early for the whole. */
int hf_db_load_local(struct hf_db_conn *c, const char *sql, hf_db_feed feed, void *ctx,
                     struct hf_db_local_result *out, struct hf_err *err) HF_CHECKED;

#endif

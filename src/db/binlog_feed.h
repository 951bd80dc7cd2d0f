/* SPDX-License-Identifier: Apache-2.0
 *
 * db/binlog_feed.h - events as a replica gets them, from either client library: private to db/binlog.c.
 */
#ifndef HF_DB_BINLOG_FEED_H
#define HF_DB_BINLOG_FEED_H

#include "base/cleanup.h"
#include "db/conn.h"

#include <stddef.h>

struct hf_db_feed;

/* c is the feed's until it is closed, and of no use after it. Ends where the log ends. */
struct hf_db_feed *hf_db_feed_open(struct hf_db_conn *c, const char *file, uint32_t offset,
                                   struct hf_err *err) HF_CHECKED;
/* 1: an event, borrowed until the next call; 0: the end; -1. */
int hf_db_feed_next(struct hf_db_feed *f, const unsigned char **out, size_t *len,
                    struct hf_err *err) HF_CHECKED;
void hf_db_feed_close(struct hf_db_feed *f);
HF_DEFINE_AUTO(hf_db_feed, hf_db_feed_close)

#endif

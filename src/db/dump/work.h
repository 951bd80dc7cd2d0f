/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/work.h - the queue, and the threads that empty it.
 *
 * Order: accounts, schemas, then tables from the largest to the smallest; pieces of a table go before further tables, so that
 * few are open at a time. The first failure stops all: sessions that wait for the server are cut off.
 */
#ifndef HF_DB_DUMP_WORK_H
#define HF_DB_DUMP_WORK_H

#include "db/dump/state.h"

/* All jobs, or (only_plain) the rows of non-transactional tables alone. */
int hf_dump_work(struct hf_dump *d, bool only_plain, struct hf_err *err) HF_CHECKED;
/* Into the queue; takes where. */
int hf_dump_piece_add(struct hf_dump *d, struct hf_dump_table *t, char *where, uint64_t bytes,
                      struct hf_err *err) HF_CHECKED;

#endif

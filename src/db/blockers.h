/* SPDX-License-Identifier: Apache-2.0
 *
 * db/blockers.h - who keeps the lock from being granted.
 */
#ifndef HF_DB_BLOCKERS_H
#define HF_DB_BLOCKERS_H

#include "base/strv.h"
#include "db/conn.h"

#include <stdint.h>

/* hf_db_blockers (db/lock.h), leaving out the session `holder` as well as the asking one; 0: only
 * that. */
int hf_db_blockers_of(struct hf_db_conn *conn, uint64_t holder, struct hf_strv *out,
                      struct hf_err *err) HF_CHECKED;

/* While `holder` waits: the same, and when that is nobody, whoever might be. */
int hf_db_suspects(struct hf_db_conn *conn, uint64_t holder, struct hf_strv *out,
                   struct hf_err *err) HF_CHECKED;

/* "connection 42 (app@10.0.0.7, db shop): ALTER TABLE orders …, 13 s". Row: id, user, host, db,
 * seconds, what it holds when idle, statement. To be freed; NULL: no memory. */
char *hf_db_blocker_text(char *const *row);

#endif

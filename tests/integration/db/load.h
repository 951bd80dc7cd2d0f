/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load.h - what goes on in a database while it is held: writers, and sessions that are in the
 * way.
 */
#ifndef HF_TEST_DB_LOAD_H
#define HF_TEST_DB_LOAD_H

#include "integration/db/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Inserts one row after the other, each its own transaction. */
struct hf_writer {
    struct hf_db_conn *conn;
    const char *table; /* (id BIGINT PRIMARY KEY AUTO_INCREMENT, sent BIGINT) */
    pthread_t thread;
    atomic_bool stop;
    atomic_long acknowledged;
    atomic_long failed;
    _Atomic int64_t longest_us; /* one insert, also one that still waits */
    _Atomic int64_t sent_us;    /* of the one under way, or 0 */
};

void hf_writer_start(struct hf_writer *w, const struct hf_test_server *s, const char *table);
/* Forget what was measured so far. */
void hf_writer_reset(struct hf_writer *w);
int64_t hf_writer_longest_ms(struct hf_writer *w);
void hf_writer_stop(struct hf_writer *w);

/* A session that runs one statement in the background. */
struct hf_blocker {
    struct hf_db_conn *conn;
    uint64_t id;
    const char *sql;
    pthread_t thread;
    bool has_thread;
};

/* setup: statements with ';' between, run first; sql: in the background, or NULL for a session that
 * idles. */
void hf_blocker_start(struct hf_blocker *b, const struct hf_test_server *s, const char *setup,
                      const char *sql);
/* Kills the session. */
void hf_blocker_end(struct hf_blocker *b, const struct hf_test_server *s);

#endif

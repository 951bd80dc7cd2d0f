/* SPDX-License-Identifier: Apache-2.0
 *
 * db/lock_methods.h - the ways to block commits, or DDL alone, as tables: statements in order, and whom each
 * makes wait.
 *
 * A new way is a new table here and a case in tests/integration/db/test_lock.c or test_light.c.
 */
#ifndef HF_DB_LOCK_METHODS_H
#define HF_DB_LOCK_METHODS_H

#include "db/conn.h"

#include <stdbool.h>

/* Whom a statement makes wait, while it waits itself and from then on. */
enum hf_db_stalls {
    HF_STALLS_NOBODY,        /* bounded by quiesce-timeout */
    HF_STALLS_DDL,           /* bounded by the stall budget; no stall of writers */
    HF_STALLS_PLAIN_TABLES,  /* writers of non-transactional tables: a stall where there are some */
    HF_STALLS_PLAIN_OR_NODE, /* the same, and everybody on a Galera node: it stops replication */
    HF_STALLS_WRITERS,
};

struct hf_db_step {
    const char *sql;
    enum hf_db_stalls stalls;
    bool look_first; /* would queue the site behind a long statement: not while there is one */
};

#define HF_DB_STEPS_MAX 4

struct hf_db_method {
    const char *name;
    enum hf_db_flavour flavour;
    unsigned since;                               /* oldest server that has it */
    bool is_light;                                /* commits go on */
    struct hf_db_step steps[HF_DB_STEPS_MAX + 1]; /* sql NULL: end */
    const char *unlock;                           /* writers go on when it is acknowledged */
    const char *unlock_ddl;                       /* and everything else, or NULL */
    /* Brings the redo log down from the server's memory; settles_lazy: also while
     * innodb_flush_log_at_trx_commit is 0. */
    const char *settle;
    bool settles_lazy;
};

/* The gentlest one the server has: of those that block commits, or of those that do not. NULL: it has none. */
const struct hf_db_method *hf_db_method_for(const struct hf_db_server *s, bool is_light);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/facts.h - the settings and tables of a server that decide how it is held, and what a hold has
 * to do.
 *
 * Read outside any hold. The table search is bounded in time: on a server with very many tables it
 * gives up, and the answer is the careful one.
 */
#ifndef HF_DB_FACTS_H
#define HF_DB_FACTS_H

#include "base/cleanup.h"
#include "base/strv.h"
#include "db/conn.h"

#include <stdbool.h>

/* How many non-transactional tables are looked for: enough to name, few enough to be quick. */
#define HF_DB_TABLES_NAMED 3

/* A node of a Galera cluster, as it sees itself. */
struct hf_db_galera {
    bool is_ready;    /* wsrep_ready */
    bool is_primary;  /* wsrep_cluster_status: its part of the cluster has the majority */
    bool is_desynced; /* wsrep_desync is ON already: somebody else's */
    int64_t size;     /* wsrep_cluster_size */
    char state[32];   /* wsrep_local_state_comment: "Synced", "Donor/Desynced", … */
};

struct hf_db_facts {
    bool has_binlog;
    int64_t sync_binlog;
    int flush_log; /* innodb_flush_log_at_trx_commit; 1 when there is no InnoDB */
    bool is_replica;
    bool reads_sources; /* the account may ask a replica where it stands (db/source.h) */
    bool is_galera;     /* wsrep_on, with a provider */
    struct hf_db_galera galera;
    struct hf_strv tables; /* non-transactional user tables, at most HF_DB_TABLES_NAMED + 1 */
    bool tables_unknown;   /* they could not be listed: take it that there are some */
};

#define HF_DB_FACTS_INIT                                                                           \
    {                                                                                              \
        .sync_binlog = 1, .flush_log = 1                                                           \
    }

/* Settings and replication, without the tables. */
int hf_db_facts_read(struct hf_db_conn *c, struct hf_db_facts *out, struct hf_err *err) HF_CHECKED;
/* can_see: the account sees all tables; without, tables_unknown is set. */
int hf_db_facts_find_tables(struct hf_db_conn *c, bool can_see, struct hf_db_facts *out,
                            struct hf_err *err) HF_CHECKED;
void hf_db_facts_free(struct hf_db_facts *f);
HF_DEFINE_AUTO_VALUE(hf_db_facts, hf_db_facts_free)

/* Is redo written and synced at commit? 3 is MariaDB's variant of 1. */
bool hf_db_facts_redo_is_durable(const struct hf_db_facts *f);
/* Is the binlog synced at commit? As good as, when there is none. */
bool hf_db_facts_binlog_is_durable(const struct hf_db_facts *f);
bool hf_db_facts_has_plain_tables(const struct hf_db_facts *f);
/* BUSY, with the reason, for a Galera node that is not synced with the majority of its cluster: what it holds may be
 * old. One that was desynced by hand is taken as it is. */
int hf_db_facts_check_node(const struct hf_db_facts *f, const char *name, struct hf_err *err)
    HF_CHECKED;
/* Why acknowledged commits can be missing from the disk, "; " between reasons, to be freed; *out
 * NULL: they cannot. is_hardened: the variables do not count (db/lock.h, harden). */
int hf_db_facts_why_sync(const struct hf_db_facts *f, bool is_hardened, char **out,
                         struct hf_err *err) HF_CHECKED;

#endif

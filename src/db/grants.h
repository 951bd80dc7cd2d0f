/* SPDX-License-Identifier: Apache-2.0
 *
 * db/grants.h - what the account may do, read from SHOW GRANTS, and what it lacks.
 *
 * SHOW GRANTS without FOR tells the grants of active roles too (seen: MariaDB 10.11, MySQL 9.7).
 * Which statement needs which right was found by trying each with each: docs/notes-mysql.md.
 */
#ifndef HF_DB_GRANTS_H
#define HF_DB_GRANTS_H

#include "base/cleanup.h"
#include "base/strv.h"
#include "db/conn.h"
#include "db/facts.h"

#include <stdbool.h>

struct hf_grants {
    struct hf_strv global;  /* "RELOAD", "BACKUP_ADMIN", …: upper case, ON *.* */
    bool all;               /* ALL PRIVILEGES ON *.* */
    bool reads_performance; /* SELECT on performance_schema, or on everything */
};

#define HF_GRANTS_INIT                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

int hf_grants_read(struct hf_db_conn *c, struct hf_grants *out, struct hf_err *err) HF_CHECKED;
/* One line of SHOW GRANTS. */
int hf_grants_add_line(struct hf_grants *g, const char *line, struct hf_err *err) HF_CHECKED;
void hf_grants_free(struct hf_grants *g);
HF_DEFINE_AUTO_VALUE(hf_grants, hf_grants_free)

bool hf_grants_has(const struct hf_grants *g, const char *privilege);
/* Sees every table in information_schema.tables: without, non-transactional ones can hide. */
bool hf_grants_sees_tables(const struct hf_grants *g);
/* FLUSH LOCAL ENGINE LOGS: db/lock.h, settle_log. */
bool hf_grants_settles_log(const struct hf_grants *g);
/* … and SET GLOBAL of the variables that make commits durable: db/lock.h, harden. */
bool hf_grants_sets_variables(const struct hf_grants *g, const struct hf_db_server *s,
                              const struct hf_db_facts *f);
/* SET GLOBAL wsrep_desync. */
bool hf_grants_desyncs(const struct hf_grants *g, const struct hf_db_server *s);
bool hf_grants_reads_log_status(const struct hf_grants *g, const struct hf_db_server *s);

/* The privileges the lock cannot do without, then all that are wanted; what is missing goes to the
 * lists. */
struct hf_grants_missing {
    struct hf_strv hard;   /* no lock without */
    struct hf_strv soft;   /* something is known less well or done less well */
    bool performance;      /* SELECT ON performance_schema.* */
    bool performance_hard; /* … and no lock without it */
};
int hf_grants_find_missing(const struct hf_grants *g, const struct hf_db_server *s,
                           const struct hf_db_facts *f, struct hf_grants_missing *out,
                           struct hf_err *err) HF_CHECKED;
void hf_grants_missing_free(struct hf_grants_missing *m);
HF_DEFINE_AUTO_VALUE(hf_grants_missing, hf_grants_missing_free)
/* Complete GRANT statements; account is CURRENT_USER(), "user@host". */
int hf_grants_statements(const struct hf_grants_missing *m, const char *account, bool hard_only,
                         struct hf_strv *out, struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * db/lock_state.h - the inside of a lock, shared by lock.c (what it promises), lock_prepare.c
 * (outside the hold) and lock_acquire.c (the attempts).
 */
#ifndef HF_DB_LOCK_STATE_H
#define HF_DB_LOCK_STATE_H

#include "db/facts.h"
#include "db/grants.h"
#include "db/lock.h"
#include "db/lock_methods.h"
#include "db/reading.h"

/* BACKUP STAGE END without a START. */
#define HF_DB_ERRNO_NO_STAGE 4146

/* The variables that make commits durable, each a number; and wsrep_desync, ON or OFF. */
#define HF_DB_VARIABLES 3
#define HF_DB_VARIABLE_TEXT 24

struct hf_db_lock {
    struct hf_db_lock_opts opts; /* run_id is ours; target points to the next */
    struct hf_db_target target;
    struct hf_db_conn *holder; /* NULL between a lost session and the next attempt */
    struct hf_db_conn *helper; /* looks around and kills */
    const struct hf_db_method *method;
    struct hf_db_facts facts;
    struct hf_grants grants;
    struct hf_db_lock_plan plan;
    char *run_id, *mark, *sync_why, *light_why; /* mark is quoted */
    char *grant_sql, *release_sql; /* last step + reading; reading + unlock: one round trip each */
    struct hf_strv blockers;       /* last seen */
    struct hf_db_reading at;       /* right after the lock was granted */
    struct hf_db_reading until;    /* right before the unlock */
    bool is_held;
    bool is_set[HF_DB_VARIABLES]; /* … to what harden wants, from old_values */
    char old_values[HF_DB_VARIABLES][HF_DB_VARIABLE_TEXT];
    int64_t released_us;
    struct hf_err doubt; /* why the hold proves nothing; class NONE after a release: it does */
};

/* Opens the session that will hold and takes the mark. */
int hf_db_lock_open_holder(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;
void hf_db_lock_close_holder(struct hf_db_lock *lock);
/* The same for a session that was lost or does not obey: what is lost here may live on at the server, behind a
 * connection that was cut on our side only, and hold the lock until its wait_timeout. Killed by its mark. */
void hf_db_lock_end_holder(struct hf_db_lock *lock);

/* FLUSH ENGINE LOGS: as much redo goes down as innodb_flush_log_at_trx_commit lets it. */
int hf_db_lock_flush_log(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;

/* lock_variables.c */
int hf_db_lock_restore_variables(struct hf_db_lock *lock, struct hf_err *err) HF_CHECKED;
/* One of the variables that harden may set, and a value that it can have had: what comes from a journal is checked by
 * it. */
bool hf_db_variable_is_known(const char *name, const char *value);
bool hf_db_facts_are_relaxed(const struct hf_db_facts *f);

#endif

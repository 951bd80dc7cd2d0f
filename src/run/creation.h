/* SPDX-License-Identifier: Apache-2.0
 *
 * run/creation.h - one instant taken: what `snapshot create` and `backup` have in common. For src/run only.
 *
 * snapshot_create.c, backup.c   the runs as a whole
 * creation.c          what happens in which order, up to the instant and its release
 * creation_db.c       the database's part: lock or observer, what it needs to be durable
 * creation_guest.c    the guest's part: services, freeze, coverage, sync
 */
#ifndef HF_RUN_CREATION_H
#define HF_RUN_CREATION_H

#include "hold/hold.h"
#include "net/json.h"
#include "run/run.h"
#include "run/way.h"

/* More than a lock ever sets (db/lock.h, harden). */
#define HF_CREATION_VARIABLES_MAX 4

struct hf_snapshot_create;

/* Open at the same time; closed by creation_close in an order that lets go of the guest first. */
struct creation {
    struct hf_run *run;
    enum hf_capture_kind kind;
    const char *label;                    /* or NULL */
    const char *parent;                   /* of an export: the checkpoint to be incremental to, or NULL */
    const struct hf_snapshot_create *req; /* of a snapshot */
    int (*look)(void *ctx,
                struct hf_err *err); /* before anything is held, with the guest at hand; or NULL */
    void *look_ctx;
    struct hf_hold_readers readers; /* begin NULL: none */
    struct hf_hold_told told;       /* captured NULL: nobody */
    bool services_rest;       /* the caller's part: the hold leaves all but the database alone */
    char name[HF_ID_MAX + 8]; /* hf-RUN */
    struct hf_way way;
    bool has_guest;          /* … and it answers */
    struct hf_err guest_err; /* why not */
    struct hf_db_lock *lock;
    struct hf_db_sources sources; /* of a replica, once the lock was let go */
    struct hf_db_conn *observer;
    struct hf_services *services, *db_services; /* NULL: none of the kind is stopped */
    struct hf_strv to_start;                    /* of both, in the order of starting */
    struct hf_db_target db_target;
    struct hf_hold_services rest;
    struct hf_hold_freeze freeze;         /* hv NULL: none */
    struct hf_strv mounts;                /* that a freeze freezes */
    struct hf_strv datastores;            /* where its disks lie (run/datastores.h) */
    char lowered_why[HF_ERR_MESSAGE_MAX]; /* not covered, and accepted; or empty */
    struct hf_hv_capture *capture;
    struct hf_hv_capture_plan plan;
    struct hf_strv warnings;
    char server[64]; /* "MariaDB 10.11.19" */
    char method[32]; /* of the lock, or empty */
    /* Open journal entries, 0: none. */
    uint64_t lock_seq, rest_seq, freeze_seq, bridge_seq;
    uint64_t variable_seqs[HF_CREATION_VARIABLES_MAX];
    size_t n_variables;
    struct hf_hold_result result;
};

/* creation.c. Everything that can be looked at, opened or prepared before anything is held; then the capture is taken, and all is
 * let go; then it is settled. Seconds may lie between them. */
int creation_prepare(struct creation *c, struct hf_err *err);
int creation_take(struct creation *c, struct hf_err *err);
int creation_settle(struct creation *c, struct hf_err *err);
/* A call of the hypervisor that was still away at its deadline is waited for, so that the undo finds what it did. */
void creation_wait_home(const struct creation *c);
void creation_close(struct creation *c);
HF_DEFINE_AUTO_VALUE(creation, creation_close)
int64_t creation_taken_us(const struct creation *c); /* monotonic; of the capture */
int64_t creation_taken_wall_us(const struct creation *c);
/* The document of what was done (run/report.h); to be put. */
struct json_object *creation_report(const struct creation *c, struct hf_err *err);
const char *creation_area(const struct creation *c); /* of the log */
int creation_warn(struct creation *c, const char *text, struct hf_err *err);
int creation_warn_all(struct creation *c, const struct hf_strv *texts, struct hf_err *err);

/* creation_db.c */
int creation_prepare_db(struct creation *c, struct hf_err *err);
/* With a lock planned, what is known to cost the grade is refused before anything is held. */
int creation_check_grade(struct creation *c, struct hf_err *err);
/* The last thing before the hold. */
int creation_calm_db(struct creation *c, struct hf_err *err);
/* The session goes with everything it held; then its journal entry is closed. */
void creation_close_lock(struct creation *c);
void creation_close_entry(struct creation *c, uint64_t *seq);

/* creation_guest.c */
int creation_open_ways(struct creation *c, struct hf_err *err);
int creation_prepare_guest(struct creation *c, struct hf_err *err);
/* Writes the guest's dirty pages now, so that little is left to write under the lock. */
int creation_presync(struct creation *c, struct hf_err *err);
/* The journal entries of what the hold stops and freezes, right before it. */
int creation_journal_guest(struct creation *c, struct hf_err *err);

#endif

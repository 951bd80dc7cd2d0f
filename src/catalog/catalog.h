/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog/catalog.h - what this host knows: runs, snapshots and recovery points (later leases).
 *
 * SQLite in STATE/catalog.sqlite, WAL, synchronous=FULL, schema version in PRAGMA user_version; a
 * newer schema is refused (UNSUPPORTED), an older one is migrated in one transaction. Writers of
 * other processes are waited for, 5 s, then BUSY. A full disk is NOSPACE. A damaged file is CORRUPT
 * with the way out as hint; journals and the hypervisor hold what is needed to undo, so losing the
 * catalog loses history, never safety. SQL stays inside this folder and to the dialect that SQLite
 * and MariaDB share where that costs nothing. The directory is made 0700, the files 0600. Threads:
 * one at a time. Not across a fork: the child opens its own.
 */
#ifndef HF_CATALOG_CATALOG_H
#define HF_CATALOG_CATALOG_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_catalog;

struct hf_catalog *hf_catalog_open(const char *state_dir, const struct hf_clock *clock,
                                   struct hf_err *err) HF_CHECKED;
void hf_catalog_close(struct hf_catalog *c);
HF_DEFINE_AUTO(hf_catalog, hf_catalog_close)

/* What is written in between is one transaction: a sync of the disk for all of it, and writers of other processes wait for so long. rc
 * 0: kept; else, and where one of the changes has failed it has to be, all of it is as before, and the answer is -1. */
int hf_catalog_batch_begin(struct hf_catalog *c, struct hf_err *err) HF_CHECKED;
int hf_catalog_batch_end(struct hf_catalog *c, int rc, struct hf_err *err) HF_CHECKED;

/* A run: one invocation that changes something. verb "snapshot create", "snapshot delete"; outcome
 * NULL while it runs, then "done", "degraded" (below the required grade), "failed", "undone" (by
 * guardian or recover); of "maintain" also "rolled-back", "failed-kept" and "unfinished" (run/maintenance.h). */
struct hf_catalog_run { /* id is required; NULL in verb, vm, hypervisor, vm_id is kept as "" */
    const char *id, *verb, *vm, *hypervisor, *vm_id;
    const char *outcome;
    const char *report; /* the JSON document that the verb printed (or the error object), or NULL */
    int64_t started_us, ended_us; /* wall; 0 going in: now; 0 coming out: not ended */
};
/* outcome, report and ended_us are not looked at. CONFLICT: the id is there already. */
int hf_catalog_run_begin(struct hf_catalog *c, const struct hf_catalog_run *run, struct hf_err *err)
    HF_CHECKED;
/* Writes outcome, report and ended_us. Also for a run that the catalog has never seen (it was
 * lost): then a row is made from what is given. */
int hf_catalog_run_end(struct hf_catalog *c, const struct hf_catalog_run *run, struct hf_err *err)
    HF_CHECKED;

struct hf_catalog_snapshot {
    const char *name, *run_id, *vm, *hypervisor, *vm_id;
    const char *label;  /* or NULL */
    const char *grade;  /* "A".."E" */
    const char *state;  /* "present", "deleting", "deleted" */
    int64_t taken_us;   /* wall, the capture */
    int64_t expires_us; /* 0: never */
    double stall_ms;
    const char *report;
};
/* One transaction: the snapshot's row and its run's end. After it the snapshot counts as wanted.
 * CONFLICT: hypervisor and VM have one of that name already. */
int hf_catalog_snapshot_commit(struct hf_catalog *c, const struct hf_catalog_snapshot *s,
                               const struct hf_catalog_run *run, struct hf_err *err) HF_CHECKED;
/* NOT_FOUND: no such snapshot. CONFLICT: two hypervisors have this vm_id and name, and neither is
 * changed. */
int hf_catalog_snapshot_set_state(struct hf_catalog *c, const char *vm_id, const char *name,
                                  const char *state, struct hf_err *err) HF_CHECKED;

/* Rows valid during the callback, which may read the catalog but not write it; non-zero stops and
 * fails with err as the callback set it. Newest first; vm NULL: all. */
typedef int (*hf_catalog_snapshot_cb)(void *ctx, const struct hf_catalog_snapshot *s,
                                      struct hf_err *err);
int hf_catalog_snapshots(struct hf_catalog *c, const char *vm, bool with_deleted,
                         hf_catalog_snapshot_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;
typedef int (*hf_catalog_run_cb)(void *ctx, const struct hf_catalog_run *r, struct hf_err *err);
/* Newest first, at most `limit`; vm NULL: all. */
int hf_catalog_runs(struct hf_catalog *c, const char *vm, size_t limit, hf_catalog_run_cb emit,
                    void *ctx, struct hf_err *err) HF_CHECKED;
/* The newest of another verb than this; none: no call. */
int hf_catalog_last_run_but(struct hf_catalog *c, const char *vm, const char *verb,
                            hf_catalog_run_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;
/* When the VM was first backed up, wall: by its runs, and by its points, for the catalog may be a rebuilt one; 0: never. */
int hf_catalog_first_backup(struct hf_catalog *c, const char *vm, int64_t *out_us,
                            struct hf_err *err) HF_CHECKED;
/* Exactly one run by id, or NOT_FOUND. A unique prefix (at least 4 characters) is enough; several:
 * CONFLICT. */
int hf_catalog_find_run(struct hf_catalog *c, const char *id, hf_catalog_run_cb emit, void *ctx,
                        struct hf_err *err) HF_CHECKED;

/* ---- recovery points: what lies on stores. The manifests there are the truth; this is what this host was told of them. ---- */

struct hf_catalog_point {
    const char *id; /* of the run that took it */
    const char *vm, *hypervisor, *vm_id;
    const char *grade; /* "A".."E" */
    int64_t taken_us;  /* wall, the capture */
    double stall_ms;
    const char *checkpoint; /* that the hypervisor had of it when it was taken, or NULL */
    uint64_t bytes;         /* of its content, before compression; 0: not known */
    const char *report; /* going in: the JSON document of the backup, or NULL (found on a store); lists leave it alone */
};
/* The same point on one store. */
struct hf_catalog_copy {
    const char *point_id;
    const char *store;       /* its name in the configuration */
    const char *store_id;    /* which store that was */
    uint64_t objects, bytes; /* what this point added there */
    /* everything was confirmed or read back, on a store that is off the host: proven, or assumed by the configuration */
    bool is_protected;
    int64_t verified_us; /* wall; 0: never since */
    bool is_damaged;     /* by the last verification */
    const char *off_host; /* "proven", "assumed", as the backup judged its store, and where else its disks lie; NULL: not known */
};
/* One transaction: the point, its copies and its run's end (NULL: none). CONFLICT: the point or a copy is there already. */
int hf_catalog_point_commit(struct hf_catalog *c, const struct hf_catalog_point *p,
                            const struct hf_catalog_copy *copies, size_t n_copies,
                            const struct hf_catalog_run *run, struct hf_err *err) HF_CHECKED;

/* What a store has, found by its manifests: points[i] with copies[i], all of store_id. One transaction: what is not among them is
 * forgotten, and so are points that have no copy left; of what is known already the verification, whether it is protected and the
 * report stay. */
int hf_catalog_points_rebuild(struct hf_catalog *c, const char *store_id,
                              const struct hf_catalog_point *points,
                              const struct hf_catalog_copy *copies, size_t n, struct hf_err *err)
    HF_CHECKED;

/* NOT_FOUND: no such copy. */
int hf_catalog_copy_verified(struct hf_catalog *c, const char *point_id, const char *store_id,
                             int64_t at_us, bool is_damaged, struct hf_err *err) HF_CHECKED;
/* It was removed from the store; with its last copy the point goes. Not known: nothing. */
int hf_catalog_copy_forget(struct hf_catalog *c, const char *point_id, const char *store_id,
                           struct hf_err *err) HF_CHECKED;

typedef int (*hf_catalog_point_cb)(void *ctx, const struct hf_catalog_point *p, struct hf_err *err);
typedef int (*hf_catalog_copy_cb)(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err);
/* Newest first; vm NULL: all; taken at since_us or later. As the other lists. */
int hf_catalog_points(struct hf_catalog *c, const char *vm, int64_t since_us,
                      hf_catalog_point_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;
/* The same, at most `limit`. */
int hf_catalog_points_newest(struct hf_catalog *c, const char *vm, int64_t since_us, size_t limit,
                             hf_catalog_point_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;
/* How many there are of the VM. */
int hf_catalog_points_count(struct hf_catalog *c, const char *vm, int64_t *out,
                            struct hf_err *err) HF_CHECKED;
/* By the name of the store. */
int hf_catalog_copies(struct hf_catalog *c, const char *point_id, hf_catalog_copy_cb emit,
                      void *ctx, struct hf_err *err) HF_CHECKED;

/* ---- drills: a point booted, and its database compared with what was recorded --------------- */

struct hf_catalog_drill {
    const char *run_id, *point_id, *vm;
    const char *store_id, *store; /* of the copy that was booted */
    bool has_passed;
    bool found_damage; /* going in: what was read of the copy was not what it should be */
    int64_t
        recovery_ms; /* from the machine's start to the first answer of its database; -1: there was none */
    int64_t duration_ms, started_us;
    const char *why; /* it failed; NULL: it did not */
};
/* One transaction: the drill and its run's end. A copy whose drill failed counts as never verified, and as damaged where
 * that was found. The point need not be known. */
int hf_catalog_drill_commit(struct hf_catalog *c, const struct hf_catalog_drill *d,
                            const struct hf_catalog_run *run, struct hf_err *err) HF_CHECKED;
typedef int (*hf_catalog_drill_cb)(void *ctx, const struct hf_catalog_drill *d, struct hf_err *err);
/* Of a point, or of a VM: one of them is NULL. Newest first, at most `limit`. */
int hf_catalog_drills(struct hf_catalog *c, const char *point_id, const char *vm, size_t limit,
                      hf_catalog_drill_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * hold/hold.h - the hold: the database brought to rest, capture in that instant, everything let go, and what that
 * proves.
 *
 * Everything in the plan is open, checked and prepared before. What is not in the plan is left out:
 *
  *     stop services ─ stop database | lock ─ [settle log] ─ [sync | freeze] ─ CAPTURE
 *                   ─ thaw ─ [readers begin] ─ unlock | start database ─ start services ─ verdict
 *
 * Between lock and unlock nothing is opened, started or written here but what the server, the agent and the plugin need.
 *
 * Every path releases, in reverse order. Nothing is held longer than hold_limit_ms: when the hypervisor has not answered
 * by then, all is released first and the capture is void (capture_unknown: it may exist, the caller waits for the call to
 * come home and discards). With a stop or a freeze in the plan the limit counts from when these came to rest, waiting
 * for the lock included, because a dead-man in the guest runs from there on (guest/deadman.h).
 *
 * Grade (DESIGN section 2), and what each needs beside a capture inside the hold:
 *   A  the database stopped, its rest unbroken until after the capture, and its files on the guest's disks
 *   B  one unbroken session from lock to unlock, the unlock accepted, with binlog on equal positions after lock and
 *      before unlock, and committed data on the guest's disks
 *   C  the same session, and positions in order before and after
 *   D  the filesystems frozen until after the capture
 *   E  anything less: `why` says what was missing. A dead-man that fired is always less, but for one that came due at
 *      hold_limit while everything was being let go already (a database that starts slowly): the capture was over.
 *
 * Crash: the lock dies with its session; stopped services and frozen filesystems have their dead-men, and all was
 * journalled by the caller before.
 */
#ifndef HF_HOLD_HOLD_H
#define HF_HOLD_HOLD_H

#include "config/config.h"
#include "db/lock.h"
#include "guest/deadman.h"
#include "guest/services.h"
#include "guest/tunnel.h"
#include "hold/timeline.h"
#include "hypervisor/hv.h"

/* What is stopped meanwhile. */
struct hf_hold_services {
    struct hf_services *set;        /* stopped first, started last; NULL: none */
    struct hf_services *database;   /* quiesce = stop; or NULL */
    const struct hf_strv *to_start; /* of both, in the order of starting; empty: nothing runs */
    const struct hf_db_target
        *db_target; /* where the database must accept a connection afterwards, or NULL */
    int64_t stop_timeout_ms, start_timeout_ms;
    char deadman_stopping[HF_DEADMAN_MAX]; /* armed before the first stop, at what both may take to
                                              stop + hold_limit */
    char deadman_resting[HF_DEADMAN_MAX];  /* armed once at rest, at hold_limit */
};

struct hf_hold_freeze {
    struct hf_hv *hv; /* not the one that captures: it must get through when that one is stuck */
    const struct hf_strv *mounts;
    char deadman[HF_DEADMAN_MAX];
};

/* Sessions that shall see the captured instant, too: they begin once the capture is over, before commits are let go on. begin
 * is home by the deadline; what it may do meanwhile is a statement per session. */
struct hf_hold_readers {
    int (*begin)(void *ctx, int64_t deadline_ms, struct hf_err *err);
    void *ctx;
};

/* Called as soon as the capture is there, with everything still held: no more than a word to another thread. */
struct hf_hold_told {
    void (*captured)(void *ctx);
    void *ctx;
};

struct hf_hold_plan {
    const struct hf_hold_services *rest;   /* NULL: nothing is stopped */
    struct hf_db_lock *lock;               /* NULL: none */
    const struct hf_hold_readers *readers; /* only where the lock holds commits back; NULL: none */
    struct hf_hold_told told;              /* captured NULL: nobody is told */
    const struct hf_hold_freeze *freeze;   /* NULL: none */
    struct hf_db_conn *observer; /* NULL, or a session to read the bracket where no lock does */
    struct hf_guest *guest;      /* NULL: no way into the guest */
    struct hf_tunnel
        *tunnel;      /* of the sessions above, or NULL: it rests while the capture is begun */
    struct hf_hv *hv; /* of the capture */
    struct hf_hv_capture *capture;
    const char *vm_id, *run_id;
    bool sync_guest;         /* run `sync` in the guest when the database is at rest */
    const char *lowered_why; /* known before: why the grade is E, or NULL */
    enum hf_grade required;
    int64_t hold_limit_ms;
    const struct hf_clock *clock;
    struct hf_cancel *cancel;
    struct hf_log *log;
};

struct hf_hold_result {
    struct hf_timeline timeline;
    enum hf_grade grade;
    const char *proof; /* "service", "position", "session", "bracket", "freeze", "none": literals */
    char why[HF_ERR_MESSAGE_MAX + 128]; /* why the grade is E though more was planned, or empty */
    double stall_ms, held_ms;           /* of database writers */
    double rest_ms;          /* of the services beside the database, 0: none was stopped */
    double worst_attempt_ms; /* longest stall of a failed attempt before, 0: none */
    uint32_t attempts;
    bool captured;        /* the instant has passed, inside the hold or without one */
    bool capture_unknown; /* the call was still away at the deadline */
    bool
        has_open_ends; /* a server variable is not back, a dead-man not disarmed: the journal says which */
    struct hf_db_position position; /* grade A and B with binlog */
    bool has_position, has_bracket;
    struct hf_db_position min, max; /* else, when they could be read */
};

void hf_hold_result_free(struct hf_hold_result *r);
HF_DEFINE_AUTO_VALUE(hf_hold_result, hf_hold_result_free)

/* 0: captured and everything let go (perhaps with a grade below the required one: the caller decides). -1: no capture
 * that counts, readers that did not begin, or something that did not come back (left names it); result says whether a capture may exist.
 * timeline.start_us/start_wall_us are set by the caller before. */
int hf_hold_run(const struct hf_hold_plan *plan, struct hf_hold_result *out, struct hf_err *err)
    HF_CHECKED;

/* What is done while services rest, instead of a capture. `until` is set when hold_limit_ms is over, or the plan's cancel. */
struct hf_hold_work {
    int (*run)(void *ctx, struct hf_cancel *until, struct hf_err *err);
    void *ctx;
};

/*     stop services ─ work ─ start services
 *
 * Of the plan: rest with `set` alone, guest, hold_limit_ms, clock, cancel, log. Where nothing runs there is no limit.
 * 0: the work was done, and nothing of the set ran meanwhile. -1: not so, and what did not come back is in left; CONFLICT
 * when something ran. */
int hf_hold_at_rest(const struct hf_hold_plan *plan, const struct hf_hold_work *work,
                    struct hf_hold_result *out, struct hf_err *err) HF_CHECKED;

/* `sync` in the guest: what the server handed to its kernel reaches the virtual disks. Leaves nothing that a crash
 * would have to undo, so it may run before the hold as well. */
int hf_hold_sync_guest(struct hf_guest *g, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;

#endif

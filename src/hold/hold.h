/* SPDX-License-Identifier: Apache-2.0
 *
 * hold/hold.h - the hold: database locked, capture in that instant, database let go, and what that
 * proves.
 *
 * Everything in the plan is open, checked and prepared before; between lock and release nothing is
 * opened, started or written here but what the server, the agent and the plugin need:
 *
 *     lock ─ [settle log] ─ [sync in the guest] ─ CAPTURE ─ unlock, and with it the last reading ─ verify
 *
 * Every path releases, in reverse order. The hold never lasts longer than hold_limit_ms: when the
 * hypervisor has not answered by then, the database is released first and the capture is void
 * (capture_unknown: it may exist, the caller waits for the call to come home and discards).
 *
 * Grade (DESIGN section 2): B needs one unbroken session from lock to unlock, the unlock accepted,
 * with binlog on equal positions after lock and before unlock, and committed data on the guest's
 * disks. Anything less is E, and `why` says what was missing. Crash: the lock dies with its
 * session; all else was journalled by the caller before.
 */
#ifndef HF_HOLD_HOLD_H
#define HF_HOLD_HOLD_H

#include "config/config.h"
#include "db/lock.h"
#include "hold/timeline.h"
#include "hypervisor/hv.h"

struct hf_hold_plan {
    struct hf_db_lock *lock;     /* NULL: quiesce = none */
    struct hf_db_conn *observer; /* NULL, or a session to read the bracket of quiesce = none */
    struct hf_hv *hv;            /* for the sync in the guest; free during the hold */
    struct hf_hv_capture *capture;
    const char *vm_id, *run_id;
    bool sync_guest; /* run `sync` in the guest under the lock */
    enum hf_grade required;
    int64_t hold_limit_ms;
    const struct hf_clock *clock;
    struct hf_cancel *cancel;
    struct hf_log *log;
};

struct hf_hold_result {
    struct hf_timeline timeline;
    enum hf_grade grade;
    const char *proof;                  /* "position", "session", "none": literals */
    char why[HF_ERR_MESSAGE_MAX + 128]; /* why the grade is below B, or empty */
    double stall_ms, held_ms;
    double worst_attempt_ms; /* longest stall of a failed attempt before, 0: none */
    uint32_t attempts;
    bool captured;        /* the instant has passed, inside the hold or without one */
    bool capture_unknown; /* the call was still away at the deadline */
    bool is_unrestored;   /* a server variable is not back: its journal entry says which */
    struct hf_db_position position; /* grade B with binlog */
    bool has_position, has_bracket;
    struct hf_db_position min, max; /* below B, when they could be read */
};

void hf_hold_result_free(struct hf_hold_result *r);
HF_DEFINE_AUTO_VALUE(hf_hold_result, hf_hold_result_free)

/* 0: captured (perhaps with a grade below the required one: the caller decides). -1: no capture
 * that counts; result says whether one may exist. timeline.start_us/start_wall_us are set by the
 * caller before. */
int hf_hold_run(const struct hf_hold_plan *plan, struct hf_hold_result *out, struct hf_err *err)
    HF_CHECKED;

/* `sync` in the guest: what the server handed to its kernel reaches the virtual disks. Leaves nothing that a crash
 * would have to undo, so it may run before the hold as well. */
int hf_hold_sync_guest(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                       struct hf_err *err) HF_CHECKED;

#endif

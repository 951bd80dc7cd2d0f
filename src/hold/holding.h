/* SPDX-License-Identifier: Apache-2.0
 *
 * hold/holding.h - the parts of one hold, each taken and released in a file of its own. For src/hold only.
 */
#ifndef HF_HOLD_HOLDING_H
#define HF_HOLD_HOLDING_H

#include "hold/hold.h"
#include "hold/stack.h"

/* State of one hold, on the stack of hf_hold_run. */
struct holding {
    const struct hf_hold_plan *plan;
    struct hf_hold_result *out;
    struct hf_hold_stack stack;
    int64_t let_go_ms;   /* when releasing began; 0: not yet */
    int64_t deadline_ms; /* the end of hold_limit; HF_NO_DEADLINE: nothing is at rest yet */
    bool is_stopping_armed, is_resting_armed, is_thaw_armed; /* dead-men to be disarmed */
    bool is_durable; /* committed data is on the guest's disks */
    struct hf_err
        broken; /* what did not come back, or readers that did not begin; class NONE: nothing */
};

int64_t holding_now_us(const struct holding *h);
int64_t holding_now_ms(const struct holding *h);
void holding_mark(struct holding *h, const char *event);
/* Voids the grade. The first reason wins: it is the cause of the later ones. */
void holding_degrade(struct holding *h, const char *what, const struct hf_err *cause);
/* Something did not come back: the run fails, after everything else was let go. Returns -1. */
int holding_break(struct holding *h, const struct hf_err *cause);
/* hold_limit from now, or from when something came to rest before. */
void holding_start_limit(struct holding *h, int64_t from_ms);
/* Disarmed, or has_open_ends; fired: void. */
void holding_disarm(struct holding *h, const char *deadman, bool *is_armed);
void holding_disarm_all(struct holding *h);
/* Releases all that is held, after `result` (0 or -1 with err). What did not come back is said beside the cause. */
int holding_let_go(struct holding *h, int result, struct hf_err *err);

/* rest.c: services, and perhaps the database. */
int holding_rest(struct holding *h, struct hf_err *err);
/* freeze.c */
int holding_arm_thaw(struct holding *h,
                     struct hf_err *err); /* before the lock: it takes its time */
int holding_freeze(struct holding *h, struct hf_err *err);
/* locking.c */
int holding_lock(struct holding *h, struct hf_err *err);
/* What was set for the time of the run, when everything was let go; what is not back: has_open_ends. */
void holding_restore_server(struct holding *h);

#endif

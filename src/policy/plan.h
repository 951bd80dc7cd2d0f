/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/plan.h - what has to be started now, and when to look again. Pure: configuration, duties and the time go in, jobs come out.
 *
 * A plan knows each pair of policy and VM, its duty (catalog/duty.h), and what is going on. Times are seconds since the epoch.
 *
 * Promise   a due time is served once, by one job, or told as missed; several that passed meanwhile are one job (the latest), and
 *           has_missed is set. One VM is never in two runs at a time, nor in two drills; a drill waits for a run of its VM, which makes a
 *           newer point, and a run for no drill, which never touches the VM. Limits are never exceeded: [defaults] max-runs, [hypervisor]
 *           max-runs and max-runs-datastore (of its VMs' disks, as far as their last run has told; drills do not read these), [store]
 *           max-runs (of all the stores a job would send to: those of the policy, else of the VM, else all; snapshots and drills send
 *           to none). Jobs that are loaded count, and may be more than limits that were lowered meanwhile.
 * Order     who has waited longest is first; one that has to wait for a limit holds nobody up who need not. One that has waited for
 *           HF_PLAN_PATIENCE_S keeps a slot of each limit it needs free for itself, or others could pass it by for ever.
 * Window    no job begins outside of it. What is due and could not begin before it closed begins when it opens again, as one job for
 *           the latest due time that has come by then; it is overdue meanwhile.
 * Retry     after "failed": `retry` later, then twice as long, and so on, three times in all; after "busy": every `retry`, which
 *           counts as no attempt; both only inside the window and before the next due time. 0: not. A due time for which the VM was
 *           busy each time is missed.
 * Drills    where a policy has `drill`: every so often, counted from when it was first followed, as if these were due times of its
 *           schedule: window, jitter, retry, missed and order are those of runs. A new interval counts from the last drill.
 * Clocks    one that jumps ahead makes each duty run once. One that jumps back makes nothing run twice: what was served for a time
 *           that has yet to come is served. If that is further ahead than HF_PLAN_AHEAD_S, the clock was wrong then: the duty is
 *           followed from now on instead (nothing runs at once), was_ahead tells. Waiting times that began in the future begin now.
 * Cost      10,000 VMs: hf_plan_ready and hf_plan_wake within 50 ms from cold (after hf_plan_load, or a clock that jumped back), within
 *           1 ms when nothing is due (a heap).
 * Threads   one at a time.
 */
#ifndef HF_POLICY_PLAN_H
#define HF_POLICY_PLAN_H

#include "catalog/duty.h"
#include "policy/policy.h"

#define HF_PLAN_AHEAD_S INT64_C(86400)
#define HF_PLAN_PATIENCE_S (INT64_C(6) * 3600)

struct hf_plan;

struct hf_job {
    const struct hf_config_policy *policy; /* borrowed from the configuration */
    const struct hf_config_vm *vm;
    const char *kind; /* HF_DUTY_… */
    int64_t due_s;
    uint32_t
        attempt;     /* 1: the first for this due time; those that found the VM busy do not count */
    bool has_missed; /* earlier due times passed without a run */
    size_t id;       /* the plan's own */
};

/* CONFIG: of a time zone. now_s: duties that are not loaded are followed from then on. The configuration has to outlive it. */
struct hf_plan *hf_plan_new(const struct hf_config *config, int64_t now_s, struct hf_err *err)
    HF_CHECKED;
void hf_plan_free(struct hf_plan *p);
HF_DEFINE_AUTO(hf_plan, hf_plan_free)

/* What the catalog knows; one of a pair that is no longer configured is passed over (should its child still run, the VM's lock makes
 * others busy). One that began and has not ended counts as going
 * on until hf_plan_ended: *out_job (may be NULL) is that job then, its id HF_PLAN_NONE where nothing goes on. */
#define HF_PLAN_NONE SIZE_MAX
void hf_plan_load(struct hf_plan *p, const struct hf_duty *d, struct hf_job *out_job);
/* Those that were not loaded, to be recorded with hf_duty_follow. */
typedef int (*hf_plan_follow_cb)(void *ctx, const struct hf_duty *d, struct hf_err *err);
int hf_plan_each_new(const struct hf_plan *p, hf_plan_follow_cb emit, void *ctx, struct hf_err *err)
    HF_CHECKED;

/* The next job that may start now; false: none. It does not count as begun until hf_plan_began: asked again, it is the same one. */
bool hf_plan_ready(struct hf_plan *p, int64_t now_s, struct hf_job *out);
/* job: as hf_plan_ready gave it. */
void hf_plan_began(struct hf_plan *p, const struct hf_job *job, int64_t now_s);
/* What hf_duty_withdraw is to write for a job that is going on: the duty as it was before. */
void hf_plan_before(const struct hf_plan *p, const struct hf_job *job, int64_t *out_served_s,
                    uint32_t *out_attempts);
/* outcome: of hf_duty_end, "done", "degraded", "failed", "busy"; "withdrawn": nothing was done for it, and it is due as before; at
 * once the first time, after 10 s, 20 s, … 300 s when that happens again and again. datastores: of the VM, as in the duty, or NULL:
 * what is known stays. One that is not going on is passed over. */
void hf_plan_ended(struct hf_plan *p, const struct hf_job *job, const char *outcome,
                   const char *datastores, int64_t now_s);

/* When to ask hf_plan_ready again, if nothing ends before; HF_NO_TIME: never. Not earlier than now_s + 1 unless something is ready. */
int64_t hf_plan_wake(struct hf_plan *p, int64_t now_s);

/* For people: each pair, by policy and VM as configured, run before drill; with what it waits for. */
struct hf_plan_row {
    const struct hf_config_policy *policy;
    const struct hf_config_vm *vm;
    const char *kind;
    int64_t served_s, due_s,
        start_s; /* of what comes next; start_s with window, jitter and retry: in the past when it waits for a limit */
    bool is_running,
        is_overdue; /* overdue: it should have begun more than an hour ago, and twice its `retry`; also while an earlier one runs */
    bool has_missed; /* what comes next has, as in its job */
    bool
        was_ahead; /* by its duty it was served more than HF_PLAN_AHEAD_S from now: the clock was wrong, then or now */
    uint32_t attempt; /* of what comes next */
};
typedef int (*hf_plan_row_cb)(void *ctx, const struct hf_plan_row *row, struct hf_err *err);
int hf_plan_rows(const struct hf_plan *p, int64_t now_s, hf_plan_row_cb emit, void *ctx,
                 struct hf_err *err) HF_CHECKED;

#endif

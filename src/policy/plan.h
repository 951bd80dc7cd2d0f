/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/plan.h - what has to be started now, and when to look again. Pure: configuration, duties and the time go in, jobs come out.
 *
 * A plan knows each pair of policy and VM, its duty (catalog/duty.h), and what is going on. Times are seconds since the epoch; a clock
 * that jumps back makes nothing run twice, one that jumps ahead makes each duty run once.
 *
 * Promise   a due time is served once, by one job, or told as missed; several that passed meanwhile are one job (the latest), and
 *           has_missed is set. One VM is never in two jobs at a time. Limits are never exceeded: [defaults] max-runs, [hypervisor]
 *           max-runs and max-runs-datastore, [store] max-runs (of all the stores a job would send to). Who has waited longest is first;
 *           one that has to wait for a limit holds nobody up who need not.
 * Retry     after "failed": `retry` later, then twice as long, and so on, three times in all; after "busy": every `retry`; both only
 *           inside the window and before the next due time. 0: not.
 * Cost      10,000 VMs: hf_plan_ready and hf_plan_wake within 50 ms from cold, within 1 ms when nothing is due (a heap).
 */
#ifndef HF_POLICY_PLAN_H
#define HF_POLICY_PLAN_H

#include "catalog/duty.h"
#include "policy/policy.h"

struct hf_plan;

struct hf_job {
    const struct hf_config_policy *policy; /* borrowed from the configuration */
    const struct hf_config_vm *vm;
    const char *kind; /* HF_DUTY_… */
    int64_t due_s;
    uint32_t attempt; /* 1: the first for this due time */
    bool has_missed;  /* earlier due times passed without a run */
    size_t id;        /* the plan's own */
};

/* now_s: duties that are not loaded are followed from then on. The configuration has to outlive it. */
struct hf_plan *hf_plan_new(const struct hf_config *config, int64_t now_s, struct hf_err *err)
    HF_CHECKED;
void hf_plan_free(struct hf_plan *p);
HF_DEFINE_AUTO(hf_plan, hf_plan_free)

/* What the catalog knows; one of a pair that is no longer configured is passed over. One that began and has not ended counts as going
 * on until hf_plan_ended: *out_job (may be NULL) is that job then, its id HF_PLAN_NONE where nothing goes on. */
#define HF_PLAN_NONE SIZE_MAX
void hf_plan_load(struct hf_plan *p, const struct hf_duty *d, struct hf_job *out_job);
/* Those that were not loaded, to be recorded with hf_duty_follow. */
typedef int (*hf_plan_follow_cb)(void *ctx, const struct hf_duty *d, struct hf_err *err);
int hf_plan_each_new(const struct hf_plan *p, hf_plan_follow_cb emit, void *ctx, struct hf_err *err)
    HF_CHECKED;

/* The next job that may start now; false: none. It does not count as begun until hf_plan_began. */
bool hf_plan_ready(struct hf_plan *p, int64_t now_s, struct hf_job *out);
void hf_plan_began(struct hf_plan *p, const struct hf_job *job, int64_t now_s);
/* outcome: of hf_duty_end, "done", "degraded", "failed", "busy"; "withdrawn": nothing was done for it, and it is due as before.
 * datastores: as in the duty, or NULL. */
void hf_plan_ended(struct hf_plan *p, const struct hf_job *job, const char *outcome,
                   const char *datastores, int64_t now_s);

/* When to ask hf_plan_ready again, if nothing ends before; HF_NO_TIME: never. Not earlier than now_s + 1 unless something is ready. */
int64_t hf_plan_wake(struct hf_plan *p, int64_t now_s);

/* For people: each pair, with what it waits for. */
struct hf_plan_row {
    const struct hf_config_policy *policy;
    const struct hf_config_vm *vm;
    const char *kind;
    int64_t served_s, due_s,
        start_s; /* of what comes next; start_s with window, jitter and retry */
    bool is_running,
        is_overdue; /* overdue: it should have begun more than an hour ago, and twice its `retry` */
};
typedef int (*hf_plan_row_cb)(void *ctx, const struct hf_plan_row *row, struct hf_err *err);
int hf_plan_rows(const struct hf_plan *p, int64_t now_s, hf_plan_row_cb emit, void *ctx,
                 struct hf_err *err) HF_CHECKED;

#endif

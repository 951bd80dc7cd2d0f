/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan over a configuration given as text, and short ways to ask it.
 */
#ifndef HF_TEST_POLICY_PLAN_WORLD_H
#define HF_TEST_POLICY_PLAN_WORLD_H

#include "base/buf.h"
#include "base/civil.h"
#include "harness/hf_test.h"
#include "policy/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MINUTE INT64_C(60)
#define HOUR INT64_C(3600)
#define LAB "[hypervisor lab]\nplugin = libvirt\n"
#define VM(name) "[vm " name "]\nhypervisor = lab\n"
#define POLICY(name, vms) "[policy " name "]\nvms = " vms "\ntimezone = UTC\n"

/* In November 2026, UTC; the 1st is a Sunday. */
static inline int64_t at(unsigned day, int64_t hour, int64_t minute)
{
    return hf_civil_days(2026, 11, day) * HF_DAY_S + hour * HOUR + minute * MINUTE;
}

struct world {
    struct hf_config *config;
    struct hf_plan *plan;
};

static inline struct world world_of(const char *text, int64_t now_s)
{
    struct hf_err err = HF_ERR_INIT;
    struct world w = {.config = hf_config_parse(text, strlen(text), "plan.conf", &err)};
    assert_hf_got(w.config, &err);
    w.plan = hf_plan_new(w.config, now_s, &err);
    assert_hf_got(w.plan, &err);
    return w;
}

static inline void world_free(struct world *w)
{
    hf_plan_free(w->plan);
    hf_config_free(w->config);
}
#define AUTO_WORLD __attribute__((cleanup(world_free))) struct world

/* The policy "p" of VM web01 with these keys, followed from now_s on. */
static inline struct world one(const char *keys, int64_t now_s)
{
    HF_AUTOFREE char *text = hf_asprintf(LAB VM("web01") POLICY("p", "*") "%s", keys);
    return world_of(text, now_s);
}

static inline struct hf_duty duty(const char *vm, const char *kind, int64_t served_s)
{
    return (struct hf_duty){
        .policy = "p", .vm = vm, .kind = kind, .served_s = served_s, .stall_ms = -1};
}

/* One that ended so, just when it was due. */
static inline struct hf_duty ended_duty(const char *vm, int64_t served_s, uint32_t attempts,
                                        const char *outcome)
{
    struct hf_duty d = duty(vm, HF_DUTY_RUN, served_s);
    d.attempts = attempts;
    d.began_us = d.ended_us = served_s * 1000000;
    d.outcome = outcome;
    return d;
}

/* Begins what is ready; fails where nothing is. */
static inline struct hf_job start(struct world *w, int64_t now_s)
{
    struct hf_job job;
    assert_int_equal(hf_plan_wake(w->plan, now_s), now_s);
    if (!hf_plan_ready(w->plan, now_s, &job))
        fail_msg("nothing is ready");
    hf_plan_began(w->plan, &job, now_s);
    return job;
}

static inline void assert_job(const struct hf_job *job, const char *vm, int64_t due_s,
                              uint32_t attempt, bool has_missed)
{
    if (strcmp(job->vm->label, vm) != 0 || job->due_s != due_s || job->attempt != attempt ||
        job->has_missed != has_missed)
        fail_msg("%s of %s for %" PRId64 ", attempt %u, missed %d; expected %s for %" PRId64
                 ", %u, %d",
                 job->kind, job->vm->label, job->due_s, job->attempt, job->has_missed, vm, due_s,
                 attempt, has_missed);
}

static inline void end(struct world *w, const struct hf_job *job, const char *outcome,
                       int64_t now_s)
{
    hf_plan_ended(w->plan, job, outcome, NULL, now_s);
}

/* Nothing before wake_s, and not a second before it. */
static inline void assert_wake(struct world *w, int64_t now_s, int64_t wake_s)
{
    struct hf_job job;
    assert_false(hf_plan_ready(w->plan, now_s, &job));
    if (hf_plan_wake(w->plan, now_s) != wake_s)
        fail_msg("wakes %" PRId64 " s after what was expected",
                 hf_plan_wake(w->plan, now_s) - wake_s);
    if (wake_s == HF_NO_TIME)
        return;
    assert_false(hf_plan_ready(w->plan, wake_s - 1, &job));
    assert_true(hf_plan_ready(w->plan, wake_s, &job));
}

/* Begins all that may; returns how many, and "web01 web02 " in names. */
static inline size_t start_all(struct world *w, int64_t now_s, struct hf_buf *names)
{
    struct hf_job job;
    size_t n = 0;
    for (; hf_plan_ready(w->plan, now_s, &job); n++) {
        hf_plan_began(w->plan, &job, now_s);
        if (names)
            hf_buf_printf(names, "%s%s ", job.vm->label,
                          strcmp(job.kind, HF_DUTY_DRILL) == 0 ? "/drill" : "");
    }
    return n;
}

static inline int row_keep(void *ctx, const struct hf_plan_row *row, struct hf_err *err)
{
    (void)err;
    *(struct hf_plan_row *)ctx = *row;
    return 0;
}

/* The last one. */
static inline struct hf_plan_row row_of(const struct world *w, int64_t now_s)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_plan_row row = {0};
    assert_hf_ok(hf_plan_rows(w->plan, now_s, row_keep, &row, &err), &err);
    return row;
}

#endif

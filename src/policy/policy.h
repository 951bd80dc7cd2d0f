/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/policy.h - which VMs a policy selects, and when the run of one of them is due: pure
 * functions of configuration, what has run, and the time.
 *
 * A policy's schedule gives due times. The run of a VM for a due time starts then, or when the
 * window opens, plus the VM's own delay (jitter): a fixed part of it, from the names of VM and
 * policy, so the same after each restart and on each host. It never leads out of the window.
 *
 * Whoever starts a run keeps hf_due.due_s with it as `served_s`. All due times up to it are then
 * served: a host that was off for a week, or a window that was closed, gives one run, not a hundred.
 */
#ifndef HF_POLICY_POLICY_H
#define HF_POLICY_POLICY_H

#include "base/cleanup.h"
#include "config/config.h"
#include "policy/schedule.h"

struct hf_policy {
    const struct hf_config_policy *config; /* borrowed, as the configuration that it is from */
    const struct hf_config *all;
    struct hf_zone *zone;
};

int hf_policy_open(struct hf_policy *p, const struct hf_config *all,
                   const struct hf_config_policy *config, struct hf_err *err) HF_CHECKED;
void hf_policy_close(struct hf_policy *p);
HF_DEFINE_AUTO_VALUE(hf_policy, hf_policy_close)

bool hf_policy_selects(const struct hf_policy *p, const struct hf_config_vm *vm);

struct hf_due {
    int64_t due_s;   /* by the schedule; HF_NO_TIME: never again */
    int64_t start_s; /* with window and jitter; in the past: at once */
    bool has_missed; /* the start of an earlier due time has passed without a run */
};

/* vm: the section's name. served_s: due_s of the last run, or the time from which the policy is followed. */
struct hf_due hf_policy_due(const struct hf_policy *p, const char *vm, int64_t served_s,
                            int64_t now_s);

/* When the run for this due time starts. Never decreases when due_s grows. */
int64_t hf_policy_start(const struct hf_policy *p, const char *vm, int64_t due_s);

/* The first moment after after_s at which the policy's runs begin, window but no jitter counted;
 * due times that wait for the same opening of the window begin together, as one. */
int64_t hf_policy_begin_next(const struct hf_policy *p, int64_t after_s);

#endif

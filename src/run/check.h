/* SPDX-License-Identifier: Apache-2.0
 *
 * run/check.h - everything that would go wrong with a VM's snapshot, before it does.
 *
 * Looks at the hypervisor, the VM, its disks, the guest channel, the database, its privileges, who
 * would block the lock now, what durability needs, services, dead-men, applications, coverage, stores, and dead runs. Changes nothing in the
 * outside world, but for a timer in the guest that does nothing when it fires (where dead-men are needed). Each fact is one finding: ok, warn (worth knowing), or fail (a snapshot or backup would be refused
 * or miss the required grade).
 */
#ifndef HF_RUN_CHECK_H
#define HF_RUN_CHECK_H

#include "run/env.h"

#define HF_FINDING_PROBES "probes" /* the area of those */

enum hf_finding_level { HF_FINDING_OK, HF_FINDING_WARN, HF_FINDING_FAIL };

struct hf_finding { /* valid during the callback */
    const char *vm;
    const char *area; /* "hypervisor" "vm" "disks" "guest" "services" "dead-man" "database" "rights"
                         "limits" "blockers" "durability" "dump" "coverage" "grade" "runs" "probes" "apps" "store"
                         "drill" "backup" */
    enum hf_finding_level level;
    const char *message;
    const char *hint; /* or NULL */
};
typedef int (*hf_finding_cb)(void *ctx, const struct hf_finding *f, struct hf_err *err);

const char *hf_finding_level_name(enum hf_finding_level level); /* "ok", "warn", "fail" */

/* 0 whatever was found; -1 only when findings could not be delivered. */
int hf_check_vm(const struct hf_env *env, const struct hf_config_vm *vm, hf_finding_cb emit,
                void *ctx, struct hf_err *err) HF_CHECKED;

#endif

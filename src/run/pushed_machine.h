/* SPDX-License-Identifier: Apache-2.0
 *
 * run/pushed_machine.h - a machine from a backup that the hypervisor wrote and keeps: what a restore and a drill do alike.
 *
 * Which     the point's artifact `pushed`: its reference, looked up anew and judged as `verify` does (run/pushed.h).
 * Make      the hypervisor copies all of it, for as long as that takes (run/pushed.h). Cancelled or failed it may go on: the
 *           journal's machine_destroy ends it, and is to be entered before.
 */
#ifndef HF_RUN_PUSHED_MACHINE_H
#define HF_RUN_PUSHED_MACHINE_H

#include "point/manifest.h"
#include "run/env.h"

struct hf_pushed_machine {
    const struct hf_env *env;
    struct hf_hv *hv;
    const char *run_id;
    const char *area; /* of what is logged */
    const struct hf_manifest *m;
};

/* What is there of the point's backup. 1, and what is wrong with it, as far as can be seen ("": nothing); 0: under its name is another's,
 * which *damage says. NOT_FOUND: it is gone. UNSUPPORTED: this hypervisor makes no machines from backups. */
int hf_pushed_machine_look(const struct hf_pushed_machine *p, char damage[HF_ERR_MESSAGE_MAX],
                           struct hf_err *err) HF_CHECKED;
/* store: where its disks come to lie; NULL: where those of the VM lay. As hf_hv_machine_plan, also for *out when it fails. */
int hf_pushed_machine_plan(const struct hf_pushed_machine *p, const char *name, const char *purpose,
                           uint32_t flags, const char *store, struct hf_hv_machine_plan *out,
                           struct hf_err *err) HF_CHECKED;
int hf_pushed_machine_make(const struct hf_pushed_machine *p, const struct hf_hv_machine_plan *plan,
                           struct hf_err *err) HF_CHECKED;

#endif

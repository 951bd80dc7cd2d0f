/* SPDX-License-Identifier: Apache-2.0
 *
 * run/drillable.h - whether a VM's points can be drilled on this host (drill/drill.h), and whether that is overdue.
 *
 * By configuration and catalog alone: no store, hypervisor or guest is asked.
 */
#ifndef HF_RUN_DRILLABLE_H
#define HF_RUN_DRILLABLE_H

#include "catalog/catalog.h"
#include "config/config.h"

/* UNSUPPORTED: nothing could be compared; the hint names the key to set. */
int hf_drillable(const struct hf_config_vm *vm, struct hf_err *err) HF_CHECKED;
/* Its points are encrypted, and this host has no key to read them. */
bool hf_drillable_lacks_key(const struct hf_config_store *store);

struct hf_drill_age {
    /* wall: of the last drill that passed, else of the first backup (which pruning does not move); 0: there was none */
    int64_t since_us;
    bool has_passed;
    bool is_overdue; /* longer ago than the VM's drill-every */
};
int hf_drill_age(struct hf_catalog *c, const struct hf_config_vm *vm, int64_t now_us,
                 struct hf_drill_age *out, struct hf_err *err) HF_CHECKED;

#endif

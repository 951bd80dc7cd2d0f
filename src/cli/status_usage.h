/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/status_usage.h - what `status` tells of a VM's snapshots: room, limits, and what is overdue.
 *
 * Adds to the VM's row: next_expiry_at, overdue, overdue_ms (from the catalog); overlay_bytes, chain, store, store_free_bytes,
 * store_total_bytes, limits (from the hypervisor); hypervisor_error where that could not be asked, the others then being
 * null and [].
 *
 * A hypervisor that does not answer costs its time once: its other VMs get the same error at once.
 */
#ifndef HF_CLI_STATUS_USAGE_H
#define HF_CLI_STATUS_USAGE_H

#include "net/json.h"
#include "run/env.h"
#include "run/expiry.h"

struct hf_status_usage {
    const struct hf_env *env;
    struct hf_expiry_now now;
    const struct hf_config_hypervisor *hypervisor; /* of hv or why */
    struct hf_hv *hv;
    struct hf_err why; /* it was not to be had */
};

/* -1: no memory, or the catalog cannot be read. */
int hf_status_usage_add(struct hf_status_usage *u, struct hf_catalog *catalog,
                        const struct hf_config_vm *vm, struct json_object *row, struct hf_err *err)
    HF_CHECKED;
void hf_status_usage_close(struct hf_status_usage *u);
HF_DEFINE_AUTO_VALUE(hf_status_usage, hf_status_usage_close)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/of_policy.h"

#include "policy/select.h"

static int refuse_kind(const struct hf_config_policy *p, const char *vm, struct hf_err *err)
{
    bool makes_snapshots = p->produce == HF_PRODUCE_SNAPSHOT;
    hf_fail(err, HF_E_CONFIG, "policy %s makes %s", p->label,
            makes_snapshots ? "snapshots (produce = snapshot), no recovery points"
                            : "recovery points, no snapshots");
    return hf_hint(err, "`holdfast %s %s --policy %s` does what it says.",
                   makes_snapshots ? "snapshot create" : "backup", vm ? vm : "VM", p->label);
}

int hf_cli_policy(const struct hf_config *config, const char *name, bool is_for_snapshots,
                  const char *vm, const struct hf_config_policy **out, struct hf_err *err)
{
    const struct hf_config_policy *p = hf_config_find_policy(config, name, err);
    if (!p)
        return -1;
    if ((p->produce == HF_PRODUCE_SNAPSHOT) != is_for_snapshots)
        return refuse_kind(p, vm, err);
    *out = p;
    return 0;
}

int hf_cli_policy_selects(const struct hf_config *config, const struct hf_config_policy *policy,
                          const char *vm, struct hf_err *err)
{
    const struct hf_config_vm *found = hf_config_find_vm(config, vm, err);
    if (!found)
        return -1;
    if (hf_select_has(&policy->vms, found, hf_config_hypervisor_of(config, found)))
        return 0;
    hf_fail(err, HF_E_CONFIG, "policy %s does not select vm %s", policy->label, vm);
    return hf_hint(err,
                   "`holdfast policies` shows whom it selects: add the VM to its key vms, or leave "
                   "--policy out.");
}

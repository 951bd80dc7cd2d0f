/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keep.h"

#include "policy/retention.h"
#include "policy/select.h"

/* No list: all stores. */
static bool goes_to(const struct hf_config_policy *p, const struct hf_config_vm *vm,
                    const struct hf_config_store *store)
{
    const struct hf_strv *stores = p->stores.n ? &p->stores : &vm->stores;
    return stores->n == 0 || hf_strv_has(stores, store->label);
}

bool hf_keep_of(const struct hf_config *c, const struct hf_config_vm *vm,
                const struct hf_config_store *store, struct hf_keep *out)
{
    bool has_any = false;
    *out = store->keep_line ? store->keep : vm->keep;
    if (store->keep_line || vm->keep_line)
        return true;
    const struct hf_config_hypervisor *hypervisor = hf_config_hypervisor_of(c, vm);
    for (size_t i = 0; i < hf_config_policy_count(c); i++) {
        const struct hf_config_policy *p = hf_config_policy_at(c, i);
        if (p->produce == HF_PRODUCE_SNAPSHOT || !goes_to(p, vm, store) ||
            !hf_select_has(&p->vms, vm, hypervisor))
            continue;
        if (!p->keep_line)
            return false;
        hf_keep_widen(out, &p->keep);
        has_any = true;
    }
    return has_any;
}

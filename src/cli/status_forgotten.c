/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_forgotten.h"

#include "policy/select.h"

#include <stdio.h>

static bool is_meant(const struct hf_config *config, const struct hf_config_vm *vm)
{
    const struct hf_config_hypervisor *h = hf_config_hypervisor_of(config, vm);
    for (size_t i = 0; i < hf_config_policy_count(config); i++) {
        const struct hf_selection *s = &hf_config_policy_at(config, i)->vms;
        if (hf_select_has(s, vm, h) || hf_select_excludes(s, vm, h))
            return true;
    }
    return false;
}

/* Names of all VMs that were ever followed. NULL: no memory. */
static struct json_object *followed(const struct hf_owed *owed)
{
    struct json_object *out = json_object_new_object();
    for (size_t i = 0; out && i < owed->n; i++)
        if (owed->items[i].is_followed &&
            json_object_object_add(out, owed->items[i].d.vm, NULL) < 0)
            json_object_put(HF_STEAL(out));
    return out;
}

int hf_status_forgotten_add(const struct hf_config *config, const struct hf_owed *owed,
                            struct json_object *doc, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *known = followed(owed);
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    if (!known)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < hf_config_vm_count(config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(config, i);
        if (json_object_object_get_ex(known, vm->label, NULL) && !is_meant(config, vm) &&
            hf_strv_add(&names, vm->label) < 0)
            return hf_fail_nomem(err);
    }
    return hf_json_add(doc, "forgotten", hf_json_strings(&names)) < 0 ? hf_fail_nomem(err) : 0;
}

void hf_status_forgotten_print(struct json_object *doc)
{
    struct json_object *list = hf_json_list(doc, "forgotten");
    for (size_t i = 0; i < json_object_array_length(list); i++)
        printf("WARNING: %s: no policy selects it any more, and holdfastd followed it once\n",
               json_object_get_string(json_object_array_get_idx(list, i)));
}

size_t hf_status_forgotten_count(struct json_object *doc)
{
    return json_object_array_length(hf_json_list(doc, "forgotten"));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/select.h"

#include "policy/glob.h"

#include <string.h>

static bool has_tag(const struct hf_strv *tags, const char *pattern)
{
    for (size_t i = 0; i < tags->n; i++)
        if (hf_glob_matches(pattern, tags->items[i]))
            return true;
    return false;
}

static bool matches(const char *pattern, const struct hf_config_vm *vm,
                    const struct hf_config_hypervisor *hypervisor)
{
    const size_t tag = strlen(HF_SELECT_TAG), of_hypervisor = strlen(HF_SELECT_HYPERVISOR);
    if (strncmp(pattern, HF_SELECT_TAG, tag) == 0)
        return has_tag(&vm->tags, pattern + tag) ||
               (hypervisor && has_tag(&hypervisor->tags, pattern + tag));
    if (strncmp(pattern, HF_SELECT_HYPERVISOR, of_hypervisor) == 0)
        return hf_glob_matches(pattern + of_hypervisor, vm->hypervisor);
    return hf_glob_matches(pattern, vm->label);
}

static bool any(const struct hf_strv *patterns, const struct hf_config_vm *vm,
                const struct hf_config_hypervisor *hypervisor)
{
    for (size_t i = 0; i < patterns->n; i++)
        if (matches(patterns->items[i], vm, hypervisor))
            return true;
    return false;
}

bool hf_select_has(const struct hf_selection *s, const struct hf_config_vm *vm,
                   const struct hf_config_hypervisor *hypervisor)
{
    return any(&s->include, vm, hypervisor) && !any(&s->exclude, vm, hypervisor);
}

bool hf_select_excludes(const struct hf_selection *s, const struct hf_config_vm *vm,
                        const struct hf_config_hypervisor *hypervisor)
{
    return any(&s->exclude, vm, hypervisor);
}

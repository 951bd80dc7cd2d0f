/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/select.h - which VMs the key vms of a policy means. Pure.
 */
#ifndef HF_POLICY_SELECT_H
#define HF_POLICY_SELECT_H

#include "config/config.h"

/* By name, by a tag of its own or of its hypervisor, or by the hypervisor's name. hypervisor: that of the VM; NULL: it has no tags. */
bool hf_select_has(const struct hf_selection *s, const struct hf_config_vm *vm,
                   const struct hf_config_hypervisor *hypervisor);
/* What it leaves out in so many words. */
bool hf_select_excludes(const struct hf_selection *s, const struct hf_config_vm *vm,
                        const struct hf_config_hypervisor *hypervisor);

#endif

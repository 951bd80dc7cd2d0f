/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/keep.h - which rules hold for the recovery points of a VM on a store. Pure.
 *
 * The keep of the store, else that of the VM, else what any of the policies wants that make points of the VM for the store. One of
 * them without keep keeps everything.
 */
#ifndef HF_POLICY_KEEP_H
#define HF_POLICY_KEEP_H

#include "config/config.h"

/* False: no rule says anything, and nothing is deleted. */
bool hf_keep_of(const struct hf_config *c, const struct hf_config_vm *vm,
                const struct hf_config_store *store, struct hf_keep *out);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/prune_snapshots.h - the half of `prune` that is about snapshots: those whose time is over are deleted.
 */
#ifndef HF_CLI_PRUNE_SNAPSHOTS_H
#define HF_CLI_PRUNE_SNAPSHOTS_H

#include "base/strv.h"
#include "net/json.h"
#include "run/env.h"

/* Of these VMs; none: of all. doc gets the lists "pruned", "kept" and "failed"; what is deleted is printed as it goes unless is_silent.
 * One that fails stands in "failed", and stops nothing. */
int hf_cli_prune_snapshots(const struct hf_env *env, const struct hf_strv *vms, bool is_dry,
                           bool is_silent, struct json_object *doc, struct hf_err *err) HF_CHECKED;

#endif

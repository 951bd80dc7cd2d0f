/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/of_policy.h - the option --policy of verbs that do what a policy says.
 */
#ifndef HF_CLI_OF_POLICY_H
#define HF_CLI_OF_POLICY_H

#include "config/config.h"

/* CONFIG: there is none of this name, or it makes what the verb does not: snapshots, or recovery points. vm: of the hint; NULL: all. */
int hf_cli_policy(const struct hf_config *config, const char *name, bool is_for_snapshots,
                  const char *vm, const struct hf_config_policy **out, struct hf_err *err)
    HF_CHECKED;
/* CONFIG: there is no such VM, or the policy does not select it. */
int hf_cli_policy_selects(const struct hf_config *config, const struct hf_config_policy *policy,
                          const char *vm, struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_completion.c - `completion`: for the shell, not for people.
 */
#include "cli/completion.h"
#include "cli/output.h"

#include <string.h>

static bool is_script(const struct hf_cli_args *args)
{
    return args->n > 0 && strcmp(args->items[0], "bash") == 0;
}

static bool needs_names(const struct hf_cli_args *args)
{
    return !is_script(args);
}

/* One a line. */
static int add_names(struct hf_buf *out, const struct hf_config *c, const char *kind,
                     struct hf_err *err)
{
    static const char *const kinds[] = {"vms", "policies", "stores", "hypervisors"};
    size_t k = 0;
    while (k < HF_ARRAY_SIZE(kinds) && strcmp(kinds[k], kind) != 0)
        k++;
    const size_t counts[] = {hf_config_vm_count(c), hf_config_policy_count(c),
                             hf_config_store_count(c), hf_config_hypervisor_count(c)};
    if (k == HF_ARRAY_SIZE(kinds)) {
        hf_fail(err, HF_E_CONFIG, "there is no completion of '%s'", kind);
        return hf_hint(err, "There are: bash, vms, policies, stores, hypervisors.");
    }
    for (size_t i = 0; i < counts[k]; i++)
        hf_buf_printf(out, "%s\n",
                      k == 0   ? hf_config_vm_at(c, i)->label
                      : k == 1 ? hf_config_policy_at(c, i)->label
                      : k == 2 ? hf_config_store_at(c, i)->label
                               : hf_config_hypervisor_at(c, i)->label);
    return 0;
}

static int run_completion(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    if (is_script(args))
        hf_completion_bash(&out, hf_verbs);
    else if (add_names(&out, cli->config, args->items[0], err) < 0)
        return -1;
    return hf_cli_print(&out, err);
}

const struct hf_verb hf_verb_completion = {
    .name = "completion",
    .args = "bash|vms|policies|stores|hypervisors",
    .min_args = 1,
    .max_args = 1,
    .summary = "internal: the script for bash's completion, and the names that it asks for",
    .help = "Installed with the package: nobody has to call it.",
    .config_if = needs_names,
    .hidden = true,
    .run = run_completion,
};

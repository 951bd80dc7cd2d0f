/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_guardian.c - internal: the process that undoes a run when its coordinator dies
 * (run/guardian.h).
 */
#include "cli/cli.h"
#include "cli/engine.h"
#include "run/guardian.h"

static int run_guardian(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    env.cancel = NULL;
    env.progress = NULL;
    int status = hf_guardian_main(&env, args->items[0], err);
    return status && err->cls ? -1 : status;
}

const struct hf_verb hf_verb_guardian = {
    .name = "guardian",
    .args = "RUN",
    .min_args = 1,
    .max_args = 1,
    .summary = "internal: undoes a run when its coordinator dies",
    .help = "Started by a run, never by people.",
    .needs_config = true,
    .hidden = true,
    .run = run_guardian,
};

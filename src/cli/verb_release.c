/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_release.c - `release`: thaw, unlock, start, whatever state the guest is in.
 */
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "net/json.h"
#include "run/release.h"

#include <stdio.h>

static int print(struct hf_cli *cli, const char *vm, const struct hf_strv *did, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = NULL;
    if (!cli->json) {
        for (size_t i = 0; i < did->n; i++)
            printf("%s\n", did->items[i]);
        return 0;
    }
    doc = json_object_new_object();
    if (!doc || hf_json_add_string(doc, "vm", vm) < 0 ||
        hf_json_add(doc, "did", hf_json_strings(did)) < 0)
        return hf_fail_nomem(err);
    return hf_cli_print_json(doc, err);
}

static int run_release(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTO(hf_strv) struct hf_strv did = HF_STRV_INIT;
    const char *vm = args->items[0];
    int result = hf_release_vm(&env, vm, &did, err);
    /* In a document the error stands alone; for people, what was done is told before it. */
    if (result < 0 && cli->json)
        return -1;
    struct hf_err second = HF_ERR_INIT;
    if (print(cli, vm, &did, result < 0 ? &second : err) < 0)
        return -1;
    return result;
}

const struct hf_verb hf_verb_release = {
    .name = "release",
    .args = "VM",
    .min_args = 1,
    .max_args = 1,
    .summary = "emergency: thaw, unlock and start whatever is held in the guest",
    .help = "For the bad night, when the guest is frozen, locked or stopped and nobody knows why. "
            "Thaws the guest's "
            "filesystems, ends every session of holdfast's database user, sets back what journals "
            "know of, starts the "
            "services of the VM's section and its database, and disarms the dead-men in the guest. "
            "Each is tried "
            "whatever became of the others; what could not be done is named.\n\n"
            "Needs neither catalog nor journal, and waits for no run: one that is under way loses "
            "its hold, and its "
            "snapshot is worth no more than a power failure's. Services of the section that "
            "somebody stopped on purpose "
            "are started, too. Snapshots and overlays that a dead run left are the business of "
            "`holdfast recover`.",
    .needs_config = true,
    .run = run_release,
};

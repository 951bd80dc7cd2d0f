/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_snapshot_rollback.c - `snapshot rollback`: what is lost is said and confirmed before anything is changed.
 */
#include "base/units.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "run/snapshot.h"

#include <stdio.h>
#include <string.h>

static const struct hf_cli_opt opts[] = {
    {"keep-current", 'k', HF_OPT_FLAG, NULL,
     "Keep the state that is left: as files beside the disks (libvirt), or as a snapshot (Proxmox VE, "
     "VMware). The report names it."},
    {"yes", 'y', HF_OPT_FLAG, NULL, "Do not ask. Required where there is no terminal to ask on."},
};

extern const struct hf_verb hf_verb_snapshot_rollback;

static void say_loss(struct json_object *doc, bool keep)
{
    char size[HF_UNITS_MAX];
    struct json_object *bytes = NULL, *running = NULL;
    const char *taken = hf_cli_text(doc, "taken_at");
    json_object_object_get_ex(doc, "discarded_bytes", &bytes);
    json_object_object_get_ex(doc, "running", &running);
    hf_format_size((uint64_t)json_object_get_int64(bytes), size);
    fprintf(stderr, "%s goes back to snapshot %s.\n", hf_cli_text(doc, "vm"),
            hf_cli_text(doc, "snapshot"));
    fprintf(stderr, "What it wrote since %s (%s in overlay files) is %s.\n", taken ? taken : "then",
            size, keep ? "left, and kept as files" : "lost");
    hf_cli_print_lines(stderr, doc, "Gone with it: the younger snapshot ", "younger");
    hf_cli_print_lines(stderr, doc, "Note: ", "warnings");
    if (json_object_get_boolean(running))
        fprintf(stderr, "The VM is stopped without a shutdown, and started again.\n");
}

static bool ask(struct hf_cli *cli, const char *vm)
{
    char answer[16];
    fprintf(stderr, "Roll back %s now? Type yes: ", vm);
    return hf_cli_read_answer(cli, answer, sizeof answer) && strcmp(answer, "yes") == 0;
}

static int confirm(struct hf_cli *cli, const struct hf_env *env,
                   const struct hf_snapshot_rollback *req, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = NULL;
    if (!hf_cli_can_ask()) {
        hf_fail(err, HF_E_CONFIG, "there is no terminal to ask on whether %s shall be rolled back",
                req->vm);
        return hf_hint(err, "Say --yes to roll back without being asked.");
    }
    if (hf_run_snapshot_rollback_preview(env, req, &doc, err) < 0)
        return -1;
    say_loss(doc, req->keep_current);
    return ask(cli, req->vm) ? 0 : hf_fail(err, HF_E_CANCELLED, "nothing was changed");
}

static int print_text(struct json_object *doc, struct hf_err *err)
{
    printf("rolled back  %s to %s\n", hf_cli_text(doc, "vm"), hf_cli_text(doc, "snapshot"));
    printf("off          %s ms\n", hf_cli_text(doc, "off_ms"));
    if (hf_cli_text(doc, "boot_ms"))
        printf("database     accepts connections %s ms after the VM's start, %s ms after the "
               "decision\n",
               hf_cli_text(doc, "boot_ms"), hf_cli_text(doc, "db_ms"));
    hf_cli_print_lines(stdout, doc, "gone         snapshot ", "younger");
    hf_cli_print_lines(stdout, doc, "kept         ", "kept");
    hf_cli_print_lines(stdout, doc, "warning      ", "warnings");
    return hf_cli_flush(err);
}

static int run_rollback(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    const struct hf_verb *verb = &hf_verb_snapshot_rollback;
    struct hf_snapshot_rollback req = {
        .vm = args->items[0],
        .name = args->items[1],
        .keep_current = hf_cli_get(verb, args, "keep-current")->is_set,
    };
    HF_AUTOJSON struct json_object *doc = NULL;
    if ((!hf_cli_get(verb, args, "yes")->is_set && confirm(cli, &env, &req, err) < 0) ||
        hf_run_snapshot_rollback(&env, &req, &doc, err) < 0)
        return -1;
    return cli->json ? hf_cli_print_json(doc, err) : print_text(doc, err);
}

const struct hf_verb hf_verb_snapshot_rollback = {
    .name = "snapshot rollback",
    .args = "VM NAME",
    .min_args = 2,
    .max_args = 2,
    .summary = "go back to a snapshot: everything written since is given up",
    .help = "Stops the VM, gives it the disks as they were at the snapshot, and starts it again if "
            "it ran. "
            "Until its database accepts connections the present state stays: when the new one does "
            "not come up, "
            "or this command is killed or interrupted before, the VM gets its present disks back "
            "and is started "
            "with them. From then on what was written since the snapshot is removed.\n\n"
            "The snapshot stays, as a way back once more, until it is deleted. So do younger ones on "
            "VMware, and on Proxmox VE where the storage goes back to any; else those are gone "
            "with the state they belong to, and if one of them was not made by holdfast, the "
            "rollback is "
            "refused. So it is while a checkpoint of another backup program exists, and in some "
            "more cases, "
            "always with the reason and before anything is changed.\n\n"
            "On a terminal it says what will be lost, and asks.",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_rollback,
};

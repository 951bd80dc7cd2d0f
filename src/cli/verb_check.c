/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_check.c - `check`: everything that would go wrong, before it does.
 */
#include "cli/cli.h"
#include "cli/engine.h"
#include "run/check.h"

#include <stdio.h>
#include <unistd.h>

struct checklist {
    struct json_object *rows; /* NULL: print as they come */
    unsigned failed, warned;
    const char *vm; /* last printed */
};

static int add_json(struct json_object *rows, const struct hf_finding *f, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(rows);
    if (!row || hf_json_add_string(row, "vm", f->vm) < 0 ||
        hf_json_add_string(row, "area", f->area) < 0 ||
        hf_json_add_string(row, "status", hf_finding_level_name(f->level)) < 0 ||
        hf_json_add_string(row, "message", f->message) < 0 ||
        hf_json_add_string(row, "hint", f->hint) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int note(void *ctx, const struct hf_finding *f, struct hf_err *err)
{
    struct checklist *list = ctx;
    list->failed += f->level == HF_FINDING_FAIL;
    list->warned += f->level == HF_FINDING_WARN;
    if (list->rows)
        return add_json(list->rows, f, err);
    if (list->vm != f->vm)
        printf("%s\n", f->vm);
    list->vm = f->vm;
    printf("  %-4s  %-11s %s\n", hf_finding_level_name(f->level), f->area, f->message);
    if (f->hint && f->level != HF_FINDING_OK)
        printf("  %-4s  %-11s hint: %s\n", "", "", f->hint);
    fflush(stdout);
    return 0;
}

static int check_named(struct hf_cli *cli, const struct hf_cli_args *args, const struct hf_env *env,
                       struct checklist *list, struct hf_err *err)
{
    for (size_t i = 0; i < args->n; i++) {
        const struct hf_config_vm *vm = hf_config_find_vm(cli->config, args->items[i], err);
        if (!vm || hf_check_vm(env, vm, note, list, err) < 0)
            return -1;
    }
    return 0;
}

static int check_all(struct hf_cli *cli, const struct hf_env *env, struct checklist *list,
                     struct hf_err *err)
{
    if (hf_config_vm_count(cli->config) == 0) {
        hf_fail(err, HF_E_CONFIG, "%s names no VM", cli->config_path);
        return hf_hint(err, "Add a section [vm NAME]; `holdfast sample-config` shows one.");
    }
    for (size_t i = 0; i < hf_config_vm_count(cli->config); i++)
        if (hf_check_vm(env, hf_config_vm_at(cli->config, i), note, list, err) < 0)
            return -1;
    return 0;
}

static int run_check(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTOJSON struct json_object *doc = NULL;
    struct checklist list = {0};
    if (cli->json) {
        doc = json_object_new_object();
        list.rows = json_object_new_array();
        if (!doc || hf_json_add(doc, "checks", list.rows) < 0)
            return hf_fail_nomem(err);
    }
    if ((args->n ? check_named(cli, args, &env, &list, err) : check_all(cli, &env, &list, err)) < 0)
        return -1;
    if (doc && (hf_json_add_int(doc, "failed", list.failed) < 0 ||
                hf_json_add_int(doc, "warnings", list.warned) < 0))
        return hf_fail_nomem(err);
    if (doc && hf_cli_print_json(doc, err) < 0)
        return -1;
    if (!doc)
        printf("%u failed, %u warning%s\n", list.failed, list.warned, list.warned == 1 ? "" : "s");
    return list.failed ? 1 : 0;
}

const struct hf_verb hf_verb_check = {
    .name = "check",
    .args = "[VM…]",
    .min_args = 0,
    .max_args = SIZE_MAX,
    .summary = "find everything that would go wrong, before it does",
    .help = "Connects to hypervisor, guest and database of each VM (all, when none is named) and "
            "looks: does the VM exist, can "
            "all its disks be captured in one instant, does the guest agent answer, does the "
            "database user have every right "
            "(missing ones are printed as GRANT statements), who would block the lock now, are "
            "commits durable, is the "
            "required grade within reach, do the stores answer, are they ready, off the host and "
            "encrypted, did a run die. Nothing is changed.\n\nThe status is 1 "
            "when something failed.",
    .needs_config = true,
    .run = run_check,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_recover.c - `recover`: undo or finish what dead runs left.
 */
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/report_text.h"
#include "run/maintenance.h"
#include "run/recover.h"
#include "run/report.h"

#include <stdio.h>
#include <string.h>

static const struct hf_cli_opt opts[] = {
    {"dry-run", 'n', HF_OPT_FLAG, NULL, "Only say what would be done."},
};

extern const struct hf_verb hf_verb_recover;

static int add_json(struct json_object *rows, const struct hf_recovered *r, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(rows);
    if (!row || hf_json_add_string(row, "run", r->run_id) < 0 ||
        hf_json_add_string(row, "vm", r->vm) < 0 || hf_json_add_string(row, "verb", r->verb) < 0 ||
        hf_json_add_string(row, "outcome", r->outcome) < 0 ||
        hf_json_add(row, "actions", hf_json_strings(r->actions)) < 0 ||
        hf_json_add_string(row, "error", r->err ? r->err->message : NULL) < 0 ||
        hf_json_add_string(row, "left", r->err && r->err->left[0] ? r->err->left : NULL) < 0)
        return hf_fail_nomem(err);
    return 0;
}

struct recovery {
    struct json_object *rows;
    bool json;
};

static int note(void *ctx, const struct hf_recovered *r, struct hf_err *err)
{
    struct recovery *rec = ctx;
    if (add_json(rec->rows, r, err) < 0)
        return -1;
    if (rec->json)
        return 0;
    printf("%s  %s  %s: %s\n", r->run_id, r->vm ? r->vm : "-", r->verb ? r->verb : "-", r->outcome);
    for (size_t i = 0; i < r->actions->n; i++)
        printf("    %s\n", r->actions->items[i]);
    if (r->err)
        printf("    %s\n", r->err->message);
    return 0;
}

/* Of maintenances whose journal is closed already: what somebody still has to decide. */
static int add_undecided(struct hf_cli *cli, const struct hf_env *env, struct json_object *doc,
                         struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv lines = HF_STRV_INIT;
    HF_AUTO(hf_catalog)
    struct hf_catalog *catalog = hf_catalog_open(hf_env_state(env), env->clock, &why);
    for (size_t i = 0; catalog && i < hf_config_vm_count(cli->config); i++)
        if (hf_maintenance_undecided(catalog, hf_config_vm_at(cli->config, i)->label, &lines,
                                     &why) < 0)
            break;
    if (why.cls != HF_E_NONE) /* recovery goes on without a catalog, and so does this */
        hf_log_err(env->log, HF_LOG_WARN, "recover", &why);
    return hf_json_add(doc, "undecided", hf_json_strings(&lines)) < 0 ? hf_fail_nomem(err) : 0;
}

static int run_recover(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    struct recovery rec = {.rows = json_object_new_array(), .json = cli->json};
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    bool dry_run = hf_cli_get(&hf_verb_recover, args, "dry-run")->is_set;
    if (!doc || hf_json_add(doc, "runs", rec.rows) < 0)
        return hf_fail_nomem(err);
    if (hf_recover_all(&env, dry_run, note, &rec, err) < 0 ||
        add_undecided(cli, &env, doc, err) < 0)
        return -1;
    if (cli->json)
        return hf_cli_print_json(doc, err);
    if (json_object_array_length(rec.rows) == 0)
        printf("nothing to recover\n");
    hf_cli_print_lines(stdout, doc, "", "undecided");
    return 0;
}

const struct hf_verb hf_verb_recover = {
    .name = "recover",
    .args = "",
    .min_args = 0,
    .max_args = 0,
    .summary = "undo or finish what a dead run left",
    .help = "Reads the journals of runs that died (killed, host crashed, hypervisor away) and "
            "undoes what they did: database "
            "sessions, server variables, snapshots and overlay files. A deletion that was under "
            "way is finished. Runs that are "
            "alive are left alone. What cannot be undone is named, stays in the journal, and is "
            "tried again next time. Running "
            "it twice changes nothing.\n\nEvery new run on a VM does this for that VM first.",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_recover,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_show.c - `show`: one run or snapshot as the catalog keeps it.
 */
#include "catalog/catalog.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/report_text.h"

#include <stdio.h>
#include <string.h>

static int add_times(struct json_object *doc, const struct hf_catalog_run *r)
{
    char started[HF_TIME_MAX], ended[HF_TIME_MAX];
    hf_time_rfc3339(r->started_us, started);
    hf_time_rfc3339(r->ended_us, ended);
    return hf_json_add_string(doc, "started_at", started) |
           hf_json_add_string(doc, "ended_at", r->ended_us ? ended : NULL);
}

/* The report as the run printed it, with the row's own facts around it. */
static int keep_run(void *ctx, const struct hf_catalog_run *r, struct hf_err *err)
{
    struct json_object **out = ctx;
    HF_AUTOJSON struct json_object *doc =
        r->report ? hf_json_parse(r->report, strlen(r->report), err) : json_object_new_object();
    if (!doc && r->report)
        return hf_wrap(err, "report of run %s", r->id);
    if (!doc || hf_json_add_string(doc, "run", r->id) < 0 ||
        hf_json_add_string(doc, "verb", r->verb) < 0 || hf_json_add_string(doc, "vm", r->vm) < 0 ||
        hf_json_add_string(doc, "outcome", r->outcome) < 0 || add_times(doc, r) < 0)
        return hf_fail_nomem(err);
    *out = HF_STEAL(doc);
    return 0;
}

static const char *outcome_words(struct json_object *doc)
{
    struct json_object *v = NULL;
    const char *outcome =
        json_object_object_get_ex(doc, "outcome", &v) && v ? json_object_get_string(v) : NULL;
    if (!outcome)
        return "unfinished: under way, or dead and not undone yet; see `holdfast recover`";
    if (strcmp(outcome, "undone") == 0)
        return "undone: it died, or could not clean up; what it had done was undone afterwards";
    return outcome;
}

static int run_show(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    const char *what = args->items[0];
    HF_AUTOJSON struct json_object *doc = NULL;
    /* A snapshot is named after its run. */
    const char *id = strncmp(what, "hf-", 3) == 0 ? what + 3 : what;
    HF_AUTO(hf_catalog)
    struct hf_catalog *catalog = hf_catalog_open(hf_env_state(&env), env.clock, err);
    if (!catalog)
        return -1;
    if (hf_catalog_find_run(catalog, id, keep_run, &doc, err) < 0)
        return err->cls != HF_E_NOT_FOUND
                   ? -1
                   : hf_hint(
                         err,
                         "`holdfast snapshot list` shows the snapshots, `holdfast --json status` "
                         "the last run of each VM.");
    if (cli->json)
        return hf_cli_print_json(doc, err);
    printf("%-10s %s\n", "outcome", outcome_words(doc));
    return hf_cli_print_report(doc, err);
}

const struct hf_verb hf_verb_show = {
    .name = "show",
    .args = "POINT",
    .min_args = 1,
    .max_args = 1,
    .summary =
        "show one snapshot or run: grade, proof, stall, position, timeline, or why it failed",
    .help = "POINT is a snapshot's name, a run's id, or the beginning of either if it is unique. "
            "It is read from the catalog "
            "of this host; the hypervisor is not asked.",
    .needs_config = true,
    .run = run_show,
};

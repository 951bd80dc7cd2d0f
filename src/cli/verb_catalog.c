/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_catalog.c - `catalog rebuild`.
 */
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "run/catalog_rebuild.h"

#include <stdio.h>

static const struct hf_cli_opt opts[] = {
    {"store", 's', HF_OPT_STRING, "NAME", "Only what lies on this store. When left out: on all."},
};

extern const struct hf_verb hf_verb_catalog_rebuild;

static void print_store(struct json_object *row)
{
    const char *name = hf_cli_text(row, "name"), *why = hf_cli_text(row, "error");
    if (why) {
        printf("%s: FAILED: %s\n", name, why);
        return;
    }
    printf("%s: points %s, damaged %s, without a manifest %s\n", name, hf_cli_text(row, "points"),
           hf_cli_text(row, "damaged"), hf_cli_text(row, "unfinished"));
    hf_cli_print_lines(stdout, row, "  new      ", "new");
    hf_cli_print_lines(stdout, row, "  gone     ", "gone");
    if (hf_cli_text(row, "damage"))
        printf("  damaged  %s\n", hf_cli_text(row, "damage"));
}

static int print_report(struct json_object *doc, struct hf_err *err)
{
    hf_cli_print_each(doc, "stores", print_store);
    return hf_cli_flush(err);
}

static int run_rebuild(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    bool is_bad = false;
    HF_AUTOJSON struct json_object *doc = NULL;
    const char *store = hf_cli_get(&hf_verb_catalog_rebuild, args, "store")->text;
    if (hf_run_catalog_rebuild(&env, store, &doc, &is_bad, err) < 0 ||
        (cli->json ? hf_cli_print_json(doc, err) : print_report(doc, err)) < 0)
        return -1;
    return is_bad ? 1 : 0;
}

const struct hf_verb hf_verb_catalog_rebuild = {
    .name = "catalog rebuild",
    .args = "",
    .min_args = 0,
    .max_args = 0,
    .summary = "learn again from the stores which recovery points there are",
    .help =
        "The manifests on the stores are the truth: reads them all and makes the catalog say the "
        "same. What is new is named (another host took it, or the catalog was lost), and so is "
        "what the catalog knew and the store does not have any more. Of what is known already, the "
        "report, the verification and whether it is protected stay; of what is new "
        "nobody here has proven that it is protected. Runs and snapshots are no part of it.\n\n"
        "A damaged manifest is named, and its point forgotten: it cannot be restored from there. "
        "A store that cannot be read keeps what is known of it. In both cases the status is 1. "
        "Nothing on the stores is changed.",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_rebuild,
};

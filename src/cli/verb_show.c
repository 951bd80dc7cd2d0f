/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_show.c - `show`: one run, snapshot or point as the catalog keeps it, or a point as its manifest has it.
 */
#include "catalog/catalog.h"
#include "cli/cli.h"
#include "cli/drill_text.h"
#include "cli/engine.h"
#include "cli/point_text.h"
#include "cli/report_text.h"
#include "run/known_points.h"
#include "run/point_doc.h"
#include "run/point_find.h"
#include "run/point_kept.h"
#include "run/run.h"

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

static bool is_drill(struct json_object *doc)
{
    const char *verb = hf_cli_text(doc, "verb");
    return verb && strcmp(verb, HF_VERB_DRILL) == 0 && hf_cli_text(doc, "point");
}

/* A backup's report says where it went; the catalog, what became of that. Without a point: nothing. */
static int add_copies(struct hf_catalog *catalog, struct json_object *doc, struct hf_err *err)
{
    const char *point = hf_cli_text(doc, "point");
    if (!point || is_drill(doc)) /* that tells of itself */
        return 0;
    return hf_point_doc_copies(doc, catalog, point, err) < 0
               ? -1
               : hf_point_doc_drills(doc, catalog, point, err);
}

/* Of the run, or else from a store. NULL: nowhere. */
static struct json_object *find(const struct hf_env *env, struct hf_catalog *catalog,
                                const char *text, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = NULL;
    /* A snapshot is named after its run, and so is a point, which may have its VM in front. */
    const char *slash = strrchr(text, '/'), *id = slash ? slash + 1 : text;
    id = strncmp(id, "hf-", 3) == 0 ? id + 3 : id;
    if (hf_catalog_find_run(catalog, id, keep_run, &doc, err) == 0)
        return HF_STEAL(doc);
    if (err->cls != HF_E_NOT_FOUND)
        return NULL;
    hf_hint(err,
            "`holdfast snapshot list` shows the snapshots, `holdfast list` the recovery points, "
            "`holdfast --json status` the last run of each VM.");
    if (strlen(id) < HF_KNOWN_POINT_MIN || hf_config_store_count(env->config) == 0)
        return NULL;
    doc = hf_point_find(env, text, &why);
    if (!doc && why.cls != HF_E_NOT_FOUND)
        hf_err_copy(err, &why);
    return HF_STEAL(doc);
}

static int print_found(struct json_object *doc, struct hf_err *err)
{
    const char *from = hf_cli_text(doc, "read_from");
    if (from)
        printf("%-10s the manifest on store %s: this host's catalog has no report of the run\n",
               "from", from);
    else
        printf("%-10s %s\n", "outcome", outcome_words(doc));
    if (is_drill(doc))
        return hf_cli_print_drill(doc, err);
    if (hf_cli_text(doc, "point"))
        hf_cli_print_point(doc);
    return hf_cli_print_report(doc, err);
}

static int run_show(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTO(hf_catalog)
    struct hf_catalog *catalog = hf_catalog_open(hf_env_state(&env), env.clock, err);
    HF_AUTOJSON struct json_object *doc = catalog ? find(&env, catalog, args->items[0], err) : NULL;
    if (!doc)
        return -1;
    hf_err_clear(err); /* that the catalog does not know it */
    if (add_copies(catalog, doc, err) < 0 || hf_point_doc_kept(doc, &env, catalog, err) < 0)
        return -1;
    return cli->json ? hf_cli_print_json(doc, err) : print_found(doc, err);
}

const struct hf_verb hf_verb_show = {
    .name = "show",
    .args = "POINT",
    .min_args = 1,
    .max_args = 1,
    .summary = "show one point, snapshot or run: grade, proof, stall, position, timeline, or why "
               "it failed",
    .help =
        "POINT is a recovery point, a snapshot's name, a run's id, or the beginning of one of them "
        "if it is unique. It is read from the catalog of this host; the hypervisor is asked only "
        "for the backup of a "
        "point whose disks lie in one (Proxmox VE: vzdump): whether it is there, and what its "
        "place found when it verified it. "
        "A point that the catalog has no report of (another host took it, or the catalog was "
        "lost) is read from its manifest on the first store that has it.",
    .needs_config = true,
    .run = run_show,
};

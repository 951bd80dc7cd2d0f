/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_prune.c - `prune`: snapshots whose time is over, recovery points that no rule keeps, and what no point needs any more.
 */
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/prune_snapshots.h"
#include "cli/prune_text.h"
#include "run/prune_points.h"

static const struct hf_cli_opt opts[] = {
    {"dry-run", 'n', HF_OPT_FLAG, NULL, "Only say what would be deleted, what is kept, and why."},
    {"store", 's', HF_OPT_STRING, "NAME",
     "Recovery points only on this store, and no snapshots. When left out: on all, and snapshots "
     "too."},
};

extern const struct hf_verb hf_verb_prune;

/* Every one that was named has its section: nothing is done for a list with a mistake in it. */
static int take_vms(const struct hf_cli *cli, const struct hf_cli_args *args, struct hf_strv *out,
                    struct hf_err *err)
{
    for (size_t i = 0; i < args->n; i++) {
        if (!hf_config_find_vm(cli->config, args->items[i], err))
            return -1;
        if (!hf_strv_has(out, args->items[i]) && hf_strv_add(out, args->items[i]) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

/* Empty ones: a document always has the same members. */
static int add_lists(struct json_object *doc, const char *const *names, size_t n,
                     struct hf_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (hf_json_add(doc, names[i], json_object_new_array()) < 0)
            return hf_fail_nomem(err);
    return 0;
}

static int add_points(struct json_object *doc, struct json_object *report)
{
    struct json_object *points = NULL, *stores = NULL, *backups = NULL;
    json_object_object_get_ex(report, "backups", &backups);
    json_object_object_get_ex(report, "points", &points);
    json_object_object_get_ex(report, "stores", &stores);
    return hf_json_add(doc, "points", json_object_get(points)) |
           hf_json_add(doc, "stores", json_object_get(stores)) |
           hf_json_add(doc, "backups", json_object_get(backups));
}

/* No store at all is no mistake here: snapshots need none. */
static int prune_points(const struct hf_env *env, const struct hf_prune_req *req,
                        struct json_object *doc, bool *is_bad, struct hf_err *err)
{
    static const char *const none[] = {"points", "stores", "backups"};
    HF_AUTOJSON struct json_object *report = NULL;
    if (hf_config_store_count(env->config) == 0 && !req->store)
        return add_lists(doc, none, HF_ARRAY_SIZE(none), err);
    if (hf_run_prune_points(env, req, &report, is_bad, err) < 0)
        return -1;
    return add_points(doc, report) < 0 ? hf_fail_nomem(err) : 0;
}

static int prune(struct hf_cli *cli, const struct hf_prune_req *req, struct json_object *doc,
                 bool *is_bad, struct hf_err *err)
{
    static const char *const none[] = {"pruned", "kept", "failed"};
    struct json_object *failed = NULL;
    const struct hf_env env = hf_cli_env(cli);
    const bool is_silent = cli->json || cli->quiet;
    if (hf_json_add_bool(doc, "dry_run", req->is_dry) < 0)
        return hf_fail_nomem(err);
    if ((req->store ? add_lists(doc, none, HF_ARRAY_SIZE(none), err)
                    : hf_cli_prune_snapshots(&env, req->vms, req->is_dry, is_silent, doc, err)) < 0)
        return -1;
    if (prune_points(&env, req, doc, is_bad, err) < 0)
        return -1;
    json_object_object_get_ex(doc, "failed", &failed);
    *is_bad = *is_bad || (failed && json_object_array_length(failed));
    return 0;
}

static int run_prune(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv vms = HF_STRV_INIT;
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    bool is_bad = false;
    const struct hf_prune_req req = {
        .vms = &vms,
        .store = hf_cli_get(&hf_verb_prune, args, "store")->text,
        .is_dry = hf_cli_get(&hf_verb_prune, args, "dry-run")->is_set,
    };
    if (!doc)
        return hf_fail_nomem(err);
    if (take_vms(cli, args, &vms, err) < 0 || prune(cli, &req, doc, &is_bad, err) < 0)
        return -1;
    if (cli->json && hf_cli_print_json(doc, err) < 0)
        return -1;
    if (!cli->json && !cli->quiet && hf_cli_print_prune(doc, err) < 0)
        return -1;
    return is_bad ? 1 : 0;
}

const struct hf_verb hf_verb_prune = {
    .name = "prune",
    .args = "[VM…]",
    .min_args = 0,
    .max_args = SIZE_MAX,
    .summary = "delete snapshots and recovery points whose time is over",
    .help =
        "Deletes the snapshots made by holdfast that have expired (--keep of snapshot create, or "
        "snapshot-keep of the VM), each as snapshot delete does, and from each store the recovery "
        "points that no rule of `keep` wants (a key of the store, else of the VM), with what no "
        "point needs any more. One that fails does not stop the others; the status is then 1.\n\n"
        "Snapshots: a VM that is busy is left for the next time. Foreign snapshots, and those that "
        "the catalog does not know, are never touched; those that somebody removed by other means "
        "are forgotten. A wrong clock deletes nothing: a snapshot from the future stays, and so "
        "does "
        "one for which less time has passed since it was taken, by the clock that nobody sets, "
        "than "
        "it was to be kept. Both are reported. (After a reboot only the time of day is left to go "
        "by.)\n\n"
        "Recovery points: without `keep` none is deleted, and never the newest one of a VM on a "
        "store, nor the newest that were found good (keep-verified). Points from the future stay "
        "and push none out; damaged ones push none out either. Each decision says why. Packs of "
        "disks that no point needs any more are condemned first, and removed by a later prune when "
        "they have been for prune-grace: backups and restores may go on meanwhile, on this host or "
        "any other. Packs of which half is not needed any more are repacked (repack of the store): "
        "what "
        "is needed is copied into new ones, which on an encrypted store takes identity-file. If a "
        "point's manifest cannot be read, no pack is removed until it can be, or "
        "is "
        "gone.\n\n"
        "Where the disks of a point lie in a backup that its hypervisor keeps (Proxmox VE: "
        "vzdump), that is deleted with the last "
        "copy of the point. If the hypervisor does not answer, the point stays, and the status is "
        "1. Backups that holdfast made "
        "and that belong to no point of any store are named and never deleted.",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_prune,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_snapshot.c - `snapshot create`, `snapshot list`, `snapshot delete`.
 */
#include "base/buf.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/made_good.h"
#include "cli/of_policy.h"
#include "cli/report_text.h"
#include "run/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_DEGRADED = 3 };
#define KEEP_MAX_MS (INT64_C(520) * 7 * 24 * 60 * 60 * 1000) /* as of snapshot-keep */

static const struct hf_cli_opt create_opts[] = {
    {"label", 'l', HF_OPT_STRING, "TEXT",
     "Words of your own for the snapshot, shown by list and by the hypervisor."},
    {"keep", 'k', HF_OPT_DURATION, "TIME",
     "How long to keep it, such as 90m, 24h or 7d: then holdfast prune deletes it."},
    {"policy", 'p', HF_OPT_STRING, "NAME",
     "As a run of this policy, which has to select the VM: with its require and snapshot-keep."},
};

extern const struct hf_verb hf_verb_snapshot_create;

static int run_create(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    struct hf_snapshot_create req = {
        .vm = args->items[0],
        .label = hf_cli_get(&hf_verb_snapshot_create, args, "label")->text,
    };
    const struct hf_cli_value *keep = hf_cli_get(&hf_verb_snapshot_create, args, "keep");
    bool degraded = false;
    HF_AUTOJSON struct json_object *doc = NULL;
    if (keep->is_set && (keep->number < 1000 || keep->number > KEEP_MAX_MS))
        return hf_fail(err, HF_E_CONFIG, "--keep %s: from 1s to 520w is accepted", keep->text);
    req.keep_ms = keep->number;
    const char *policy = hf_cli_get(&hf_verb_snapshot_create, args, "policy")->text;
    if (policy && (hf_cli_policy(cli->config, policy, true, req.vm, &env.policy, err) < 0 ||
                   hf_cli_policy_selects(cli->config, env.policy, req.vm, err) < 0))
        return -1;
    if (hf_run_snapshot_create(&env, &req, &doc, &degraded, err) < 0)
        return -1;
    if (!degraded)
        hf_cli_made_good(&env, req.vm, doc);
    if ((cli->json ? hf_cli_print_json(doc, err) : hf_cli_print_report(doc, err)) < 0)
        return -1;
    return degraded ? STATUS_DEGRADED : 0;
}

const struct hf_verb hf_verb_snapshot_create = {
    .name = "snapshot create",
    .args = "VM",
    .min_args = 1,
    .max_args = 1,
    .summary = "take a snapshot of all disks with the database at rest",
    .help = "Brings the VM's database to rest as its quiesce setting says, has the hypervisor take "
            "one atomic snapshot of all "
            "disks in that instant, lets the database go, and prints what that proves: grade, "
            "stall, position, timeline.\n\n"
            "Nothing is held before everything that can be checked was checked. The database is "
            "held for hold-limit at the "
            "most, whatever the hypervisor does. If this command is killed, what it did is undone "
            "within a second.\n\n"
            "The snapshot stays on the hypervisor, for a way back. It is not a backup. Delete it "
            "when it is no longer needed: "
            "its overlay files grow with every write of the guest.",
    .opts = create_opts,
    .n_opts = HF_ARRAY_SIZE(create_opts),
    .needs_config = true,
    .run = run_create,
};

/* ---- list ------------------------------------------------------------------------------- */

struct listing {
    struct json_object *rows;
    const struct hf_snapshot_copy *at; /* looked for in the catalog */
    struct json_object *row;
};

static int add_known(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    struct listing *l = ctx;
    if (strcmp(s->name, l->at->name) != 0)
        return 0;
    char expires[HF_TIME_MAX];
    hf_time_rfc3339(s->expires_us, expires);
    if (hf_json_add_string(l->row, "expires_at", s->expires_us ? expires : NULL) < 0 ||
        hf_json_add_string(l->row, "grade", s->grade) < 0 ||
        hf_json_add_string(l->row, "label", s->label) < 0 ||
        hf_json_add_string(l->row, "state", s->state) < 0 ||
        hf_json_add_string(l->row, "run", s->run_id) < 0 ||
        hf_json_add(l->row, "stall_ms", hf_report_ms(s->stall_ms)) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int add_row(struct listing *l, struct hf_catalog *catalog, const struct hf_config_vm *vm,
                   const struct hf_snapshot_copy *s, struct hf_err *err)
{
    char taken[HF_TIME_MAX];
    struct json_object *row = hf_json_append_object(l->rows);
    hf_time_rfc3339(s->created_at_s * 1000000, taken);
    l->at = s;
    l->row = row;
    if (!row || hf_json_add_string(row, "vm", vm->label) < 0 ||
        hf_json_add_string(row, "snapshot", s->name) < 0 ||
        hf_json_add_bool(row, "foreign", !s->is_ours) < 0 ||
        hf_json_add_string(row, "taken_at", s->created_at_s ? taken : NULL) < 0 ||
        hf_json_add_string(row, "expires_at", NULL) < 0 ||
        hf_json_add_int(row, "overlay_bytes", (int64_t)s->overlay_bytes) < 0 ||
        hf_json_add_string(row, "parent", s->parent) < 0 ||
        hf_json_add_bool(row, "current", s->is_current) < 0)
        return hf_fail_nomem(err);
    return s->is_ours ? hf_catalog_snapshots(catalog, vm->label, false, add_known, l, err) : 0;
}

static int list_vm(struct listing *l, const struct hf_env *env, struct hf_catalog *catalog,
                   const struct hf_config_vm *vm, struct hf_err *err)
{
    enum { QUERY_MS = 15000 };
    const struct hf_config_hypervisor *h =
        hf_config_find_hypervisor(env->config, vm->hypervisor, err);
    HF_AUTO(hf_hv) struct hf_hv *hv = h ? hf_env_open_hv(env, h, err) : NULL;
    HF_AUTO(hf_vm_copy) struct hf_vm_copy found = {0};
    HF_AUTO(hf_snapshot_list) struct hf_snapshot_list list = {0};
    struct hf_hv_call call = hf_env_call(env, NULL, QUERY_MS);
    if (!hv || hf_hv_vm_find(hv, &call, vm->name, &found, err) < 0 ||
        hf_hv_snapshot_list(hv, &call, found.id, &list, err) < 0)
        return hf_wrap(err, "vm %s", vm->label);
    hf_snapshot_list_sort(&list);
    for (size_t i = 0; i < list.n; i++)
        if (add_row(l, catalog, vm, &list.items[i], err) < 0)
            return -1;
    return 0;
}

static int print_list(struct json_object *rows, struct hf_err *err)
{
    HF_AUTO(hf_table) struct hf_table *t = hf_table_new(8);
    if (!t || hf_table_row(t, "VM", "SNAPSHOT", "TAKEN", "EXPIRES", "GRADE", "STALL MS", "OVERLAY",
                           "LABEL") < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i), *bytes = NULL;
        char size[HF_UNITS_MAX];
        json_object_object_get_ex(row, "overlay_bytes", &bytes);
        hf_format_size((uint64_t)json_object_get_int64(bytes), size);
        const char *grade = hf_cli_text(row, "run") ? hf_cli_text(row, "grade") : NULL;
        bool foreign = strcmp(hf_cli_text(row, "foreign"), "true") == 0;
        if (hf_table_row(t, hf_cli_text(row, "vm"), hf_cli_text(row, "snapshot"),
                         hf_cli_text(row, "taken_at"), hf_cli_text(row, "expires_at"),
                         foreign ? "foreign" : grade, hf_cli_text(row, "stall_ms"), size,
                         hf_cli_text(row, "label")) < 0)
            return hf_fail_nomem(err);
    }
    return hf_table_print(t, err);
}

static int run_list(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    struct listing l = {.rows = json_object_new_array()};
    if (!doc || hf_json_add(doc, "snapshots", l.rows) < 0)
        return hf_fail_nomem(err);
    HF_AUTO(hf_catalog)
    struct hf_catalog *catalog = hf_catalog_open(hf_env_state(&env), env.clock, err);
    if (!catalog)
        return -1;
    for (size_t i = 0; i < hf_config_vm_count(cli->config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(cli->config, i);
        if (args->n == 0 && list_vm(&l, &env, catalog, vm, err) < 0)
            return -1;
    }
    const struct hf_config_vm *only =
        args->n ? hf_config_find_vm(cli->config, args->items[0], err) : NULL;
    if (args->n && (!only || list_vm(&l, &env, catalog, only, err) < 0))
        return -1;
    return cli->json ? hf_cli_print_json(doc, err) : print_list(l.rows, err);
}

const struct hf_verb hf_verb_snapshot_list = {
    .name = "snapshot list",
    .args = "[VM]",
    .min_args = 0,
    .max_args = 1,
    .summary = "list snapshots as the hypervisor has them, with what holdfast knows of them",
    .help = "Asks the hypervisor, so it shows what is there, also snapshots made by others "
            "(foreign), which holdfast never "
            "touches. OVERLAY is the space that writes since the snapshot have taken.",
    .needs_config = true,
    .run = run_list,
};

/* ---- delete ----------------------------------------------------------------------------- */

static int run_delete(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTOJSON struct json_object *doc = NULL;
    if (hf_run_snapshot_delete(&env, args->items[0], args->items[1], &doc, err) < 0)
        return -1;
    if (cli->json)
        return hf_cli_print_json(doc, err);
    printf("deleted %s of %s; the guest kept running and keeps its present content\n",
           args->items[1], args->items[0]);
    return 0;
}

const struct hf_verb hf_verb_snapshot_delete = {
    .name = "snapshot delete",
    .args = "VM NAME",
    .min_args = 2,
    .max_args = 2,
    .summary = "merge a snapshot's overlay files back, while the guest runs",
    .help = "The guest keeps running and keeps its present content: what it wrote since the "
            "snapshot is merged into the "
            "images below (live block commit), each layer is checked before, and the overlay files "
            "are removed when no "
            "disk needs them.\n\nInterrupted with ^C the merge is stopped cleanly and the snapshot "
            "stays. If the command is "
            "killed, the deletion is finished by its guardian or by holdfast recover. Only "
            "snapshots made by holdfast are deleted.",
    .needs_config = true,
    .run = run_delete,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_backup.c - `backup`.
 */
#include "cli/backup_all.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/made_good.h"
#include "cli/of_policy.h"
#include "cli/point_text.h"
#include "cli/report_text.h"
#include "run/backup.h"

enum { STATUS_DEGRADED = 3 };

static const struct hf_cli_opt opts[] = {
    {"store", 's', HF_OPT_STRING, "NAME",
     "Only to this store. When left out: the VM's stores, or all that are configured."},
    {"produce", 0, HF_OPT_STRING, "LIST",
     "What the point consists of, of image, dump and files; image is always among them. When left "
     "out: image, the dump where db and dump allow one, and files where they are configured; of a "
     "VM "
     "that is off its image."},
    {"policy", 'p', HF_OPT_STRING, "NAME",
     "As a run of this policy: stores, produce and require are its own, where --store and "
     "--produce "
     "say nothing else. Without VM: of all VMs that it selects."},
};

extern const struct hf_verb hf_verb_backup;

static int print_report(struct json_object *doc, struct hf_err *err)
{
    hf_cli_print_point(doc);
    return hf_cli_print_report(doc, err);
}

/* CONFIG: it cannot be meant so. */
static int choose_policy(const struct hf_cli *cli, const char *name, const char *vm,
                         const struct hf_config_policy **out, struct hf_err *err)
{
    if (!name && !vm) {
        hf_fail(err, HF_E_CONFIG, "'backup' lacks an argument");
        return hf_hint(err, "Name a VM, or with --policy a policy whose VMs are meant.");
    }
    if (!name)
        return 0;
    if (hf_cli_policy(cli->config, name, false, vm, out, err) < 0)
        return -1;
    return vm ? hf_cli_policy_selects(cli->config, *out, vm, err) : 0;
}

static int run_backup(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    const struct hf_backup req = {
        .vm = args->items[0],
        .store = hf_cli_get(&hf_verb_backup, args, "store")->text,
        .produce = hf_cli_get(&hf_verb_backup, args, "produce")->text,
    };
    bool degraded = false;
    HF_AUTOJSON struct json_object *doc = NULL;
    if (choose_policy(cli, hf_cli_get(&hf_verb_backup, args, "policy")->text, req.vm, &env.policy,
                      err) < 0)
        return -1;
    if (!req.vm)
        return hf_cli_backup_all(&env, &req, cli->json, err);
    if (hf_run_backup(&env, &req, &doc, &degraded, err) < 0)
        return -1;
    if (!degraded)
        hf_cli_made_good(&env, req.vm, doc);
    if ((cli->json ? hf_cli_print_json(doc, err) : print_report(doc, err)) < 0)
        return -1;
    return degraded ? STATUS_DEGRADED : 0;
}

const struct hf_verb hf_verb_backup = {
    .name = "backup",
    .args = "[VM]",
    .min_args = 0,
    .max_args = 1,
    .summary = "take a recovery point of disks, database and files, to stores off this host",
    .help =
        "Brings the VM's database to rest as snapshot create does, has the hypervisor keep that "
        "instant of all disks, lets the database go, and reads the disks into the stores: in "
        "chunks, each stored once, compressed, and encrypted where the store has recipients. "
        "Nothing is staged on this host.\n\n"
        "Beside the disks the point has a dump of the databases, as dump makes it, and the files, "
        "as archive reads them. With quiesce = lock the dump's sessions begin inside the hold, so "
        "that dump and disks show the same instant; else the dump takes a short lock of its own a "
        "little later. Files are read after the release, or, with rest-until = files, while the "
        "services rest.\n\n"
        "Each object is confirmed by its store or read back, and the point's manifest is put "
        "last: without it the point does not exist. A store on this host, on the guest or on "
        "the VM's own disks is refused, unless its off-host setting says assume.\n\n"
        "With several stores the disks are read once. One that fails is named in the report and "
        "makes the exit status 3; the others count. If this command is killed, the export is "
        "ended within a second, and what was sent is used by the next run.\n\n"
        "With --policy and no VM, one VM of the policy after the other is backed up, by name, each "
        "in a run of its own. One that fails, or is busy, stops none of the others; the exit "
        "status is the worst of them: 1 before 4, 3 and 0.\n\n"
        "  holdfast backup web01\n"
        "  holdfast backup web01 --produce image,dump\n"
        "  holdfast backup web01 --store vault\n"
        "  holdfast backup web01 --policy nightly\n"
        "  holdfast backup --policy nightly",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_backup,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_restore_vm.c - `restore vm`.
 */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "restore/instant.h"
#include "restore/serve.h"

#include <stdio.h>
#include <string.h>

#define BOOT_MS (5 * 60 * 1000)

static const struct hf_cli_opt opts[] = {
    {"name", 'n', HF_OPT_STRING, "NAME", "Of the new machine."},
    {"dir", 'd', HF_OPT_STRING, "DIR",
     "Its disks come into DIR/NAME. With --instant its sockets come into DIR/holdfast-NAME-DIGITS; "
     "DIR is then /run by default (not root: XDG_RUNTIME_DIR)."},
    {"storage", 0, HF_OPT_STRING, "NAME",
     "Of a point whose disks are in a backup of its hypervisor: the hypervisor's storage that they "
     "come to lie on; by default where they were. In place of --dir."},
    {"hypervisor", 0, HF_OPT_STRING, "NAME",
     "Section of the hypervisor; by default the point's, or the only one."},
    {"format", 'f', HF_OPT_STRING, "raw|qcow2|vmdk",
     "Of its disks; by default qcow2, with --ovf vmdk. vmdk: only with --ovf."},
    {"network", 0, HF_OPT_STRING, "keep|none",
     "keep (the default): networks and bridges that are here are connected; none: all links are "
     "down."},
    {"keep-uuid", 0, HF_OPT_FLAG, NULL, "The UUID of the definition, which has to be free."},
    {"keep-mac", 0, HF_OPT_FLAG, NULL,
     "The MAC addresses of the definition: the former machine must not run."},
    {"keep-arguments", 0, HF_OPT_FLAG, NULL,
     "What the definition hands to QEMU past libvirt is taken over: it can name any file and port "
     "of this host."},
    {"start", 0, HF_OPT_FLAG, NULL, "Start it, too."},
    {"in-place", 0, HF_OPT_FLAG, NULL,
     "Give the machine that was backed up, which is off, the point's disks, and start it; the "
     "former "
     "disks stay."},
    {"ovf", 0, HF_OPT_FLAG, NULL,
     "No machine, and no hypervisor is asked: DIR/NAME gets the disks, NAME.ovf and NAME.mf, for "
     "vSphere and others to import. Of points of vSphere."},
    {"instant", 0, HF_OPT_FLAG, NULL,
     "Boot it at once, from disks served straight from the store, for as long as this command "
     "runs. What it writes is lost when it ends."},
    {"boot-timeout", 0, HF_OPT_DURATION, "TIME",
     "In place: without an answer of the guest's agent by then it is as before; default 5m, 0 does "
     "not wait."},
    {"store", 's', HF_OPT_STRING, "NAME",
     "Only from this store. When left out: from the first that has the point and can be read."},
    {"dry-run", 0, HF_OPT_FLAG, NULL, "Only say what the machine would be like."},
};

extern const struct hf_verb hf_verb_restore_vm;

static const char *text_of(const struct hf_cli_args *args, const char *name)
{
    return hf_cli_get(&hf_verb_restore_vm, args, name)->text;
}

static bool has(const struct hf_cli_args *args, const char *name)
{
    return hf_cli_get(&hf_verb_restore_vm, args, name)->is_set;
}

static void print_findings(struct json_object *doc, FILE *to)
{
    struct json_object *list = NULL;
    struct hf_err ignored = HF_ERR_INIT;
    if (hf_json_get_array(doc, "findings", &list, &ignored) < 0)
        return;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *f = json_object_array_get_idx(list, i);
        fprintf(to, "%-10s %s: %s\n", hf_cli_text(f, "kind"), hf_cli_text(f, "about"),
                hf_cli_text(f, "text"));
    }
}

static void print_files(struct json_object *doc, const char *member, const char *word,
                        const char *what)
{
    HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
    struct hf_err ignored = HF_ERR_INIT;
    if (hf_json_get_strings(doc, member, &files, &ignored) < 0)
        return;
    for (size_t i = 0; i < files.n; i++)
        printf("%-10s %s (%s)\n", word, files.items[i], what);
}

static int print_text(struct json_object *doc, bool dry_run, bool started, struct hf_err *err)
{
    char took[HF_UNITS_MAX];
    hf_format_duration(hf_cli_number(doc, "duration_ms"), took);
    print_findings(doc, stdout);
    const bool is_pushed = hf_json_text(doc, "backup");
    printf("%s%s on %s, from %s/%s on store %s\n", dry_run ? "would be   " : "restored   ",
           hf_cli_text(doc, "name"), hf_cli_text(doc, "hypervisor"), hf_cli_text(doc, "vm"),
           hf_cli_text(doc, "point"), hf_cli_text(doc, "store"));
    if (is_pushed)
        printf("from       %s, by the hypervisor itself\n", hf_cli_text(doc, "backup"));
    else
        printf("disks      %s\n", hf_cli_text(doc, "dir"));
    print_files(doc, "former_disks", "former", "yours to remove");
    print_files(doc, "kept_disks", "kept", "not in the point");
    if (!dry_run) /* a name need not be unique there */
        printf("machine    %s%s%s, in %s\n", is_pushed ? hf_cli_text(doc, "id") : "",
               is_pushed ? " " : "", started ? "runs" : "is shut off", took);
    return hf_cli_flush(err);
}

static int print_package(struct json_object *doc, bool dry_run, struct hf_err *err)
{
    char took[HF_UNITS_MAX];
    hf_format_duration(hf_cli_number(doc, "duration_ms"), took);
    print_findings(doc, stdout);
    printf("%s%s, from %s/%s on store %s\n", dry_run ? "would be   " : "restored   ",
           hf_cli_text(doc, "ovf"), hf_cli_text(doc, "vm"), hf_cli_text(doc, "point"),
           hf_cli_text(doc, "store"));
    if (!dry_run)
        printf("to import  %s, in %s\n", hf_cli_text(doc, "dir"), took);
    return hf_cli_flush(err);
}

/* What needs a hypervisor. */
static int check_ovf(const struct hf_cli_args *args, const struct hf_restore_vm *req,
                     struct hf_err *err)
{
    static const char *const alien[] = {"in-place",     "start",     "instant",
                                        "boot-timeout", "keep-uuid", "network",
                                        "hypervisor",   "storage",   "keep-arguments"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(alien); i++)
        if (has(args, alien[i]))
            return hf_fail(err, HF_E_CONFIG, "--ovf goes without --%s", alien[i]);
    return req->name ? 0 : hf_fail(err, HF_E_CONFIG, "restore vm --ovf needs --name NAME");
}

/* What makes no sense of a machine that is gone at the end. */
static int check_instant(const struct hf_cli_args *args, struct hf_restore_vm *req,
                         struct hf_err *err)
{
    static const char *const alien[] = {"in-place", "start", "format", "boot-timeout"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(alien); i++)
        if (has(args, alien[i]))
            return hf_fail(err, HF_E_CONFIG, "--instant goes without --%s", alien[i]);
    if (!req->name)
        return hf_fail(err, HF_E_CONFIG, "restore vm --instant needs --name NAME");
    if (!req->dir)
        req->dir = hf_serve_dir(err);
    return req->dir ? 0 : -1;
}

static int take_request(const struct hf_cli_args *args, struct hf_restore_vm *req,
                        struct hf_err *err)
{
    if ((req->is_ovf && check_ovf(args, req, err) < 0) ||
        (req->is_instant && check_instant(args, req, err) < 0))
        return -1;
    const char *format = text_of(args, "format"), *network = text_of(args, "network");
    static const char *const networks[] = {"keep", "none"};
    if (!req->name && !req->in_place)
        return hf_fail(err, HF_E_CONFIG, "restore vm needs --name NAME or --in-place");
    int kind = format ? hf_cli_choose("format", format, hf_disk_formats, HF_DISK_FORMATS, err)
               : req->is_ovf ? HF_DISK_VMDK
                             : HF_DISK_QCOW2;
    int net =
        network ? hf_cli_choose("network", network, networks, HF_ARRAY_SIZE(networks), err) : 0;
    if (kind < 0 || net < 0)
        return -1;
    /* Nothing can write into one that was made to be sent. */
    if (kind == HF_DISK_VMDK && !req->is_ovf)
        return hf_fail(err, HF_E_CONFIG, "no machine runs from a vmdk: --format vmdk is for --ovf");
    req->format = (enum hf_disk_format)kind;
    req->has_format = format != NULL;
    req->flags = (net ? HF_MACHINE_NO_NETWORK : 0) |
                 (has(args, "keep-uuid") ? HF_MACHINE_KEEP_UUID : 0) |
                 (has(args, "keep-mac") ? HF_MACHINE_KEEP_MAC : 0) |
                 (has(args, "keep-arguments") ? HF_MACHINE_ARGUMENTS : 0);
    if (req->in_place && req->flags)
        return hf_fail(err, HF_E_CONFIG, "in place the machine keeps its networks and arguments");
    const struct hf_cli_value *boot = hf_cli_get(&hf_verb_restore_vm, args, "boot-timeout");
    req->boot_ms = boot->is_set ? boot->number : BOOT_MS;
    return 0;
}

static int print_up(void *ctx, struct json_object *doc, struct hf_err *err)
{
    const struct hf_cli *cli = ctx;
    char took[HF_UNITS_MAX];
    if (cli->json)
        return hf_cli_print_json(doc, err);
    hf_format_duration(hf_cli_number(doc, "duration_ms"), took);
    print_findings(doc, stdout);
    printf("running    %s on %s, from %s/%s on store %s, in %s\n", hf_cli_text(doc, "name"),
           hf_cli_text(doc, "hypervisor"), hf_cli_text(doc, "vm"), hf_cli_text(doc, "point"),
           hf_cli_text(doc, "store"), took);
    printf("disks      served in %s\n", hf_cli_text(doc, "dir"));
    printf("to end it  interrupt this command (^C), or shut the machine down\n");
    return hf_cli_flush(err);
}

static int restore(struct hf_cli *cli, const struct hf_restore_vm *req, struct json_object **doc,
                   struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    if (!req->is_instant)
        return hf_restore_vm(&env, req, doc, err);
    if (!cli->json && !req->dry_run)
        fprintf(stderr, "What %s writes is kept in memory, and is lost when it ends.\n", req->name);
    return hf_restore_instant(&env, req, print_up, cli, doc, err);
}

static int run_restore_vm(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = NULL;
    struct hf_restore_vm req = {
        .point = args->items[0],
        .store = text_of(args, "store"),
        .name = text_of(args, "name"),
        .dir = text_of(args, "dir"),
        .storage = text_of(args, "storage"),
        .hypervisor = text_of(args, "hypervisor"),
        .start = has(args, "start"),
        .in_place = has(args, "in-place"),
        .is_instant = has(args, "instant"),
        .is_ovf = has(args, "ovf"),
        .dry_run = has(args, "dry-run"),
    };
    if (take_request(args, &req, err) < 0)
        return -1;
    int status = restore(cli, &req, &doc, err);
    if (status < 0 && doc && !cli->json)
        print_findings(doc, stderr);
    if (status < 0 || (req.is_instant && !req.dry_run))
        return status;
    if (req.is_ovf && !cli->json)
        return print_package(doc, req.dry_run, err);
    return cli->json ? hf_cli_print_json(doc, err)
                     : print_text(doc, req.dry_run, req.start || req.in_place, err);
}

const struct hf_verb hf_verb_restore_vm = {
    .name = "restore vm",
    .args = "POINT",
    .min_args = 1,
    .max_args = 1,
    .summary = "restore a recovery point as a new virtual machine",
    .help =
        "POINT is a recovery point's id, its beginning, or VM/ID. The machine is made from the "
        "definition in it, on this or another host: with a new name, UUID, MAC addresses, disk "
        "paths and UEFI variables, and without what reaches into the host it was on. Each change "
        "is told; networks that are not here are named, and their interface's link is down. What "
        "the hypervisor could not start is refused before a disk is read.\n\n"
        "With --in-place the machine that was backed up gets the point's disks instead: it has to "
        "be shut off, without snapshots, and keeps all else. It is started, and "
        "when "
        "its guest's agent does not answer in time, it has its former disks and definition "
        "again.\n\n"
        "With --instant it boots at once, from disks that are served straight from the store, and "
        "is there as long as this command runs: for looking, for getting a file out, for bridging "
        "until a `restore vm` beside it has finished. What it writes is kept in memory and IS LOST "
        "when it ends: by SIGINT or SIGTERM to this command, or when it stops. Nothing is left "
        "then. The line `running` (with --json a document) appears when it boots. nbdkit has to be "
        "installed.\n\n"
        "Where the point's disks are in a backup that the hypervisor wrote itself and keeps "
        "(Proxmox VE), the hypervisor makes the machine: --storage takes the place of --dir, and "
        "--in-place and --instant are refused.\n\n"
        "With --ovf nothing is made but files, without a hypervisor: DIR/NAME with the disks, an "
        "OVF and its manifest, which the vSphere client, ovftool and others import. The machine's "
        "name, processors, memory, firmware, controllers, disks, cards and their networks are "
        "those "
        "of the point; its MAC addresses only with --keep-mac.\n\n"
        "Neither a machine nor a folder that exists is touched. The disks come into DIR/NAME, "
        "which stands there only when all of them are whole; what was interrupted is gone on with "
        "by the same command. An encrypted store needs its identity-file.\n\n"
        "  holdfast restore vm 20261123T030000Z-7f3a9c21 -n new -d /srv/vm --dry-run\n"
        "  holdfast restore vm 20261123T030000Z-7f3a9c21 -n new -d /srv/vm --start\n"
        "  holdfast restore vm 20261123T030000Z-7f3a9c21 -n look --instant --network none\n"
        "  holdfast restore vm 20261123T030000Z-7f3a9c21 -n db1 -d /srv/export --ovf",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_restore_vm,
};

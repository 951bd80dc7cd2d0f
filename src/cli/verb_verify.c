/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_verify.c - `verify`.
 */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/drill_text.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "drill/drill.h"
#include "run/verify_points.h"

#include <stdio.h>

static const struct hf_cli_opt opts[] = {
    {"all", 'a', HF_OPT_FLAG, NULL, "All points, instead of one."},
    {"store", 's', HF_OPT_STRING, "NAME", "Only on this store. When left out: on all."},
    {"read", 'r', HF_OPT_FLAG, NULL, "Read every object, and compare its digest."},
    {"content", 0, HF_OPT_FLAG, NULL,
     "As --read, and unpack every chunk: an encrypted store has to have its identity-file."},
    {"drill", 0, HF_OPT_FLAG, NULL,
     "Boot the point in isolation and compare its database with what was recorded."},
    {"hypervisor", 0, HF_OPT_STRING, "NAME",
     "Where a drill boots it: a [hypervisor NAME] section. When left out, drill-hypervisor of the "
     "VM's section, or its hypervisor."},
};

extern const struct hf_verb hf_verb_verify;

static enum hf_verify_depth depth_of(const struct hf_cli_args *args)
{
    if (hf_cli_get(&hf_verb_verify, args, "content")->is_set)
        return HF_VERIFY_CONTENT;
    return hf_cli_get(&hf_verb_verify, args, "read")->is_set ? HF_VERIFY_READ : HF_VERIFY_THERE;
}

static bool is_unknown(struct json_object *row)
{
    struct json_object *good = NULL;
    return json_object_object_get_ex(row, "good", &good) && !good;
}

static const char *word_of(struct json_object *row)
{
    return is_unknown(row) ? "UNKNOWN" : hf_cli_number(row, "good") ? "good" : "DAMAGED";
}

static void print_copy(struct json_object *row)
{
    char size[HF_UNITS_MAX];
    hf_format_size((uint64_t)hf_cli_number(row, "bytes_read"), size);
    printf("%-10s %s/%s on %s: %s objects, %s packs, %s read\n", word_of(row),
           hf_cli_text(row, "vm"), hf_cli_text(row, "point"), hf_cli_text(row, "store"),
           hf_cli_text(row, "objects"), hf_cli_text(row, "packs"), size);
    hf_cli_print_lines(stdout, row, "           ", "damage");
    hf_cli_print_lines(stdout, row, "           ", "notes");
}

static void print_store(struct json_object *row)
{
    const char *why = hf_cli_text(row, "error");
    if (why)
        printf("%-10s %s\n", "FAILED", why);
    if (hf_cli_number(row, "unfinished"))
        printf("%-10s on %s: %s folders without a manifest, of runs that did not end or are under "
               "way\n",
               "no points", hf_cli_text(row, "name"), hf_cli_text(row, "unfinished"));
}

static int print_report(struct json_object *doc, struct hf_err *err)
{
    struct json_object *copies = NULL;
    json_object_object_get_ex(doc, "copies", &copies);
    hf_cli_print_each(doc, "copies", print_copy);
    hf_cli_print_each(doc, "stores", print_store);
    const size_t n = json_object_array_length(copies);
    size_t unknown = 0;
    for (size_t i = 0; i < n; i++)
        unknown += is_unknown(json_object_array_get_idx(copies, i));
    printf("%zu verified, %s damaged", n - unknown, hf_cli_text(doc, "damaged"));
    if (unknown)
        printf(", %zu not known", unknown);
    putchar('\n');
    return hf_cli_flush(err);
}

static int run_drill(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    bool passed = false;
    HF_AUTOJSON struct json_object *doc = NULL;
    const struct hf_drill req = {
        .point = args->items[0],
        .store = hf_cli_get(&hf_verb_verify, args, "store")->text,
        .hypervisor = hf_cli_get(&hf_verb_verify, args, "hypervisor")->text,
    };
    if (hf_drill_run(&env, &req, &doc, &passed, err) < 0 ||
        (cli->json ? hf_cli_print_json(doc, err) : hf_cli_print_drill(doc, err)) < 0)
        return -1;
    return passed ? 0 : 1;
}

static int run_verify(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    bool is_bad = false, all = hf_cli_get(&hf_verb_verify, args, "all")->is_set;
    HF_AUTOJSON struct json_object *doc = NULL;
    const struct hf_verify_points req = {
        .point = args->items[0],
        .store = hf_cli_get(&hf_verb_verify, args, "store")->text,
        .depth = depth_of(args),
    };
    bool is_drill = hf_cli_get(&hf_verb_verify, args, "drill")->is_set;
    if (is_drill && (all || req.depth != HF_VERIFY_THERE || args->n == 0))
        return hf_fail(err, HF_E_CONFIG,
                       "--drill takes one POINT, and neither --all nor --read nor --content");
    if (!is_drill && hf_cli_get(&hf_verb_verify, args, "hypervisor")->is_set)
        return hf_fail(err, HF_E_CONFIG, "--hypervisor goes with --drill");
    if (is_drill)
        return run_drill(cli, args, err);
    if (all == (args->n > 0))
        return hf_fail(err, HF_E_CONFIG, "either a POINT or --all is wanted");
    if (hf_run_verify_points(&env, &req, &doc, &is_bad, err) < 0 ||
        (cli->json ? hf_cli_print_json(doc, err) : print_report(doc, err)) < 0)
        return -1;
    return is_bad ? 1 : 0;
}

const struct hf_verb hf_verb_verify = {
    .name = "verify",
    .args = "[POINT]",
    .min_args = 0,
    .max_args = 1,
    .summary = "see whether recovery points on stores are what they were",
    .help =
        "Looks at every store that has the point. Always: the manifest's seal, that all objects "
        "and packs are there with their sizes, that the tree of each disk is whole and each of "
        "its chunks lies somewhere. With --read every object is read and its digest compared, for "
        "which no key of the data is needed; with --content each chunk is unpacked too.\n\n"
        "A point whose disks lie in a backup that its hypervisor keeps (Proxmox VE: vzdump): the "
        "hypervisor is asked whether it is "
        "there, of its size and still this point's, and what its place found when it verified it "
        "(Proxmox Backup Server). Its data "
        "cannot be read from here, with --read neither; that is said, and the point does not count "
        "as verified by it.\n\n"
        "What is damaged is named: the object, the disks that need it, the offset of the first "
        "chunk that is lost. The status is 1 when something is damaged, or a store or hypervisor "
        "could not be "
        "looked at. Nothing on the stores is changed.\n\n"
        "With --drill the point is booted: a machine of its own without a network, whose disks "
        "come straight from the store and "
        "whose writes stay in memory. When its database answers, the position it recovered to, "
        "CHECK TABLE, rows and content "
        "(with the dump of the same instant) and the probes that lead into the guest are compared "
        "with what was recorded. The "
        "status is 0 when it passed and 1 when it failed; the result belongs to the point (list, "
        "show, status). The VM itself is "
        "not touched. The guest's agent is the only way in; drill-db and drill-timeout of [vm "
        "NAME] say more.\n\n"
        "  holdfast verify web01/20261123T030000Z-7f3a9c21 --read\n"
        "  holdfast verify --all --read --store vault\n"
        "  holdfast verify web01/20261123T030000Z-7f3a9c21 --drill",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_verify,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_restore_image.c - `restore image`.
 */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "restore/image.h"

#include <stdio.h>
#include <string.h>

static const struct hf_cli_opt opts[] = {
    {"disk", 'd', HF_OPT_STRING, "NAME", "Which disk, as in vda; not needed when there is one."},
    {"to", 't', HF_OPT_STRING, "FILE", "The file to make, or with --overwrite a block device."},
    {"format", 'f', HF_OPT_STRING, "raw|qcow2|vmdk",
     "Of FILE; by default raw. vmdk: streamOptimized, as vSphere imports it."},
    {"store", 's', HF_OPT_STRING, "NAME",
     "Only from this store. When left out: from the first that has the point and can be read."},
    {"overwrite", 0, HF_OPT_FLAG, NULL,
     "Replace FILE, once all is there; or write to a device in place."},
};

extern const struct hf_verb hf_verb_restore_image;

static const char *text_of(const struct hf_cli_args *args, const char *name)
{
    return hf_cli_get(&hf_verb_restore_image, args, name)->text;
}

static int print_text(struct json_object *doc, struct hf_err *err)
{
    char bytes[HF_UNITS_MAX], written[HF_UNITS_MAX], fetched[HF_UNITS_MAX], took[HF_UNITS_MAX];
    hf_format_size((uint64_t)hf_cli_number(doc, "bytes"), bytes);
    hf_format_size((uint64_t)hf_cli_number(doc, "written"), written);
    hf_format_size((uint64_t)hf_cli_number(doc, "fetched"), fetched);
    hf_format_duration(hf_cli_number(doc, "duration_ms"), took);
    printf("restored   %s, %s: disk %s of %s/%s, from store %s\n", hf_cli_text(doc, "file"),
           hf_cli_text(doc, "format"), hf_cli_text(doc, "disk"), hf_cli_text(doc, "vm"),
           hf_cli_text(doc, "point"), hf_cli_text(doc, "store"));
    printf("size       %s, of which %s written%s, %s read, in %s\n", bytes, written,
           hf_cli_number(doc, "resumed") ? " now (a part was there already)" : "", fetched, took);
    return hf_cli_flush(err);
}

static int run_restore_image(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    const char *format = text_of(args, "format");
    HF_AUTOJSON struct json_object *doc = NULL;
    struct hf_restore_image req = {
        .point = args->items[0],
        .store = text_of(args, "store"),
        .disk = text_of(args, "disk"),
        .file = text_of(args, "to"),
        .overwrite = hf_cli_get(&hf_verb_restore_image, args, "overwrite")->is_set,
    };
    if (!req.file)
        return hf_fail(err, HF_E_CONFIG, "restore image needs --to FILE");
    int kind = format ? hf_cli_choose("format", format, hf_disk_formats, HF_DISK_FORMATS, err)
                      : HF_DISK_RAW;
    if (kind < 0)
        return -1;
    req.format = (enum hf_disk_format)kind;
    if (hf_restore_image(&env, &req, &doc, err) < 0)
        return -1;
    return cli->json ? hf_cli_print_json(doc, err) : print_text(doc, err);
}

const struct hf_verb hf_verb_restore_image = {
    .name = "restore image",
    .args = "POINT",
    .min_args = 1,
    .max_args = 1,
    .summary = "restore a disk of a recovery point to a file",
    .help =
        "POINT is a recovery point's id, its beginning, or VM/ID. The disk is written sparse, each "
        "chunk of it proven, to FILE.holdfast-part beside FILE; when all of it is there and "
        "synced, that becomes FILE. So FILE is whole, or what it was before.\n\n"
        "An existing FILE is refused; with --overwrite it is replaced at the end, by a new file "
        "with its owner and mode, unless a running VM holds it. A block device is refused, too; "
        "with --overwrite it is zeroed and written in place, for no other file can stand in for "
        "it: when that fails, its content is lost.\n\n"
        "What was interrupted, by whatever, is gone on with by the same command, from what was "
        "synced until then; a device, and a vmdk, is begun anew. An encrypted store needs its "
        "identity-file.\n\n"
        "  holdfast restore image 20261123T030000Z-7f3a9c21 -d vda --to /srv/vda.raw\n"
        "  holdfast restore image 20261123T030000Z-7f3a9c21 --to a.qcow2 -f qcow2",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_restore_image,
};

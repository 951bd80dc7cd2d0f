/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_archive.c - `archive`: files of a guest as a tar with a listing.
 */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/dump_text.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "cli/tar_progress.h"
#include "run/archive_run.h"

#include <inttypes.h>
#include <stdio.h>

static const struct hf_cli_opt archive_opts[] = {
    {"to", 't', HF_OPT_STRING, "DIR", "The directory to make; it must be new or empty."},
    {"compression", 0, HF_OPT_STRING, "zstd|gzip|none", "Of tar and dump; by default zstd."},
    {"with-dump", 0, HF_OPT_FLAG, NULL, "Dump the databases first, into DIR/dump."},
};

extern const struct hf_verb hf_verb_archive;

static void show_dump(void *ctx, const struct hf_dump_progress *p)
{
    const struct hf_tar_progress *files = ctx;
    struct hf_cli_dump_showing dump = {.clock = files->clock, .begin_ms = files->begin_ms};
    hf_cli_dump_show(&dump, p);
}

static int print_text(struct json_object *doc, const char *dir, struct hf_err *err)
{
    char bytes[HF_UNITS_MAX], stored[HF_UNITS_MAX], took[HF_UNITS_MAX];
    struct json_object *dump = NULL;
    hf_format_size((uint64_t)hf_cli_number(doc, "bytes"), bytes);
    hf_format_size((uint64_t)hf_cli_number(doc, "stored_bytes"), stored);
    hf_format_duration(hf_cli_number(doc, "duration_ms"), took);
    printf("archive    %s\n", dir);
    printf("content    %" PRId64 " files and folders, %s in %s\n", hf_cli_number(doc, "entries"),
           bytes, stored);
    printf("time       %s; what changed while it was read: %" PRId64 ", vanished: %" PRId64 "\n",
           took, hf_cli_number(doc, "changed"), hf_cli_number(doc, "vanished"));
    hf_cli_print_stopped(doc);
    if (json_object_object_get_ex(doc, "dump", &dump) && dump)
        hf_cli_print_dump(dump);
    hf_cli_print_list(doc, "warning", "warnings");
    return hf_cli_flush(err);
}

static int run_archive(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTOJSON struct json_object *doc = NULL;
    const struct hf_cli_value *packing = hf_cli_get(&hf_verb_archive, args, "compression");
    struct hf_tar_progress progress = hf_tar_progress_begin(cli);
    struct hf_run_archive req = {.vm = args->items[0],
                                 .dir = hf_cli_get(&hf_verb_archive, args, "to")->text,
                                 .with_dump =
                                     hf_cli_get(&hf_verb_archive, args, "with-dump")->is_set,
                                 .dump_progress = progress.is_shown ? show_dump : NULL,
                                 .progress = progress.is_shown ? hf_tar_progress_show : NULL,
                                 .progress_ctx = &progress};
    if (!req.dir)
        return hf_fail(err, HF_E_CONFIG, "archive needs --to DIR");
    if (hf_io_packing_parse(packing->is_set ? packing->text : "zstd", &req.packing, err) < 0)
        return -1;
    int rc = hf_run_archive(&env, &req, &doc, err);
    hf_tar_progress_end(&progress);
    if (rc < 0)
        return -1;
    return cli->json ? hf_cli_print_json(doc, err) : print_text(doc, req.dir, err);
}

const struct hf_verb hf_verb_archive = {
    .name = "archive",
    .args = "VM",
    .min_args = 1,
    .max_args = 1,
    .summary = "write the files of a VM's application into a tar, with a listing",
    .help =
        "Reads the paths of `files` in the guest, without what `exclude` names, with the "
        "guest's own tar, over ssh or, without `ssh` and with guest = agent, through the guest "
        "agent: "
        "owners, modes, xattrs, ACLs, hard links and holes included, other filesystems below "
        "them not. Nothing is written in the guest but, through the agent, up to 5 MiB in /run "
        "at a time. The tar is read while it passes: a line of "
        "the listing for every entry, with the SHA-256 of each file.\n\n"
        "Files that change or vanish while they are read are named as warnings; one that "
        "cannot be read fails the archive, "
        "or is a warning, too, with unreadable = warn. A file INCOMPLETE is in the directory "
        "until everything is there and "
        "on disk: with it the directory is no archive.\n\n"
        "With --with-dump the databases are dumped first: the application whole, in one directory. "
        "Where the VM says rest-until = files, its services rest meanwhile, so that uploads "
        "match their rows: they are stopped before the first byte is read, started again after "
        "the last one, and at rest-limit in any case.\n\n"
        "  holdfast archive web01 --to /srv/archives/web01-monday\n"
        "  holdfast archive cmdb --with-dump --to /srv/archives/cmdb-monday\n"
        "  holdfast restore files /srv/archives/web01-monday --to look var/www\n"
        "  tar --zstd -tf /srv/archives/web01-monday/files.tar.zst",
    .opts = archive_opts,
    .n_opts = HF_ARRAY_SIZE(archive_opts),
    .needs_config = true,
    .run = run_archive,
};

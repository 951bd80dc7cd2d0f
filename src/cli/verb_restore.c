/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_restore.c - `restore files`: an archive, of a directory or a point, or parts of it, into a folder or into a guest.
 */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "cli/tar_progress.h"
#include "restore/files.h"

#include <inttypes.h>
#include <stdio.h>

enum { STATUS_FAILED = 1 };

static const struct hf_cli_opt restore_opts[] = {
    {"to", 't', HF_OPT_STRING, "TARGET",
     "The folder to restore into; made when it is not there. In a guest by default /."},
    {"to-guest", 0, HF_OPT_STRING, "VM", "Restore into the guest of VM, by ssh."},
    {"store", 's', HF_OPT_STRING, "NAME",
     "Read a point from this store; else from the first that has it and can be read."},
    {"archive", 0, HF_OPT_STRING, "NAME", "Which one, of a point that has several."},
    {"overwrite", 0, HF_OPT_FLAG, NULL, "Replace files that are there already."},
    {"with-devices", 0, HF_OPT_FLAG, NULL, "Restore device nodes, too."},
    {"with-links", 0, HF_OPT_FLAG, NULL, "Restore symlinks that lead out of the target, too."},
    {"with-setuid", 0, HF_OPT_FLAG, NULL,
     "Keep the setuid and setgid bits of files, and their capabilities."},
};

extern const struct hf_verb hf_verb_restore_files;

static int print_text(const struct hf_restore_files *req, struct json_object *doc,
                      const struct hf_unpacked *u, struct hf_err *err)
{
    char bytes[HF_UNITS_MAX];
    hf_format_size(u->bytes, bytes);
    printf("restored   %" PRIu64 " files and folders, %s, into %s%s%s\n", u->entries, bytes,
           req->what.target, req->vm ? " in " : "", req->vm ? req->vm : "");
    hf_cli_print_fetched(doc);
    for (size_t i = 0; i < u->refused.n; i++)
        printf("REFUSED    %s\n", u->refused.items[i]);
    if (u->n_refused > u->refused.n)
        printf("REFUSED    %" PRIu64 " more\n", u->n_refused - u->refused.n);
    for (size_t i = 0; i < u->warnings.n; i++)
        printf("warning    %s\n", u->warnings.items[i]);
    return hf_cli_flush(err);
}

static bool flag(const struct hf_cli_args *args, const char *name)
{
    return hf_cli_get(&hf_verb_restore_files, args, name)->is_set;
}

static const char *text(const struct hf_cli_args *args, const char *name)
{
    return hf_cli_get(&hf_verb_restore_files, args, name)->text;
}

static int read_options(const struct hf_cli_args *args, struct hf_strv *paths,
                        struct hf_restore_files *req, struct hf_err *err)
{
    const char *to = text(args, "to");
    req->from = args->items[0];
    req->vm = text(args, "to-guest");
    req->store = text(args, "store");
    req->archive = text(args, "archive");
    req->what.target = !to && req->vm ? "/" : to;
    req->what.paths = paths;
    req->what.overwrite = flag(args, "overwrite");
    req->what.with_devices = flag(args, "with-devices");
    req->what.with_links = flag(args, "with-links");
    req->what.with_setuid = flag(args, "with-setuid");
    if (!req->what.target)
        return hf_fail(err, HF_E_CONFIG, "restore files needs --to TARGET, or --to-guest VM");
    for (size_t i = 1; i < args->n; i++)
        if (hf_strv_add(paths, args->items[i]) < 0)
            return hf_fail_nomem(err);
    return 0;
}

static int run_restore(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv paths = HF_STRV_INIT;
    HF_AUTO(hf_unpacked) struct hf_unpacked u = {0};
    HF_AUTOJSON struct json_object *doc = NULL;
    struct hf_env env = hf_cli_env(cli);
    struct hf_restore_files req = {.what = {.cancel = cli->cancel}};
    if (read_options(args, &paths, &req, err) < 0)
        return -1;
    struct hf_tar_progress progress = hf_tar_progress_begin(cli);
    req.progress = progress.is_shown ? hf_tar_progress_show : NULL;
    req.progress_ctx = &progress;
    int rc = hf_restore_files(&env, &req, &u, &doc, err);
    hf_tar_progress_end(&progress);
    if (rc < 0 || (cli->json ? hf_cli_print_json(doc, err) : print_text(&req, doc, &u, err)) < 0)
        return -1;
    return u.n_refused ? STATUS_FAILED : 0;
}

static bool needs_config(const struct hf_cli_args *args)
{
    return text(args, "to-guest") || text(args, "store") ||
           hf_restore_files_is_point(args->items[0]);
}

const struct hf_verb hf_verb_restore_files = {
    .name = "restore files",
    .args = "POINT|DIR [PATH…]",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .summary = "restore an archive, or paths of it, into a folder or a guest",
    .help = "POINT is the id of a recovery point, or its beginning, DIR what `holdfast archive` "
            "has written: what has "
            "an archive in it is a DIR. A point's archive is read from its store, and nothing of "
            "it is written to this host but "
            "what is restored; with PATHs it is read until all of them have come. A PATH is a name "
            "in the guest, with all "
            "below it; without one "
            "everything is restored: owners (as root), modes, times, xattrs, ACLs, hard links, "
            "holes. Every file is compared with its digest.\n\n"
            "Nothing is written outside of the target, and no file that is there already is "
            "touched without --overwrite. Device nodes, symlinks that lead out of the target, and "
            "setuid bits are refused unless asked for: the rest is restored, what was refused is "
            "named, and the status is 1.\n\n"
            "With --to-guest the guest's own GNU tar restores it, over ssh. Before, the guest is "
            "asked for files that are there already, for a symlink or a file in a folder's place "
            "(refused, also with --overwrite), and for room. When it fails after that, the guest "
            "may have a part of it: the same with --overwrite completes it.\n\n"
            "  holdfast restore files /srv/archives/web01-monday --to /tmp/look\n"
            "  holdfast restore files 20261123T030000Z --to /tmp/look /var/www/cmdb/upload\n"
            "  holdfast restore files monday --to / --overwrite /etc/apache2/sites-enabled\n"
            "  holdfast restore files monday --to-guest web02 --overwrite /var/www",
    .opts = restore_opts,
    .n_opts = HF_ARRAY_SIZE(restore_opts),
    .config_if = needs_config,
    .run = run_restore,
};

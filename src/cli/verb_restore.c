/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_restore.c - `restore files`: an archive, or parts of it, into a folder or into a guest.
 */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/tar_progress.h"
#include "files/unpack.h"
#include "run/restore_run.h"

#include <inttypes.h>
#include <stdio.h>

enum { STATUS_FAILED = 1 };

static const struct hf_cli_opt restore_opts[] = {
    {"to", 't', HF_OPT_STRING, "TARGET",
     "The folder to restore into; made when it is not there. In a guest by default /."},
    {"to-guest", 0, HF_OPT_STRING, "VM", "Restore into the guest of VM, by ssh."},
    {"overwrite", 0, HF_OPT_FLAG, NULL, "Replace files that are there already."},
    {"with-devices", 0, HF_OPT_FLAG, NULL, "Restore device nodes, too."},
    {"with-links", 0, HF_OPT_FLAG, NULL, "Restore symlinks that lead out of the target, too."},
    {"with-setuid", 0, HF_OPT_FLAG, NULL,
     "Keep the setuid and setgid bits of files, and their capabilities."},
};

extern const struct hf_verb hf_verb_restore_files;

/* vm NULL: into a folder. */
static int make_document(const struct hf_unpack *req, const char *vm, const struct hf_unpacked *u,
                         struct json_object **out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || hf_json_add_string(doc, "dir", req->dir) < 0 ||
        (vm && hf_json_add_string(doc, "vm", vm) < 0) ||
        hf_json_add_string(doc, "target", req->target) < 0 ||
        hf_json_add_int(doc, "entries", (int64_t)u->entries) < 0 ||
        hf_json_add_int(doc, "bytes", (int64_t)u->bytes) < 0 ||
        hf_json_add_int(doc, "n_refused", (int64_t)u->n_refused) < 0 ||
        hf_json_add(doc, "refused", hf_json_strings(&u->refused)) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(&u->warnings)) < 0)
        return hf_fail_nomem(err);
    *out = HF_STEAL(doc);
    return 0;
}

static int print_text(const struct hf_unpack *req, const char *vm, const struct hf_unpacked *u,
                      struct hf_err *err)
{
    char bytes[HF_UNITS_MAX];
    hf_format_size(u->bytes, bytes);
    printf("restored   %" PRIu64 " files and folders, %s, into %s%s%s\n", u->entries, bytes,
           req->target, vm ? " in " : "", vm ? vm : "");
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

static int restore(struct hf_cli *cli, const struct hf_unpack *what, const char *vm,
                   struct hf_unpacked *out, struct hf_err *err)
{
    if (!vm)
        return hf_files_unpack(what, out, err);
    struct hf_env env = hf_cli_env(cli);
    struct hf_tar_progress progress = hf_tar_progress_begin(cli);
    const struct hf_run_restore req = {.vm = vm,
                                       .what = *what,
                                       .progress = progress.is_shown ? hf_tar_progress_show : NULL,
                                       .progress_ctx = &progress};
    int rc = hf_run_restore(&env, &req, out, err);
    hf_tar_progress_end(&progress);
    return rc;
}

static int run_restore(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv paths = HF_STRV_INIT;
    HF_AUTO(hf_unpacked) struct hf_unpacked u = {0};
    HF_AUTOJSON struct json_object *doc = NULL;
    const char *vm = hf_cli_get(&hf_verb_restore_files, args, "to-guest")->text;
    const char *to = hf_cli_get(&hf_verb_restore_files, args, "to")->text;
    struct hf_unpack req = {.dir = args->items[0],
                            .target = !to && vm ? "/" : to,
                            .paths = &paths,
                            .overwrite = flag(args, "overwrite"),
                            .with_devices = flag(args, "with-devices"),
                            .with_links = flag(args, "with-links"),
                            .with_setuid = flag(args, "with-setuid"),
                            .cancel = cli->cancel};
    if (!req.target)
        return hf_fail(err, HF_E_CONFIG, "restore files needs --to TARGET, or --to-guest VM");
    for (size_t i = 1; i < args->n; i++)
        if (hf_strv_add(&paths, args->items[i]) < 0)
            return hf_fail_nomem(err);
    if (restore(cli, &req, vm, &u, err) < 0)
        return hf_wrap(err, "restore of '%s'", req.dir);
    int rc = cli->json ? make_document(&req, vm, &u, &doc, err) : print_text(&req, vm, &u, err);
    if (rc < 0 || (doc && hf_cli_print_json(doc, err) < 0))
        return -1;
    return u.n_refused ? STATUS_FAILED : 0;
}

const struct hf_verb hf_verb_restore_files = {
    .name = "restore files",
    .args = "DIR [PATH…]",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .summary = "restore an archive, or paths of it, into a folder or a guest",
    .help = "DIR is what `holdfast archive` has written. A PATH is a name in the guest, with all "
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
            "  holdfast restore files monday --to / --overwrite /etc/apache2/sites-enabled\n"
            "  holdfast restore files monday --to-guest web02 --overwrite /var/www",
    .opts = restore_opts,
    .n_opts = HF_ARRAY_SIZE(restore_opts),
    .config_with = "to-guest",
    .run = run_restore,
};

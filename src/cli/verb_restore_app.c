/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_restore_app.c - `restore app`: dump and files of a point into a VM.
 */
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "restore/app.h"

#include <inttypes.h>
#include <stdio.h>

static const struct hf_cli_opt restore_opts[] = {
    {"to", 't', HF_OPT_STRING, "VM",
     "The VM that it goes into, a section of the configuration; it runs, and has the packages."},
    {"store", 's', HF_OPT_STRING, "NAME",
     "Read it from this store; else from the first that has it and can be read."},
    {"defaults-file", 0, HF_OPT_STRING, "FILE",
     "Option file of an account that may restore rows, accounts and grants; by default the VM's."},
    {"replace", 0, HF_OPT_FLAG, NULL,
     "Drop schemas and overwrite files that are there already. Without it, that is refused."},
    {"resume", 0, HF_OPT_FLAG, NULL, "Go on with rows whose loading was interrupted."},
    {"with-devices", 0, HF_OPT_FLAG, NULL, "Restore device nodes, too."},
    {"with-setuid", 0, HF_OPT_FLAG, NULL,
     "Keep the setuid and setgid bits of files, and their capabilities."},
};

extern const struct hf_verb hf_verb_restore_app;

static void print_part(struct json_object *doc, const char *key)
{
    struct json_object *part = NULL;
    if (!json_object_object_get_ex(doc, key, &part))
        return;
    hf_cli_print_fetched(part);
    hf_cli_print_list(part, "DIFFERENT", "differences");
    hf_cli_print_list(part, "REFUSED", "refused");
    hf_cli_print_list(part, "warning", "warnings");
}

static int print_text(struct json_object *doc, struct hf_err *err)
{
    struct json_object *dump = NULL, *files = NULL;
    (void)json_object_object_get_ex(doc, "dump", &dump);
    (void)json_object_object_get_ex(doc, "files", &files);
    printf("restored   %" PRId64 " rows of %" PRId64 " tables, %" PRId64
           " files and folders, into vm %s\n",
           hf_cli_number(dump, "rows"), hf_cli_number(dump, "tables"),
           hf_cli_number(files, "entries"), hf_cli_text(doc, "vm"));
    hf_cli_print_stopped(doc);
    print_part(doc, "dump");
    print_part(doc, "files");
    hf_cli_print_list(doc, "warning", "warnings");
    return hf_cli_flush(err);
}

static int run_restore(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    const struct hf_verb *verb = &hf_verb_restore_app;
    struct hf_env env = hf_cli_env(cli);
    HF_AUTOJSON struct json_object *doc = NULL;
    const struct hf_restore_app req = {
        .point = args->items[0],
        .store = hf_cli_get(verb, args, "store")->text,
        .vm = hf_cli_get(verb, args, "to")->text,
        .defaults_file = hf_cli_get(verb, args, "defaults-file")->text,
        .replace = hf_cli_get(verb, args, "replace")->is_set,
        .resume = hf_cli_get(verb, args, "resume")->is_set,
        .with_devices = hf_cli_get(verb, args, "with-devices")->is_set,
        .with_setuid = hf_cli_get(verb, args, "with-setuid")->is_set,
    };
    if (!req.vm)
        return hf_fail(err, HF_E_CONFIG, "restore app needs --to VM");
    int rc = hf_restore_app(&env, &req, &doc, err);
    if (rc < 0)
        return -1;
    return (cli->json ? hf_cli_print_json(doc, err) : print_text(doc, err)) < 0 ? -1 : rc;
}

const struct hf_verb hf_verb_restore_app = {
    .name = "restore app",
    .args = "POINT",
    .min_args = 1,
    .max_args = 1,
    .summary = "restore a point's dump and files into a VM, its services at rest",
    .help = "The application whole: rows, accounts, uploads, configuration. The VM is one of the "
            "configuration, the same as before or an empty machine with the same packages; its "
            "`services` are stopped before the first row and started again after the last file, "
            "whatever happens, and at rest-limit in any case. The database runs on, and has to be "
            "restarted by you where its own configuration came back.\n\n"
            "Before anything is stopped, all of it is looked for on the store. What is on the VM "
            "already is refused without --replace. When it fails in the middle, the services run "
            "and the application is not whole: the same again with --replace completes it "
            "(--resume, where rows were being loaded).\n\n"
            "  holdfast restore app 20261123T030000Z --to blog2 --defaults-file restore.cnf\n"
            "  holdfast restore app 20261123T030000Z --to blog --replace",
    .opts = restore_opts,
    .n_opts = HF_ARRAY_SIZE(restore_opts),
    .needs_config = true,
    .run = run_restore,
};

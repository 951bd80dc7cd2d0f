/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_maintain.c - `maintain`: snapshot, command, probes, and the way back.
 */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/maintain_ask.h"
#include "cli/report_text.h"
#include "run/maintain.h"

#include <stdio.h>
#include <string.h>

static const struct hf_cli_opt opts[] = {
    {"label", 'l', HF_OPT_STRING, "TEXT", "Words of your own for the snapshot."},
    {"on-failure", 0, HF_OPT_STRING, "rollback|keep",
     "What happens when the command or a probe fails and nobody is asked; keep when not given."},
    {"yes", 'y', HF_OPT_FLAG, NULL, "Ask nobody, also on a terminal: do what --on-failure says."},
    {"discard-writes", 0, HF_OPT_FLAG, NULL,
     "Roll back also where the writes since the snapshot cannot be saved; the disks of until then "
     "stay."},
    {"keep-current", 0, HF_OPT_FLAG, NULL,
     "After a rollback, keep the disks of until then also where the writes were saved."},
};

extern const struct hf_verb hf_verb_maintain;

static int read_choice(const struct hf_cli_value *v, enum hf_maintain_choice *out,
                       struct hf_err *err)
{
    *out = HF_MAINTAIN_KEEP;
    if (!v->is_set || strcmp(v->text, "keep") == 0)
        return 0;
    *out = HF_MAINTAIN_ROLL_BACK;
    if (strcmp(v->text, "rollback") == 0)
        return 0;
    hf_fail(err, HF_E_CONFIG, "--on-failure is '%s'", v->text);
    return hf_hint(err, "Write --on-failure=rollback or --on-failure=keep.");
}

/* ---- the result for people -------------------------------------------------------------- */

static void print_probes(struct json_object *doc, const char *key, const char *title)
{
    struct json_object *rows = NULL;
    if (!json_object_object_get_ex(doc, key, &rows) || !rows)
        return;
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i), *ok = NULL;
        const char *message = hf_cli_text(row, "message");
        json_object_object_get_ex(row, "ok", &ok);
        printf("%-10s %-6s  %s%s%s\n", i ? "" : title,
               json_object_get_boolean(ok) ? "passes" : "fails", hf_cli_text(row, "probe"),
               message ? ": " : "", message ? message : "");
    }
}

static void print_saved(struct json_object *doc)
{
    struct json_object *saved = NULL, *files = NULL;
    if (!json_object_object_get_ex(doc, "saved", &saved) || !saved)
        return;
    printf("%-10s %s:", "saved", hf_cli_text(saved, "dir"));
    json_object_object_get_ex(saved, "files", &files);
    for (size_t i = 0; i < json_object_array_length(files); i++)
        printf(" %s", json_object_get_string(json_object_array_get_idx(files, i)));
    printf("\n%-10s read them with mysqlbinlog -v (mariadb-binlog -v)\n", "");
}

/* The disks that were set aside. */
static void print_kept(struct json_object *doc)
{
    struct json_object *rollback = NULL, *kept = NULL;
    if (!json_object_object_get_ex(doc, "rollback", &rollback) || !rollback ||
        !json_object_object_get_ex(rollback, "kept", &kept))
        return;
    for (size_t i = 0; i < json_object_array_length(kept); i++)
        printf("%-10s %s\n", i ? "" : "set aside",
               json_object_get_string(json_object_array_get_idx(kept, i)));
}

static void print_next(struct json_object *doc)
{
    const char *vm = hf_cli_text(doc, "vm"), *snapshot = hf_cli_text(doc, "snapshot");
    bool is_back = strcmp(hf_cli_text(doc, "outcome"), "rolled-back") == 0;
    if (!snapshot)
        return;
    printf("%-10s holdfast snapshot delete %s %s     when it is no longer needed\n", "next", vm,
           snapshot);
    if (!is_back)
        printf("%-10s holdfast snapshot rollback %s %s   to go back\n", "", vm, snapshot);
}

static int print_report(struct json_object *doc, struct hf_err *err)
{
    struct json_object *command = NULL;
    const char *why = hf_cli_text(doc, "why"), *dump = hf_cli_text(doc, "dump");
    json_object_object_get_ex(doc, "command", &command);
    const char *status = hf_cli_text(command, "exit_status"), *log = hf_cli_text(command, "log");
    printf("%-10s %s%s%s\n", "outcome", hf_cli_text(doc, "outcome"), why ? ": " : "",
           why ? why : "");
    printf("%-10s %s\n", "snapshot", hf_cli_text(doc, "snapshot"));
    if (status)
        printf("%-10s status %s, output in %s\n", "command", status, log);
    print_probes(doc, "probes", "probes");
    print_probes(doc, "probes_after", "after");
    print_saved(doc);
    if (dump)
        printf("%-10s %s: all databases as they were before the rollback\n", "dump", dump);
    print_kept(doc);
    print_next(doc);
    if (fflush(stdout) != 0)
        return hf_fail_sys(err, errno, "standard output");
    return 0;
}

static int run_maintain(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    static const int statuses[] = {[HF_MAINTAIN_KEPT] = 0,
                                   [HF_MAINTAIN_ROLLED_BACK] = 5,
                                   [HF_MAINTAIN_FAILED_KEPT] = 1,
                                   [HF_MAINTAIN_NOT_BEGUN] = 3};
    const struct hf_verb *verb = &hf_verb_maintain;
    bool asks = !cli->json && !hf_cli_get(verb, args, "yes")->is_set && hf_cli_can_ask();
    struct hf_env env = hf_cli_env(cli);
    struct hf_maintain req = {
        .vm = args->items[0],
        .label = hf_cli_get(verb, args, "label")->text,
        .argv = (const char *const *)args->items + 1,
        .discard_writes = hf_cli_get(verb, args, "discard-writes")->is_set,
        .keep_current = hf_cli_get(verb, args, "keep-current")->is_set,
        .out_to_stderr = cli->json,
        .ask = asks ? hf_maintain_ask : NULL,
        .ctx = cli,
    };
    enum hf_maintain_outcome outcome = HF_MAINTAIN_KEPT;
    HF_AUTOJSON struct json_object *doc = NULL;
    if (read_choice(hf_cli_get(verb, args, "on-failure"), &req.on_failure, err) < 0 ||
        hf_run_maintain(&env, &req, &doc, &outcome, err) < 0 ||
        (cli->json ? hf_cli_print_json(doc, err) : print_report(doc, err)) < 0)
        return -1;
    return statuses[outcome];
}

const struct hf_verb hf_verb_maintain = {
    .name = "maintain",
    .args = "VM -- COMMAND [ARGUMENT…]",
    .min_args = 2,
    .max_args = SIZE_MAX,
    .summary = "make a change with a snapshot before it, probes after it, and the way back",
    .help =
        "Checks the VM and its probes, takes a snapshot, runs COMMAND on this host, and tries the "
        "probes of the VM's section until all of them pass or probe-grace is over.\n\n"
        "  holdfast maintain web01 -- ssh web01 apt-get -y full-upgrade\n\n"
        "All well: everything stays as it is, and the snapshot can be deleted. Else somebody is "
        "asked "
        "on a terminal whether to roll back or to keep; without one --on-failure decides. Before a "
        "rollback the writes since the snapshot are saved from the server's binary log, and where "
        "they "
        "cannot be, the VM's disks of until then are kept. Nothing is thrown away unasked.\n\n"
        "COMMAND runs without a shell. Its input is yours, its output is shown and kept in a log; "
        "it sees "
        "no terminal there. ^C asks it to end. A lost terminal does not end it, and nobody is "
        "asked any more; "
        "nor does the death of this command: then `holdfast status` and `holdfast recover` say how "
        "far it "
        "came and how to decide, and nothing is rolled back by itself. No other run gets at the VM "
        "before "
        "COMMAND has ended.\n\n"
        "The status is 0 when all is well, 5 after a rollback, 1 when something failed and was "
        "kept, 3 when "
        "the snapshot is below its required grade and COMMAND was not begun.",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_maintain,
};

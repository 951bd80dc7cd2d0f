/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_dump.c - `dump`: the databases of a VM as files that ordinary tools load.
 */
#include "cli/cli.h"
#include "cli/dump_text.h"
#include "cli/engine.h"

#include <stdio.h>
#include <unistd.h>

static const struct hf_cli_opt dump_opts[] = {
    {"to", 't', HF_OPT_STRING, "DIR", "The directory to make; it must be new or empty."},
    {"threads", 'j', HF_OPT_INT, "N",
     "Sessions that read, and processors that compress: 1 to 64, by default 2."},
    {"only", 'o', HF_OPT_STRING, "LIST",
     "Schemas (shop) and tables (crm.orders), separated by commas, instead of everything; accounts "
     "are not dumped then."},
    {"compression", 0, HF_OPT_STRING, "zstd|gzip|none", "Of the rows; by default zstd."},
    {"nontransactional", 0, HF_OPT_STRING, "after|lock|refuse",
     "Tables that no transaction protects (MyISAM, Aria): read them after the release and mark "
     "them, read them while commits are held back, or dump nothing; by default after."},
    {"definer", 0, HF_OPT_STRING, "keep|strip",
     "Leave out who defined views, routines, triggers and events, so that whoever loads them is "
     "it; "
     "by default keep."},
};

extern const struct hf_verb hf_verb_dump;

static const char *text_of(const struct hf_cli_args *args, const char *name, const char *fallback)
{
    const struct hf_cli_value *v = hf_cli_get(&hf_verb_dump, args, name);
    return v->is_set ? v->text : fallback;
}

static int read_options(const struct hf_cli_args *args, struct hf_run_dump *req,
                        struct hf_strv *only, struct hf_err *err)
{
    static const char *const plains[] = {"after", "lock", "refuse"};
    static const char *const definers[] = {"keep", "strip"};
    const struct hf_cli_value *threads = hf_cli_get(&hf_verb_dump, args, "threads");
    req->dir = text_of(args, "to", NULL);
    if (!req->dir)
        return hf_fail(err, HF_E_CONFIG, "dump needs --to DIR");
    if (threads->is_set && (threads->number < 1 || threads->number > HF_DUMP_THREADS_MAX))
        return hf_fail(err, HF_E_CONFIG, "option --threads: 1 to %d", HF_DUMP_THREADS_MAX);
    req->threads = (unsigned)threads->number;
    if (hf_io_packing_parse(text_of(args, "compression", "zstd"), &req->packing, err) < 0)
        return -1;
    int plain = hf_cli_choose("nontransactional", text_of(args, "nontransactional", "after"),
                              plains, 3, err);
    int definer =
        plain < 0 ? -1
                  : hf_cli_choose("definer", text_of(args, "definer", "keep"), definers, 2, err);
    if (definer < 0)
        return -1;
    req->plain = (enum hf_dump_plain)plain;
    req->strip_definers = definer == 1;
    if (hf_strv_split(only, text_of(args, "only", ""), ',') < 0)
        return hf_fail_nomem(err);
    req->only = only;
    return 0;
}

static int run_dump(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTO(hf_strv) struct hf_strv only = HF_STRV_INIT;
    HF_AUTOJSON struct json_object *doc = NULL;
    struct hf_cli_dump_showing showing = {.clock = cli->clock,
                                          .begin_ms = hf_clock_mono_ms(cli->clock)};
    struct hf_run_dump req = {.vm = args->items[0], .progress_ctx = &showing};
    if (read_options(args, &req, &only, err) < 0)
        return -1;
    bool is_shown = !cli->quiet && isatty(STDERR_FILENO);
    req.progress = is_shown ? hf_cli_dump_show : NULL;
    int rc = hf_run_dump(&env, &req, &doc, err);
    if (is_shown)
        fprintf(stderr, "\r\033[K");
    if (rc < 0)
        return -1;
    if (cli->json)
        return hf_cli_print_json(doc, err);
    hf_cli_print_dump(doc);
    return 0;
}

const struct hf_verb hf_verb_dump = {
    .name = "dump",
    .args = "VM",
    .min_args = 1,
    .max_args = 1,
    .summary = "write all databases of a VM into a directory of SQL files",
    .help = "Holds commits back for the few milliseconds in which its sessions begin their "
            "snapshots, then reads everything as "
            "of that instant, in parallel, while the site goes on: rows, schemas, views, triggers, "
            "routines, events, sequences, "
            "accounts and grants. The position in the binary log is that of the instant.\n\n"
            "The files have the names that mydumper gives them; each loads with the plain client "
            "(zstdcat FILE | mariadb "
            "SCHEMA), all together with `holdfast load` or myloader. A file INCOMPLETE is in the "
            "directory until everything is "
            "there and on disk: with it the directory is no dump.\n\n"
            "  holdfast dump web01 --to /srv/dumps/web01-monday\n"
            "  holdfast dump web01 --to /srv/dumps/crm --only crm,shop.orders --threads 4",
    .opts = dump_opts,
    .n_opts = HF_ARRAY_SIZE(dump_opts),
    .needs_config = true,
    .run = run_dump,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_load.c - `load`: a dump directory into a server.
 */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "run/load_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct hf_cli_opt load_opts[] = {
    {"to-db", 0, HF_OPT_STRING, "ADDRESS", "The server: tcp://HOST:PORT."},
    {"defaults-file", 0, HF_OPT_STRING, "FILE",
     "Option file with user and password, readable by its owner only."},
    {"threads", 'j', HF_OPT_INT, "N", "Sessions that load: 1 to 64, by default 2."},
    {"only", 'o', HF_OPT_STRING, "LIST",
     "Schemas (shop) and tables (crm.orders), separated by commas, instead of everything."},
    {"as", 0, HF_OPT_STRING, "OLD=NEW,…", "Load schema OLD under the name NEW."},
    {"definer", 0, HF_OPT_STRING, "WHO",
     "Who defines views, routines, triggers and events: USER@HOST for all of them, OLD=NEW,… for "
     "some, "
     "or none, which makes it the one who loads."},
    {"replace", 0, HF_OPT_FLAG, NULL,
     "Drop what is to be loaded and is there already. Without it, that is refused."},
    {"resume", 0, HF_OPT_FLAG, NULL, "Go on with a load that was interrupted."},
    {"users", 0, HF_OPT_FLAG, NULL, "Accounts, roles and grants too."},
    {"no-binlog", 0, HF_OPT_FLAG, NULL, "Write nothing of it into the server's binary log."},
    {"force-incomplete", 0, HF_OPT_FLAG, NULL,
     "Load what there is of a dump that was not finished, or of which parts are missing."},
    {"verify", 0, HF_OPT_STRING, "full|rows|none",
     "Compare rows and checksums with the dump (full, the default), count rows, or neither."},
};

extern const struct hf_verb hf_verb_load;

static const char *text_of(const struct hf_cli_args *args, const char *name)
{
    return hf_cli_get(&hf_verb_load, args, name)->text;
}

static bool flag_of(const struct hf_cli_args *args, const char *name)
{
    return hf_cli_get(&hf_verb_load, args, name)->is_set;
}

static int read_options(const struct hf_cli_args *args, struct hf_run_load *req, struct hf_err *err)
{
    static const char *const verifies[] = {"full", "rows", "none"};
    const char *word = text_of(args, "verify");
    const struct hf_cli_value *threads = hf_cli_get(&hf_verb_load, args, "threads");
    req->to = text_of(args, "to-db");
    req->defaults_file = text_of(args, "defaults-file");
    if (!req->to || !req->defaults_file)
        return hf_fail(err, HF_E_CONFIG,
                       "load needs --to-db tcp://HOST:PORT and --defaults-file FILE");
    if (threads->is_set && (threads->number < 1 || threads->number > HF_LOAD_THREADS_MAX))
        return hf_fail(err, HF_E_CONFIG, "option --threads: 1 to %d", HF_LOAD_THREADS_MAX);
    req->opts.threads = (unsigned)threads->number;
    req->opts.only = text_of(args, "only");
    req->opts.as = text_of(args, "as");
    req->opts.definer = text_of(args, "definer");
    req->opts.replace = flag_of(args, "replace");
    req->opts.resume = flag_of(args, "resume");
    req->opts.users = flag_of(args, "users");
    req->opts.no_binlog = flag_of(args, "no-binlog");
    req->opts.force_incomplete = flag_of(args, "force-incomplete");
    int verify = hf_cli_choose("verify", word ? word : verifies[0], verifies, 3, err);
    if (verify < 0)
        return -1;
    req->opts.verify = (enum hf_load_verify)verify;
    return 0;
}

/* ---- progress --------------------------------------------------------------------------- */

#define LINE_EVERY_MS 10000

struct showing {
    const struct hf_clock *clock;
    int64_t begin_ms, shown_ms;
    bool is_terminal;
};

/* Redrawn on a terminal; else a line now and then. */
static void show(void *ctx, const struct hf_load_progress *p)
{
    struct showing *s = ctx;
    char done[HF_UNITS_MAX], total[HF_UNITS_MAX], rate[HF_UNITS_MAX], left[HF_UNITS_MAX] = "?";
    int64_t now = hf_clock_mono_ms(s->clock), ms = now - s->begin_ms;
    if (now - s->shown_ms < (s->is_terminal ? 200 : LINE_EVERY_MS))
        return;
    s->shown_ms = now;
    hf_format_size(p->stored_done, done);
    hf_format_size(p->stored_total, total);
    hf_format_size(ms > 0 ? p->stored_done * 1000 / (uint64_t)ms : 0, rate);
    if (p->stored_done > 0 && p->stored_total >= p->stored_done)
        hf_format_duration((int64_t)((double)ms * (double)(p->stored_total - p->stored_done) /
                                     (double)p->stored_done / 1000) *
                               1000,
                           left);
    fprintf(stderr, "%s%s: %s of %s, %" PRIu64 " rows, %s/s, %s left%s", s->is_terminal ? "\r" : "",
            p->phase, done, total, p->rows, rate, left, s->is_terminal ? "\033[K" : "\n");
    fflush(stderr);
}

/* ---- the result ------------------------------------------------------------------------- */

static int print_text(struct json_object *doc, struct hf_err *err)
{
    char bytes[HF_UNITS_MAX], duration[HF_UNITS_MAX];
    struct json_object *compared = NULL;
    hf_format_size((uint64_t)hf_cli_number(doc, "bytes"), bytes);
    hf_format_duration(hf_cli_number(doc, "duration_ms"), duration);
    (void)json_object_object_get_ex(doc, "compared", &compared);
    printf("loaded     %" PRId64 " rows, %s of SQL, %" PRId64 " tables and %" PRId64
           " views in %" PRId64 " schemas, in %s\n",
           hf_cli_number(doc, "rows"), bytes, hf_cli_number(doc, "tables"),
           hf_cli_number(doc, "views"), hf_cli_number(doc, "schemas"), duration);
    printf("compared   rows of %" PRId64 " tables, checksums of %" PRId64 "\n",
           hf_cli_number(compared, "rows"), hf_cli_number(compared, "checksums"));
    hf_cli_print_list(doc, "DIFFERENT", "differences");
    hf_cli_print_list(doc, "warning", "warnings");
    return hf_cli_flush(err);
}

static int run_load(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTOJSON struct json_object *doc = NULL;
    int64_t now = hf_clock_mono_ms(cli->clock);
    struct showing showing = {.clock = cli->clock,
                              .begin_ms = now,
                              .shown_ms = now,
                              .is_terminal = isatty(STDERR_FILENO) != 0};
    struct hf_run_load req = {.opts = {.dir = args->items[0]}};
    if (read_options(args, &req, err) < 0)
        return -1;
    req.opts.progress = cli->quiet ? NULL : show;
    req.opts.progress_ctx = &showing;
    int rc = hf_run_load(&env, &req, &doc, err);
    if (showing.is_terminal && !cli->quiet)
        fprintf(stderr, "\r\033[K");
    if (rc < 0)
        return -1;
    return (cli->json ? hf_cli_print_json(doc, err) : print_text(doc, err)) < 0 ? -1 : rc;
}

const struct hf_verb hf_verb_load = {
    .name = "load",
    .args = "DIR",
    .min_args = 1,
    .max_args = 1,
    .summary = "load a dump directory into a server, and compare",
    .help = "DIR is what `holdfast dump` or mydumper has written. Before anything is changed, "
            "every file is looked for, and "
            "what is on the server already is named and refused. Tables come without their indexes "
            "and foreign keys; the rows, "
            "biggest table first; then indexes, foreign keys, routines, views, triggers and "
            "events. At the end rows and "
            "checksums are compared with what the dump says: a difference is status 1.\n\n"
            "A load that was interrupted goes on with --resume: the schema holdfast_load on the "
            "server knows what is "
            "loaded.\n\n"
            "  holdfast load monday --to-db tcp://10.0.0.7:3306 --defaults-file new.cnf\n"
            "  holdfast load monday --to-db tcp://10.0.0.7:3306 --defaults-file new.cnf \\\n"
            "      --only crm --as crm=crm_monday",
    .opts = load_opts,
    .n_opts = HF_ARRAY_SIZE(load_opts),
    .run = run_load,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/load_cli.h"

#include "base/units.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const struct hf_verb *verb, const struct hf_cli_args *args,
                           const char *name)
{
    return hf_cli_get(verb, args, name)->text;
}

static bool flag_of(const struct hf_verb *verb, const struct hf_cli_args *args, const char *name)
{
    return hf_cli_get(verb, args, name)->is_set;
}

int hf_load_cli_read(const struct hf_verb *verb, const struct hf_cli_args *args,
                     struct hf_run_load *req, struct hf_err *err)
{
    static const char *const verifies[] = {"full", "rows", "none"};
    const char *word = text_of(verb, args, "verify");
    const struct hf_cli_value *threads = hf_cli_get(verb, args, "threads");
    req->to = text_of(verb, args, "to-db");
    req->defaults_file = text_of(verb, args, "defaults-file");
    if (!req->to || !req->defaults_file)
        return hf_fail(err, HF_E_CONFIG,
                       "%s needs --to-db tcp://HOST:PORT and --defaults-file FILE", verb->name);
    if (threads->is_set && (threads->number < 1 || threads->number > HF_LOAD_THREADS_MAX))
        return hf_fail(err, HF_E_CONFIG, "option --threads: 1 to %d", HF_LOAD_THREADS_MAX);
    req->opts.threads = (unsigned)threads->number;
    req->opts.only = text_of(verb, args, "only");
    req->opts.as = text_of(verb, args, "as");
    req->opts.definer = text_of(verb, args, "definer");
    req->opts.replace = flag_of(verb, args, "replace");
    req->opts.resume = flag_of(verb, args, "resume");
    req->opts.users = flag_of(verb, args, "users");
    req->opts.no_binlog = flag_of(verb, args, "no-binlog");
    req->opts.force_incomplete = flag_of(verb, args, "force-incomplete");
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
    hf_cli_print_fetched(doc);
    hf_cli_print_list(doc, "DIFFERENT", "differences");
    hf_cli_print_list(doc, "warning", "warnings");
    return hf_cli_flush(err);
}

int hf_load_cli(struct hf_cli *cli, struct hf_run_load *load, hf_load_cli_run run, void *ctx,
                struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTOJSON struct json_object *doc = NULL;
    int64_t now = hf_clock_mono_ms(cli->clock);
    struct showing showing = {.clock = cli->clock,
                              .begin_ms = now,
                              .shown_ms = now,
                              .is_terminal = isatty(STDERR_FILENO) != 0};
    load->opts.progress = cli->quiet ? NULL : show;
    load->opts.progress_ctx = &showing;
    int rc = run(ctx, &env, &doc, err);
    if (showing.is_terminal && !cli->quiet)
        fprintf(stderr, "\r\033[K");
    if (rc < 0)
        return -1;
    return (cli->json ? hf_cli_print_json(doc, err) : print_text(doc, err)) < 0 ? -1 : rc;
}

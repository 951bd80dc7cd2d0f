/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_dump.c - `dump`: the databases of a VM as files that ordinary tools load.
 */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/report_text.h"
#include "run/dump_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
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

/* ---- progress --------------------------------------------------------------------------- */

struct showing {
    const struct hf_clock *clock;
    int64_t begin_ms;
};

/* The server only estimates how much there is: the time left is a guess until the end. */
static void show(void *ctx, const struct hf_dump_progress *p)
{
    struct showing *s = ctx;
    char bytes[HF_UNITS_MAX], rate[HF_UNITS_MAX], left[HF_UNITS_MAX] = "?";
    int64_t ms = hf_clock_mono_ms(s->clock) - s->begin_ms;
    hf_format_size(p->bytes, bytes);
    hf_format_size(ms > 0 ? p->bytes * 1000 / (uint64_t)ms : 0, rate);
    if (p->done_bytes > 0 && p->expected_bytes >= p->done_bytes)
        hf_format_duration((int64_t)((double)ms * (double)(p->expected_bytes - p->done_bytes) /
                                     (double)p->done_bytes / 1000) *
                               1000,
                           left);
    fprintf(stderr, "\r%s, %" PRIu64 " rows, %zu of %zu tables, %s/s, %s left\033[K", bytes,
            p->rows, p->tables_done, p->tables, rate, left);
    fflush(stderr);
}

/* ---- the result ------------------------------------------------------------------------- */

static void print_position(struct json_object *doc)
{
    struct json_object *p = NULL, *gtid = NULL, *file = NULL;
    if (!json_object_object_get_ex(doc, "position", &p) || !p) {
        printf("position   none: the server writes no binary log\n");
        return;
    }
    json_object_object_get_ex(p, "file", &file);
    json_object_object_get_ex(p, "gtid", &gtid);
    printf("position   %s:%" PRId64, json_object_get_string(file), hf_cli_number(p, "offset"));
    if (gtid && json_object_get_string_len(gtid) > 0)
        printf(", GTID %s", json_object_get_string(gtid));
    printf("\n");
}

static void print_text(struct json_object *doc, const char *dir)
{
    char bytes[HF_UNITS_MAX], stored[HF_UNITS_MAX], duration[HF_UNITS_MAX];
    hf_format_size((uint64_t)hf_cli_number(doc, "bytes"), bytes);
    hf_format_size((uint64_t)hf_cli_number(doc, "stored_bytes"), stored);
    hf_format_duration(hf_cli_number(doc, "duration_ms"), duration);
    printf("dump       %s\n", dir);
    printf("content    %" PRId64 " rows of %" PRId64 " tables in %" PRId64 " schemas, %" PRId64
           " views\n",
           hf_cli_number(doc, "rows"), hf_cli_number(doc, "tables"), hf_cli_number(doc, "schemas"),
           hf_cli_number(doc, "views"));
    printf("size       %s of SQL in %s, %" PRId64 " files\n", bytes, stored,
           hf_cli_number(doc, "files"));
    printf("time       %s; commits were held back for %" PRId64 " ms\n", duration,
           hf_cli_number(doc, "stall_ms"));
    print_position(doc);
    hf_cli_print_list(doc, "not of it", "nontransactional");
    hf_cli_print_list(doc, "warning", "warnings");
}

static int run_dump(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTO(hf_strv) struct hf_strv only = HF_STRV_INIT;
    HF_AUTOJSON struct json_object *doc = NULL;
    struct showing showing = {.clock = cli->clock, .begin_ms = hf_clock_mono_ms(cli->clock)};
    struct hf_run_dump req = {.vm = args->items[0], .progress_ctx = &showing};
    if (read_options(args, &req, &only, err) < 0)
        return -1;
    bool is_shown = !cli->quiet && isatty(STDERR_FILENO);
    req.progress = is_shown ? show : NULL;
    int rc = hf_run_dump(&env, &req, &doc, err);
    if (is_shown)
        fprintf(stderr, "\r\033[K");
    if (rc < 0)
        return -1;
    if (cli->json)
        return hf_cli_print_json(doc, err);
    print_text(doc, req.dir);
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

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_load.c - `load`: a dump directory into a server.
 */
#include "cli/load_cli.h"

static const struct hf_cli_opt load_opts[] = {HF_LOAD_CLI_OPTS};

extern const struct hf_verb hf_verb_load;

static int run(void *ctx, const struct hf_env *env, struct json_object **out, struct hf_err *err)
{
    return hf_run_load(env, ctx, out, err);
}

static int run_load(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_run_load req = {.opts = {.dir = args->items[0]}};
    if (hf_load_cli_read(&hf_verb_load, args, &req, err) < 0)
        return -1;
    return hf_load_cli(cli, &req, run, &req, err);
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

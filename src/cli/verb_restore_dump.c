/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_restore_dump.c - `restore dump`: the dump of a point into a server.
 */
#include "cli/load_cli.h"
#include "restore/dump.h"

static const struct hf_cli_opt restore_opts[] = {
    {"store", 's', HF_OPT_STRING, "NAME",
     "Read it from this store; else from the first that has it and can be read."},
    HF_LOAD_CLI_OPTS,
};

extern const struct hf_verb hf_verb_restore_dump;

static int run(void *ctx, const struct hf_env *env, struct json_object **out, struct hf_err *err)
{
    return hf_restore_dump(env, ctx, out, err);
}

static int run_restore(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_restore_dump req = {
        .point = args->items[0],
        .store = hf_cli_get(&hf_verb_restore_dump, args, "store")->text,
    };
    if (hf_load_cli_read(&hf_verb_restore_dump, args, &req.load, err) < 0)
        return -1;
    return hf_load_cli(cli, &req.load, run, &req, err);
}

const struct hf_verb hf_verb_restore_dump = {
    .name = "restore dump",
    .args = "POINT",
    .min_args = 1,
    .max_args = 1,
    .summary = "load a point's dump, or tables of it, into a server, and compare",
    .help =
        "POINT is the id of a recovery point, or its beginning (`holdfast list` has them). Its "
        "dump "
        "is read from the store while it is loaded: nothing of it is written to this host, and "
        "only "
        "what --only selects is fetched. An encrypted store needs identity-file in its section, "
        "and "
        "only for this.\n\n"
        "Otherwise it is `holdfast load`, with the same options, checks and comparison. An object "
        "that is missing on the store is named before anything is changed; one that is damaged, "
        "when it is read: its rows are not loaded, and the load has failed. --resume goes on, from "
        "another store, too.\n\n"
        "  holdfast restore dump 20261123T030000Z --to-db tcp://10.0.0.5:3306 \\\n"
        "      --defaults-file web01.cnf --only shop.orders --replace\n"
        "  holdfast restore dump web01/20261123T030000Z --to-db tcp://10.0.0.7:3306 \\\n"
        "      --defaults-file new.cnf --users\n"
        "  holdfast restore dump 20261123T030000Z --to-db tcp://10.0.0.5:3306 \\\n"
        "      --defaults-file web01.cnf --only crm --as crm=crm_monday",
    .opts = restore_opts,
    .n_opts = HF_ARRAY_SIZE(restore_opts),
    .needs_config = true,
    .run = run_restore,
};

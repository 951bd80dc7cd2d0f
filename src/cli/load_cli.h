/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/load_cli.h - what `load` and `restore dump` have in common: options, progress, and the result for people.
 */
#ifndef HF_CLI_LOAD_CLI_H
#define HF_CLI_LOAD_CLI_H

#include "cli/cli.h"
#include "run/load_run.h"

/* Rows of a verb's table of options. */
#define HF_LOAD_CLI_OPTS                                                                             \
    {"to-db", 0, HF_OPT_STRING, "ADDRESS", "The server: tcp://HOST:PORT."},                          \
        {"defaults-file", 0, HF_OPT_STRING, "FILE",                                                  \
         "Option file with user and password, readable by its owner only."},                         \
        {"threads", 'j', HF_OPT_INT, "N", "Sessions that load: 1 to 64, by default 2."},             \
        {"only", 'o', HF_OPT_STRING, "LIST",                                                         \
         "Schemas (shop) and tables (crm.orders), separated by commas, instead of everything."},     \
        {"as", 0, HF_OPT_STRING, "OLD=NEW,…", "Load schema OLD under the name NEW."},                \
        {"definer", 0, HF_OPT_STRING, "WHO",                                                         \
         "Who defines views, routines, triggers and events: USER@HOST for all of them, OLD=NEW,… " \
         "for "                                                                                      \
         "some, "                                                                                    \
         "or none, which makes it the one who loads."},                                              \
        {"replace", 0, HF_OPT_FLAG, NULL,                                                            \
         "Drop what is to be loaded and is there already. Without it, that is refused."},            \
        {"resume", 0, HF_OPT_FLAG, NULL, "Go on with a load that was interrupted."},                 \
        {"users", 0, HF_OPT_FLAG, NULL, "Accounts, roles and grants too."},                          \
        {"no-binlog", 0, HF_OPT_FLAG, NULL, "Write nothing of it into the server's binary log."},    \
        {"force-incomplete", 0, HF_OPT_FLAG, NULL,                                                   \
         "Load what there is of a dump that was not finished, or of which parts are missing."},      \
    {                                                                                                \
        "verify", 0, HF_OPT_STRING, "full|rows|none",                                                \
            "Compare rows and checksums with the dump (full, the default), count rows, or "          \
            "neither."                                                                               \
    }

/* Into req, of which strings are the command line's. */
int hf_load_cli_read(const struct hf_verb *verb, const struct hf_cli_args *args,
                     struct hf_run_load *req, struct hf_err *err) HF_CHECKED;

/* Runs it with progress on stderr, and prints the document. The exit status, or -1. run: hf_run_load or what makes a document like
 * it; load is a part of its ctx. */
typedef int (*hf_load_cli_run)(void *ctx, const struct hf_env *env, struct json_object **out,
                               struct hf_err *err);
int hf_load_cli(struct hf_cli *cli, struct hf_run_load *load, hf_load_cli_run run, void *ctx,
                struct hf_err *err) HF_CHECKED;

#endif

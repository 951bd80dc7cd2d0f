/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cli.h - the command line: one file per verb, one table per verb.
 *
 * A verb's table is the only place where its name, arguments and options stand: parser, --help and
 * man page are made from it. `run` returns an exit status (0 done, 1 failed, 2 usage, 3 degraded, 4
 * refused or busy, 5 rolled back); when it fills err, the frame prints it (text on stderr, or as
 * the JSON document on stdout) and the status follows from the class, so `return hf_fail(err, …)`
 * will do. stdout carries results only, with cli->json exactly one document; progress and messages
 * go to stderr.
 */
#ifndef HF_CLI_CLI_H
#define HF_CLI_CLI_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "net/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hf_opt_type { HF_OPT_FLAG, HF_OPT_STRING, HF_OPT_DURATION, HF_OPT_INT };

struct hf_cli_opt {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    enum hf_opt_type type;
    const char *arg;  /* name of its value in the help, NULL for a flag */
    const char *help; /* one sentence, for --help and man page */
};

struct hf_cli_value { /* parallel to the verb's opts */
    bool is_set;
    const char *text; /* as given; NULL for a flag */
    int64_t number;   /* DURATION: ms; INT; FLAG: how often it was given */
};

struct hf_cli {
    const char *config_path;
    bool json;
    bool quiet;               /* no progress */
    struct hf_config *config; /* loaded when the verb says needs_config or config_if; else NULL */
    struct hf_log *log;
    struct hf_cancel *cancel; /* set by SIGINT, SIGTERM, SIGHUP */
    const struct hf_clock *clock;
    const char *program; /* argv[0], for messages */
    const char *self;    /* path of the executable, to start the guardian */
};

struct hf_cli_args {
    size_t n;
    char *const *items;                /* positional, NULL-terminated */
    const struct hf_cli_value *values; /* one per option of the verb */
};

struct hf_verb {
    const char *name;          /* "snapshot create" */
    const char *args;          /* synopsis of positionals: "VM", "[VM…]" */
    size_t min_args, max_args; /* SIZE_MAX: any number */
    const char *summary;       /* one line */
    const char *help; /* for --help and the man page: paragraphs between blank lines, wrapped at
                       * output; a line that begins with two blanks stands as it is (an example) */
    const struct hf_cli_opt *opts;
    size_t n_opts;
    bool needs_config;
    /* With these arguments it needs one all the same; NULL: never. */
    bool (*config_if)(const struct hf_cli_args *args);
    bool hidden; /* internal: not in help */
    int (*run)(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err);
};

/* All verbs, NULL-terminated; order of the help. */
extern const struct hf_verb *const hf_verbs[];

/* Exit status of the whole program. */
int hf_cli_main(int argc, char **argv);
/* The same with other verbs than hf_verbs. */
int hf_cli_run(const struct hf_verb *const *verbs, int argc, char **argv);

/* The value of option `name` of the verb (never NULL; a bug in the verb's table aborts in tests).
 */
const struct hf_cli_value *hf_cli_get(const struct hf_verb *verb, const struct hf_cli_args *args,
                                      const char *name);

/* The place of `word`, the value of --option, in a list of two or three. -1, CONFIG: it is not in it. */
int hf_cli_choose(const char *option, const char *word, const char *const *words, int n,
                  struct hf_err *err) HF_CHECKED;

/* Prints one JSON document and a newline on stdout; -1: stdout is gone or full. */
int hf_cli_print_json(struct json_object *doc, struct hf_err *err) HF_CHECKED;

/* A table for people: columns aligned, first row the heading. */
struct hf_table;
struct hf_table *hf_table_new(size_t columns);
int hf_table_row(struct hf_table *t, ...) HF_CHECKED; /* `columns` strings, NULL: "-" */
int hf_table_print(struct hf_table *t, struct hf_err *err) HF_CHECKED;
void hf_table_free(struct hf_table *t);
HF_DEFINE_AUTO(hf_table, hf_table_free)

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/args.h - from argv to a verb with its options and words; private to cli/.
 *
 * Options of the verb and those of every verb may stand anywhere behind the verb, those of every
 * verb also in front of it; "--" ends options. Long names are never guessed from their beginning:
 * scripts would break when a version adds a second name that begins alike.
 */
#ifndef HF_CLI_ARGS_H
#define HF_CLI_ARGS_H

#include "cli/cli.h"

enum hf_cli_global {
    HF_GLOBAL_CONFIG,
    HF_GLOBAL_JSON,
    HF_GLOBAL_VERBOSE,
    HF_GLOBAL_QUIET,
    HF_GLOBAL_LOG_JSON,
    HF_GLOBAL_HELP,
    HF_GLOBAL_VERSION,
    HF_GLOBAL_COUNT
};

/* Options of every verb, in this order. */
extern const struct hf_cli_opt hf_cli_globals[HF_GLOBAL_COUNT];

struct hf_cli_call {
    const struct hf_verb *verb; /* NULL: none was named */
    const char *group;          /* "snapshot": only the first word of a verb was given; else NULL */
    struct hf_cli_value global[HF_GLOBAL_COUNT];
    struct hf_cli_value *values; /* of the verb's options */
    char **items;                /* words behind the verb, NULL-terminated */
    size_t n;
};

void hf_cli_call_free(struct hf_cli_call *call);
HF_DEFINE_AUTO_VALUE(hf_cli_call, hf_cli_call_free)

/* call is all zero. CONFIG: unknown verb or option, option without its value, … call->global is
 * then still good for telling whether JSON was asked for. */
int hf_cli_parse(const struct hf_verb *const *verbs, int argc, char **argv,
                 struct hf_cli_call *call, struct hf_err *err) HF_CHECKED;

/* The verb is named in full and has as many words as it wants. */
int hf_cli_check_words(const struct hf_verb *const *verbs, const struct hf_cli_call *call,
                       struct hf_err *err) HF_CHECKED;

const struct hf_verb *hf_cli_find_verb(const struct hf_verb *const *verbs, const char *name);
/* Is `word` the first of a verb's two words? */
bool hf_cli_is_group(const struct hf_verb *const *verbs, const char *word);
/* CONFIG with the nearest verb, or the verbs of the group, as hint. Returns -1. */
int hf_cli_unknown_verb(const struct hf_verb *const *verbs, const char *name, struct hf_err *err);

#endif

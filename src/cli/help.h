/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/help.h - --help, made from the verb tables; private to cli/ and to the man pages' generator.
 */
#ifndef HF_CLI_HELP_H
#define HF_CLI_HELP_H

#include "base/buf.h"
#include "cli/cli.h"

/* "holdfast snapshot create VM [--label LABEL]" */
void hf_help_synopsis(struct hf_buf *out, const struct hf_verb *verb);
/* "-c, --config FILE" */
void hf_help_option_name(struct hf_buf *out, const struct hf_cli_opt *opt);

void hf_help_verb(struct hf_buf *out, const struct hf_verb *verb);
/* All verbs, or those that begin with the word `group`. */
void hf_help_all(struct hf_buf *out, const struct hf_verb *const *verbs, const char *group);

/* {"name","args","summary","options":[{"name","letter","arg","help"}]}; NULL: no memory */
struct json_object *hf_help_verb_json(const struct hf_verb *verb);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/prune_text.h - what `prune` did, or would do, with recovery points, as people read it.
 */
#ifndef HF_CLI_PRUNE_TEXT_H
#define HF_CLI_PRUNE_TEXT_H

#include "base/err.h"
#include "net/json.h"

/* On stdout: points that are deleted (dry: those that are kept too, each with its reason), then a line or two per store. */
int hf_cli_print_prune(struct json_object *doc, struct hf_err *err) HF_CHECKED;

#endif

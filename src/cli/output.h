/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/output.h - what leaves the program on stdout, and errors wherever they belong; private to
 * cli/.
 */
#ifndef HF_CLI_OUTPUT_H
#define HF_CLI_OUTPUT_H

#include "base/buf.h"
#include "cli/cli.h"

/* The text on stdout. -1: no memory for it, or stdout is gone or full. */
int hf_cli_print(const struct hf_buf *text, struct hf_err *err) HF_CHECKED;
/* The end of what was printed by printf. -1: stdout is gone or full. */
int hf_cli_flush(struct hf_err *err) HF_CHECKED;

/* Message, hint, and what is left behind: lines on stderr, or the JSON document on stdout. */
void hf_cli_print_error(const struct hf_err *err, bool json);

#endif

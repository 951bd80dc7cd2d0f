/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/ask.h - asking somebody on a terminal.
 */
#ifndef HF_CLI_ASK_H
#define HF_CLI_ASK_H

#include "cli/cli.h"

/* Standard input and standard error are terminals. */
bool hf_cli_can_ask(void);
/* One line of it, without its end, at most size - 1 bytes. false: none comes, the input has ended or cli->cancel is set. */
bool hf_cli_read_answer(struct hf_cli *cli, char *out, size_t size);

#endif

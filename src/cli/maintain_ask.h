/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/maintain_ask.h - asks whoever sits at the terminal what becomes of a failed maintenance.
 */
#ifndef HF_CLI_MAINTAIN_ASK_H
#define HF_CLI_MAINTAIN_ASK_H

#include "cli/cli.h"
#include "run/maintain.h"

/* For struct hf_maintain; ctx is the struct hf_cli. A signal, the end of input or a lost terminal is no answer. */
int hf_maintain_ask(void *ctx, const struct hf_maintain_question *q, enum hf_maintain_choice *out);

#endif

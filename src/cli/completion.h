/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/completion.h - what bash asks: the script for it, made from the verbs' tables.
 */
#ifndef HF_CLI_COMPLETION_H
#define HF_CLI_COMPLETION_H

#include "base/buf.h"
#include "cli/cli.h"

/* A script for /usr/share/bash-completion. Names of VMs, policies, stores and hypervisors are asked for when they are wanted, with
 * `holdfast completion KIND`; they are compared and quoted, and never evaluated. */
void hf_completion_bash(struct hf_buf *out, const struct hf_verb *const *verbs);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/engine.h - from the command line's frame to the engines' environment.
 */
#ifndef HF_CLI_ENGINE_H
#define HF_CLI_ENGINE_H

#include "cli/cli.h"
#include "run/env.h"

/* Borrows from cli. Progress goes to stderr: a line that is redrawn on a terminal, nothing when
 * quiet or elsewhere. progress_ctx may be set to a text that stands in front of it. */
struct hf_env hf_cli_env(struct hf_cli *cli);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/engine.h"

#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* Redrawn in place, so only on a terminal; a pipe or log gets the phase lines of the log instead.
 */
static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    const char *of_what = ctx;
    char have[HF_UNITS_MAX], of[HF_UNITS_MAX];
    hf_format_size(done, have);
    hf_format_size(total, of);
    unsigned percent = total ? (unsigned)(done * 100 / total) : 0;
    fprintf(stderr, "\r%s%s%s of %s, %u %%\033[K%s", of_what ? of_what : "", of_what ? ": " : "",
            have, of, percent, total && done >= total ? "\n" : "");
    fflush(stderr);
}

struct hf_env hf_cli_env(struct hf_cli *cli)
{
    return (struct hf_env){
        .config = cli->config,
        .config_path = cli->config_path,
        .self = cli->self,
        .log = cli->log,
        .cancel = cli->cancel,
        .clock = cli->clock,
        .progress = !cli->quiet && isatty(STDERR_FILENO) ? show_progress : NULL,
    };
}

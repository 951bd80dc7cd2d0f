/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/tar_progress.h - how far a tar is, on one line of a terminal. Nothing is shown with --quiet, or when stderr is none.
 */
#ifndef HF_CLI_TAR_PROGRESS_H
#define HF_CLI_TAR_PROGRESS_H

#include "cli/cli.h"

struct hf_tar_progress {
    const struct hf_clock *clock;
    int64_t begin_ms, shown_ms;
    bool is_shown;
};

struct hf_tar_progress hf_tar_progress_begin(const struct hf_cli *cli);
/* ctx: the struct. */
void hf_tar_progress_show(void *ctx, uint64_t entries, uint64_t tar_bytes);
/* Clears the line. */
void hf_tar_progress_end(const struct hf_tar_progress *p);

#endif

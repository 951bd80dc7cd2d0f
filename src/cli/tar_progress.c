/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tar_progress.h"

#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define SHOW_EVERY_MS 200

struct hf_tar_progress hf_tar_progress_begin(const struct hf_cli *cli)
{
    return (struct hf_tar_progress){.clock = cli->clock,
                                    .begin_ms = hf_clock_mono_ms(cli->clock),
                                    .is_shown = !cli->quiet && isatty(STDERR_FILENO)};
}

void hf_tar_progress_show(void *ctx, uint64_t entries, uint64_t tar_bytes)
{
    struct hf_tar_progress *p = ctx;
    char bytes[HF_UNITS_MAX], rate[HF_UNITS_MAX];
    int64_t now = hf_clock_mono_ms(p->clock);
    if (!p->shown_ms) /* what came before it, such as a dump, is not its time */
        p->begin_ms = now;
    int64_t ms = now - p->begin_ms;
    if (now - p->shown_ms < SHOW_EVERY_MS)
        return;
    p->shown_ms = now;
    hf_format_size(tar_bytes, bytes);
    hf_format_size(ms > 0 ? tar_bytes * 1000 / (uint64_t)ms : 0, rate);
    fprintf(stderr, "\r%" PRIu64 " files and folders, %s, %s/s\033[K", entries, bytes, rate);
    fflush(stderr);
}

void hf_tar_progress_end(const struct hf_tar_progress *p)
{
    if (p->is_shown)
        fprintf(stderr, "\r\033[K");
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/dump_text.h - a dump for people: while it goes on, and what came of it.
 */
#ifndef HF_CLI_DUMP_TEXT_H
#define HF_CLI_DUMP_TEXT_H

#include "net/json.h"
#include "run/dump_run.h"

struct hf_cli_dump_showing {
    const struct hf_clock *clock;
    int64_t begin_ms;
};

/* As hf_run_dump.progress; ctx: a hf_cli_dump_showing. One line of stderr, written over again. */
void hf_cli_dump_show(void *ctx, const struct hf_dump_progress *p);
/* The document of `dump --json`, on stdout. */
void hf_cli_print_dump(struct json_object *doc);

#endif

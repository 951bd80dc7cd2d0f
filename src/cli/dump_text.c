/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dump_text.h"

#include "base/units.h"
#include "cli/report_text.h"

#include <inttypes.h>
#include <stdio.h>

/* The server only estimates how much there is: the time left is a guess until the end. */
void hf_cli_dump_show(void *ctx, const struct hf_dump_progress *p)
{
    struct hf_cli_dump_showing *s = ctx;
    char bytes[HF_UNITS_MAX], rate[HF_UNITS_MAX], left[HF_UNITS_MAX] = "?";
    int64_t ms = hf_clock_mono_ms(s->clock) - s->begin_ms;
    hf_format_size(p->bytes, bytes);
    hf_format_size(ms > 0 ? p->bytes * 1000 / (uint64_t)ms : 0, rate);
    if (p->done_bytes > 0 && p->expected_bytes >= p->done_bytes)
        hf_format_duration((int64_t)((double)ms * (double)(p->expected_bytes - p->done_bytes) /
                                     (double)p->done_bytes / 1000) *
                               1000,
                           left);
    fprintf(stderr, "\r%s, %" PRIu64 " rows, %zu of %zu tables, %s/s, %s left\033[K", bytes,
            p->rows, p->tables_done, p->tables, rate, left);
    fflush(stderr);
}

void hf_cli_print_dump(struct json_object *doc)
{
    char bytes[HF_UNITS_MAX], stored[HF_UNITS_MAX], duration[HF_UNITS_MAX];
    struct json_object *position = NULL;
    hf_format_size((uint64_t)hf_cli_number(doc, "bytes"), bytes);
    hf_format_size((uint64_t)hf_cli_number(doc, "stored_bytes"), stored);
    hf_format_duration(hf_cli_number(doc, "duration_ms"), duration);
    printf("dump       %s\n", hf_cli_text(doc, "dir"));
    printf("content    %" PRId64 " rows of %" PRId64 " tables in %" PRId64 " schemas, %" PRId64
           " views\n",
           hf_cli_number(doc, "rows"), hf_cli_number(doc, "tables"), hf_cli_number(doc, "schemas"),
           hf_cli_number(doc, "views"));
    printf("size       %s of SQL in %s, %" PRId64 " files\n", bytes, stored,
           hf_cli_number(doc, "files"));
    printf("time       %s; commits were held back for %" PRId64 " ms\n", duration,
           hf_cli_number(doc, "stall_ms"));
    if (json_object_object_get_ex(doc, "position", &position) && position)
        hf_cli_print_position(doc, "position", "position");
    else
        printf("position   none: the server writes no binary log\n");
    hf_cli_print_list(doc, "not of it", "nontransactional");
    hf_cli_print_list(doc, "warning", "warnings");
}

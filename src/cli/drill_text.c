/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/drill_text.h"

#include "cli/output.h"
#include "cli/report_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_check(struct json_object *k)
{
    const char *why = hf_cli_text(k, "why"), *result = hf_cli_text(k, "result");
    const char *expected = hf_cli_text(k, "expected"), *found = hf_cli_text(k, "found");
    bool failed = strcmp(result, "failed") == 0;
    printf("%-10s %s%s%s\n", failed ? "FAILED" : result, hf_cli_text(k, "name"), why ? ": " : "",
           why ? why : "");
    if (expected && found)
        printf("           recorded %s\n           found    %s\n", expected, found);
}

int hf_cli_print_drill(struct json_object *doc, struct hf_err *err)
{
    const char *why = hf_cli_text(doc, "why");
    bool passed = hf_cli_number(doc, "passed");
    printf("%-10s %s/%s from store %s", passed ? "PASSED" : "FAILED", hf_cli_text(doc, "vm"),
           hf_cli_text(doc, "point"), hf_cli_text(doc, "store"));
    printf("%s%s\n", why ? ": " : "", why ? why : "");
    hf_cli_print_each(doc, "checks", print_check);
    if (hf_cli_text(doc, "recovery_ms"))
        printf("%-10s %.1f s, from the machine's start to the first answer of its database\n",
               "recovery", (double)hf_cli_number(doc, "recovery_ms") / 1000);
    printf("%-10s %.1f s in all\n", "took", (double)hf_cli_number(doc, "duration_ms") / 1000);
    hf_cli_print_list(doc, "warning", "warnings");
    return hf_cli_flush(err);
}

void hf_cli_drill_text(struct json_object *drill, struct hf_buf *out)
{
    const char *why = hf_cli_text(drill, "why"), *recovery = hf_cli_text(drill, "recovery_ms");
    bool passed = hf_cli_number(drill, "passed");
    hf_buf_printf(out, "%s %s, from store %s", passed ? "passed" : "FAILED",
                  hf_cli_text(drill, "at"), hf_cli_text(drill, "store"));
    if (recovery)
        hf_buf_printf(out, ", its database up in %.1f s",
                      (double)hf_cli_number(drill, "recovery_ms") / 1000);
    if (why)
        hf_buf_printf(out, ": %s", why);
}

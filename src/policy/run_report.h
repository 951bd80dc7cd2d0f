/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/run_report.h - the figures that a duty keeps of a run's report, the document that `backup --json` prints. What is missing or
 * of another shape is none: a report is no reason to lose the run.
 */
#ifndef HF_POLICY_RUN_REPORT_H
#define HF_POLICY_RUN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

struct hf_run_figures {
    const char *run, *grade; /* the report's; NULL: none */
    double stall_ms;         /* negative: none */
    int64_t bytes;           /* sent to stores, of all of them together */
    bool is_protected;
};
struct hf_run_figures hf_run_figures(struct json_object *report);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/drill_text.h - drills as people read them: the report of one, and what a point or a VM has of them.
 */
#ifndef HF_CLI_DRILL_TEXT_H
#define HF_CLI_DRILL_TEXT_H

#include "base/buf.h"
#include "base/err.h"
#include "net/json.h"

/* The report of drill/drill.h, on stdout: the verdict first. */
int hf_cli_print_drill(struct json_object *doc, struct hf_err *err) HF_CHECKED;

/* "passed 2026-…, from store vault, its database up in 12.3 s", "FAILED …: why"; a drill as the catalog has it (run/point_doc.h). */
void hf_cli_drill_text(struct json_object *drill, struct hf_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/point_text.h - a recovery point as people read it (backup, show, list).
 */
#ifndef HF_CLI_POINT_TEXT_H
#define HF_CLI_POINT_TEXT_H

#include "base/buf.h"
#include "net/json.h"

/* On stdout: which point, its artifacts, what went to which store, its copies; what doc has of it. */
void hf_cli_print_point(struct json_object *doc);

/* "vault (assumed off the host), safe (DAMAGED)": the copies of a row of hf_point_doc_row (run/point_doc.h). */
void hf_cli_copies_text(struct json_object *row, struct hf_buf *out);

#endif

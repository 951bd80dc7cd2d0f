/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/status_points.h - what `status` tells of recovery points and stores: from catalog and configuration alone, no store is asked.
 */
#ifndef HF_CLI_STATUS_POINTS_H
#define HF_CLI_STATUS_POINTS_H

#include "catalog/catalog.h"
#include "config/config.h"
#include "net/json.h"

/* To the VM's row: points (how many), last_point: hf_point_doc_row (run/point_doc.h) or null, last_drill, and drill_every_ms (null:
 * none is expected), drill_since (the last that passed, else the first backup; null: none), drill_overdue. */
int hf_status_points_add(struct hf_catalog *catalog, const struct hf_config_vm *vm, int64_t now_us,
                         struct json_object *row, struct hf_err *err) HF_CHECKED;
/* To the document: stores, each with name, off_host ("verify", "assume") and recipients (how many). */
int hf_status_stores_add(const struct hf_config *config, struct json_object *doc,
                         struct hf_err *err) HF_CHECKED;

/* Lines below the table: the last point of each VM, where there are stores or points; every store that is only assumed to be
 * off the host. */
void hf_status_points_print(struct json_object *doc);

#endif

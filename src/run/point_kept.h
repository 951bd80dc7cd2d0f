/* SPDX-License-Identifier: Apache-2.0
 *
 * run/point_kept.h - what has become of the backup that a point's document names, asked of its hypervisor now.
 */
#ifndef HF_RUN_POINT_KEPT_H
#define HF_RUN_POINT_KEPT_H

#include "catalog/catalog.h"
#include "net/json.h"
#include "run/env.h"

/* "unchecked", "good", "bad" */
const char *hf_pushed_check_name(enum hf_pushed_check check);

/* To each pushed artifact of doc (run/point_doc.h, or a backup's report): "now": {"there": null where nobody knows, "check",
 * "protected", "damage", "error"}. Without such artifacts nothing is asked and nothing added. -1: cancelled, or no memory. */
int hf_point_doc_kept(struct json_object *doc, const struct hf_env *env, struct hf_catalog *c,
                      struct hf_err *err) HF_CHECKED;

#endif

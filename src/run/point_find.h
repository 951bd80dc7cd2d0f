/* SPDX-License-Identifier: Apache-2.0
 *
 * run/point_find.h - one point whole, from the manifest on a store: what the catalog has no report of.
 */
#ifndef HF_RUN_POINT_FIND_H
#define HF_RUN_POINT_FIND_H

#include "net/json.h"
#include "run/env.h"

/* The stores of the configuration are asked in turn, the first that has it gives it: hf_point_doc_manifest (run/point_doc.h) and
 * "read_from", the store's name. One that cannot be asked is logged and passed over. text: an id, its beginning, or VM/ID.
 * NOT_FOUND: none that could be asked has it. CONFLICT: several begin so. CORRUPT: its manifest is damaged. To be put. */
struct json_object *hf_point_find(const struct hf_env *env, const char *text, struct hf_err *err)
    HF_CHECKED;

#endif

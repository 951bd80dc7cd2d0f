/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/status_forgotten.h - VMs that holdfastd followed and that no policy selects any more: a schedule that has silently stopped.
 */
#ifndef HF_CLI_STATUS_FORGOTTEN_H
#define HF_CLI_STATUS_FORGOTTEN_H

#include "cli/owed.h"
#include "net/json.h"

/* To the document: "forgotten", their names. None are those that a policy leaves out in so many words (vms = …, !NAME), or that are no
 * longer in the configuration. */
int hf_status_forgotten_add(const struct hf_config *config, const struct hf_owed *owed,
                            struct json_object *doc, struct hf_err *err) HF_CHECKED;
void hf_status_forgotten_print(struct json_object *doc);
size_t hf_status_forgotten_count(struct json_object *doc);

#endif

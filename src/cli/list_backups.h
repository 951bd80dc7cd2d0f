/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/list_backups.h - the backups that hypervisors keep, for `list --backups`.
 */
#ifndef HF_CLI_LIST_BACKUPS_H
#define HF_CLI_LIST_BACKUPS_H

#include "catalog/catalog.h"
#include "net/json.h"
#include "run/env.h"

/* To doc: "backups":[{"vm","hypervisor","ref","form","place","taken_at","stored_bytes","protected","check","state","point","why","notes"}],
 * "asked":[{"vm","hypervisor"}]: whose backups were looked for, in the place that is configured now, and
 * "errors":[{"vm","error"}]: a hypervisor that could not be asked, a VM that is not configured. vm NULL: of all. *out_is_bad: there are errors. */
int hf_cli_list_backups(const struct hf_env *env, struct hf_catalog *catalog, const char *vm,
                        struct json_object *doc, bool *out_is_bad, struct hf_err *err) HF_CHECKED;
int hf_cli_print_backups(struct json_object *doc, struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/backup_all.h - `backup --policy NAME`: one VM of the policy after the other.
 */
#ifndef HF_CLI_BACKUP_ALL_H
#define HF_CLI_BACKUP_ALL_H

#include "run/backup.h"

/* Of the VMs that env->policy selects, by name; req without vm. Each is a run of its own, and one that fails stops no other; after ^C
 * none is begun any more, and each of those is told as cancelled. Prints the reports one after the other, or {"policy","runs":[the
 * report, or {"vm","policy","error"}]}.
 * The exit status: 1 when one failed, else 4 when one was busy, else 3 when one was degraded. -1: CONFIG, it selects no VM; or what was
 * done could not be told. */
int hf_cli_backup_all(const struct hf_env *env, const struct hf_backup *req, bool as_json,
                      struct hf_err *err) HF_CHECKED;

#endif

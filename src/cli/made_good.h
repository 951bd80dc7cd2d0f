/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/made_good.h - a good run of a policy by hand (or by cron) makes up for the one of holdfastd that was not.
 */
#ifndef HF_CLI_MADE_GOOD_H
#define HF_CLI_MADE_GOOD_H

#include "net/json.h"
#include "run/env.h"

/* Behind a run of env->policy (NULL: nothing is done) that was good, report: its own. What holdfastd wrote down of it is "done" from then
 * on, and its alarms "failed" and "degraded" are off: while they are on the next failure would be told to nobody. A run that holdfastd
 * has begun itself is left to it. What goes wrong is said in the log. */
void hf_cli_made_good(const struct hf_env *env, const char *vm, struct json_object *report);

#endif

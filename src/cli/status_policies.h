/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/status_policies.h - what `status` tells of policies: what is owed to which VM, how it went, and which alarms are on. From
 * configuration, catalog and clock alone, so also when holdfastd is dead.
 */
#ifndef HF_CLI_STATUS_POLICIES_H
#define HF_CLI_STATUS_POLICIES_H

#include "base/buf.h"
#include "catalog/catalog.h"
#include "cli/owed_judge.h"
#include "config/config.h"
#include "net/json.h"

/* To the document: "policies", a row per policy, VM and kind of duty, "alarms", and "holdfastd_runs". Their members: holdfast-status(1). */
int hf_status_policies_add(const struct hf_config *config, struct hf_catalog *catalog,
                           int64_t now_us, struct json_object *doc, struct hf_err *err) HF_CHECKED;

#define HF_STATUS_NO_DAEMON "holdfastd does not run"
/* Nothing begins by itself: a holdfastd has followed the policies, and none is there. */
bool hf_status_policies_lack_daemon(struct json_object *doc);
/* A table, and a line for each of which somebody has to know; nothing where there are neither policies nor alarms. */
int hf_status_policies_print(struct json_object *doc, struct hf_err *err) HF_CHECKED;

struct hf_status_sum {
    unsigned duties, overdue, failed, degraded, busy, unfollowed, interrupted, ahead, alarms;
    enum hf_owed_level level;
    struct json_object
        *worst; /* the first row or alarm of that level; borrowed; NULL: all is well */
};
void hf_status_policies_sum(struct json_object *doc, struct hf_status_sum *out);
/* "nightly web01: overdue: …", one line without '|'; empty where all is well. */
void hf_status_policies_worst(const struct hf_status_sum *sum, struct hf_buf *out);

#endif

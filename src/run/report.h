/* SPDX-License-Identifier: Apache-2.0
 *
 * run/report.h - the JSON documents of DESIGN section 7, made from a run's results.
 *
 * Milliseconds carry three decimals; times are RFC 3339 UTC; what is unknown is null.
 */
#ifndef HF_RUN_REPORT_H
#define HF_RUN_REPORT_H

#include "hold/hold.h"
#include "net/json.h"
#include "run/run.h"

struct hf_report_snapshot {
    const struct hf_run *run;
    const char *snapshot, *label, *server, *method; /* all but snapshot: or NULL */
    const struct hf_strv *stopped;                  /* services, or NULL */
    const struct hf_db_sources *sources;            /* of a replica, or NULL */
    const struct hf_strv *datastores;               /* where the disks lie, or NULL */
    uint32_t n_disks;
    const struct hf_hold_result *result;
    const struct hf_strv *warnings;
};

/* To be put; NULL: no memory. */
struct json_object *hf_report_snapshot(const struct hf_report_snapshot *in, struct hf_err *err)
    HF_CHECKED;
struct json_object *hf_report_deletion(const struct hf_run *run, const char *snapshot,
                                       struct hf_err *err) HF_CHECKED;

struct hf_report_rollback {
    const struct hf_run *run;
    const char *snapshot;
    const struct hf_strv *kept, *younger, *warnings;
    bool has_db; /* the database was waited for */
    const struct hf_timeline *timeline;
};
struct json_object *hf_report_rollback(const struct hf_report_rollback *in, struct hf_err *err)
    HF_CHECKED;

/* {"error":{"class","message","hint":null|"…","left":[…]}}, to be put; NULL: no memory. */
struct json_object *hf_report_error(const struct hf_err *err) HF_CHECKED;

/* The member "policy": whose run it is, or null. */
int hf_report_policy(struct json_object *doc, const struct hf_run *run) HF_CHECKED;

/* {"file","offset","gtid","lsn"} of a position with binlog. */
struct json_object *hf_report_position(const struct hf_db_position *p) HF_CHECKED;
/* A number with three decimals. */
struct json_object *hf_report_ms(double ms) HF_CHECKED;

#endif

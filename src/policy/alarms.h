/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/alarms.h - which alarms (catalog/alarm.h) an attempt, a job or a pair of a plan puts on or takes off. Pure.
 *
 * Rules     failed         on by an attempt of a run that failed, off by one that did not
 *           degraded       on by one that was degraded, off by a good one; a failed one leaves it
 *           missed         on when due times passed without a run, or one is overdue; off by a run that did not fail: that is when what was
 *                          missed is made up for
 *           drill-failed   on by a drill that was not good, off by a good one
 *           drill-overdue  as missed, of drills
 *           An attempt that found the VM busy changes nothing: it is tried again, and is overdue when that goes on.
 *           All can be asked twice; what is on stays on.
 * Texts     one line of at most HF_ALARM_TEXT_MAX - 1 bytes of UTF-8: class and message of the attempt's own error, which hold no secrets
 *           (base/err.h), and names and dates from here. Control characters and such as turn the direction of text are blanks; what
 *           is no UTF-8 is '?'; what is cut ends in "…".
 */
#ifndef HF_POLICY_ALARMS_H
#define HF_POLICY_ALARMS_H

#include "catalog/duty.h"
#include "policy/plan.h"

#define HF_ALARM_FAILED "failed"
#define HF_ALARM_DEGRADED "degraded"
#define HF_ALARM_MISSED "missed"
#define HF_ALARM_DRILL_FAILED "drill-failed"
#define HF_ALARM_DRILL_OVERDUE "drill-overdue"
#define HF_ALARM_DAEMON "daemon"

#define HF_ALARM_TEXT_MAX 400
#define HF_ALARM_CHANGES_MAX 3

struct hf_alarm_change {
    const char *kind; /* HF_ALARM_… */
    bool is_on;       /* to be raised; else cleared */
    char text[HF_ALARM_TEXT_MAX];
};

struct hf_alarm_changes {
    struct hf_alarm_change items[HF_ALARM_CHANGES_MAX];
    size_t n;
};

/* By how the last attempt ended. before: the duty before that attempt began, NULL: not known, as for all duties when a daemon starts
 * (it may have died between the end and the alarm). One that goes on, or of which nothing came, changes nothing. */
void hf_alarms_of_attempt(const struct hf_duty *before, const struct hf_duty *after,
                          struct hf_alarm_changes *out);
/* Of a job that begins. */
void hf_alarms_of_job(const struct hf_job *job, struct hf_alarm_changes *out);
/* Of a pair of the plan, when somebody looks. */
void hf_alarms_of_row(const struct hf_plan_row *row, struct hf_alarm_changes *out);

/* Names of the [notify NAME] sections that want to hear of this kind, which are the configuration's, in a list to be freed. config may
 * be NULL. NULL: no memory. */
const char **hf_alarm_targets(const struct hf_config *config, const char *kind, size_t *out_n);

/* Any text as an alarm's text. */
void hf_alarm_text(const char *text, char out[HF_ALARM_TEXT_MAX]);

#endif

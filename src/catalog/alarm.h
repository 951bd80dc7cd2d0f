/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog/alarm.h - what is wrong now, and the messages about it that somebody has still to get.
 *
 * Both are written in one transaction: that an alarm is on and that its message is due cannot come apart. A message stays until it was
 * delivered or given up, over restarts; it may so be sent twice, and never not at all.
 */
#ifndef HF_CATALOG_ALARM_H
#define HF_CATALOG_ALARM_H

#include "catalog/catalog.h"

struct hf_alarm {
    const char
        *kind; /* "failed", "degraded", "missed", "drill-failed", "drill-overdue", "daemon" */
    const char *policy, *vm; /* "" where it is about neither */
    int64_t since_us;        /* wall */
    const char *text;        /* one line for people; no secret, no data */
};
/* On: 1 when it was not, 0 when it was already (its text is then the new one, since_us stays). With 1 a message is due for each of
 * the targets. */
int hf_alarm_raise(struct hf_catalog *c, const struct hf_alarm *a, const char *const *targets,
                   size_t n_targets, struct hf_err *err) HF_CHECKED;
/* Off: 1 when it was on, then a message of recovery is due for each; 0 when it was not. Of kind, policy, vm, text. */
int hf_alarm_clear(struct hf_catalog *c, const struct hf_alarm *a, const char *const *targets,
                   size_t n_targets, struct hf_err *err) HF_CHECKED;
typedef int (*hf_alarm_cb)(void *ctx, const struct hf_alarm *a, struct hf_err *err);
/* Those that are on, the oldest first. */
int hf_alarms(struct hf_catalog *c, hf_alarm_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;

struct hf_message {
    int64_t id;
    const char *target; /* a [notify NAME] */
    bool is_recovery;
    struct hf_alarm alarm;
    int64_t at_us;   /* when it became due */
    uint32_t tries;  /* so far */
    int64_t next_us; /* not before; wall */
};
typedef int (*hf_message_cb)(void *ctx, const struct hf_message *m, struct hf_err *err);
/* Undelivered ones, the oldest first, at most `limit`. */
int hf_messages(struct hf_catalog *c, size_t limit, hf_message_cb emit, void *ctx,
                struct hf_err *err) HF_CHECKED;
/* By id and at_us; one that is not there (any more) is passed over. */
struct hf_message_key {
    int64_t id, at_us;
};
/* Delivered, or given up: all of them, or none. */
int hf_messages_drop(struct hf_catalog *c, const struct hf_message_key *keys, size_t n,
                     struct hf_err *err) HF_CHECKED;
/* All of them, or none. */
struct hf_message_later {
    int64_t id;
    uint32_t tries;
    int64_t next_us;
};
int hf_messages_later(struct hf_catalog *c, const struct hf_message_later *later, size_t n,
                      struct hf_err *err) HF_CHECKED;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/alarms.h - the alarms of the catalog, as policy/alarms.h decides them from what the daemon does.
 *
 * Which are on is kept in memory, so that what changes nothing is not written. When the catalog is opened it is read again, and every
 * duty is judged anew: a daemon that died between the end of a run and its alarm is made up for. Alarms of pairs that are no longer
 * configured go then.
 */
#ifndef HF_DAEMON_ALARMS_H
#define HF_DAEMON_ALARMS_H

#include "daemon/daemon.h"

/* Who gets messages about alarms of this kind: at most max names, borrowed until the configuration changes. */
typedef size_t (*hf_alarm_targets_fn)(void *ctx, const char *kind, const char **out, size_t max);
#define HF_ALARM_TARGETS_MAX 64

struct hf_daemon_alarms;

/* targets NULL: nobody. NULL: no memory. */
struct hf_daemon_alarms *hf_daemon_alarms_new(hf_alarm_targets_fn targets, void *targets_ctx);
void hf_daemon_alarms_free(struct hf_daemon_alarms *a);
HF_DEFINE_AUTO(hf_daemon_alarms, hf_daemon_alarms_free)

/* The hooks of these names (daemon/daemon.h), ctx being the alarms. */
int hf_daemon_alarms_attached(void *ctx, struct hf_catalog *c, const struct hf_plan *plan,
                              int64_t now_s, struct hf_err *err);
int hf_daemon_alarms_changed(void *ctx, struct hf_catalog *c, const struct hf_daemon_change *change,
                             struct hf_err *err);
int hf_daemon_alarms_trouble(void *ctx, struct hf_catalog *c, const char *text, struct hf_err *err);
/* Looks for what is overdue: every five minutes while something waits, and once behind each burst of changes. */
int hf_daemon_alarms_turned(void *ctx, struct hf_catalog *c, const struct hf_plan *plan,
                            int64_t now_s, int64_t *io_wake_s, struct hf_err *err);

#endif

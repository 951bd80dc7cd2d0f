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

struct hf_daemon_alarms;

/* NULL: no memory. */
struct hf_daemon_alarms *hf_daemon_alarms_new(void);
void hf_daemon_alarms_free(struct hf_daemon_alarms *a);
HF_DEFINE_AUTO(hf_daemon_alarms, hf_daemon_alarms_free)

/* The hooks of these names (daemon/daemon.h), ctx being the alarms. Messages are for the [notify NAME] whose key `on` has the kind. */
void hf_daemon_alarms_configured(void *ctx, const struct hf_config *config);
int hf_daemon_alarms_attached(void *ctx, struct hf_catalog *c, const struct hf_plan *plan,
                              int64_t now_s, struct hf_err *err);
int hf_daemon_alarms_changed(void *ctx, struct hf_catalog *c, const struct hf_daemon_change *change,
                             struct hf_err *err);
int hf_daemon_alarms_trouble(void *ctx, struct hf_catalog *c, const char *text, struct hf_err *err);
/* Looks for what is overdue: every five minutes while something waits, and once behind each burst of changes. */
int hf_daemon_alarms_turned(void *ctx, struct hf_catalog *c, const struct hf_plan *plan,
                            int64_t now_s, int64_t *io_wake_s, struct hf_err *err);

/* Whether one was raised, cleared or has another text since the last call. */
bool hf_daemon_alarms_take_news(struct hf_daemon_alarms *a);

#endif

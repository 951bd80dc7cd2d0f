/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/deadman.h - timers inside the guest that undo a hold by themselves when holdfast and its host are gone.
 *
 * A dead-man is a transient systemd unit named holdfast-deadman-RUN-WHAT. It needs nothing of ours once it is armed. Armed
 * before its hold is taken, disarmed after the hold was let go.
 *
 *     start   a timer that starts units (systemctl start), accurate to 100 ms
 *     thaw    a process, running already because a frozen system should start none, that sleeps and then thaws each mount
 *             (fsfreeze --unfreeze). The guest agent goes on believing that it is frozen: send it a thaw afterwards.
 *
 * A dead-man that fired voids what the hold proves. Crash: an armed one fires, which is harmless when the hold is gone
 * already: units that run are not started twice, mounts that are not frozen stay as they are.
 */
#ifndef HF_GUEST_DEADMAN_H
#define HF_GUEST_DEADMAN_H

#include "base/strv.h"
#include "guest/guest.h"

#include <stdbool.h>

#define HF_DEADMAN_MAX 128

/* "holdfast-deadman-RUN-WHAT" */
void hf_deadman_name(char out[HF_DEADMAN_MAX], const char *run_id, const char *what);

/* Fires after_ms from now, on the guest's clock. */
int hf_deadman_arm_start(struct hf_guest *g, const char *name, const struct hf_strv *units,
                         int64_t after_ms, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
int hf_deadman_arm_thaw(struct hf_guest *g, const char *name, const struct hf_strv *mounts,
                        int64_t after_ms, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
/* Idempotent. *out_fired: it is not there any more, so it fired (or was never armed). */
int hf_deadman_disarm(struct hf_guest *g, const char *name, int64_t deadline_ms, bool *out_fired,
                      struct hf_err *err) HF_CHECKED;
/* Adds the names of all that are armed now, whoever armed them; run_id NULL: of all runs. */
int hf_deadman_list(struct hf_guest *g, const char *run_id, struct hf_strv *out,
                    int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
/* For `check`: arms one that does nothing and measures how late it fires, in ms. Waits after_ms and a little. */
int hf_deadman_measure(struct hf_guest *g, const char *name, int64_t after_ms, int64_t deadline_ms,
                       int64_t *out_late_ms, struct hf_err *err) HF_CHECKED;

#endif
